"""Fields that sonic's operations have in common, from the few to the many."""

from typing import Any, Final, TypeVar

from musicapi_async._fields import flag, number_field, text_field
from musicapi_async._operation import shared_fields
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests._shared import Reported

__all__ = ["CDN", "DEFAULT_MODEL", "MODELS", "Drafted", "Guided", "Made", "Song", "Styled", "lyrics_limit"]

R = TypeVar("R")

DEFAULT_MODEL: Final = "sonic-v6"
MODELS: Final = ("sonic-v6", "sonic-v6-wild", "sonic-v6-mini")
"""The models known today; the service's list is open, and older ids are accepted and rendered by v6."""

SMALL_MODELS: Final = ("sonic-v4", "sonic-v3-5", "chirp-v4", "chirp-v3-5")
CDN: Final = "host that serves the files; some hosts of the service refuse a request without this field"


def lyrics_limit(request: Any) -> int:
    """Return how many characters of lyrics the model takes."""
    return 3000 if _is_small(request) else 5000


def _is_small(request: Any) -> bool:
    # Every constructor of a song asks: going through the fields, as ``model_of`` does, is slower.
    return (request.model or DEFAULT_MODEL) in SMALL_MODELS


def _tags_limit(request: Any) -> int:
    return 200 if _is_small(request) else 1000


@shared_fields
class Made(Reported[R]):
    """A task that a model works on."""

    model: str | None = text_field(
        last=1,
        default=None,
        sent_default=DEFAULT_MODEL,
        wire="mv",
        doc="one of ``sonic.MODELS``, or another model id of the service",
    )


@shared_fields
class Styled(Made[R]):
    """A task whose sound can be described."""

    title: str | None = text_field(default=None, max_length=80)
    tags: str | None = text_field(
        default=None, max_length=_tags_limit, doc="styles, comma-separated; at most 1000 characters, 200 on v4 and v3-5"
    )
    negative_tags: str | None = text_field(default=None, max_length=200, doc="styles to avoid")
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"), doc="v4-5 and newer")
    style_weight: float | None = number_field(default=None, ge=0, le=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", ge=0, le=1)


@shared_fields
class Song(Styled[R]):
    """A task that makes a song."""

    instrumental: bool | None = flag(default=None, wire="make_instrumental", doc="without vocals")


@shared_fields
class Guided(Song[R]):
    """A song by its lyrics or by a description; which of them decides the service's ``custom_mode``."""

    lyrics: str | None = text_field(
        default=None,
        wire="prompt",
        max_length=lyrics_limit,
        doc="with section tags such as ``[Verse]``; at most 5000 characters, 3000 on v4 and v3-5",
    )
    description: str | None = text_field(
        default=None,
        wire="gpt_description_prompt",
        max_length=400,
        doc="in place of lyrics, which the service then writes",
    )

    def __attrs_post_init__(self) -> None:
        """Refuse lyrics and a description together: the service would drop one of them unsaid."""
        if self.lyrics is not None and self.description is not None:
            message = "description is given besides lyrics; the service takes one of them"
            raise InvalidRequestError(message, "description", self.description, "lyrics or description")

    def after_unstructure(self, body: dict[str, object]) -> None:
        """Add the service's mode: with a description it writes the lyrics."""
        body["custom_mode"] = self.description is None


@shared_fields
class Drafted(Guided[R]):
    """A guided song whose lyrics may be a draft."""

    auto_lyrics: bool | None = flag(
        default=None, doc="treat ``lyrics`` as a description from which the service writes the lyrics"
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a draft that is drafted from nothing."""
        super().__attrs_post_init__()
        if not self.auto_lyrics or self.lyrics is not None:
            return
        if self.description is not None:
            message = "auto_lyrics goes with lyrics; with a description the service writes them anyway"
            raise InvalidRequestError(message, "auto_lyrics", value=True, limit="lyrics")
        message = "auto_lyrics needs lyrics: the description from which the service writes them"
        raise InvalidRequestError(message, "lyrics", None, "required")
