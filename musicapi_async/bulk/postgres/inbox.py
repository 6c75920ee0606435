"""Events of the tasks of a journal in a database: any process keeps them, and the worker that waits is notified."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from musicapi_async._webhook_inbox import InboxEvent
from musicapi_async.bulk.postgres.connection import Channel
from musicapi_async.bulk.postgres.schema import CHANNEL, NOW, OTHERS

__all__ = ["PostgresInbox"]

SWEEP_INTERVAL: Final = 30.0
"""Seconds after which events are read without a notification, which may be missed."""
EVENT: Final = "event "
"""Begins the notification of an event; the worker that it is for follows, none where any one may take it."""
# For the worker that has the record: it waits for the task, or for the event.
PUT: Final = f"""
WITH kept AS (
    INSERT INTO musicapi.event (name, kept_at, worker, fields) VALUES ($1, {NOW}, (
        SELECT owner FROM musicapi.attempt JOIN musicapi.record USING (number)
        WHERE attempt.reference = $2 AND owner IN {OTHERS}
    ), $3)
    ON CONFLICT (name) DO UPDATE SET kept_at = excluded.kept_at, worker = excluded.worker, fields = excluded.fields
    RETURNING worker
)
SELECT pg_notify('{CHANNEL}', '{EVENT}' || coalesce(worker, '')) FROM kept
"""  # noqa: S608 - names of ours
FREE: Final = f"(worker IS NULL OR worker = $2 OR NOT worker IN {OTHERS})"
NAMES: Final = f"""
WITH old AS (DELETE FROM musicapi.event WHERE kept_at < {NOW} - $1::float8), me AS (SELECT musicapi.register($2))
SELECT name FROM me, musicapi.event WHERE {FREE} ORDER BY kept_at
"""  # noqa: S608 - names of ours
READ: Final = f"UPDATE musicapi.event SET worker = $2 WHERE name = $1 AND {FREE} RETURNING fields"  # noqa: S608


class PostgresInbox:
    """The events of a journal's tasks, for one of its workers. Each method raises JournalError."""

    def __init__(self, channel: Channel, worker: str) -> None:
        self._channel = channel
        self._worker = worker
        self._arrived = asyncio.Event()
        self.is_read: bool = False
        """True when this process takes events: it is a worker then."""

    def notify(self, notification: str) -> bool:
        """Wake the reader if a notification is of an event for this worker; return False if it is of something else."""
        if not notification.startswith(EVENT):
            return False
        if notification.removeprefix(EVENT) in {"", self._worker}:
            self.wake()
        return True

    def wake(self) -> None:
        """Have the reader read the events now."""
        self._arrived.set()

    async def put(self, event: InboxEvent) -> None:
        """Commit an event, and notify the worker that waits for it; one with the same id is replaced."""
        # The id is the service's text: it may be of any length, and contain NUL.
        name = hashlib.sha256(event.id.encode("utf-8", "surrogatepass")).hexdigest()
        await self._run("execute", PUT, name, event.reference, event.to_json())

    async def names(self, max_age: float) -> Sequence[str]:
        """Return the names of the events that no other worker has, after removing those older than ``max_age``."""
        self.is_read = True
        return [row["name"] for row in await self._run("fetch", NAMES, max_age, self._worker)]

    async def read(self, name: str) -> InboxEvent | None:
        """Take an event by its name; None when another worker has it."""
        fields = await self._run("fetchval", READ, name, self._worker)
        return None if fields is None else InboxEvent.from_json(fields)

    async def remove(self, name: str) -> None:
        """Remove an event that was handled."""
        await self._run("execute", "DELETE FROM musicapi.event WHERE name = $1", name)

    async def wait(self) -> None:
        """Return when there is a notification, or after 30 seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SWEEP_INTERVAL):
                await self._arrived.wait()
        self._arrived.clear()

    async def _run(self, method: str, query: str, *values: object) -> Any:
        return await self._channel.run(lambda connection: getattr(connection, method)(query, *values))
