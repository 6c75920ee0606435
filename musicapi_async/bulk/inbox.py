"""The events of a journal's tasks that were received, and are kept until they are handled. No I/O."""

from collections.abc import Sequence
from typing import Final, Protocol

from musicapi_async._webhook_inbox import InboxEvent

__all__ = ["MAX_AGE", "EventInbox"]

MAX_AGE: Final = 30 * 86_400.0
"""Seconds after which an event is removed that no run could use."""


class EventInbox(Protocol):
    """Verified events that a run takes: each stays until it was handled. Each method raises OSError or JournalError."""

    async def put(self, event: InboxEvent) -> None:
        """Keep an event durably; one with the same id is replaced."""
        ...

    async def names(self, max_age: float) -> Sequence[str]:
        """Return the names of the events for this process, after removing those older than ``max_age`` seconds."""
        ...

    async def read(self, name: str) -> InboxEvent | None:
        """Return an event by its name; None when another process has it, or it cannot be read."""
        ...

    async def remove(self, name: str) -> None:
        """Remove an event that was handled."""
        ...

    async def wait(self) -> None:
        """Return when there may be further events."""
        ...
