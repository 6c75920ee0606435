"""Tasks with their own endpoints: one-shot uploads, samples, mashups, sections, stems, voices."""

from collections.abc import Sequence
from typing import Final

from musicapi_async._clip_fields import ClipOrId, clip_field, clips_field
from musicapi_async._fields import check_order, flag, number_field, text_field
from musicapi_async._operation import operation
from musicapi_async._request import POST, TaskRequest
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests._shared import UPLOAD_SECONDS, WEB, Reported
from musicapi_async.requests.sonic._shared import Drafted, Guided, Styled
from musicapi_async.results import ExtendedSongs, ReplacedSections, Songs, Stems, Voice

__all__ = [
    "BasicStems",
    "CreateVoice",
    "FullStems",
    "Mashup",
    "ReplaceSection",
    "Sample",
    "UploadCover",
    "UploadExtend",
]

AUDIO: Final = "public, direct URL of an MP3 or WAV of at most 8 minutes, on a host that accepts HEAD requests"
WHOLE: Final = "also join the new part with the song, as ``full`` of each result"


@operation(
    POST, "/sonic/upload-cover", credits=15, as_of="2026-07-15", source="https://docs.aimusicapi.ai/api-32136901"
)
class UploadCover(Guided[Songs]):
    """Upload audio and make two covers of it, in one step; the uploaded clip is in ``task.uploaded``."""

    min_timeout = UPLOAD_SECONDS

    url: str = text_field(begins=WEB, doc=AUDIO)
    audio_weight: float | None = number_field(default=None, ge=0, le=1, doc="closeness to the source")
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True, doc="target length in seconds")


@operation(
    POST, "/sonic/upload-extend", credits=15, as_of="2026-07-15", source="https://docs.aimusicapi.ai/api-32136900"
)
class UploadExtend(Guided[ExtendedSongs]):
    """Upload audio and continue it, in one step; the uploaded clip is in ``task.uploaded``."""

    min_timeout = UPLOAD_SECONDS

    url: str = text_field(begins=WEB, doc=AUDIO)
    at: float | None = number_field(default=None, wire="continue_at", ge=0, doc="seconds from the beginning")
    auto_concat: bool | None = flag(default=None, doc=WHOLE)
    audio_weight: float | None = number_field(default=None, ge=0, le=1, doc="closeness to the source")
    duration: int | None = number_field(default=None, ge=10, le=360, whole=True, doc="target length in seconds")


@operation(POST, "/sonic/sample", credits=15, as_of="2026-07-15", source="https://docs.musicapi.ai/sample-this-song")
class Sample(Drafted[Songs]):
    """Make two songs around a piece of a clip or of your own audio: give ``clip`` or ``url``."""

    min_timeout = UPLOAD_SECONDS

    start: float = number_field(wire="chop_sample_start_s", ge=0, doc="seconds")
    end: float = number_field(wire="chop_sample_end_s", ge=0, doc="seconds, after ``start``")
    url: str | None = text_field(default=None, begins=WEB, doc=AUDIO)
    clip: ClipOrId | None = clip_field(default=None, wire="sample_clip_id")
    tags: str | None = text_field(default=None, max_length=200, doc="styles, comma-separated")
    instrumental: bool = flag(default=False, wire="make_instrumental", doc="without vocals")
    audio_weight: float | None = number_field(default=None, ge=0, le=1, doc="closeness to the source")

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        super().__attrs_post_init__()
        check_order(self.start, self.end)
        if (self.url is None) == (self.clip is None):
            message = "sonic.sample needs exactly one of url and clip"
            raise InvalidRequestError(message, "url", self.url, "url or clip")


@operation(POST, "/sonic/mashup", credits=15, as_of="2026-07-15", source="https://docs.musicapi.ai/mashup")
class Mashup(Drafted[Songs]):
    """Make two songs out of two clips."""

    clips: Sequence[ClipOrId] = clips_field(wire="mashup_clip_ids", count=2, doc="two clips, or their ids")
    tags: str | None = text_field(default=None, max_length=200, doc="styles, comma-separated")
    audio_weight: float | None = number_field(default=None, ge=0, le=1, doc="closeness to the sources")


@operation(
    POST, "/sonic/replace-section", credits=10, as_of="2026-09-03", source="https://docs.musicapi.ai/api-413625810"
)
class ReplaceSection(Styled[ReplacedSections]):
    """Regenerate a section of a clip, from ``start`` to ``end``."""

    clip: ClipOrId = clip_field(wire="clip_id")
    start: float = number_field(wire="infill_start_s", ge=0, doc="seconds")
    end: float = number_field(wire="infill_end_s", ge=0, doc="seconds, after ``start``")
    lyrics: str | None = text_field(default=None, wire="prompt", max_length=5000, doc="lyrics of the whole song")
    section_lyrics: str | None = text_field(
        default=None, wire="infill_lyrics", max_length=3000, doc="lyrics of the new section"
    )
    tags: str | None = text_field(default=None, max_length=1000, doc="styles, comma-separated")
    auto_concat: bool | None = flag(default=None, doc=WHOLE)

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        check_order(self.start, self.end)


@operation(POST, "/sonic/stems/basic", credits=30, as_of="2026-10-07", source="https://docs.musicapi.ai/stems-basic")
class BasicStems(TaskRequest[Stems]):
    """Separate a clip into voice and accompaniment, or into four stems, as newer documentation has it."""

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/stems/full", credits=75, as_of="2026-10-07", source="https://docs.musicapi.ai/stems-full")
class FullStems(TaskRequest[Stems]):
    """Separate a clip into its instruments: 12 stems, or 24, as newer documentation has it."""

    expected_clips = 12

    clip: ClipOrId = clip_field(wire="clip_id")


@operation(POST, "/sonic/create-voice", credits=4, as_of="2026-07-15", source="https://docs.musicapi.ai/create-voice")
class CreateVoice(Reported[Voice]):
    """Make a voice from a recording, for ``sonic.persona_song``."""

    min_timeout = UPLOAD_SECONDS

    url: str = text_field(
        wire="audio_url",
        begins=WEB,
        doc="public, direct URL of an MP3 or WAV of one clear speaker, longer than 10 seconds",
    )
