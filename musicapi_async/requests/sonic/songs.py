"""New songs: from lyrics, a description, a persona, a piece of audio, or two clips."""

from collections.abc import Sequence

from musicapi_async._clip_fields import ClipOrId, clip_field, clips_field
from musicapi_async._fields import check_order, flag, number_field, tags_field, text_field, webhook_url_field
from musicapi_async._operation import operation
from musicapi_async._request import POST, TaskRequest
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests._shared import UPLOAD_SECONDS, WEB
from musicapi_async.requests.sonic._shared import DEFAULT_MODEL, PAGE, Drafted, lyrics_limit, tags_limit
from musicapi_async.results import Songs

__all__ = ["Create", "Describe", "Mashup", "PersonaSong", "Sample"]


@operation(
    POST,
    "/sonic/create",
    credits=20,
    as_of="2026-10-07",
    source=PAGE,
    task_type="create_music",
    custom_mode=True,
)
class Create(TaskRequest[Songs]):
    """Make two songs from your lyrics.

    Args:
        lyrics: Lyrics with section tags such as ``[Verse]``; at most 5000 characters, 3000 on v4 and v3-5.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 1000 characters, 200 on v4 and v3-5.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        instrumental: True for a song without vocals.
        auto_lyrics: Treat ``lyrics`` as a description from which the service writes the lyrics.
        duration: Target length in seconds, a whole number from 10 to 360.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        use_suno_cdn: Selects the host that serves the files; always sent, because some hosts of the service require it.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 20 credits as of 2026-10-07.
    """

    lyrics: str = text_field(wire="prompt", max_length=lyrics_limit)
    title: str | None = text_field(default=None, max_length=80)
    tags: str | Sequence[str] | None = tags_field(default=None, max_length=tags_limit)
    negative_tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)
    instrumental: bool | None = flag(default=None, wire="make_instrumental")
    auto_lyrics: bool | None = flag(default=None)
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    use_suno_cdn: bool = flag(default=False)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(
    POST,
    "/sonic/create",
    credits=20,
    as_of="2026-10-07",
    source=PAGE,
    task_type="create_music",
    custom_mode=False,
)
class Describe(TaskRequest[Songs]):
    """Make two songs from a description; the service writes the lyrics, and may rewrite ``title`` and ``tags``.

    Args:
        description: What the song is to be like; at most 400 characters.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 1000 characters, 200 on v4 and v3-5.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        instrumental: True for a song without vocals.
        duration: Target length in seconds, a whole number from 10 to 360.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        use_suno_cdn: Selects the host that serves the files; always sent, because some hosts of the service require it.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 20 credits as of 2026-10-07.
    """

    description: str = text_field(wire="gpt_description_prompt", max_length=400)
    title: str | None = text_field(default=None, max_length=80)
    tags: str | Sequence[str] | None = tags_field(default=None, max_length=tags_limit)
    negative_tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)
    instrumental: bool | None = flag(default=None, wire="make_instrumental")
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    use_suno_cdn: bool = flag(default=False)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(POST, "/sonic/create", credits=15, as_of="2026-07-15", source=PAGE, task_type="persona_music")
class PersonaSong(Drafted[Songs]):
    """Make two songs with the voice of a persona.

    Args:
        persona_id: Id from ``sonic.persona`` or ``sonic.create_voice``.
        lyrics: Lyrics with section tags such as ``[Verse]``; at most 5000 characters, 3000 on v4 and v3-5.
        description: In place of ``lyrics``, which the service then writes; at most 400 characters.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 1000 characters, 200 on v4 and v3-5.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        instrumental: True for a song without vocals.
        auto_lyrics: Treat ``lyrics`` as a description from which the service writes the lyrics.
        duration: Target length in seconds, a whole number from 10 to 360.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        use_suno_cdn: Selects the host that serves the files; always sent, because some hosts of the service require it.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 15 credits as of 2026-07-15.
    """

    persona_id: str = text_field()
    lyrics: str | None = text_field(default=None, wire="prompt", max_length=lyrics_limit)
    description: str | None = text_field(default=None, wire="gpt_description_prompt", max_length=400)
    title: str | None = text_field(default=None, max_length=80)
    tags: str | Sequence[str] | None = tags_field(default=None, max_length=tags_limit)
    negative_tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)
    instrumental: bool | None = flag(default=None, wire="make_instrumental")
    auto_lyrics: bool | None = flag(default=None)
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    use_suno_cdn: bool = flag(default=False)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(POST, "/sonic/sample", credits=15, as_of="2026-07-15", source="https://docs.musicapi.ai/sample-this-song")
class Sample(Drafted[Songs]):
    """Make two songs around a piece of a clip or of your own audio: give ``clip`` or ``url``.

    Args:
        start: Seconds from the clip's beginning, at least 0.
        end: Seconds from the clip's beginning, after ``start``.
        lyrics: Lyrics with section tags such as ``[Verse]``; at most 5000 characters, 3000 on v4 and v3-5.
        description: In place of ``lyrics``, which the service then writes; at most 400 characters.
        url: Public, direct ``http(s)://`` URL of an MP3 or WAV of at most 8 minutes; its host accepts HEAD requests.
        clip: Clip, or its id.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 200 characters.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        instrumental: True for a song without vocals.
        auto_lyrics: Treat ``lyrics`` as a description from which the service writes the lyrics.
        audio_weight: Closeness to the source, from 0 to 1.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 15 credits as of 2026-07-15.
    """

    min_timeout = UPLOAD_SECONDS

    start: float = number_field(wire="chop_sample_start_s", ge=0)
    end: float = number_field(wire="chop_sample_end_s", ge=0)
    lyrics: str | None = text_field(default=None, wire="prompt", max_length=lyrics_limit)
    description: str | None = text_field(default=None, wire="gpt_description_prompt", max_length=400)
    url: str | None = text_field(default=None, begins=WEB)
    clip: ClipOrId | None = clip_field(default=None, wire="sample_clip_id")
    title: str | None = text_field(default=None, max_length=80)
    tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    negative_tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)
    instrumental: bool = flag(default=False, wire="make_instrumental")
    auto_lyrics: bool | None = flag(default=None)
    audio_weight: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        super().__attrs_post_init__()
        check_order(self.start, self.end)
        if (self.url is None) == (self.clip is None):
            message = "sonic.sample needs exactly one of url and clip"
            raise InvalidRequestError(message, "url", self.url, "url or clip")


@operation(POST, "/sonic/mashup", credits=15, as_of="2026-07-15", source="https://docs.musicapi.ai/mashup")
class Mashup(Drafted[Songs]):
    """Make two songs out of two clips.

    Args:
        clips: Exactly 2 clips, or their ids.
        lyrics: Lyrics with section tags such as ``[Verse]``; at most 5000 characters, 3000 on v4 and v3-5.
        description: In place of ``lyrics``, which the service then writes; at most 400 characters.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 200 characters.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        instrumental: True for a song without vocals.
        auto_lyrics: Treat ``lyrics`` as a description from which the service writes the lyrics.
        audio_weight: Closeness to the sources, from 0 to 1.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 15 credits as of 2026-07-15.
    """

    clips: Sequence[ClipOrId] = clips_field(wire="mashup_clip_ids", count=2)
    lyrics: str | None = text_field(default=None, wire="prompt", max_length=lyrics_limit)
    description: str | None = text_field(default=None, wire="gpt_description_prompt", max_length=400)
    title: str | None = text_field(default=None, max_length=80)
    tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    negative_tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)
    instrumental: bool | None = flag(default=None, wire="make_instrumental")
    auto_lyrics: bool | None = flag(default=None)
    audio_weight: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)
