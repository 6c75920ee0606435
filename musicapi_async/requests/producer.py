"""Producer (Lyria 3 Pro): one song for each request, in about half a minute.

Source: https://docs.musicapi.ai, section "Producer", ``POST /producer/create`` and ``GET /producer/task/{task_id}``.
"""

from typing import ClassVar, Final

from musicapi_async._clip_fields import ClipOrId, clip_field
from musicapi_async._fields import check_order, number_field, seed_field, text_field
from musicapi_async._operation import operation, shared_fields
from musicapi_async._request import POST, TaskRequest
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests._family import TaskFamily, submits
from musicapi_async.requests._shared import UPLOAD_SECONDS, WEB, Reported
from musicapi_async.results import DownloadFiles, Songs, UploadedClip

__all__ = ["FORMATS", "MODELS", "Cover", "Create", "Download", "Extend", "Replace", "Upload"]

MODELS: Final = ("Lyria 3 Pro",)
"""The model known today; the older names (``FUZZ-2.0`` and the like) are taken for it."""
FORMATS: Final = ("mp3", "wav")
OVERVIEW: Final = "https://docs.musicapi.ai/producer-api-overview"
INSTRUCTION: Final = "what to do, in plain language"


@shared_fields
class _Song(Reported[Songs]):
    expected_clips = 1
    replacement = "client.producer.create, or client.sonic"

    title: str | None = text_field(default=None, max_length=80)
    sound: str | None = text_field(default=None, doc="style, mood and instruments; ten words or more work best")
    lyrics: str | None = text_field(default=None, doc="leave out for an instrumental; 20 words or more work best")
    model: str | None = text_field(last=1, default=None, wire="mv", doc="chosen by the service if not given")
    seed: int | str | None = seed_field(default=None, doc="a whole number or a string")


@operation(POST, "/producer/create", credits=12, as_of="2026-05-20", source=OVERVIEW, task_type="create_music")
class Create(_Song):
    """Make a song from a sound, lyrics, or both; without lyrics, put "instrumental, no vocals" in ``sound``."""

    replacement = "client.sonic"

    length: float | None = number_field(default=None, ge=1, le=240, doc="target length in seconds")
    bpm: float | None = number_field(default=None, doc="beats per minute")

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        if self.sound is None and self.lyrics is None:
            message = "producer.create needs sound or lyrics"
            raise InvalidRequestError(message, "sound", None, "sound or lyrics")


@operation(
    POST,
    "/producer/create",
    credits=12,
    as_of="2026-05-20",
    source="https://docs.musicapi.ai/api-450367154",
    task_type="extend_music",
    upload_task_type="extend_upload_music",
)
class Extend(_Song):
    """Continue a clip from ``at``."""

    clip: ClipOrId = clip_field(
        wire="clip_id", has_upload_variant=True, doc="a generated or an uploaded clip, or an id"
    )
    at: float = number_field(wire="starts_at", ge=0, doc="seconds from the clip's beginning")
    instruction: str | None = text_field(default=None, doc=INSTRUCTION)
    length: float | None = number_field(default=None, ge=1, le=240, doc="seconds of new audio")


@operation(
    POST,
    "/producer/create",
    credits=12,
    as_of="2026-05-20",
    source="https://docs.musicapi.ai/api-450367170",
    task_type="replace_music",
    upload_task_type="replace_upload_music",
)
class Replace(_Song):
    """Regenerate a section of a clip, from ``start`` to ``end``."""

    clip: ClipOrId = clip_field(
        wire="clip_id", has_upload_variant=True, doc="a generated or an uploaded clip, or an id"
    )
    start: float = number_field(wire="starts_at", ge=0, doc="seconds")
    end: float = number_field(wire="ends_at", ge=0, doc="seconds, after ``start``")
    instruction: str | None = text_field(default=None, doc=INSTRUCTION)

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)


@operation(
    POST,
    "/producer/create",
    credits=12,
    as_of="2026-05-20",
    source="https://docs.musicapi.ai/api-460957729",
    task_type="cover_music",
    upload_task_type="cover_upload_music",
)
class Cover(_Song):
    """Regenerate a clip in another style; if the service responds that this is retired, use ``sonic.cover``."""

    clip: ClipOrId = clip_field(
        wire="clip_id", has_upload_variant=True, doc="a generated or an uploaded clip, or an id"
    )
    instruction: str = text_field(doc=INSTRUCTION)
    strength: float | None = number_field(default=None, ge=0, le=1, doc="0.5 if not given")


@operation(POST, "/producer/upload", credits=2, as_of="2026-07-15", source=OVERVIEW)
class Upload(Reported[UploadedClip]):
    """Upload your own audio as a clip, to extend it, cover it or replace its sections."""

    expected_clips = 1
    min_timeout = UPLOAD_SECONDS
    replacement = "client.sonic.upload"

    url: str = text_field(wire="audio_url", begins=WEB, doc="public, direct URL of an audio file")


@operation(POST, "/producer/download", credits=2, as_of="2026-07-15", source=OVERVIEW)
class Download(Reported[DownloadFiles]):
    """Prepare a clip's file for ``client.download``; a finished song already has the URL of one."""

    expected_clips = 1
    replacement = "client.download(clip)"

    clip: ClipOrId = clip_field(wire="clip_id")
    format: str | None = text_field(default=None, choices=FORMATS, doc="mp3 if not given")


class Producer(TaskFamily):
    """One song for each request, made from a sound, from lyrics, or from another clip."""

    songs: ClassVar[type[TaskRequest[Songs]]] = Create

    create: Final = submits(Create)
    extend: Final = submits(Extend)
    replace: Final = submits(Replace)
    cover: Final = submits(Cover)
    upload: Final = submits(Upload)
    download: Final = submits(Download)
