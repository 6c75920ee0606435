"""Stems, aligned lyrics, notes and files of a clip; uploads, personas and batches."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from musicapi_async._clip_fields import ClipOrId, clip_field
from musicapi_async._fields import check_order, number_field, parts_field, tags_field, text_field, texts_field
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
    Stems,
    UploadedClip,
    UpsampledTags,
    Vox,
)

__all__ = [
    "FORMATS",
    "AlignLyrics",
    "BasicStems",
    "CreatePersona",
    "Download",
    "FullStems",
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
    """Upload your own audio as a clip that can be extended, covered or sung over; takes about 20 s.

    Args:
        url: Public, direct ``http(s)://`` URL of an MP3 or WAV of at most 8 minutes; its host accepts HEAD requests.

    Costs 2 credits as of 2026-07-15.
    """

    min_timeout = UPLOAD_SECONDS

    url: str = text_field(begins=WEB)


@operation(
    POST, "/sonic/persona", credits=1, as_of="2026-07-15", source="OpenAPI file of musicapi-sdk 0.1.0, createPersona"
)
class CreatePersona(Request[Persona]):
    """Make a persona from a clip's voice, for ``sonic.persona_song``.

    Args:
        name: Name of the persona; at most 79 characters.
        clip: Clip, or its id.
        description: Description of the persona.
        styles: Styles of the persona; at most 2000 characters.
        vox_audio_id: Id from ``sonic.vox``, with the same range.
        start: Seconds from the clip's beginning, at least 0.
        end: Seconds from the clip's beginning, after ``start``.

    Costs 1 credit as of 2026-07-15.
    """

    name: str = text_field(max_length=79)
    clip: ClipOrId = clip_field(wire="clip_id")
    description: str | None = text_field(default=None, wire="describe")
    styles: str | Sequence[str] | None = tags_field(default=None, max_length=2000)
    vox_audio_id: str | None = text_field(default=None)
    start: float | None = number_field(default=None, wire="vocal_start_s", ge=0)
    end: float | None = number_field(default=None, wire="vocal_end_s", ge=0)

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
    """Find when each word of a clip is sung; later calls for the same clip are free.

    Args:
        clip: Clip, or its id.

    Costs 1 credit as of 2026-09-03.
    """

    is_async_export = True

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/stems/basic", credits=30, as_of="2026-10-07", source="https://docs.musicapi.ai/stems-basic")
class BasicStems(TaskRequest[Stems]):
    """Separate a clip into voice and accompaniment, or into four stems, as newer documentation has it.

    Args:
        clip: Clip, or its id.

    Costs 30 credits as of 2026-10-07.
    """

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/stems/full", credits=75, as_of="2026-10-07", source="https://docs.musicapi.ai/stems-full")
class FullStems(TaskRequest[Stems]):
    """Separate a clip into its instruments: 12 stems, or 24, as newer documentation has it.

    Args:
        clip: Clip, or its id.

    Costs 75 credits as of 2026-10-07.
    """

    expected_clips = 12

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/bpm", credits=1, as_of="2026-07-15", source="OpenAPI file of musicapi-sdk 0.1.0, getBpm")
class GetBpm(Request[Bpm]):
    """Estimate the tempo of a clip, which should be at most 24 hours old.

    Args:
        clip: Clip, or its id.

    Costs 1 credit as of 2026-07-15.
    """

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/vox", credits=1, as_of="2026-07-15", source="https://docs.musicapi.ai/get-vox")
class GetVox(Request[Vox]):
    """Extract the voice from at most 30 seconds of a clip, which should be at most 24 hours old.

    Args:
        clip: Clip, or its id.
        start: Seconds from the clip's beginning, at least 0.
        end: Seconds from the clip's beginning, at most 30 after ``start``.

    Costs 1 credit as of 2026-07-15.
    """

    clip: ClipOrId = clip_field(wire="clip_id")
    start: float | None = number_field(default=None, wire="vocal_start_s", ge=0)
    end: float | None = number_field(default=None, wire="vocal_end_s", ge=0)

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)
        if self.end is not None and self.end - (self.start or 0) > MAX_VOX:
            message = f"end is {self.end!r}; the service takes at most {MAX_VOX:g} seconds from start on"
            raise InvalidRequestError(message, "end", self.end, MAX_VOX)


@operation(POST, "/sonic/wav", credits=2, as_of="2026-10-07", source="OpenAPI file of musicapi-sdk 0.1.0, getWav")
class GetWav(Request[DownloadFile]):
    """Convert a clip to a WAV file.

    Args:
        clip: Clip, or its id.

    Costs 2 credits as of 2026-10-07.
    """

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/midi", credits=1, as_of="2026-07-15", source="https://docs.musicapi.ai/get-midi")
class GetMidi(Request[Midi]):
    """Transcribe a clip or a stem into notes; it should be at most 24 hours old; waits until they are ready.

    Args:
        clip: Clip, or its id.

    Costs 1 credit as of 2026-07-15.
    """

    is_async_export = True

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/download", credits=2, as_of="2026-09-03", source="third-party clients of POST /sonic/download")
class Download(Request[DownloadFiles]):
    """Prepare a clip's files in other formats, for ``client.download``; waits until they are ready.

    Args:
        clip: Clip, or its id.
        formats: 1 to 3 different ones of ``mp3``, ``m4a`` and ``wav``.

    Costs 2 credits as of 2026-09-03.
    """

    is_async_export = True

    clip: ClipOrId = clip_field(wire="clip_id")
    formats: Sequence[str] = texts_field(wire="formats", choices=FORMATS, default=FORMATS)


@operation(
    POST,
    "/sonic/upsample-tags",
    credits=1,
    as_of="2026-07-15",
    source="OpenAPI file of musicapi-sdk 0.1.0, upsampleTags",
)
class UpsampleTags(Request[UpsampledTags]):
    """Expand a few style tags into a full description of a style.

    Args:
        tags: Styles to expand, comma-separated.

    Costs 1 credit as of 2026-07-15.
    """

    tags: str | Sequence[str] = tags_field()


def _item(value: Any) -> TaskRequest[Songs]:
    """Return an item of a batch; one from JSON is converted to its request."""
    cls = operation_at(POST, CREATE, value) if isinstance(value, Mapping) else None
    request = value if cls is None else cls.from_wire(value)
    if not isinstance(request, TaskRequest) or request.path != CREATE:
        # Not the value itself: it may hold a webhook's secret.
        message = (
            f"it is of type {type(value).__name__}; it must be a request of POST {CREATE}, such as sonic.Create(...)"
        )
        raise InvalidRequestError(message, "items", type(value).__name__, "requests")
    return request


@operation(
    POST, "/sonic/batch", credits=None, as_of="2026-07-15", source="https://musicapi.ai/batch-music-generation-api"
)
class SubmitBatch(Request[Batch]):
    """Start 1 to 10 tasks with one request, at the price of each; ``client.run`` takes any number, one request each.

    Args:
        items: 1 to 10 requests of ``POST /sonic/create``, such as ``sonic.Create(...)``.

    Its price is not documented.
    """

    items: Sequence[TaskRequest[Songs]] = parts_field(
        wire="items", read=_item, write=lambda request: request.to_wire(), max_items=10
    )


@operation(
    GET, "/sonic/batch", credits=0, as_of="2026-07-15", source="https://musicapi.ai/docs/guides/output-endpoints"
)
class GetBatch(Request[Batch]):
    """Look up the tasks of a batch.

    Args:
        batch_id: Id of the batch, from ``sonic.batch``.

    Free.
    """

    batch_id: str = text_field()
