"""Sonic's operations that start no task: the response has the result, or a file that the service prepares first."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from musicapi_async._clip_fields import ClipOrId, clip_field
from musicapi_async._fields import check_order, number_field, parts_field, text_field, texts_field
from musicapi_async._operation import operation, operation_at
from musicapi_async._request import GET, POST, Request, TaskRequest
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests._shared import UPLOAD_SECONDS, WEB
from musicapi_async.results import (
    AlignedLyrics,
    Batch,
    Bpm,
    DownloadFile,
    DownloadFiles,
    Midi,
    Persona,
    Songs,
    UploadedClip,
    UpsampledTags,
    Vox,
)

__all__ = [
    "FORMATS",
    "AlignLyrics",
    "CreatePersona",
    "Download",
    "GetBatch",
    "GetBpm",
    "GetMidi",
    "GetVox",
    "GetWav",
    "SubmitBatch",
    "Upload",
    "UpsampleTags",
]

FORMATS: Final = ("mp3", "m4a", "wav")
MAX_VOX: Final = 30.0
CREATE: Final = "/sonic/create"


@operation(POST, "/sonic/upload", credits=2, as_of="2026-07-15", source="https://docs.musicapi.ai/upload-music")
class Upload(Request[UploadedClip]):
    """Upload your own audio as a clip that can be extended, covered or sung over; takes about 20 s."""

    min_timeout = UPLOAD_SECONDS

    url: str = text_field(
        begins=WEB, doc="public, direct URL of an MP3 or WAV of at most 8 minutes, on a host that accepts HEAD requests"
    )


@operation(
    POST,
    "/sonic/persona",
    credits=1,
    as_of="2026-07-15",
    source="OpenAPI file of musicapi-sdk 0.1.0, createPersona",
)
class CreatePersona(Request[Persona]):
    """Make a persona from a clip's voice, for ``sonic.persona_song``."""

    name: str = text_field(max_length=79)
    clip: ClipOrId = clip_field(wire="clip_id")
    description: str | None = text_field(default=None, wire="describe")
    styles: str | None = text_field(default=None, max_length=2000)
    vox_audio_id: str | None = text_field(default=None, doc="from ``sonic.vox``, with the same range")
    start: float | None = number_field(default=None, wire="vocal_start_s", ge=0, doc="seconds")
    end: float | None = number_field(default=None, wire="vocal_end_s", ge=0, doc="seconds")

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)


@operation(
    POST,
    "/sonic/aligned-lyrics",
    credits=1,
    as_of="2026-09-03",
    source="https://docs.musicapi.ai/get-suno-lyrics-timeline",
)
class AlignLyrics(Request[AlignedLyrics]):
    """Find when each word of a clip is sung; later calls for the same clip are free."""

    is_async_export = True

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/bpm", credits=1, as_of="2026-07-15", source="OpenAPI file of musicapi-sdk 0.1.0, getBpm")
class GetBpm(Request[Bpm]):
    """Estimate the tempo of a clip, which should be at most 24 hours old."""

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/vox", credits=1, as_of="2026-07-15", source="https://docs.musicapi.ai/get-vox")
class GetVox(Request[Vox]):
    """Extract the voice from at most 30 seconds of a clip, which should be at most 24 hours old."""

    clip: ClipOrId = clip_field(wire="clip_id")
    start: float | None = number_field(default=None, wire="vocal_start_s", ge=0, doc="seconds")
    end: float | None = number_field(default=None, wire="vocal_end_s", ge=0, doc="seconds, at most 30 after ``start``")

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)
        if self.end is not None and self.end - (self.start or 0) > MAX_VOX:
            message = f"end is {self.end!r}; the service takes at most {MAX_VOX:g} seconds from start on"
            raise InvalidRequestError(message, "end", self.end, MAX_VOX)


@operation(POST, "/sonic/wav", credits=2, as_of="2026-10-07", source="OpenAPI file of musicapi-sdk 0.1.0, getWav")
class GetWav(Request[DownloadFile]):
    """Convert a clip to a WAV file."""

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/midi", credits=1, as_of="2026-07-15", source="https://docs.musicapi.ai/get-midi")
class GetMidi(Request[Midi]):
    """Transcribe a clip or a stem into notes; it should be at most 24 hours old; waits until they are ready."""

    is_async_export = True

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/download", credits=2, as_of="2026-09-03", source="third-party clients of POST /sonic/download")
class Download(Request[DownloadFiles]):
    """Prepare a clip's files in other formats, for ``client.download``; waits until they are ready."""

    is_async_export = True

    clip: ClipOrId = clip_field(wire="clip_id")
    formats: Sequence[str] = texts_field(wire="formats", choices=FORMATS, doc="formats to prepare", default=FORMATS)


@operation(
    POST,
    "/sonic/upsample-tags",
    credits=1,
    as_of="2026-07-15",
    source="OpenAPI file of musicapi-sdk 0.1.0, upsampleTags",
)
class UpsampleTags(Request[UpsampledTags]):
    """Expand a few style tags into a full description of a style."""

    tags: str = text_field()


def _item(value: Any) -> TaskRequest[Songs]:
    """Return an item of a batch; one from JSON is converted to its request."""
    cls = operation_at(POST, CREATE, value) if isinstance(value, Mapping) else None
    request = value if cls is None else cls.from_wire(value)
    if not isinstance(request, TaskRequest) or request.path != CREATE:
        # Not the value itself: it may hold a webhook's secret.
        message = f"items holds a {type(value).__name__} that is no request of {CREATE}, such as sonic.Create(...)"
        raise InvalidRequestError(message, "items", type(value).__name__, "requests")
    return request


@operation(
    POST, "/sonic/batch", credits=None, as_of="2026-07-15", source="https://musicapi.ai/batch-music-generation-api"
)
class SubmitBatch(Request[Batch]):
    """Start 1 to 10 tasks with one request, at the price of each; ``client.run`` takes any number, one request each."""

    items: Sequence[TaskRequest[Songs]] = parts_field(
        wire="items",
        read=_item,
        write=lambda request: request.to_wire(),
        max_items=10,
        doc="such as ``sonic.Create(...)``",
    )


@operation(
    GET, "/sonic/batch", credits=0, as_of="2026-07-15", source="https://musicapi.ai/docs/guides/output-endpoints"
)
class GetBatch(Request[Batch]):
    """Look up the tasks of a batch."""

    batch_id: str = text_field()
