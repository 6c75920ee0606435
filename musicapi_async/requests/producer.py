"""Producer (Lyria 3 Pro): one song for each request, in about half a minute.

Source: https://docs.musicapi.ai, section "Producer", ``POST /producer/create`` and ``GET /producer/task/{task_id}``.
"""

from typing import ClassVar, Final

from musicapi_async._clip_fields import ClipOrId, clip_field
from musicapi_async._fields import check_order, number_field, seed_field, text_field, webhook_url_field
from musicapi_async._operation import operation
from musicapi_async._request import POST, TaskRequest
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests._family import TaskFamily, submits
from musicapi_async.requests._shared import UPLOAD_SECONDS, WEB
from musicapi_async.results import DownloadFiles, Songs, UploadedClip

__all__ = ["FORMATS", "MODELS", "Cover", "Create", "Download", "Extend", "Replace", "Upload"]

MODELS: Final = ("Lyria 3 Pro",)
"""The model known today; the older names (``FUZZ-2.0`` and the like) are taken for it."""
FORMATS: Final = ("mp3", "wav")
OVERVIEW: Final = "https://docs.musicapi.ai/producer-api-overview"
INSTRUCTION: Final = "what to do, in plain language"


class _Song(TaskRequest[Songs]):
    __slots__ = ()

    expected_clips = 1
    replacement = "client.producer.create, or client.sonic"


@operation(POST, "/producer/create", credits=12, as_of="2026-05-20", source=OVERVIEW, task_type="create_music")
class Create(_Song):
    """Make a song from a sound, lyrics, or both; without lyrics, put "instrumental, no vocals" in ``sound``.

    Args:
        title: Title of the songs; at most 80 characters.
        sound: Style, mood and instruments; ten words or more work best.
        lyrics: Lyrics; 20 words or more work best. Without them, an instrumental.
        seed: A whole number or a string.
        length: Target length in seconds, from 1 to 240.
        bpm: Beats per minute.
        model: Chosen by the service if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 12 credits as of 2026-05-20.
    """

    replacement = "client.sonic"

    title: str | None = text_field(default=None, max_length=80)
    sound: str | None = text_field(default=None)
    lyrics: str | None = text_field(default=None)
    seed: int | str | None = seed_field(default=None)
    length: float | None = number_field(default=None, ge=1, le=240)
    bpm: float | None = number_field(default=None)
    model: str | None = text_field(default=None, wire="mv")
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)

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
    """Continue a clip from ``at``.

    Args:
        clip: Generated or uploaded clip, or its id.
        at: Seconds from the clip's beginning, at least 0.
        title: Title of the songs; at most 80 characters.
        sound: Style, mood and instruments; ten words or more work best.
        lyrics: Lyrics; 20 words or more work best. Without them, an instrumental.
        seed: A whole number or a string.
        instruction: What to do, in plain language.
        length: Seconds of new audio, from 1 to 240.
        model: Chosen by the service if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 12 credits as of 2026-05-20.
    """

    clip: ClipOrId = clip_field(wire="clip_id", has_upload_variant=True)
    at: float = number_field(wire="starts_at", ge=0)
    title: str | None = text_field(default=None, max_length=80)
    sound: str | None = text_field(default=None)
    lyrics: str | None = text_field(default=None)
    seed: int | str | None = seed_field(default=None)
    instruction: str | None = text_field(default=None)
    length: float | None = number_field(default=None, ge=1, le=240)
    model: str | None = text_field(default=None, wire="mv")
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


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
    """Regenerate a section of a clip, from ``start`` to ``end``.

    Args:
        clip: Generated or uploaded clip, or its id.
        start: Seconds from the clip's beginning, at least 0.
        end: Seconds from the clip's beginning, after ``start``.
        title: Title of the songs; at most 80 characters.
        sound: Style, mood and instruments; ten words or more work best.
        lyrics: Lyrics; 20 words or more work best. Without them, an instrumental.
        seed: A whole number or a string.
        instruction: What to do, in plain language.
        model: Chosen by the service if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 12 credits as of 2026-05-20.
    """

    clip: ClipOrId = clip_field(wire="clip_id", has_upload_variant=True)
    start: float = number_field(wire="starts_at", ge=0)
    end: float = number_field(wire="ends_at", ge=0)
    title: str | None = text_field(default=None, max_length=80)
    sound: str | None = text_field(default=None)
    lyrics: str | None = text_field(default=None)
    seed: int | str | None = seed_field(default=None)
    instruction: str | None = text_field(default=None)
    model: str | None = text_field(default=None, wire="mv")
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)

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
    """Regenerate a clip in another style; if the service responds that this is retired, use ``sonic.cover``.

    Args:
        clip: Generated or uploaded clip, or its id.
        instruction: What to do, in plain language.
        title: Title of the songs; at most 80 characters.
        sound: Style, mood and instruments; ten words or more work best.
        lyrics: Lyrics; 20 words or more work best. Without them, an instrumental.
        seed: A whole number or a string.
        strength: 0.5 if not given, from 0 to 1.
        model: Chosen by the service if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 12 credits as of 2026-05-20.
    """

    clip: ClipOrId = clip_field(wire="clip_id", has_upload_variant=True)
    instruction: str = text_field()
    title: str | None = text_field(default=None, max_length=80)
    sound: str | None = text_field(default=None)
    lyrics: str | None = text_field(default=None)
    seed: int | str | None = seed_field(default=None)
    strength: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, wire="mv")
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(POST, "/producer/upload", credits=2, as_of="2026-07-15", source=OVERVIEW)
class Upload(TaskRequest[UploadedClip]):
    """Upload your own audio as a clip, to extend it, cover it or replace its sections.

    Args:
        url: Public, direct ``http(s)://`` URL of an audio file.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 2 credits as of 2026-07-15.
    """

    expected_clips = 1
    min_timeout = UPLOAD_SECONDS
    replacement = "client.sonic.upload"

    url: str = text_field(wire="audio_url", begins=WEB)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(POST, "/producer/download", credits=2, as_of="2026-07-15", source=OVERVIEW)
class Download(TaskRequest[DownloadFiles]):
    """Prepare a clip's file for ``client.download``; a finished song already has the URL of one.

    Args:
        clip: Clip, or its id.
        format: ``mp3`` or ``wav``; mp3 if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 2 credits as of 2026-07-15.
    """

    expected_clips = 1
    replacement = "client.download(clip)"

    clip: ClipOrId = clip_field(wire="clip_id")
    format: str | None = text_field(default=None, choices=FORMATS)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


class Producer(TaskFamily):
    """One song for each request, made from a sound, from lyrics, or from another clip."""

    songs: ClassVar[type[TaskRequest[Songs]]] = Create

    create: Final = submits(Create)
    extend: Final = submits(Extend)
    replace: Final = submits(Replace)
    cover: Final = submits(Cover)
    upload: Final = submits(Upload)
    download: Final = submits(Download)
