"""The journal in a PostgreSQL database: ``PostgresJournal``, which ``bulk.open`` returns for an address."""

import asyncio
import json
import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from musicapi_async._transport.cancellation import complete
from musicapi_async.bulk.copies import COPY, unfinished_reason
from musicapi_async.bulk.journal import Closable, RecordTakenError
from musicapi_async.bulk.postgres import planning, records
from musicapi_async.bulk.postgres.address import Address
from musicapi_async.bulk.postgres.claims import Claims, now
from musicapi_async.bulk.postgres.connection import Channel
from musicapi_async.bulk.postgres.inbox import PostgresInbox
from musicapi_async.bulk.postgres.late_ids import LateIds
from musicapi_async.bulk.postgres.leftovers import FILES, remove_leftovers
from musicapi_async.bulk.postgres.migrating import check_version, create_tables
from musicapi_async.bulk.postgres.records import (
    SharedRecord,
    attempt_of,
    new_change,
    shared_record_of,
)
from musicapi_async.bulk.postgres.transitions import Transitions, taken_reason
from musicapi_async.bulk.records import NO_CHANGES, TRANSITIONS, Attempt, Changes, Planned, Record, State
from musicapi_async.bulk.rows import to_json
from musicapi_async.errors import BudgetExceededError, JournalError

__all__ = ["PostgresJournal"]

OPEN_LIMIT: Final = 5.0
LEAVE_LIMIT: Final = 5.0
"""Seconds for which a lost database is connected to again, when the journal is opened and closed."""
SHORTEN_INTERVAL: Final = 5.0
MAX_TAKEN_OVER: Final = 500
EVER: Final = float("inf")
SELECT: Final = f"SELECT {records.SHARED} FROM musicapi.record"  # noqa: S608 - names of ours


class PostgresJournal:
    """Journal in a PostgreSQL database, for any number of workers on any number of machines at the same time.

    A transition that was awaited is committed. A record is claimed by the change of its state to ``sending``, within
    the limits of the plan, which hold over all workers: only the worker that has claimed it may plan it again, when it
    was certainly not sent; any other one only makes it ``uncertain``, when that worker has had no heartbeat for 15
    seconds. A worker whose record was changed meanwhile gets a RecordTakenError.

    The database holds requests and results, never the key. Every method raises JournalError when the database cannot
    be used; one that is away is connected to again for 15 minutes.
    """

    _is_for_copy: ClassVar[bool] = False
    """True while a copy is made in it."""

    def __init__(self, address: str, *, create: bool = True) -> None:
        self._address = Address.of(address)
        self._creates = create
        self.name: str = self._address.name
        """The address of the database, without the password."""
        self.runs: set[Closable] = set()
        """The runs to close before the journal is closed."""
        self.worker: str = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        """The name of this worker among those on the journal."""
        self._reading, self._writing = Channel(self._address), Channel(self._address)
        self._beating = Channel(self._address, self._notified)
        self._on_change: Callable[[], object] = _nothing
        self.inbox: PostgresInbox = PostgresInbox(self._reading, self.worker)
        """The events of its tasks that were received and not handled yet."""
        self._claims = Claims(self.name, self.worker, self._writing)
        self._has_joined = False
        self._shortened: dict[str, tuple[float, float]] = {}
        """The seconds to which places were last shortened, and when, by operation."""
        self._transitions = Transitions(
            self.name, self.worker, self._reading, self._writing, self._claims, is_worker=self._is_worker
        )

    def _is_worker(self) -> bool:
        return self._has_joined or self.inbox.is_read

    @property
    def work_folder(self) -> Path:
        """The folder of this worker in which files are completed before they are uploaded."""
        return self._transitions.late_ids.folder / f"{self.worker}{FILES}"

    async def __aenter__(self) -> Self:
        """Connect; create the tables in a database that has none, if it may.

        Raises JournalError when the database cannot be reached, or holds no journal of this version.
        """
        try:
            self._transitions.late_ids = LateIds(await self._reading.run(self._prepare, limit=OPEN_LIMIT))
        except BaseException:
            await self._aclose()
            raise
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the runs that are left, finish the writes that were begun, and disconnect, in bounded time."""
        await complete(self._close())

    async def _close(self) -> None:
        try:
            for run in tuple(self.runs):
                await run.aclose()
            if self._claims.picked or self._transitions.held:
                with suppress(JournalError):
                    await self.leave()
        finally:
            await self._aclose()

    async def _aclose(self) -> None:
        await asyncio.gather(self._reading.aclose(), self._writing.aclose(), self._beating.aclose())
        with suppress(OSError):  # there is none, or it has files that could not be uploaded
            await asyncio.to_thread(self.work_folder.rmdir)

    async def _prepare(self, connection: Any) -> str:
        """Create the tables where there are none, if it may, and return the id of the journal."""
        if self._creates:
            await create_tables(connection)
        await check_version(connection, self.name)
        is_copy = await connection.fetchval("SELECT 1 FROM musicapi.kept WHERE name = $1", COPY)
        if is_copy and not self._is_for_copy:
            raise JournalError(self.name, unfinished_reason())
        return str(await connection.fetchval("SELECT id FROM musicapi.journal"))

    # Workers

    async def join(self, on_change: Callable[[], object] | None = None) -> None:
        """Register as a worker; record the ids that an earlier one could not record, and remove the files it left.

        ``on_change`` is called when there may be something to claim, or nothing left; a hint, which may be missed.
        """
        self._has_joined = True
        self._on_change = on_change or _nothing
        self._hurry(EVER)
        await self._beating.run(lambda connection: connection.execute("SELECT musicapi.register($1)", self.worker))
        for late in await asyncio.to_thread(lambda: list(self._transitions.late_ids.kept())):
            await self._transitions.settle_late(late)
        await remove_leftovers(self._transitions.late_ids.folder, self._reading)

    async def beat(self, name: str) -> tuple[Sequence[Record], Any]:
        """Send a heartbeat; return records whose tasks this worker has to collect now, and the value under a name.

        The worker of these records has stopped, or has given them back.
        """
        rows = await self._beating.run(
            lambda connection: connection.fetch(
                records.BEAT, self.worker, list(self._transitions.held), MAX_TAKEN_OVER, name
            )
        )
        found = [shared_record_of(row) for row in rows if row["number"] is not None]
        self._transitions.held.update(one.number for one in found)
        return found, _loaded(rows[0]["kept"])

    def hurry(self) -> None:
        """Wait for a lost database no longer than a few seconds from now: the worker ends."""
        self._hurry(LEAVE_LIMIT)

    def _hurry(self, limit: float) -> None:
        for channel in (self._reading, self._writing, self._beating):
            channel.hurry(limit)

    async def leave(self) -> None:
        """Give back what this worker has, for others to resume."""
        self._has_joined = self.inbox.is_read = False
        self._on_change = _nothing
        leave = "SELECT musicapi.leave($1)"
        await self._beating.run(lambda connection: connection.execute(leave, self.worker), limit=LEAVE_LIMIT)
        self._claims.picked.clear()
        self._transitions.held.clear()

    async def is_left(self) -> bool:
        """Return whether there is something to send or to collect, by any worker."""
        return bool(await self._value(records.IS_LEFT))

    async def charge_besides(self, credits: float) -> None:
        """Count the credits of a paid request that has no record; raises BudgetExceededError above the limit."""
        limit = self._claims.max_credits
        if credits > 0 and not await self._value(records.CHARGE_BESIDES, credits, limit):
            raise BudgetExceededError(limit, await self.total_charged(), credits)
        if credits < 0:
            await self._value(records.CHARGE_BESIDES, credits, EVER)

    def limit(self, *, in_flight: int, max_credits: float | None, create_rate: float | None) -> None:
        """Set the limits of the plan, which hold over all workers."""
        self._claims.limit(in_flight, EVER if max_credits is None else max_credits, create_rate)

    def _notified(self, notification: str) -> None:
        if not self.inbox.notify(notification):
            self._on_change()
        if not notification:  # after a connection was lost, events may have been missed too
            self.inbox.wake()

    # Plans

    async def new_plan(self) -> int:
        """Return the number of a new plan."""
        return int(await self._value("UPDATE musicapi.journal SET newest = newest + 1 RETURNING newest"))

    async def plan(self, requests: Sequence[Planned], plan: int | None = None) -> int:
        """Add requests to a plan, by default the active one; return how many of them were new.

        A key that the journal has already is not added again. Once the plan is active, the record's request is the one
        given now; a record that was sent keeps the request as it was sent, and the one given now is used if it is ever
        sent again. Raises InvalidRequestError for a key that is in a new plan already.
        """
        entries = [(one.key, one.operation, to_json(one.request), one.key_version) for one in requests]

        async def add(connection: Any) -> int:
            async with connection.transaction():
                return await planning.add_to_plan(connection, entries, plan)

        return await self._reading.run(add, is_idempotent=False)

    async def activate_plan(self, plan: int | None = None) -> int:
        """Have ``claim`` return the records of this plan alone, or of the last one; return its number."""

        async def activate(connection: Any) -> int:
            async with connection.transaction():
                started = await planning.lock_plans(connection)
                if plan is not None:
                    await planning.activate_plan(connection, plan)
                return started if plan is None else plan

        return await self._reading.run(activate)

    async def claim(self, count: int) -> Sequence[Record]:
        """Pick the next planned records that no worker has picked, at most ``count``; ``start_sending`` claims them."""

        async def pick(connection: Any) -> Sequence[Any]:
            return list(await connection.fetch(records.PICK, self.worker, list(self._claims.picked), count))

        found = [shared_record_of(row) for row in await self._writing.run(pick)]
        self._claims.picked.update(one.number for one in found)
        return sorted(found, key=lambda one: one.number)

    # Records

    async def turn(self) -> None:
        """Wait until it may be a submission's turn within the limits of the plan."""
        await self._claims.turn()

    async def start_sending(self, record: Record, changes: Changes) -> Record | None:
        """Claim a planned record: change its state to ``sending``, and return it as it is now.

        None while a limit of the plan is reached: ``turn`` comes first again. Raises RecordTakenError when the record
        is not planned any more, and BudgetExceededError.
        """
        shared, change = self._shared(record), new_change()
        claimed = await self._claims.claim(shared, change, changes)
        if claimed == "taken":
            current = await self._transitions.find(record.number)
            if current is not None and current.claim == change and current.state == "uncertain":
                # It was claimed after all, while the database was away, and never sent.
                unsent = Changes(reason="it was not sent", was_not_accepted=True)
                await self.transition(current, "planned", unsent)
            raise RecordTakenError(self.name, taken_reason(record))
        if claimed is None and changes.lasts is not None:
            await self._shorten_holds(record.operation, changes.lasts)
        return claimed

    async def _shorten_holds(self, operation: str, lasts: float) -> None:
        """Have uncertain records hold their places no longer than is known now, instead of when they were sent."""
        shortest, shortened_at = self._shortened.get(operation, (EVER, 0.0))
        if lasts < shortest or now() - shortened_at > SHORTEN_INTERVAL:
            self._shortened[operation] = (lasts, now())
            await self._value(records.SHORTEN_HOLDS, operation, lasts)

    def check_claim(self, record: Record) -> None:
        """Raise ClaimExpiredError when a claimed record may not be sent any more, right before its first byte."""
        self._claims.check(self._shared(record))

    async def slow_down(self, seconds: float) -> None:
        """Have no worker claim a record for so many seconds: the service has refused one by a 429."""
        await self._value("SELECT musicapi.slow_down($1, $2, $3)", *self._claims.slow_down(seconds))

    async def transition(self, record: Record, state: State, changes: Changes = NO_CHANGES) -> Record:
        """Change the state of a record, with further changes, and return it as it is now.

        A record that is to be sent again gets the request its key was last planned with. Raises JournalError when the
        transition is not allowed, RecordTakenError when the record was changed by someone else: an id that comes with
        it is kept as that of a song that is paid for besides.
        """
        before = self._shared(record)
        if state not in TRANSITIONS[record.state]:
            reason = f"record {record.number} ({record.key!r}) is {record.state}: it cannot be {state}"
            raise JournalError(self.name, reason)
        if record.state == "sending" and state != "uncertain" and not self._claims.has(before):
            reason = f"record {record.number} ({record.key!r}) was claimed by another worker: it can only be uncertain"
            raise JournalError(self.name, reason)
        if state == "sending":
            while (claimed := await self.start_sending(record, changes)) is None:
                await self.turn()
            return claimed
        if record.state == "sending" and state == "accepted":
            return await self._transitions.accept(before, changes)
        return await self._transitions.change(before, state, changes)

    async def update(self, record: Record, changes: Changes) -> Record:
        """Apply changes to a record that stays in its state, and return it as it is now."""
        return await self._transitions.update(self._shared(record), changes)

    async def records(
        self, state: State, after: int = 0, count: int = 1000, *, in_current_plan: bool = False
    ) -> Sequence[Record]:
        """Return records in a state, in their order, at most ``count`` with numbers above ``after``.

        With ``in_current_plan`` only those of the active plan.
        """
        where = f"{records.IN_PLAN} AND " if in_current_plan else ""
        # Not as a parameter: each state has its index.
        query = f"{SELECT} WHERE {where}state = '{state}' AND number > $1 ORDER BY number LIMIT $2"
        if state not in TRANSITIONS:
            raise JournalError(self.name, f"{state!r} is no state")
        return [shared_record_of(row) for row in await self._rows(query, after, count)]

    # Attempts

    async def attempt(self, reference: str) -> Attempt | None:
        """Return the attempt with a reference; None when the journal has none."""
        rows = await self._rows(f"{records.ATTEMPTS} WHERE attempt.reference = $1", reference)
        return attempt_of(rows[0]) if rows else None

    async def open_references(self, count: int) -> Sequence[str]:
        """Return the references of uncertain records, and the last ``count`` of earlier attempts without a task."""
        return [row["reference"] for row in await self._rows(records.OPEN_REFERENCES, count)]

    async def has_task(self, task_id: str, besides: str) -> bool:
        """Return whether a task is that of a record, or of an attempt other than the one of reference ``besides``."""
        return bool(await self._value(records.HAS_TASK, task_id, besides))

    async def extras(self) -> Sequence[Attempt]:
        """Return the attempts whose songs are paid for besides those of their records."""
        return [attempt_of(row) for row in await self._rows(f"{records.ATTEMPTS} WHERE is_extra ORDER BY position")]

    async def record_extra(self, reference: str, task_id: str, files: Sequence[str] | None = None) -> None:
        """Record the task of an attempt whose song is paid for besides, and its files when they are saved."""
        await self._value(records.ADD_EXTRA, reference, task_id, None if files is None else to_json(files))

    # Sums and values

    async def counts(self) -> Mapping[State, int]:
        """Return the number of records in each state."""
        rows = await self._rows("SELECT state, count(*) AS count FROM musicapi.record GROUP BY state")
        found = {row["state"]: int(row["count"]) for row in rows}
        return {state: found.get(state, 0) for state in TRANSITIONS}

    async def charged(self) -> Mapping[str, int]:
        """Return how often each operation was, or may have been, paid for, without refunds."""
        return {row["operation"]: int(row["count"]) for row in await self._rows(records.CHARGED)}

    async def charge_unpriced(self, prices: Mapping[str, float]) -> None:
        """Return at once: each record has had its charge since it was claimed."""

    async def total_charged(self) -> float:
        """Return the credits that all records have, or may have, cost, without refunds."""
        return float(await self._value("SELECT charged FROM musicapi.gate"))

    async def remember(self, name: str, value: object) -> None:
        """Store a JSON value under a name, for later runs."""
        statement = "INSERT INTO musicapi.kept VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        await self._value(statement, name, to_json(value))

    async def remember_once(self, name: str, value: object) -> Any:
        """Store a JSON value under a name that has none, and return the stored one: the same for all workers."""
        return json.loads(await self._value(records.REMEMBER_ONCE, name, to_json(value)))

    async def recall(self, name: str) -> Any:
        """Return the value stored under a name, or None."""
        return _loaded(await self._value("SELECT value FROM musicapi.kept WHERE name = $1", name))

    async def _rows(self, query: str, *values: object) -> Sequence[Any]:
        async def fetch(connection: Any) -> Sequence[Any]:
            return list(await connection.fetch(query, *values))

        return await self._reading.run(fetch)

    async def _value(self, query: str, *values: object) -> Any:
        return await self._reading.run(lambda connection: connection.fetchval(query, *values))

    def _shared(self, record: Record) -> SharedRecord:
        if not isinstance(record, SharedRecord):
            raise JournalError(self.name, f"record {record.number} ({record.key!r}) is of another journal")
        return record


def _nothing() -> None:
    """Do nothing with a notification, while no worker waits for one."""


def _loaded(value: str | None) -> Any:
    return None if value is None else json.loads(value)
