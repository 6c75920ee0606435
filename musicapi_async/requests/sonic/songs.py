"""Songs, and what is made of them, by ``POST /sonic/create``: one class for each thing to do.

Source: https://docs.musicapi.ai, section "create / extend / cover / remaster / add vocals / add instrumental".
"""

from typing import Final

from musicapi_async._clip_fields import ClipOrId, clip_field
from musicapi_async._fields import check_order, flag, number_field, text_field
from musicapi_async._operation import operation
from musicapi_async._request import POST
from musicapi_async.requests._shared import Reported
from musicapi_async.requests.sonic._shared import CDN, Drafted, Made, Song, Styled, lyrics_limit
from musicapi_async.results import Songs

__all__ = [
    "AddInstrumental",
    "AddVocals",
    "Concat",
    "Cover",
    "Create",
    "Describe",
    "Extend",
    "PersonaSong",
    "Remaster",
]

PAGE: Final = "https://docs.musicapi.ai/concat-music"
LENGTH: Final = "target length in seconds"


@operation(
    POST, "/sonic/create", credits=20, as_of="2026-10-07", source=PAGE, task_type="create_music", custom_mode=True
)
class Create(Song[Songs]):
    """Make two songs from your lyrics."""

    lyrics: str = text_field(
        wire="prompt",
        max_length=lyrics_limit,
        doc="with section tags such as ``[Verse]``; at most 5000 characters, 3000 on v4 and v3-5",
    )
    auto_lyrics: bool | None = flag(
        default=None, doc="treat ``lyrics`` as a description from which the service writes the lyrics"
    )
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True, doc=LENGTH)
    use_suno_cdn: bool = flag(default=False, last=2, doc=CDN)


@operation(
    POST, "/sonic/create", credits=20, as_of="2026-10-07", source=PAGE, task_type="create_music", custom_mode=False
)
class Describe(Song[Songs]):
    """Make two songs from a description; the service writes the lyrics, and may rewrite ``title`` and ``tags``."""

    description: str = text_field(wire="gpt_description_prompt", max_length=400)
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True, doc=LENGTH)
    use_suno_cdn: bool = flag(default=False, last=2, doc=CDN)


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
    """Continue a clip from ``at``; the two results are the continuations alone: ``sonic.concat`` joins them."""

    clip: ClipOrId = clip_field(
        wire="continue_clip_id", has_upload_variant=True, doc="a generated or an uploaded clip, or an id"
    )
    at: float = number_field(wire="continue_at", ge=0, doc="seconds from the clip's beginning; 0.1 suits uploads")
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True, doc=LENGTH)
    use_suno_cdn: bool = flag(default=False, last=2, doc=CDN)


@operation(POST, "/sonic/create", credits=2, as_of="2026-07-15", source=PAGE, task_type="concat_music")
class Concat(Reported[Songs]):
    """Join a continuation to the song it continues; the result is one clip, the whole song."""

    expected_clips = 1

    clip: ClipOrId = clip_field(wire="continue_clip_id", doc="a clip that ``sonic.extend`` made, or its id")
    use_suno_cdn: bool = flag(default=False, last=2, doc=CDN)


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
    """Make two covers of a clip, in another style or with other lyrics."""

    clip: ClipOrId = clip_field(
        wire="continue_clip_id", has_upload_variant=True, doc="a generated or an uploaded clip, or an id"
    )
    audio_weight: float | None = number_field(
        default=None, ge=0, le=1, doc="closeness to the source: up to 0.3 free, from 0.7 close"
    )
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True, doc=LENGTH)
    use_suno_cdn: bool = flag(default=False, last=2, doc=CDN)


@operation(POST, "/sonic/create", credits=15, as_of="2026-07-15", source=PAGE, task_type="persona_music")
class PersonaSong(Drafted[Songs]):
    """Make two songs with the voice of a persona."""

    persona_id: str = text_field(doc="from ``sonic.persona`` or ``sonic.create_voice``")
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True, doc=LENGTH)
    use_suno_cdn: bool = flag(default=False, last=2, doc=CDN)


@operation(POST, "/sonic/create", credits=15, as_of="2026-10-07", source=PAGE, task_type="remaster")
class Remaster(Made[Songs]):
    """Improve the sound of a clip, with the same words and melody; the clip should be at most 24 hours old."""

    clip: ClipOrId = clip_field(wire="continue_clip_id")
    variation: str | None = text_field(
        default=None, wire="variation_category", choices=("subtle", "normal", "high"), doc="documented for v5"
    )
    use_suno_cdn: bool = flag(default=False, last=2, doc=CDN)


@operation(POST, "/sonic/create", credits=15, as_of="2026-10-07", source=PAGE, task_type="add_vocals", custom_mode=True)
class AddVocals(Styled[Songs]):
    """Add vocals to an uploaded clip, which should be at most 24 hours old; clips made by the service are refused."""

    clip: ClipOrId = clip_field(wire="continue_clip_id", only_uploaded=True, doc="from ``sonic.upload``, or its id")
    lyrics: str = text_field(wire="prompt", max_length=lyrics_limit, doc="at most 5000 characters, 3000 on v4 and v3-5")
    start: float | None = number_field(default=None, wire="overpainting_start_s", ge=0, doc="seconds")
    end: float | None = number_field(default=None, wire="overpainting_end_s", ge=0, doc="seconds")
    audio_weight: float | None = number_field(default=None, ge=0, le=1)
    use_suno_cdn: bool = flag(default=False, last=2, doc=CDN)

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)


@operation(
    POST, "/sonic/create", credits=15, as_of="2026-10-07", source=PAGE, task_type="add_instrumental", custom_mode=True
)
class AddInstrumental(Styled[Songs]):
    """Accompany an uploaded voice, which should be at most 24 hours old; clips made by the service are refused."""

    clip: ClipOrId = clip_field(wire="continue_clip_id", only_uploaded=True, doc="from ``sonic.upload``, or its id")
    start: float | None = number_field(default=None, wire="overpainting_start_s", ge=0, doc="seconds")
    end: float | None = number_field(default=None, wire="overpainting_end_s", ge=0, doc="seconds")
    audio_weight: float | None = number_field(default=None, ge=0, le=1)
    use_suno_cdn: bool = flag(default=False, last=2, doc=CDN)

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)
