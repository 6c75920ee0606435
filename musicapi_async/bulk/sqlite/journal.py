"""The journal in an SQLite file: ``SQLiteJournal``, which ``bulk.open`` returns for a path."""

import asyncio
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from musicapi_async._logger import logger
from musicapi_async._transport.cancellation import complete
from musicapi_async.bulk.folder_inbox import FolderInbox
from musicapi_async.bulk.journal import SERVICE, Closable
from musicapi_async.bulk.paths import journal_path
from musicapi_async.bulk.records import NO_CHANGES, TRANSITIONS, Attempt, Changes, Planned, Record, State
from musicapi_async.bulk.rows import COLUMNS, record_of
from musicapi_async.bulk.sqlite import attempts, statements
from musicapi_async.bulk.sqlite.lock import Mark, is_complete_by, lock_of
from musicapi_async.bulk.sqlite.schema import prepare, select_value
from musicapi_async.bulk.sqlite.writer import Writer
from musicapi_async.errors import JournalError

__all__ = ["SQLiteJournal", "TrialJournal"]


IS_IT_CURRENT: Final = (
    "paid requests were sent from it, and its lock file ({lock}) is missing, as after copying it without that file. If "
    "no run has used a newer copy since, pass --journal-is-current (bulk.open(path, is_current=True)); if it may be "
    "older, such as a backup, pass --journal-is-old (is_current=False): its planned requests are then uncertain"
)

ELSEWHERE: Final = "use another folder for the trial (--out), or remove this journal if nothing in it was paid for"


class SQLiteJournal:
    """Journal in one SQLite file, for one process at a time; the process that holds it is named to the others.

    A transition that was awaited is on disk (WAL, ``synchronous=FULL``); many that wait share one flush. A record that
    is found ``sending`` when the file is opened becomes ``uncertain``: it may have been paid for, and is never resent
    automatically.

    A mark beside the file, in its lock, records the progress of the journal. If it is ahead of the journal, or belongs
    to another one, entries are missing, as in a backup: the planned records are then uncertain, and so is each key that
    the journal does not know, until ``resolve_not_sent`` has resolved all of them.

    Every method raises JournalError when the file cannot be read or written.
    """

    _is_trial: ClassVar[bool] = False
    """True while only the embedded sandbox works on it."""
    _is_for_copy: ClassVar[bool] = False
    """True while it is copied, or a copy is made in it."""

    def __init__(self, path: str | os.PathLike[str], *, is_current: bool | None = None, create: bool = True) -> None:
        self.path: Path = journal_path(path)
        self._is_current = is_current
        self._creates = create
        self.name: str = str(self.path)
        """The name of the journal in error messages."""
        self.inbox: FolderInbox = FolderInbox(self.path)
        """The folder in which ``receive`` keeps the events of its tasks."""
        self.work_folder: Path = Path(f"{self.path}.files")
        """The folder in which files are completed before they are uploaded."""
        self._writer = Writer(self.path, self._connect)
        self._claimed = 0
        """The number of the last record that was claimed."""
        self.runs: set[Closable] = set()
        """The runs to close before the journal is closed."""

    async def __aenter__(self) -> Self:
        """Take the lock, open the file, and make uncertain what a killed process was sending.

        Raises JournalError as described at ``bulk.open``.
        """
        try:
            await complete(self._open())
        except asyncio.CancelledError:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def _open(self) -> None:
        if not self._creates and not await asyncio.to_thread(self.path.exists):
            raise JournalError(self.name, "there is none: 'musicapi bulk plan FILE --journal ...' creates one")
        left = await self._writer.open()
        try:
            await self._recover(left)
        except BaseException:
            await self._writer.aclose()
            raise

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the runs that are left, finish the writes that were begun, close the file, and release the lock."""
        await complete(self._close())

    async def _close(self) -> None:
        try:
            for run in tuple(self.runs):
                await run.aclose()
        finally:
            await self._writer.aclose()

    async def new_plan(self) -> int:
        """Return the number of a new plan."""
        statement = "UPDATE planning SET newest = newest + 1 RETURNING newest"
        return int(await self._writer.write(select_value, statement))

    async def plan(self, requests: Sequence[Planned], plan: int | None = None) -> int:
        """Add requests to a plan, by default the active one; return how many of them were new.

        A key that the journal has already is not added again. Once the plan is active, the record's request is the one
        given now; a record that was sent keeps the request as it was sent, and the one given now is used if it is ever
        sent again. Raises InvalidRequestError for a key that is in a new plan already.
        """
        return await self._writer.write(statements.add_to_plan, requests, plan)

    async def activate_plan(self, plan: int | None = None) -> int:
        """Have ``claim`` begin again with the records of this plan alone, or of the last one; return its number.

        A record that was planned before and is not in this plan is not made, unless it was paid for.
        """
        if plan is not None:
            await self._writer.write(statements.activate_plan, plan)
        self._claimed = 0
        return int(await self._writer.read(select_value, "SELECT started FROM planning"))

    async def claim(self, count: int) -> Sequence[Record]:
        """Return the next planned records that were not claimed yet, at most ``count``."""
        found = await self.records("planned", self._claimed, count, in_current_plan=True)
        if found:
            self._claimed = found[-1].number
        return found

    async def transition(self, record: Record, state: State, changes: Changes = NO_CHANGES) -> Record:
        """Change the state of a record, with further changes, and return it as it is now.

        A record that is to be sent again gets the request its key was last planned with. In a journal that has lost
        entries, one that would be sent again after a failure or a refusal is ``uncertain`` instead. Raises JournalError
        when the transition is not allowed, the record is not in the state it is passed with, or the disk is full.
        """
        if state not in TRANSITIONS[record.state]:
            reason = f"record {record.number} ({record.key!r}) is {record.state}: it cannot be {state}"
            raise JournalError(self.name, reason)
        if state == "sending":
            self._writer.highest = max(self._writer.highest, record.number)
        changed = await self._writer.write(statements.write_transition, record, state, changes)
        return self._changed(record, changed)

    async def turn(self) -> None:
        """Return at once: the limits are those of the run, which has the journal for itself."""

    async def start_sending(self, record: Record, changes: Changes) -> Record:
        """Change the state of a planned record to ``sending``, and return it as it is now."""
        return await self.transition(record, "sending", changes)

    def check_claim(self, record: Record) -> None:
        """Return: no other process has the journal."""

    async def slow_down(self, seconds: float) -> None:
        """Return at once: the client waits after a 429, and there is no other worker."""

    async def update(self, record: Record, changes: Changes) -> Record:
        """Apply changes to a record that stays in its state, and return it as it is now."""
        return self._changed(record, await self._writer.write(statements.write_changes, record, changes))

    def _changed(self, record: Record, changed: Record | None) -> Record:
        if changed is None:
            raise JournalError(self.name, f"record {record.number} ({record.key!r}) is not {record.state} any more")
        return changed

    async def records(
        self, state: State, after: int = 0, count: int = 1000, *, in_current_plan: bool = False
    ) -> Sequence[Record]:
        """Return records in a state, in their order, at most ``count`` with numbers above ``after``.

        With ``in_current_plan`` only those that the active plan asks for.
        """
        where = f"{statements.IN_PLAN if in_current_plan else ''}state = ? AND number > ?"
        query = f"SELECT {COLUMNS} FROM row WHERE {where} ORDER BY number LIMIT ?"  # noqa: S608 - names of ours

        def select(connection: sqlite3.Connection) -> Sequence[Record]:
            return [record_of(found) for found in connection.execute(query, (state, after, count))]

        return await self._writer.read(select)

    async def attempt(self, reference: str) -> Attempt | None:
        """Return the attempt with a reference; None when the journal has none."""
        return await self._writer.read(attempts.attempt_of, reference)

    async def open_references(self, count: int) -> Sequence[str]:
        """Return the references of uncertain records, and the last ``count`` of earlier attempts without a task."""
        return await self._writer.read(attempts.open_references, count)

    async def has_task(self, task_id: str, besides: str) -> bool:
        """Return whether a task is that of a record, or of an attempt other than the one of reference ``besides``."""
        return await self._writer.read(attempts.has_task, task_id, besides)

    async def extras(self) -> Sequence[Attempt]:
        """Return the attempts whose songs are paid for besides those of their records."""
        return await self._writer.read(attempts.extras_in)

    async def record_extra(self, reference: str, task_id: str, files: Sequence[str] | None = None) -> None:
        """Record the task of an attempt whose song is paid for besides, and its files when they are saved."""
        await self._writer.write(attempts.record_extra, reference, task_id, files)

    async def counts(self) -> Mapping[State, int]:
        """Return the number of records in each state."""
        return await self._writer.read(statements.count_states)

    async def charged(self) -> Mapping[str, int]:
        """Return how often each operation was, or may have been, paid for, without refunds."""
        return await self._writer.read(statements.count_charged)

    async def charge_unpriced(self, prices: Mapping[str, float]) -> None:
        """Charge the attempts of records that have no charge of their own, at these prices by operation."""
        await self._writer.write(statements.charge_unpriced, prices)

    async def total_charged(self) -> float:
        """Return the credits that all records have, or may have, cost, without refunds."""
        return float(await self._writer.read(select_value, statements.TOTAL_CHARGED))

    async def remember(self, name: str, value: object) -> None:
        """Store a JSON value under a name, for later runs."""
        await self._writer.write(statements.remember, name, value)

    async def remember_once(self, name: str, value: object) -> Any:
        """Store a JSON value under a name that has none, and return the stored one."""
        # One process at a time has the journal.
        if (kept := await self.recall(name)) is not None:
            return kept
        await self.remember(name, value)
        return value

    async def recall(self, name: str) -> Any:
        """Return the value stored under a name, or None."""
        return await self._writer.read(statements.recall, name)

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self.path, isolation_level=None)
        except sqlite3.Error as error:
            raise JournalError(self.name, f"it cannot be opened: {error}") from error
        try:
            prepare(connection, self.name, is_for_copy=self._is_for_copy)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _recover(self, left: Mark | None) -> None:
        """Make records uncertain that may have been sent; raises JournalError where the user must decide."""

        def read(connection: sqlite3.Connection) -> tuple[Mark, bool]:
            own, has_sent = statements.read_progress(connection)
            # The requests of a trial were not charged; for any other journal the user has to decide, as always.
            return own, has_sent and not (self._is_trial and statements.is_trial(connection))

        # Only read: a write before the user has decided would leave a mark.
        own, has_sent = await self._writer.read(read)
        is_complete = self._is_complete(left, own, has_sent=has_sent)

        def write(connection: sqlite3.Connection) -> tuple[int, bool]:
            self._writer.mark, cut_off = statements.recover(connection, left, is_complete=is_complete)
            self._writer.highest = self._writer.mark.highest
            if not self._is_trial:
                connection.execute("DELETE FROM kept WHERE name = ?", (statements.TRIAL,))
            return cut_off, statements.is_incomplete(connection)

        cut_off, has_lost = await self._writer.write(write)
        if has_lost:
            logger.warning(
                "the journal %s has lost entries: requests it does not know may have been sent, and are uncertain",
                self.path,
            )
        if cut_off:
            logger.warning("%d records of %s may have been paid for: resolve them (uncertain)", cut_off, self.path)

    def _is_complete(self, left: Mark | None, own: Mark, *, has_sent: bool) -> bool:
        if self._is_current is False:
            return False
        found = is_complete_by(left, own, has_sent=has_sent)
        if found is None and self._is_current is None:
            raise JournalError(self.name, IS_IT_CURRENT.format(lock=lock_of(self.path).name))
        return found is not False


class TrialJournal(SQLiteJournal):
    """Journal for an embedded sandbox: emptied before each trial, and only if all its records are a trial's.

    It is marked as a trial's in the transaction that records its service, before anything is planned. Opening it for
    anything else removes the mark for good, so that a marked journal never contains paid requests.
    """

    _is_trial: ClassVar[bool] = True

    async def begin(self, service: str) -> None:
        """Empty the journal of the trial before, and mark it as a trial of this service.

        Raises JournalError when it may contain paid requests; it is then left as it is.
        """

        def begin(connection: sqlite3.Connection) -> None:
            if not statements.is_trial(connection):
                self._check_empty(connection)
            for table in ("row", "kept", "correction", "attempt"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
            for name in (SERVICE, statements.TRIAL):
                statements.remember(connection, name, service)
            self._writer.highest = 0

        await self._writer.write(begin)
        await self.inbox.clear()

    def _check_empty(self, connection: sqlite3.Connection) -> None:
        service = statements.recall(connection, SERVICE)
        if service is not None:
            raise JournalError(self.name, f"its songs are from {service}, not from a trial: {ELSEWHERE}")
        if (
            statements.is_incomplete(connection)
            or connection.execute("SELECT 1 FROM row LIMIT 1").fetchone() is not None
        ):
            raise JournalError(self.name, f"it may contain songs that are not from a trial: {ELSEWHERE}")
