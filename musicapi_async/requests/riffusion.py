"""Riffusion (FUZZ): deprecated by the vendor, but still available; use ``sonic`` for new work.

Source: https://docs.musicapi.ai, section "riffusion(Deprecated)",
``POST /riffusion/create`` and ``GET /riffusion/task/{task_id}``.
"""

from typing import ClassVar, Final

from musicapi_async._clip_fields import ClipOrId, clip_field
from musicapi_async._fields import check_order, flag, number_field, text_field
from musicapi_async._operation import operation, shared_fields
from musicapi_async._request import POST, Request, TaskRequest
from musicapi_async.requests._family import TaskFamily, calls, submits
from musicapi_async.requests._shared import UPLOAD_SECONDS, WEB
from musicapi_async.results import Songs, UploadedClip

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "Cover",
    "Create",
    "Describe",
    "Extend",
    "ReplaceSection",
    "SwapSound",
    "SwapVocals",
    "Upload",
]

DEFAULT_MODEL: Final = "FUZZ-1.1 Pro"
MODELS: Final = ("FUZZ-1.1 Pro", "FUZZ-1.1", "FUZZ-1.0 Pro", "FUZZ-1.0")
PATH: Final = "/riffusion/create"
PAGE: Final = "https://docs.musicapi.ai/riffusion-instructions"
AS_OF: Final = "2025-06-19"
EITHER: Final = "a generated or an uploaded clip, or an id"


@shared_fields
class _Song(TaskRequest[Songs]):
    replacement = "client.sonic"

    model: str | None = text_field(
        last=1,
        default=None,
        sent_default=DEFAULT_MODEL,
        wire="mv",
        doc="one of ``riffusion.MODELS``, or another model id of the service",
    )


@shared_fields
class _Changed(_Song):
    clip: ClipOrId = clip_field(wire="continue_clip_id", has_upload_variant=True, doc=EITHER)
    lyrics: str = text_field(max_length=3000)
    sound: str = text_field(max_length=200, doc="style, voice and genre, or what is to change")
    title: str | None = text_field(default=None, max_length=80)


@shared_fields
class _Varied(_Changed):
    vocal_variation: float | None = number_field(default=None, ge=0, le=1)


@operation(POST, PATH, credits=12, as_of=AS_OF, source=PAGE, task_type="create_music", custom_mode=True)
class Create(_Song):
    """Make two songs from your lyrics, with word timings. Deprecated by the vendor: prefer ``sonic.create``."""

    lyrics: str | None = text_field(default=None, max_length=3000)
    sound: str | None = text_field(default=None, max_length=200, doc="style, voice and genre")
    title: str | None = text_field(default=None, max_length=80)
    instrumental: bool = flag(default=False, wire="make_instrumental", doc="without vocals")


@operation(POST, PATH, credits=12, as_of=AS_OF, source=PAGE, task_type="create_music", custom_mode=False)
class Describe(_Song):
    """Make two songs from a description. Deprecated by the vendor: prefer ``sonic.describe``."""

    description: str = text_field(wire="prompt", max_length=200)


@operation(
    POST,
    PATH,
    credits=12,
    as_of=AS_OF,
    source="https://docs.musicapi.ai/riffusion-extend-music",
    task_type="extend_music",
    upload_task_type="extend_upload_music",
    custom_mode=True,
)
class Extend(_Changed):
    """Continue a clip from ``at``. Deprecated by the vendor: prefer ``sonic.extend``."""

    at: float = number_field(wire="continue_at", ge=0, doc="seconds from the clip's beginning")


@operation(
    POST,
    PATH,
    credits=12,
    as_of=AS_OF,
    source=PAGE,
    task_type="cover_music",
    upload_task_type="cover_upload_music",
    custom_mode=True,
)
class Cover(_Varied):
    """Make two covers of a clip. Deprecated by the vendor: prefer ``sonic.cover``."""


@operation(
    POST,
    PATH,
    credits=12,
    as_of=AS_OF,
    source=PAGE,
    task_type="replace_music",
    upload_task_type="replace_upload_music",
    custom_mode=True,
)
class ReplaceSection(_Changed):
    """Regenerate a section of a clip. Deprecated by the vendor: prefer ``sonic.replace_section``."""

    start: float = number_field(wire="replace_start_time", ge=0, doc="seconds")
    end: float = number_field(wire="replace_end_time", ge=0, doc="seconds, after ``start``")

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)


@operation(
    POST,
    PATH,
    credits=12,
    as_of=AS_OF,
    source=PAGE,
    task_type="swap_music_sound",
    upload_task_type="swap_upload_music_sound",
    custom_mode=True,
)
class SwapSound(_Varied):
    """Keep a clip's voice and change its sound. Deprecated by the vendor: ``sonic.cover`` is the closest operation."""


@operation(
    POST,
    PATH,
    credits=12,
    as_of=AS_OF,
    source="https://docs.musicapi.ai/riffusion-swap-music-vocals",
    task_type="swap_music_vocals",
    upload_task_type="swap_upload_music_vocals",
    custom_mode=True,
)
class SwapVocals(_Varied):
    """Keep a clip's sound and change its voice. Deprecated by the vendor: ``sonic.cover`` is the closest operation."""


@operation(POST, "/riffusion/upload", credits=2, as_of=AS_OF, source="https://docs.musicapi.ai/api-314451567")
class Upload(Request[UploadedClip]):
    """Upload your own audio for riffusion. Deprecated by the vendor: prefer ``sonic.upload``."""

    min_timeout = UPLOAD_SECONDS
    replacement = "client.sonic.upload"

    url: str = text_field(begins=WEB, doc="public, direct URL of an audio file")


class Riffusion(TaskFamily):
    """Songs with the time of every word; deprecated by the vendor."""

    songs: ClassVar[type[TaskRequest[Songs]]] = Create

    create: Final = submits(Create)
    describe: Final = submits(Describe)
    extend: Final = submits(Extend)
    cover: Final = submits(Cover)
    replace_section: Final = submits(ReplaceSection)
    swap_sound: Final = submits(SwapSound)
    swap_vocals: Final = submits(SwapVocals)
    upload: Final = calls(Upload)
