"""Songs made from a clip: its continuation, covers, other sound or section."""

from collections.abc import Sequence

from musicapi_async._clip_fields import ClipOrId, clip_field
from musicapi_async._fields import check_order, flag, number_field, tags_field, text_field, webhook_url_field
from musicapi_async._operation import operation
from musicapi_async._request import POST, TaskRequest
from musicapi_async.requests.sonic._shared import DEFAULT_MODEL, PAGE, Drafted, lyrics_limit, tags_limit
from musicapi_async.results import ReplacedSections, Songs

__all__ = [
    "AddInstrumental",
    "AddVocals",
    "Concat",
    "Cover",
    "Extend",
    "Remaster",
    "ReplaceSection",
]


@operation(
    POST,
    "/sonic/create",
    credits=15,
    as_of="2026-10-07",
    source=PAGE,
    task_type="extend_music",
    upload_task_type="extend_upload_music",
)
class Extend(Drafted[Songs]):
    """Continue a clip from ``at``; the two results are the continuations alone: ``sonic.concat`` joins them.

    Args:
        clip: Generated or uploaded clip, or its id.
        at: Seconds from the clip's beginning, at least 0; 0.1 suits uploads.
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

    Costs 15 credits as of 2026-10-07.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id", has_upload_variant=True)
    at: float = number_field(wire="continue_at", ge=0)
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


@operation(POST, "/sonic/create", credits=2, as_of="2026-07-15", source=PAGE, task_type="concat_music")
class Concat(TaskRequest[Songs]):
    """Join a continuation to the song it continues; the result is one clip, the whole song.

    Args:
        clip: Clip that ``sonic.extend`` made, or its id.
        use_suno_cdn: Selects the host that serves the files; always sent, because some hosts of the service require it.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 2 credits as of 2026-07-15.
    """

    expected_clips = 1

    clip: ClipOrId = clip_field(wire="continue_clip_id")
    use_suno_cdn: bool = flag(default=False)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(
    POST,
    "/sonic/create",
    credits=15,
    as_of="2026-07-15",
    source=PAGE,
    task_type="cover_music",
    upload_task_type="cover_upload_music",
)
class Cover(Drafted[Songs]):
    """Make two covers of a clip, in another style or with other lyrics.

    Args:
        clip: Generated or uploaded clip, or its id.
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
        audio_weight: Closeness to the source, from 0 to 1: up to 0.3 free, from 0.7 close.
        duration: Target length in seconds, a whole number from 10 to 360.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        use_suno_cdn: Selects the host that serves the files; always sent, because some hosts of the service require it.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 15 credits as of 2026-07-15.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id", has_upload_variant=True)
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
    audio_weight: float | None = number_field(default=None, ge=0, le=1)
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    use_suno_cdn: bool = flag(default=False)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(POST, "/sonic/create", credits=15, as_of="2026-10-07", source=PAGE, task_type="remaster")
class Remaster(TaskRequest[Songs]):
    """Improve the sound of a clip, with the same words and melody; the clip should be at most 24 hours old.

    Args:
        clip: Clip, or its id.
        variation: ``subtle``, ``normal`` or ``high``; documented for v5.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        use_suno_cdn: Selects the host that serves the files; always sent, because some hosts of the service require it.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 15 credits as of 2026-10-07.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id")
    variation: str | None = text_field(default=None, wire="variation_category", choices=("subtle", "normal", "high"))
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    use_suno_cdn: bool = flag(default=False)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(POST, "/sonic/create", credits=15, as_of="2026-10-07", source=PAGE, task_type="add_vocals", custom_mode=True)
class AddVocals(TaskRequest[Songs]):
    """Add vocals to an uploaded clip, which should be at most 24 hours old; clips made by the service are refused.

    Args:
        clip: Clip from ``sonic.upload``, or its id.
        lyrics: Lyrics; at most 5000 characters, 3000 on v4 and v3-5.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 1000 characters, 200 on v4 and v3-5.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        start: Seconds from the clip's beginning, at least 0.
        end: Seconds from the clip's beginning, after ``start``.
        audio_weight: Closeness to the source, from 0 to 1.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        use_suno_cdn: Selects the host that serves the files; always sent, because some hosts of the service require it.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 15 credits as of 2026-10-07.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id", only_uploaded=True)
    lyrics: str = text_field(wire="prompt", max_length=lyrics_limit)
    title: str | None = text_field(default=None, max_length=80)
    tags: str | Sequence[str] | None = tags_field(default=None, max_length=tags_limit)
    negative_tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)
    start: float | None = number_field(default=None, wire="overpainting_start_s", ge=0)
    end: float | None = number_field(default=None, wire="overpainting_end_s", ge=0)
    audio_weight: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    use_suno_cdn: bool = flag(default=False)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)


@operation(
    POST,
    "/sonic/create",
    credits=15,
    as_of="2026-10-07",
    source=PAGE,
    task_type="add_instrumental",
    custom_mode=True,
)
class AddInstrumental(TaskRequest[Songs]):
    """Accompany an uploaded voice, which should be at most 24 hours old; clips made by the service are refused.

    Args:
        clip: Clip from ``sonic.upload``, or its id.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 1000 characters, 200 on v4 and v3-5.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        start: Seconds from the clip's beginning, at least 0.
        end: Seconds from the clip's beginning, after ``start``.
        audio_weight: Closeness to the source, from 0 to 1.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        use_suno_cdn: Selects the host that serves the files; always sent, because some hosts of the service require it.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 15 credits as of 2026-10-07.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id", only_uploaded=True)
    title: str | None = text_field(default=None, max_length=80)
    tags: str | Sequence[str] | None = tags_field(default=None, max_length=tags_limit)
    negative_tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)
    start: float | None = number_field(default=None, wire="overpainting_start_s", ge=0)
    end: float | None = number_field(default=None, wire="overpainting_end_s", ge=0)
    audio_weight: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    use_suno_cdn: bool = flag(default=False)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)


@operation(
    POST, "/sonic/replace-section", credits=10, as_of="2026-09-03", source="https://docs.musicapi.ai/api-413625810"
)
class ReplaceSection(TaskRequest[ReplacedSections]):
    """Regenerate a section of a clip, from ``start`` to ``end``.

    Args:
        clip: Clip, or its id.
        start: Seconds from the clip's beginning, at least 0.
        end: Seconds from the clip's beginning, after ``start``.
        lyrics: Lyrics of the whole song; at most 5000 characters.
        section_lyrics: Lyrics of the new section; at most 3000 characters.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 1000 characters.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        auto_concat: Also join the new part with the song, as ``full`` of each result.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 10 credits as of 2026-09-03.
    """

    clip: ClipOrId = clip_field(wire="clip_id")
    start: float = number_field(wire="infill_start_s", ge=0)
    end: float = number_field(wire="infill_end_s", ge=0)
    lyrics: str | None = text_field(default=None, wire="prompt", max_length=5000)
    section_lyrics: str | None = text_field(default=None, wire="infill_lyrics", max_length=3000)
    title: str | None = text_field(default=None, max_length=80)
    tags: str | Sequence[str] | None = tags_field(default=None, max_length=1000)
    negative_tags: str | Sequence[str] | None = tags_field(default=None, max_length=200)
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)
    auto_concat: bool | None = flag(default=None)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="mv")
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)
