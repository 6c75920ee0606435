"""The journal: what was asked for, what was paid for, what is on disk; one SQLite file."""

import asyncio
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import attrs

from musicapi_async._transport.shielding import complete
from musicapi_async.bulk.lock import Lock, Mark, lock_of
from musicapi_async.bulk.schema import COLUMNS, prepare, row_of
from musicapi_async.bulk.states import MOVES, Closable, Facts, Planned, Row, State, charged_after, may_move
from musicapi_async.bulk.writer import Writer
from musicapi_async.errors import InvalidRequestError, JournalError

__all__ = ["Journal"]

T = TypeVar("T")

logger: Final = logging.getLogger("musicapi")

NOTHING: Final = Facts()
FACTS: Final = tuple(field.name for field in attrs.fields(Facts))
LOST_WITH_ITS_PROCESS: Final = "its process ended before the answer came"
LOST_WITH_THE_DISK: Final = "the journal lost its last entries: it may have been sent"
TIMES: Final[Mapping[State, str]] = {"sending": "sent_at", "accepted": "accepted_at"}


class Journal:
    """Rows in a file: ``async with Journal.open("songs/journal.db") as journal``.

    One process at a time works on a journal: another one is refused with who holds it. A move that was awaited is on
    the disk (WAL, ``synchronous=FULL``); many that wait share one flush. A row that is found ``sending`` when it is
    opened is ``uncertain`` from then on: it may have been paid for, and is never sent again by itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        """What errors call it."""
        self._lock = Lock(lock_of(path))
        self._writer = Writer(str(path), self._connect, self._count_commit, self._mark_commit)
        # Each is written by one thread alone: how often it was committed, and the highest row that was sent.
        self._commits = self._highest = 0
        self._taken = 0
        """The number of the last row that was taken to be sent."""
        self.runs: set[Closable] = set()
        """The runs to close before the journal."""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Return the journal in this file, which is made when it is not there; ``async with`` opens it.

        Entering raises JournalError when the file is in use, damaged, from a newer version, or something else.
        """
        return cls(Path(path))

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

        A key that is there already is not added again. Its request is the one that is given now, unless it was sent.
        Raises InvalidRequestError for a key that is in a new plan already.
        """
        values = [(row.key, row.operation, _json(row.request)) for row in rows]

        def insert(connection: sqlite3.Connection) -> int:
            number = _ask(connection, "SELECT started FROM planning") if plan is None else plan
            before = _ask(connection, "SELECT coalesce(max(number), 0) FROM row")
            for value in values:
                if not connection.execute(PLAN, (*value, number)).rowcount and plan is not None:
                    raise InvalidRequestError(f"key is {value[0]!r} a second time", "key", value[0], "once")
            return _ask(connection, "SELECT coalesce(max(number), 0) FROM row") - before

        return await self._writer.write(insert)

    async def start(self, plan: int | None = None) -> int:
        """Have ``take`` begin again, with the rows of this plan alone, or of the last one; return its number.

        What was planned before and is in this plan no more is not made, unless it was paid for.
        """
        if plan is not None:
            await self._writer.write(_do("UPDATE planning SET started = ?", plan))
        self._taken = 0
        return await self._writer.read(lambda connection: _ask(connection, "SELECT started FROM planning"))

    async def take(self, count: int) -> Sequence[Row]:
        """Return the next planned rows that were not taken yet, at most so many."""
        found = await self.rows("planned", self._taken, count, is_wanted=True)
        if found:
            self._taken = found[-1].number
        return found

    async def move(self, row: Row, state: State, facts: Facts = NOTHING) -> Row:
        """Note that a row has moved, and return it as it is now.

        Raises JournalError when it may not move there, is not where it is thought to be, or the disk does not take it.
        """
        if not may_move(row.state, state):
            raise JournalError(str(self.path), f"row {row.number} ({row.key!r}) is {row.state}: it cannot be {state}")
        if state == "sending":
            self._highest = max(self._highest, row.number)
        changed: dict[str, Any] = {
            "state": state,
            # What was uncertain and is sent again may have been paid for already.
            "attempts": row.attempts
            + (state == "accepted" or row.state == "uncertain")
            - (row.state == "accepted" and state == "uncertain"),
            "refunds": row.refunds + (state == "refunded"),
            "charged": charged_after(row, state, facts),
            TIMES.get(state, "ended_at"): time.time(),
            **_given(facts),
        }
        return await self._change(row, changed)

    async def update(self, row: Row, changes: Facts) -> Row:
        """Record changes of a record that stays in its state, and return it as it is now."""
        return await self._change(row, _given(changes))

    async def _change(self, row: Row, changed: Mapping[str, Any]) -> Row:
        values = [_json(value) if name in {"clips", "files"} else _text(value) for name, value in changed.items()]
        changes = ", ".join(f"{name} = ?" for name in changed)
        statement = f"UPDATE row SET {changes} WHERE number = ? AND state = ?"  # noqa: S608 - names of ours

        def update(connection: sqlite3.Connection) -> None:
            if not connection.execute(statement, (*values, row.number, row.state)).rowcount:
                raise JournalError(str(self.path), f"row {row.number} ({row.key!r}) is not {row.state} any more")

        await self._writer.write(update)
        return attrs.evolve(row, **changed)

    async def rows(self, state: State, after: int = 0, count: int = 1000, *, is_wanted: bool = False) -> Sequence[Row]:
        """Return rows in a state, in their order, from behind a number on; only those of the plan if ``is_wanted``."""
        wanted = WANTED if is_wanted else ""
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
        return await self._writer.read(lambda connection: _sum(connection, "SELECT total(charged) FROM row"))

    async def remember(self, name: str, value: object) -> None:
        """Keep a JSON value from one run to the next."""
        await self._writer.write(_do("INSERT OR REPLACE INTO kept VALUES (?, ?)", name, _json(value)))

    async def recall(self, name: str) -> Any:
        """Return a value that was kept, or None."""

        def select(connection: sqlite3.Connection) -> Any:
            found = connection.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
            return None if found is None else json.loads(found[0])

        return await self._writer.read(select)

    def _take_lock(self) -> Mark:
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
        self._lock.write(Mark(self._commits, self._highest))

    async def _settle(self, left: Mark) -> None:
        def settle(connection: sqlite3.Connection) -> tuple[int, int]:
            known = Mark(*connection.execute("SELECT commits, highest FROM progress").fetchone())
            lost = max(0, left.commits - known.commits)
            self._commits, self._highest = map(max, left, known)
            cut_off = connection.execute(TO_UNCERTAIN + "state = 'sending'", (LOST_WITH_ITS_PROCESS,)).rowcount
            if lost:
                where = "state IN ('planned', 'refunded') AND number <= ?"
                cut_off += connection.execute(TO_UNCERTAIN + where, (LOST_WITH_THE_DISK, self._highest)).rowcount
            return cut_off, lost

        cut_off, lost = await self._writer.write(settle)
        if lost:
            logger.warning("the journal %s has lost its last %d entries", self.path, lost)
        if cut_off:
            logger.warning("%d rows of %s may have been paid for: settle them (uncertain)", cut_off, self.path)


# A plan that was begun and never started changes nothing of the one that was.
WANTED: Final = "(SELECT started FROM planning) IN (plan, plan_before) AND "
PLAN: Final = """
    INSERT INTO row (key, operation, request, plan) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
        plan_before = CASE WHEN plan <= (SELECT started FROM planning) THEN plan ELSE plan_before END,
        plan = excluded.plan,
        operation = CASE WHEN state IN ('planned', 'refused') THEN excluded.operation ELSE operation END,
        request = CASE WHEN state IN ('planned', 'refused') THEN excluded.request ELSE request END,
        state = CASE WHEN state = 'refused' AND request <> excluded.request THEN 'planned' ELSE state END
    WHERE plan <> excluded.plan
"""
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
TO_UNCERTAIN: Final = "UPDATE row SET state = 'uncertain', reason = ? WHERE "


def _ask(connection: sqlite3.Connection, question: str) -> int:
    return int(connection.execute(question).fetchone()[0])


def _sum(connection: sqlite3.Connection, question: str) -> float:
    return float(connection.execute(question).fetchone()[0])


def _given(facts: Facts) -> dict[str, Any]:
    return {name: value for name in FACTS if (value := getattr(facts, name)) is not None}


def _do(statement: str, *values: object) -> Callable[[sqlite3.Connection], None]:
    def do(connection: sqlite3.Connection) -> None:
        connection.execute(statement, values)

    return do


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Half a letter, as the service's JSON may hold, becomes the escape it came as.
    return text if _is_whole(text) else json.dumps(value, separators=(",", ":"))


def _text(value: object) -> object:
    if not isinstance(value, str) or _is_whole(value):
        return value
    return value.encode("utf-8", "backslashreplace").decode()


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
