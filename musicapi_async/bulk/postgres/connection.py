"""Connections to the database of a journal: every wait is bounded, and what was lost is connected again with pauses."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import asyncpg

from musicapi_async._logger import logger
from musicapi_async.bulk.postgres.address import Address
from musicapi_async.bulk.postgres.schema import CHANNEL
from musicapi_async.bulk.postgres.session import connect
from musicapi_async.errors import JournalError, MusicAPIError

__all__ = ["Batches", "Channel"]

T = TypeVar("T")

COMMAND_TIMEOUT: Final = 10.0
"""Seconds for a statement; both ends keep to it."""
MAX_OUTAGE: Final = 900.0
"""Seconds for which a lost database is connected to again."""
MAX_PAUSE: Final = 2.0
"""Seconds between two attempts at a connection, at most."""
CLOSE_TIMEOUT: Final = 2.0
MAX_BATCH: Final = 200
LOST: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
)
"""Errors after which it is unknown whether a statement was committed: what it wrote is read again."""


class Channel:
    """One connection, used by one statement at a time, and made again when it is lost."""

    def __init__(self, address: Address, on_notify: Callable[[str], object] | None = None) -> None:
        """``on_notify`` is called with each notification, and once after connecting: some may have been missed."""
        self.address: Address = address
        self._on_notify = on_notify
        self._connection: Any = None
        self._busy = asyncio.Lock()
        self._closing = asyncio.Event()
        self._is_closed = False
        self._deadline = math.inf
        """Event-loop time after which nothing is tried again."""
        self.lost: asyncio.Event = asyncio.Event()
        """Set while the database cannot be reached."""

    async def run(
        self, work: Callable[[Any], Awaitable[T]], *, limit: float = MAX_OUTAGE, is_idempotent: bool = True
    ) -> T:
        """Run work on the connection, again after a lost one if it is idempotent, for at most ``limit`` seconds.

        Raises JournalError when the database refuses it, or stays away.
        """
        async with self._busy:
            if self._is_closed:
                raise JournalError(self.address.name, "it is closed")
            clock = asyncio.get_running_loop().time
            deadline, pause, attempts = clock() + limit, 0.05, 0
            while True:
                attempts += 1
                try:
                    found = await self._run(work)
                except MusicAPIError:
                    raise
                except (*LOST, asyncpg.PostgresError, ValueError) as error:
                    reason, is_last = self.address.reason_of(error), True
                    if isinstance(error, LOST) and not isinstance(error, ValueError):
                        self._note_lost(reason)
                        # A process that was stopped meanwhile has its time limits behind it: it tries once more.
                        is_over = clock() + pause > min(deadline, self._deadline) and (attempts > 1 or self.is_hurried)
                        is_last = not is_idempotent or is_over or self._closing.is_set()
                else:
                    self._note_back()
                    return found
                # Outside of the handler: the frames of the error hold the address.
                if is_last:
                    raise JournalError(self.address.name, f"the database cannot be used: {reason}")
                await _outside_of_shields(self._wait_for_close(pause))
                pause = min(MAX_PAUSE, pause * 2)

    def hurry(self, limit: float) -> None:
        """Try nothing again that fails after so many seconds from now: the worker ends; infinite where one begins."""
        self._deadline = asyncio.get_running_loop().time() + limit

    @property
    def is_hurried(self) -> bool:
        """True when the worker ends."""
        return not math.isinf(self._deadline)

    async def _wait_for_close(self, limit: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._closing.wait()

    async def _run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await _outside_of_shields(self._connect())
            async with asyncio.timeout(COMMAND_TIMEOUT + 1):
                return await work(self._connection)
        except BaseException as error:
            if isinstance(error, (*LOST, asyncio.CancelledError)):
                self._terminate()
            raise

    async def _connect(self) -> Any:
        connection = await connect(self.address, command_timeout=COMMAND_TIMEOUT)
        # Without it a crash of the server forgets what was sent.
        if await connection.fetchval("SHOW synchronous_commit") == "off":
            await connection.execute("SET synchronous_commit = on")
        if (on_notify := self._on_notify) is not None:
            await connection.add_listener(CHANNEL, lambda *notification: on_notify(notification[-1]))
            on_notify("")
        return connection

    def _note_lost(self, reason: str) -> None:
        if not self.lost.is_set():
            logger.warning("the database of %s was lost (%s): connecting again", self.address.name, reason)
            self.lost.set()

    def _note_back(self) -> None:
        if self.lost.is_set():
            self.lost.clear()
            logger.warning("the database of %s is back", self.address.name)

    def _terminate(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def aclose(self) -> None:
        """Finish the work that was begun, without connecting again, and close the connection, in bounded time."""
        self._closing.set()
        async with self._busy:
            self._is_closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            await _outside_of_shields(_disconnect(connection))


async def _disconnect(connection: Any) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await connection.close(timeout=CLOSE_TIMEOUT)
    except LOST:
        connection.terminate()


async def _outside_of_shields(work: Coroutine[Any, Any, T]) -> T:
    """Do work in a task of its own: in a shielded one ``asyncio.timeout``, by cancelling, would never end it."""
    return await asyncio.get_running_loop().create_task(work)


_Waiting = tuple[int, Any, "asyncio.Future[Any]"]


class Batches:
    """A statement that is run for many arguments at once: all that wait at the same time share a commit.

    ``fetch`` runs it for all of them; it returns at most one row for each, with the argument's change as ``after``, and
    is idempotent.
    """

    def __init__(self, channel: Channel, fetch: Callable[[Any, Sequence[Any]], Awaitable[Sequence[Any]]]) -> None:
        self._channel = channel
        self._fetch = fetch
        self._waiting: list[_Waiting] = []
        self._running: asyncio.Task[None] | None = None

    async def run(self, change: int, values: Any) -> Any:
        """Run the statement for these values; return its row, None without one."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, values, done))
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run_all())
        return await done

    async def _run_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            await self._run(batch)

    async def _run(self, batch: "Sequence[_Waiting]") -> None:
        arguments = [values for _, values, _ in batch]
        error: Exception | None = None
        rows: Mapping[int, Any] = {}
        try:
            found = await self._channel.run(lambda connection: self._fetch(connection, arguments))
            rows = {row["after"]: row for row in found}
        except Exception as failure:  # noqa: BLE001 - raised in the waiting tasks
            error = failure
        if error is not None and len(batch) > 1 and not self._channel.lost.is_set():
            for one in batch:  # one of them is at fault
                await self._run([one])
            return
        for change, _, done in batch:
            if done.done():
                continue
            if error is None:
                done.set_result(rows.get(change))
            else:
                done.set_exception(error)
