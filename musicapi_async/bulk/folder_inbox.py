"""The events of the tasks of a journal in a file: a folder beside it."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from musicapi_async._webhook_inbox import FileInbox, InboxEvent

__all__ = ["FolderInbox"]

READ_INTERVAL: Final = 0.25
"""Seconds between two readings of a folder."""


class FolderInbox:
    """The folder beside a journal's file in which any process of the machine keeps the events of its tasks."""

    def __init__(self, journal: str | os.PathLike[str]) -> None:
        self.files: FileInbox = FileInbox(Path(f"{os.fspath(journal)}.events"))
        """The same folder, for a thread."""

    async def put(self, event: InboxEvent) -> None:
        """Write an event and flush it to disk; one with the same id is replaced. Raises OSError."""
        await asyncio.to_thread(self.files.put, event)

    async def names(self, max_age: float) -> Sequence[str]:
        """Return the names of the events, after removing those that are older than ``max_age`` seconds."""
        return await asyncio.to_thread(self.files.names, max_age)

    async def read(self, name: str) -> InboxEvent | None:
        """Return an event by its name; None when it cannot be read."""
        return await asyncio.to_thread(self.files.read, name)

    async def remove(self, name: str) -> None:
        """Remove an event that was handled."""
        await asyncio.to_thread(self.files.remove, name)

    async def clear(self) -> None:
        """Remove all events."""
        await asyncio.to_thread(self.files.clear)

    async def wait(self) -> None:
        """Return after a quarter of a second."""
        await asyncio.sleep(READ_INTERVAL)
