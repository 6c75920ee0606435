"""Reading of a shared inbox: verified events that reached another process of this machine."""

import asyncio
from typing import Final

from musicapi_async._logger import logger
from musicapi_async._tasks.events import TaskEvents
from musicapi_async._tasks.state import ReportedEvent
from musicapi_async._webhook_inbox import FileInbox, InboxEvent
from musicapi_async.wire.json import read_json

__all__ = ["InboxReader", "reported_event"]

INTERVAL: Final = 0.5
"""Seconds between two readings of the folder."""


class InboxReader:
    """Takes the events of a client's tasks out of an inbox, from the first wait until the client is closed."""

    def __init__(self, inbox: FileInbox, events: TaskEvents) -> None:
        self._inbox = inbox
        self._events = events
        self._foreign: set[str] = set()
        """The names of events of other processes."""
        self._reading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read, unless it has begun."""
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def aclose(self) -> None:
        """End the reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def put(self, event: InboxEvent, reported: ReportedEvent) -> bool:
        """Keep a verified event on disk, then apply what it reports; return False when it is of no task of this client.

        Raises OSError when it cannot be kept.
        """
        await asyncio.to_thread(self._inbox.put, event)
        return await self._apply(self._inbox.name_of(event.id), event, reported)

    async def _read(self) -> None:
        while True:
            try:
                names = await asyncio.to_thread(self._inbox.names)
                self._foreign.intersection_update(names)
                for name in names:
                    if name not in self._foreign and (event := await asyncio.to_thread(self._inbox.read, name)):
                        await self._apply(name, event, reported_event(event))
            except Exception as error:  # noqa: BLE001 - tasks are polled, whatever happens to the folder
                logger.error("the webhook inbox cannot be read: %r", error)
            await asyncio.sleep(INTERVAL)

    async def _apply(self, name: str, event: InboxEvent, reported: ReportedEvent) -> bool:
        is_matched = self._events.receive(event.id, reported, event.reference)
        if is_matched:
            await asyncio.to_thread(self._inbox.remove, name)
        else:
            self._foreign.add(name)
        return is_matched


def reported_event(event: InboxEvent) -> ReportedEvent:
    """Return a kept event as the client's waits take it."""
    body = read_json(event.content)
    return ReportedEvent(event.type, event.task_id, body if isinstance(body, dict) else {}, event.content)
