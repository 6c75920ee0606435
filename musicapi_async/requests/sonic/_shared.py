"""Models, limits and rules shared by sonic's operations."""

from typing import Any, Final, Protocol, TypeVar

from musicapi_async._request import TaskRequest
from musicapi_async.errors import InvalidRequestError

__all__ = ["DEFAULT_MODEL", "MODELS", "PAGE", "Drafted", "Guided", "lyrics_limit", "tags_limit"]

R = TypeVar("R")

DEFAULT_MODEL: Final = "sonic-v6"
MODELS: Final = ("sonic-v6", "sonic-v6-wild", "sonic-v6-mini")
"""The models known today; the service's list is open, and older ids are accepted and rendered by v6."""

SMALL_MODELS: Final = ("sonic-v4", "sonic-v3-5", "chirp-v4", "chirp-v3-5")
PAGE: Final = "https://docs.musicapi.ai/concat-music"


def lyrics_limit(request: Any) -> int:
    """Return the maximum number of characters of lyrics for the model."""
    return 3000 if request.model in SMALL_MODELS else 5000


def tags_limit(request: Any) -> int:
    """Return the maximum number of characters of tags for the model."""
    return 200 if request.model in SMALL_MODELS else 1000


class _HasLyrics(Protocol):
    @property
    def lyrics(self) -> str | None: ...
    @property
    def description(self) -> str | None: ...


class _HasDraft(_HasLyrics, Protocol):
    @property
    def auto_lyrics(self) -> bool | None: ...


def _check_guide(request: _HasLyrics) -> None:
    if request.lyrics is not None and request.description is not None:
        message = "description is given besides lyrics; the service takes one of them"
        raise InvalidRequestError(message, "description", request.description, "lyrics or description")


class Guided(TaskRequest[R]):
    """A song by its lyrics or by a description; which of them decides the service's ``custom_mode``."""

    __slots__ = ()

    def __attrs_post_init__(self: _HasLyrics) -> None:
        """Refuse lyrics and a description together: the service would silently drop one of them."""
        _check_guide(self)

    def after_unstructure(self: _HasLyrics, body: dict[str, object]) -> None:
        """Add the service's mode: with a description it writes the lyrics."""
        body["custom_mode"] = self.description is None


class Drafted(Guided[R]):
    """A guided song whose lyrics may be written by the service."""

    __slots__ = ()

    def __attrs_post_init__(self: _HasDraft) -> None:
        """Refuse ``auto_lyrics`` without lyrics."""
        _check_guide(self)
        if not self.auto_lyrics or self.lyrics is not None:
            return
        if self.description is not None:
            message = "auto_lyrics goes with lyrics; with a description the service writes them anyway"
            raise InvalidRequestError(message, "auto_lyrics", value=True, limit="lyrics")
        message = "auto_lyrics needs lyrics: the description from which the service writes them"
        raise InvalidRequestError(message, "lyrics", None, "required")
