"""Riffusion (FUZZ): deprecated by the vendor, but still available; use ``sonic`` for new work.

Source: https://docs.musicapi.ai, section "riffusion(Deprecated)",
``POST /riffusion/create`` and ``GET /riffusion/task/{task_id}``.
"""

from typing import ClassVar, Final

from musicapi_async._clip_fields import ClipOrId, clip_field
from musicapi_async._fields import check_order, flag, number_field, text_field
from musicapi_async._operation import operation
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


class _Song(TaskRequest[Songs]):
    __slots__ = ()

    replacement = "client.sonic"


@operation(POST, PATH, credits=12, as_of=AS_OF, source=PAGE, task_type="create_music", custom_mode=True)
class Create(_Song):
    """Make two songs from your lyrics, with word timings. Deprecated by the vendor: prefer ``sonic.create``.

    Args:
        lyrics: Lyrics; at most 3000 characters.
        sound: Style, voice and genre; at most 200 characters.
        title: Title of the songs; at most 80 characters.
        instrumental: True for a song without vocals.
        model: One of ``riffusion.MODELS``, or another model id of the service; ``FUZZ-1.1 Pro`` if not given.

    Costs 12 credits as of 2025-06-19.
    """

    lyrics: str | None = text_field(default=None, max_length=3000)
    sound: str | None = text_field(default=None, max_length=200)
    title: str | None = text_field(default=None, max_length=80)
    instrumental: bool = flag(default=False, wire="make_instrumental")
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")


@operation(POST, PATH, credits=12, as_of=AS_OF, source=PAGE, task_type="create_music", custom_mode=False)
class Describe(_Song):
    """Make two songs from a description. Deprecated by the vendor: prefer ``sonic.describe``.

    Args:
        description: What the song is to be like; at most 200 characters.
        model: One of ``riffusion.MODELS``, or another model id of the service; ``FUZZ-1.1 Pro`` if not given.

    Costs 12 credits as of 2025-06-19.
    """

    description: str = text_field(wire="prompt", max_length=200)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")


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
class Extend(_Song):
    """Continue a clip from ``at``. Deprecated by the vendor: prefer ``sonic.extend``.

    Args:
        clip: Generated or uploaded clip, or its id.
        lyrics: Lyrics; at most 3000 characters.
        sound: Style, voice and genre, or what is to change; at most 200 characters.
        at: Seconds from the clip's beginning, at least 0.
        title: Title of the songs; at most 80 characters.
        model: One of ``riffusion.MODELS``, or another model id of the service; ``FUZZ-1.1 Pro`` if not given.

    Costs 12 credits as of 2025-06-19.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id", has_upload_variant=True)
    lyrics: str = text_field(max_length=3000)
    sound: str = text_field(max_length=200)
    at: float = number_field(wire="continue_at", ge=0)
    title: str | None = text_field(default=None, max_length=80)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")


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
class Cover(_Song):
    """Make two covers of a clip. Deprecated by the vendor: prefer ``sonic.cover``.

    Args:
        clip: Generated or uploaded clip, or its id.
        lyrics: Lyrics; at most 3000 characters.
        sound: Style, voice and genre, or what is to change; at most 200 characters.
        title: Title of the songs; at most 80 characters.
        vocal_variation: From 0 to 1.
        model: One of ``riffusion.MODELS``, or another model id of the service; ``FUZZ-1.1 Pro`` if not given.

    Costs 12 credits as of 2025-06-19.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id", has_upload_variant=True)
    lyrics: str = text_field(max_length=3000)
    sound: str = text_field(max_length=200)
    title: str | None = text_field(default=None, max_length=80)
    vocal_variation: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")


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
class ReplaceSection(_Song):
    """Regenerate a section of a clip. Deprecated by the vendor: prefer ``sonic.replace_section``.

    Args:
        clip: Generated or uploaded clip, or its id.
        lyrics: Lyrics; at most 3000 characters.
        sound: Style, voice and genre, or what is to change; at most 200 characters.
        start: Seconds from the clip's beginning, at least 0.
        end: Seconds from the clip's beginning, after ``start``.
        title: Title of the songs; at most 80 characters.
        model: One of ``riffusion.MODELS``, or another model id of the service; ``FUZZ-1.1 Pro`` if not given.

    Costs 12 credits as of 2025-06-19.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id", has_upload_variant=True)
    lyrics: str = text_field(max_length=3000)
    sound: str = text_field(max_length=200)
    start: float = number_field(wire="replace_start_time", ge=0)
    end: float = number_field(wire="replace_end_time", ge=0)
    title: str | None = text_field(default=None, max_length=80)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")

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
class SwapSound(_Song):
    """Keep a clip's voice and change its sound. Deprecated by the vendor: ``sonic.cover`` is the closest operation.

    Args:
        clip: Generated or uploaded clip, or its id.
        lyrics: Lyrics; at most 3000 characters.
        sound: Style, voice and genre, or what is to change; at most 200 characters.
        title: Title of the songs; at most 80 characters.
        vocal_variation: From 0 to 1.
        model: One of ``riffusion.MODELS``, or another model id of the service; ``FUZZ-1.1 Pro`` if not given.

    Costs 12 credits as of 2025-06-19.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id", has_upload_variant=True)
    lyrics: str = text_field(max_length=3000)
    sound: str = text_field(max_length=200)
    title: str | None = text_field(default=None, max_length=80)
    vocal_variation: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")


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
class SwapVocals(_Song):
    """Keep a clip's sound and change its voice. Deprecated by the vendor: ``sonic.cover`` is the closest operation.

    Args:
        clip: Generated or uploaded clip, or its id.
        lyrics: Lyrics; at most 3000 characters.
        sound: Style, voice and genre, or what is to change; at most 200 characters.
        title: Title of the songs; at most 80 characters.
        vocal_variation: From 0 to 1.
        model: One of ``riffusion.MODELS``, or another model id of the service; ``FUZZ-1.1 Pro`` if not given.

    Costs 12 credits as of 2025-06-19.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id", has_upload_variant=True)
    lyrics: str = text_field(max_length=3000)
    sound: str = text_field(max_length=200)
    title: str | None = text_field(default=None, max_length=80)
    vocal_variation: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")


@operation(POST, "/riffusion/upload", credits=2, as_of=AS_OF, source="https://docs.musicapi.ai/api-314451567")
class Upload(Request[UploadedClip]):
    """Upload your own audio for riffusion. Deprecated by the vendor: prefer ``sonic.upload``.

    Args:
        url: Public, direct ``http(s)://`` URL of an audio file.

    Costs 2 credits as of 2025-06-19.
    """

    min_timeout = UPLOAD_SECONDS
    replacement = "client.sonic.upload"

    url: str = text_field(begins=WEB)


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
