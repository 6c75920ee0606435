"""Studio: marked unavailable by the vendor; use ``sonic`` instead.

Source: https://docs.musicapi.ai/studio-instructions, ``POST /studio/create`` and ``GET /studio/task/{task_id}``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from musicapi_async._clip_fields import ClipOrId, clip_field
from musicapi_async._fields import flag, number_field, tags_field, text_field
from musicapi_async._operation import operation
from musicapi_async._request import POST, TaskRequest
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests._family import TaskFamily, submits
from musicapi_async.results import Songs

__all__ = ["DEFAULT_MODEL", "MODELS", "Create", "Describe", "Extend", "Instrumental"]

DEFAULT_MODEL: Final = "studio130-v1.5"
MODELS: Final = ("studio130-v1.5", "studio32-v1.5")
PATH: Final = "/studio/create"
PAGE: Final = "https://docs.musicapi.ai/custom-mode"
AS_OF: Final = "2025-06-19"
REGULAR: Final[dict[str, Any]] = {"config.mode": "regular"}


class _Song(TaskRequest[Songs]):
    __slots__ = ()

    replacement = "client.sonic"
    id_in_data = True

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        _check_place(self, "lyrics_placement")


@operation(POST, PATH, credits=15, as_of=AS_OF, source=PAGE, lyrics_type="user", **REGULAR)
class Create(_Song):
    """Make two songs from your lyrics. Marked unavailable by the vendor: prefer ``sonic.create``.

    Args:
        lyrics: Lyrics; at most 1000 characters.
        tags: Styles.
        prompt_strength: From 0 to 1; the higher, the closer to the prompt and the less natural.
        clarity_strength: From 0 to 1.
        lyrics_strength: From 0 to 1.
        generation_quality: From 0 to 1.
        negative_prompt: What to avoid.
        bypass_prompt_optimization: True to send the prompt as it is, without the service's optimization.
        seed: -1 for a random one, a whole number.
        lyrics_placement_start: Fraction of the song, from 0 to 1.
        lyrics_placement_end: Fraction of the song, from 0 to 1, after ``lyrics_placement_start``.
        model: One of ``studio.MODELS``, for 130 or 32 seconds; ``studio130-v1.5`` if not given.

    Costs 15 credits as of 2025-06-19.
    """

    lyrics: str = text_field(max_length=1000)
    tags: str | Sequence[str] = tags_field(wire="prompt")
    prompt_strength: float = number_field(default=0.5, ge=0, le=1)
    clarity_strength: float = number_field(default=0.25, ge=0, le=1)
    lyrics_strength: float = number_field(default=0.5, ge=0, le=1)
    generation_quality: float = number_field(default=0.75, ge=0, le=1)
    negative_prompt: str | None = text_field(default=None)
    bypass_prompt_optimization: bool | None = flag(default=None)
    seed: int | None = number_field(default=None, whole=True)
    lyrics_placement_start: float | None = number_field(default=None, ge=0, le=1)
    lyrics_placement_end: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="model_type")


@operation(POST, PATH, credits=15, as_of=AS_OF, source=PAGE, lyrics_type="generate", **REGULAR)
class Describe(_Song):
    """Make two songs from a description. Marked unavailable by the vendor: prefer ``sonic.describe``.

    Args:
        description: What the song is to be like.
        prompt_strength: From 0 to 1; the higher, the closer to the prompt and the less natural.
        clarity_strength: From 0 to 1.
        lyrics_strength: From 0 to 1.
        generation_quality: From 0 to 1.
        negative_prompt: What to avoid.
        bypass_prompt_optimization: True to send the prompt as it is, without the service's optimization.
        seed: -1 for a random one, a whole number.
        lyrics_placement_start: Fraction of the song, from 0 to 1.
        lyrics_placement_end: Fraction of the song, from 0 to 1, after ``lyrics_placement_start``.
        model: One of ``studio.MODELS``, for 130 or 32 seconds; ``studio130-v1.5`` if not given.

    Costs 15 credits as of 2025-06-19.
    """

    description: str = text_field(wire="prompt")
    prompt_strength: float = number_field(default=0.5, ge=0, le=1)
    clarity_strength: float = number_field(default=0.25, ge=0, le=1)
    lyrics_strength: float = number_field(default=0.5, ge=0, le=1)
    generation_quality: float = number_field(default=0.75, ge=0, le=1)
    negative_prompt: str | None = text_field(default=None)
    bypass_prompt_optimization: bool | None = flag(default=None)
    seed: int | None = number_field(default=None, whole=True)
    lyrics_placement_start: float | None = number_field(default=None, ge=0, le=1)
    lyrics_placement_end: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="model_type")


@operation(POST, PATH, credits=15, as_of=AS_OF, source=PAGE, lyrics_type="instrumental", **REGULAR)
class Instrumental(_Song):
    """Make two instrumentals. Marked unavailable by the vendor: prefer ``sonic.describe(instrumental=True)``.

    Args:
        tags: Styles.
        prompt_strength: From 0 to 1; the higher, the closer to the prompt and the less natural.
        clarity_strength: From 0 to 1.
        lyrics_strength: From 0 to 1.
        generation_quality: From 0 to 1.
        negative_prompt: What to avoid.
        bypass_prompt_optimization: True to send the prompt as it is, without the service's optimization.
        seed: -1 for a random one, a whole number.
        lyrics_placement_start: Fraction of the song, from 0 to 1.
        lyrics_placement_end: Fraction of the song, from 0 to 1, after ``lyrics_placement_start``.
        model: One of ``studio.MODELS``, for 130 or 32 seconds; ``studio130-v1.5`` if not given.

    Costs 15 credits as of 2025-06-19.
    """

    tags: str | Sequence[str] = tags_field(wire="prompt")
    prompt_strength: float = number_field(default=0.5, ge=0, le=1)
    clarity_strength: float = number_field(default=0.25, ge=0, le=1)
    lyrics_strength: float = number_field(default=0.5, ge=0, le=1)
    generation_quality: float = number_field(default=0.75, ge=0, le=1)
    negative_prompt: str | None = text_field(default=None)
    bypass_prompt_optimization: bool | None = flag(default=None)
    seed: int | None = number_field(default=None, whole=True)
    lyrics_placement_start: float | None = number_field(default=None, ge=0, le=1)
    lyrics_placement_end: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="model_type")


@operation(POST, PATH, credits=15, as_of=AS_OF, source="https://docs.musicapi.ai/studio-instructions")
class Extend(_Song):
    """Continue a clip, after or before it. Marked unavailable by the vendor: prefer ``sonic.extend``.

    Args:
        clip: Clip, or its id.
        tags: Styles; a description where the service writes the lyrics.
        prompt_strength: From 0 to 1; the higher, the closer to the prompt and the less natural.
        clarity_strength: From 0 to 1.
        lyrics_strength: From 0 to 1.
        generation_quality: From 0 to 1.
        negative_prompt: What to avoid.
        bypass_prompt_optimization: True to send the prompt as it is, without the service's optimization.
        seed: -1 for a random one, a whole number.
        lyrics_placement_start: Fraction of the song, from 0 to 1.
        lyrics_placement_end: Fraction of the song, from 0 to 1, after ``lyrics_placement_start``.
        direction: ``continuation`` or ``precede``.
        lyrics: Written by the service if not given; at most 1000 characters.
        instrumental: True for a song without vocals.
        song_section_start: Fraction of the song, from 0 to 1.
        song_section_end: Fraction of the song, from 0 to 1, after ``song_section_start``.
        model: One of ``studio.MODELS``, for 130 or 32 seconds; ``studio130-v1.5`` if not given.

    Costs 15 credits as of 2025-06-19.
    """

    clip: ClipOrId = clip_field(wire="config.source.song_id")
    tags: str | Sequence[str] = tags_field(wire="prompt")
    prompt_strength: float = number_field(default=0.5, ge=0, le=1)
    clarity_strength: float = number_field(default=0.25, ge=0, le=1)
    lyrics_strength: float = number_field(default=0.5, ge=0, le=1)
    generation_quality: float = number_field(default=0.75, ge=0, le=1)
    negative_prompt: str | None = text_field(default=None)
    bypass_prompt_optimization: bool | None = flag(default=None)
    seed: int | None = number_field(default=None, whole=True)
    lyrics_placement_start: float | None = number_field(default=None, ge=0, le=1)
    lyrics_placement_end: float | None = number_field(default=None, ge=0, le=1)
    direction: str = text_field(default="continuation", wire="config.mode", choices=("continuation", "precede"))
    lyrics: str | None = text_field(default=None, max_length=1000)
    instrumental: bool = flag(default=False)
    song_section_start: float | None = number_field(default=None, ge=0, le=1)
    song_section_end: float | None = number_field(default=None, ge=0, le=1)
    model: str | None = text_field(default=None, sent_default=DEFAULT_MODEL, wire="model_type")

    def __attrs_post_init__(self) -> None:
        """Check what depends on two fields."""
        super().__attrs_post_init__()
        _check_place(self, "song_section")
        if self.instrumental and self.lyrics is not None:
            message = "lyrics is given for an instrumental"
            raise InvalidRequestError(message, "lyrics", self.lyrics, "lyrics or instrumental")

    def after_unstructure(self, body: dict[str, object]) -> None:
        """Send the flag as one of the service's types of lyrics."""
        del body["instrumental"]
        body["lyrics_type"] = "instrumental" if self.instrumental else "generate" if self.lyrics is None else "user"

    @classmethod
    def before_structure(cls, body: Mapping[str, object]) -> Mapping[str, object]:
        """Find the flag in the type of lyrics."""
        return {**body, "instrumental": body.get("lyrics_type") == "instrumental"}


def _check_place(request: _Song, place: str) -> None:
    start, end = getattr(request, f"{place}_start"), getattr(request, f"{place}_end")
    if start is not None and end is not None and end <= start:
        message = f"{place}_end is {end!r}; it must be after {place}_start, which is {start!r}"
        raise InvalidRequestError(message, f"{place}_end", end, f"> {start}")


class Studio(TaskFamily):
    """Songs of 130 or 32 seconds; marked unavailable by the vendor."""

    songs: ClassVar[type[TaskRequest[Songs]]] = Create

    create: Final = submits(Create)
    describe: Final = submits(Describe)
    instrumental: Final = submits(Instrumental)
    extend: Final = submits(Extend)
