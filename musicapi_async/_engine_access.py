"""The way from a client to its engine, for the packages' own modules; it loads neither the engine nor aiohttp."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from musicapi_async._engine import Engine

__all__ = ["engine_of"]


class _HasEngine(Protocol):
    _engine: "Engine"


def engine_of(client: _HasEngine) -> "Engine":
    """Return the engine of a client."""
    return client._engine  # noqa: SLF001 - here alone
