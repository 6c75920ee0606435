"""The journal: what was asked for, what was paid for, what is on disk; one SQLite file."""

import asyncio
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self, TypeVar

from musicapi_async._arguments import usable_path
from musicapi_async._transport.shielding import complete
from musicapi_async.bulk.lock import Lock, Mark, lock_of
from musicapi_async.bulk.plans import IN_PLAN, add_rows, start_plan
from musicapi_async.bulk.recovery import is_complete_by, is_incomplete, read_progress, recover
from musicapi_async.bulk.schema import COLUMNS, ask, prepare, row_of, to_json
from musicapi_async.bulk.states import MOVES, Closable, Facts, Planned, Row, State, may_move
from musicapi_async.bulk.transitions import write_changes, write_transition
from musicapi_async.bulk.writer import Writer
from musicapi_async.errors import JournalError

__all__ = ["Journal"]

T = TypeVar("T")

logger: Final = logging.getLogger("musicapi")

NOTHING: Final = Facts()
TRIAL: Final = "trial"
"""Under which name the journal of an embedded sandbox is marked as such."""
IS_IT_CURRENT: Final = (
    "it has sent paid requests, and the mark beside it ({lock}) is gone, as after copying it without that file: if "
    "nothing has worked on this folder since, say --journal-is-current (Journal.open(path, is_current=True)); if it "
    "may be older, such as a backup, say --journal-is-old (is_current=False): then what is planned is uncertain"
)


class Journal:
    """Rows in a file: ``async with Journal.open("songs/journal.db") as journal``.

    One process at a time works on a journal: another one is refused with who holds it. A move that was awaited is on
    the disk (WAL, ``synchronous=FULL``); many that wait share one flush. A row that is found ``sending`` when it is
    opened is ``uncertain`` from then on: it may have been paid for, and is never sent again by itself.

    A mark beside the file, in its lock, says how far the journal has come. When it is ahead of the journal, or another
    journal's, entries are missing, as in a backup: what is planned is uncertain then, and so is each key that the
    journal does not know, until ``resolve_not_sent`` has settled all of them.
    """

    _is_trial: ClassVar[bool] = False
    """True while only the embedded sandbox is at work on it."""

    def __init__(self, path: Path, *, is_current: bool | None = None) -> None:
        self.path = path
        self._is_current = is_current
        self.name = str(path)
        """What errors call it."""
        self._lock = Lock(lock_of(path))
        self._writer = Writer(str(path), self._connect, self._count_commit, self._mark_commit)
        # Each is written by one thread alone: how often it was committed, and the highest row that was sent.
        self._commits = self._highest = 0
        self._journal_id: str | None = None
        self._taken = 0
        """The number of the last row that was taken to be sent."""
        self.runs: set[Closable] = set()
        """The runs to close before the journal."""

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, is_current: bool | None = None) -> Self:
        """Return the journal in this file, which is made when it is not there; ``async with`` opens it.

        ``is_current`` answers for a journal that has sent something and has lost its mark: True when nothing can have
        worked on a newer one, False when this may be an older one, such as a backup; then what is planned is uncertain.
        False holds also where the mark is there. True changes nothing where the mark says that entries are missing.

        Entering raises JournalError when the file is in use, damaged, from a newer version, or something else, and for
        a lost mark while ``is_current`` is None.
        """
        return cls(usable_path("path", path, 'name a file: "songs/journal.db"'), is_current=is_current)

    async def __aenter__(self) -> Self:
        """Take the lock, open the file, and settle what a killed process left."""
        try:
            await complete(self._open())
        except asyncio.CancelledError:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def _open(self) -> None:
        try:
            left = await asyncio.to_thread(self._take_lock)
        except OSError as error:
            raise JournalError(str(self.path), f"it cannot be opened: {error.strerror}") from error
        try:
            await self._writer.open()
            await self._settle(left)
        except BaseException:
            await self._close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the runs that are left, finish what was begun, close the file, and let others have it."""
        await complete(self._close())

    async def _close(self) -> None:
        try:
            for run in tuple(self.runs):
                await run.aclose()
        finally:
            try:
                await self._writer.aclose()
            finally:
                self._lock.release()

    async def new_plan(self) -> int:
        """Return the number of a new plan."""

        def begin(connection: sqlite3.Connection) -> int:
            return int(connection.execute("UPDATE planning SET newest = newest + 1 RETURNING newest").fetchone()[0])

        return await self._writer.write(begin)

    async def plan(self, rows: Sequence[Planned], plan: int | None = None) -> int:
        """Add rows to a plan, by default the one that was started last; return how many were new.

        A key that is there already is not added again. Once the plan is started its request is the one that is given
        now; one that was sent stays as it was sent, and the one given now is what is sent the next time, if ever.
        Raises InvalidRequestError for a key that is in a new plan already.
        """
        entries = [(row.key, row.operation, to_json(row.request), row.key_version) for row in rows]
        return await self._writer.write(lambda connection: add_rows(connection, entries, plan))

    async def start(self, plan: int | None = None) -> int:
        """Have ``take`` begin again, with the rows of this plan alone, or of the last one; return its number.

        What was planned before and is in this plan no more is not made, unless it was paid for.
        """
        if plan is not None:
            await self._writer.write(lambda connection: start_plan(connection, plan))
        self._taken = 0
        return int(await self._writer.read(lambda connection: ask(connection, "SELECT started FROM planning")))

    async def take(self, count: int) -> Sequence[Row]:
        """Return the next planned rows that were not taken yet, at most so many."""
        found = await self.rows("planned", self._taken, count, is_wanted=True)
        if found:
            self._taken = found[-1].number
        return found

    async def move(self, row: Row, state: State, facts: Facts = NOTHING) -> Row:
        """Note that a row has moved, and return it as it is now.

        A row that is to be sent again gets the request its key was last planned with. In a journal that has lost
        entries, one that would be sent again after a failure or a refusal is ``uncertain`` instead. Raises JournalError
        when it may not move there, is not where it is thought to be, or the disk does not take it.
        """
        if not may_move(row.state, state):
            raise JournalError(str(self.path), f"row {row.number} ({row.key!r}) is {row.state}: it cannot be {state}")
        if state == "sending":
            self._highest = max(self._highest, row.number)

        return await self._write(row, lambda connection: write_transition(connection, row, state, facts))

    async def update(self, row: Row, changes: Facts) -> Row:
        """Record changes of a record that stays in its state, and return it as it is now."""
        return await self._write(row, lambda connection: write_changes(connection, row, changes))

    async def _write(self, row: Row, change: Callable[[sqlite3.Connection], Row | None]) -> Row:
        def write(connection: sqlite3.Connection) -> Row:
            changed = change(connection)
            if changed is None:
                raise JournalError(str(self.path), f"row {row.number} ({row.key!r}) is not {row.state} any more")
            return changed

        return await self._writer.write(write)

    async def rows(self, state: State, after: int = 0, count: int = 1000, *, is_wanted: bool = False) -> Sequence[Row]:
        """Return rows in a state, in their order, from behind a number on; only those of the plan if ``is_wanted``."""
        wanted = IN_PLAN if is_wanted else ""
        question = f"SELECT {COLUMNS} FROM row WHERE {wanted}state = ? AND number > ? ORDER BY number LIMIT ?"  # noqa: S608 - names of ours

        def select(connection: sqlite3.Connection) -> Sequence[Row]:
            return [row_of(found) for found in connection.execute(question, (state, after, count))]

        return await self._writer.read(select)

    async def counts(self) -> Mapping[State, int]:
        """Return how many rows are in each state."""

        def count(connection: sqlite3.Connection) -> Mapping[State, int]:
            found = dict(connection.execute("SELECT state, count(*) FROM row GROUP BY state"))
            return {state: found.get(state, 0) for state in MOVES}

        return await self._writer.read(count)

    async def charged(self) -> Mapping[str, int]:
        """Return how often each operation was paid for, or may have been, refunds left out."""

        def count(connection: sqlite3.Connection) -> Mapping[str, int]:
            return dict(connection.execute(CHARGED))

        return await self._writer.read(count)

    async def charge_unpriced(self, prices: Mapping[str, float]) -> None:
        """Charge the attempts of records that have no charge of their own, at these prices by operation."""

        def find(connection: sqlite3.Connection) -> Sequence[str]:
            return [operation for (operation,) in connection.execute(UNPRICED)]

        def charge(connection: sqlite3.Connection) -> None:
            for operation in found:
                connection.execute(CHARGE_UNPRICED, {"operation": operation, "price": prices.get(operation, 0.0)})

        if found := await self._writer.read(find):
            await self._writer.write(charge)

    async def total_charged(self) -> float:
        """Return the credits that all records have cost, or may have, refunds left out."""
        return float(await self._writer.read(lambda connection: ask(connection, "SELECT total(charged) FROM row")))

    async def remember(self, name: str, value: object) -> None:
        """Keep a JSON value from one run to the next."""
        await self._writer.write(_do("INSERT OR REPLACE INTO kept VALUES (?, ?)", name, to_json(value)))

    async def recall(self, name: str) -> Any:
        """Return a value that was kept, or None."""

        def select(connection: sqlite3.Connection) -> Any:
            found = connection.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
            return None if found is None else json.loads(found[0])

        return await self._writer.read(select)

    def _take_lock(self) -> Mark | None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self._lock.acquire()

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self.path, isolation_level=None)
        except sqlite3.Error as error:
            raise JournalError(self.name, f"it cannot be opened: {error}") from error
        try:
            prepare(connection, str(self.path))
        except BaseException:
            connection.close()
            raise
        return connection

    def _count_commit(self, connection: sqlite3.Connection) -> None:
        self._commits += 1
        connection.execute("UPDATE progress SET commits = ?, highest = ?", (self._commits, self._highest))

    def _mark_commit(self) -> None:
        """Note how far the journal has come also beside it, so that a tail that is lost is missed when it is opened."""
        self._lock.write(Mark(self._commits, self._highest, self._journal_id))

    async def _settle(self, left: Mark | None) -> None:
        """Make uncertain what may have been sent; raises JournalError where the user must say what the journal is."""
        # Only read: what is written before the answer would leave a mark.
        own, has_sent = await self._writer.read(self._read_progress)
        is_complete = self._is_complete(left, own, has_sent=has_sent)

        def settle(connection: sqlite3.Connection) -> tuple[int, bool]:
            mark, cut_off = recover(connection, left, is_complete=is_complete)
            self._commits, self._highest, self._journal_id = mark
            if not self._is_trial:
                connection.execute("DELETE FROM kept WHERE name = ?", (TRIAL,))
            return cut_off, is_incomplete(connection)

        cut_off, has_lost = await self._writer.write(settle)
        if has_lost:
            logger.warning(
                "the journal %s has lost entries: requests it does not know may have been sent, and are uncertain",
                self.path,
            )
        if cut_off:
            logger.warning("%d rows of %s may have been paid for: settle them (uncertain)", cut_off, self.path)

    def _read_progress(self, connection: sqlite3.Connection) -> tuple[Mark, bool]:
        return read_progress(connection)

    def _is_complete(self, left: Mark | None, own: Mark, *, has_sent: bool) -> bool:
        if self._is_current is False:
            return False
        found = is_complete_by(left, own, has_sent=has_sent)
        if found is None and self._is_current is None:
            raise JournalError(str(self.path), IS_IT_CURRENT.format(lock=lock_of(self.path).name))
        return found is not False


CHARGED: Final = """
    SELECT operation, sum(attempts + (state IN ('sending', 'uncertain')) - refunds) FROM row
    WHERE attempts > 0 OR state IN ('sending', 'uncertain') GROUP BY operation
"""
WAS_SENT_UNPRICED: Final = "charge IS NULL AND (attempts > 0 OR state IN ('sending', 'uncertain'))"
UNPRICED: Final = f"SELECT DISTINCT operation FROM row WHERE {WAS_SENT_UNPRICED}"  # noqa: S608 - names of ours
CHARGE_UNPRICED: Final = f"""
    UPDATE row SET charge = :price,
        charged = charged + :price * max(0, attempts + (state IN ('sending', 'uncertain')) - refunds)
    WHERE operation = :operation AND {WAS_SENT_UNPRICED}
"""  # noqa: S608 - names of ours


def _do(statement: str, *values: object) -> Callable[[sqlite3.Connection], None]:
    def do(connection: sqlite3.Connection) -> None:
        connection.execute(statement, values)

    return do
