"""Tasks that fetch your own audio."""

from collections.abc import Sequence

from musicapi_async._fields import flag, number_field, tags_field, text_field, webhook_url_field
from musicapi_async._operation import operation
from musicapi_async._request import POST, TaskRequest
from musicapi_async.requests._shared import UPLOAD_SECONDS, WEB
from musicapi_async.requests.sonic._shared import DEFAULT_MODEL, Guided, lyrics_limit, tags_limit
from musicapi_async.results import ExtendedSongs, Songs, Voice

__all__ = ["CreateVoice", "UploadCover", "UploadExtend"]


@operation(
    POST, "/sonic/upload-cover", credits=15, as_of="2026-07-15", source="https://docs.aimusicapi.ai/api-32136901"
)
class UploadCover(Guided[Songs]):
    """Upload audio and make two covers of it, in one step; the uploaded clip is in ``task.uploaded``.

    Args:
        url: Public, direct ``http(s)://`` URL of an MP3 or WAV of at most 8 minutes; its host accepts HEAD requests.
        lyrics: Lyrics with section tags such as ``[Verse]``; at most 5000 characters, 3000 on v4 and v3-5.
        description: In place of ``lyrics``, which the service then writes; at most 400 characters.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 1000 characters, 200 on v4 and v3-5.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        instrumental: True for a song without vocals.
        audio_weight: Closeness to the source, from 0 to 1.
        duration: Target length in seconds, a whole number from 10 to 360.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 15 credits as of 2026-07-15.
    """

    min_timeout = UPLOAD_SECONDS

    url: str = text_field(begins=WEB)
    lyrics: str | None = text_field(default=None, wire="prompt", max_length=lyrics_limit)
    description: str | None = text_field(default=None, wire="gpt_description_prompt", max_length=400)
    title: str | None = text_field(default=None, max_length=80)
    tags: str | Sequence[str] | None = tags_field(default=None, max_length=tags_limit)
    negative_tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)
    instrumental: bool | None = flag(default=None, wire="make_instrumental")
    audio_weight: float | None = number_field(default=None, ge=0, le=1)
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(
    POST, "/sonic/upload-extend", credits=15, as_of="2026-07-15", source="https://docs.aimusicapi.ai/api-32136900"
)
class UploadExtend(Guided[ExtendedSongs]):
    """Upload audio and continue it, in one step; the uploaded clip is in ``task.uploaded``.

    Args:
        url: Public, direct ``http(s)://`` URL of an MP3 or WAV of at most 8 minutes; its host accepts HEAD requests.
        lyrics: Lyrics with section tags such as ``[Verse]``; at most 5000 characters, 3000 on v4 and v3-5.
        description: In place of ``lyrics``, which the service then writes; at most 400 characters.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 1000 characters, 200 on v4 and v3-5.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        instrumental: True for a song without vocals.
        at: Seconds from the beginning, at least 0.
        auto_concat: Also join the new part with the song, as ``full`` of each result.
        audio_weight: Closeness to the source, from 0 to 1.
        duration: Target length in seconds, a whole number from 10 to 360.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 15 credits as of 2026-07-15.
    """

    min_timeout = UPLOAD_SECONDS

    url: str = text_field(begins=WEB)
    lyrics: str | None = text_field(default=None, wire="prompt", max_length=lyrics_limit)
    description: str | None = text_field(default=None, wire="gpt_description_prompt", max_length=400)
    title: str | None = text_field(default=None, max_length=80)
    tags: str | Sequence[str] | None = tags_field(default=None, max_length=tags_limit)
    negative_tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)
    instrumental: bool | None = flag(default=None, wire="make_instrumental")
    at: float | None = number_field(default=None, wire="continue_at", ge=0)
    auto_concat: bool | None = flag(default=None)
    audio_weight: float | None = number_field(default=None, ge=0, le=1)
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(POST, "/sonic/create-voice", credits=4, as_of="2026-07-15", source="https://docs.musicapi.ai/create-voice")
class CreateVoice(TaskRequest[Voice]):
    """Make a voice from a recording, for ``sonic.persona_song``.

    Args:
        url: Public, direct ``http(s)://`` URL of an MP3 or WAV of one clear speaker, longer than 10 seconds.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 4 credits as of 2026-07-15.
    """

    min_timeout = UPLOAD_SECONDS

    url: str = text_field(wire="audio_url", begins=WEB)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)
