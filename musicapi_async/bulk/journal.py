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

from musicapi_async.bulk.lock import Lock, Mark, lock_of
from musicapi_async.bulk.schema import COLUMNS, prepare, row_of
from musicapi_async.bulk.states import MOVES, Facts, Planned, Row, State
from musicapi_async.bulk.writer import Writer
from musicapi_async.errors import JournalError

__all__ = ["Journal"]

T = TypeVar("T")

logger: Final = logging.getLogger("musicapi")

NOTHING: Final = Facts()
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
        self._lock = Lock(lock_of(path))
        self._writer = Writer(str(path), self._connect, self._count_commit, self._mark_commit)
        self._mark = Mark()
        self._taken = 0
        """The number of the last row that was taken to be sent."""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Return the journal in this file, which is made when it is not there; ``async with`` opens it.

        Entering raises JournalError when the file is in use, damaged, from a newer version, or something else.
        """
        return cls(Path(path))

    async def __aenter__(self) -> Self:
        """Take the lock, open the file, and settle what a killed process left."""
        try:
            left = await asyncio.to_thread(self._take_lock)
        except OSError as error:
            raise JournalError(str(self.path), f"it cannot be opened: {error.strerror}") from error
        try:
            await self._writer.open()
            await self._settle(left)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish what was begun, close the file, and let others have it."""
        await self._writer.aclose()
        self._lock.release()

    async def plan(self, rows: Sequence[Planned]) -> int:
        """Add rows, in their order; return how many were new: a key that is there already is left as it is."""

        def insert(connection: sqlite3.Connection) -> int:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO row (key, operation, request) VALUES (?, ?, ?)",
                [(row.key, row.operation, _json(row.request)) for row in rows],
            )
            return connection.total_changes - before

        return await self._writer.write(insert)

    async def take(self, count: int) -> Sequence[Row]:
        """Return the next planned rows that were not taken yet, at most so many."""
        found = await self.rows("planned", self._taken, count)
        if found:
            self._taken = found[-1].number
        return found

    async def move(self, row: Row, state: State, facts: Facts = NOTHING) -> Row:
        """Note that a row has moved, and return it as it is now.

        Raises JournalError when it may not move there, is not where it is thought to be, or the disk does not take it.
        """
        if state not in MOVES[row.state]:
            raise JournalError(str(self.path), f"row {row.number} ({row.key!r}) is {row.state}: it cannot be {state}")
        if state == "sending":
            self._mark = Mark(self._mark.commits, max(self._mark.highest, row.number))
        known = {
            "task_id": facts.task_id,
            "reason": facts.reason,
            "credits": facts.credits,
            "clips": None if facts.clips is None else _json(facts.clips),
            "files": None if facts.files is None else _json(facts.files),
            TIMES.get(state, "ended_at"): time.time(),
        }
        told = {name: value for name, value in known.items() if value is not None}
        changes = "".join(f", {name} = :{name}" for name in told)
        counted = ", attempts = attempts + 1" if state == "accepted" else ""

        def update(connection: sqlite3.Connection) -> Row:
            found = connection.execute(
                f"UPDATE row SET state = :state{changes}{counted} WHERE number = :number AND state = :before"  # noqa: S608 - names of ours
                f" RETURNING {COLUMNS}",
                {**told, "state": state, "number": row.number, "before": row.state},
            ).fetchone()
            if found is None:
                raise JournalError(str(self.path), f"row {row.number} ({row.key!r}) is not {row.state} any more")
            return row_of(found)

        return await self._writer.write(update)

    async def rows(self, state: State, after: int = 0, count: int = 1000) -> Sequence[Row]:
        """Return rows in a state, in their order, from behind a number on."""
        question = f"SELECT {COLUMNS} FROM row WHERE state = ? AND number > ? ORDER BY number LIMIT ?"  # noqa: S608 - names of ours

        def select(connection: sqlite3.Connection) -> Sequence[Row]:
            return [row_of(found) for found in connection.execute(question, (state, after, count))]

        return await self._writer.read(select)

    async def counts(self) -> Mapping[State, int]:
        """Return how many rows are in each state."""

        def count(connection: sqlite3.Connection) -> Mapping[State, int]:
            found = dict(connection.execute("SELECT state, count(*) FROM row GROUP BY state"))
            return {state: found.get(state, 0) for state in MOVES}

        return await self._writer.read(count)

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
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            prepare(connection, str(self.path))
        except BaseException:
            connection.close()
            raise
        return connection

    def _count_commit(self, connection: sqlite3.Connection) -> None:
        self._mark = Mark(self._mark.commits + 1, self._mark.highest)
        connection.execute("UPDATE progress SET commits = ?, highest = ?", self._mark)

    def _mark_commit(self) -> None:
        """Note how far the journal has come also beside it, so that a tail that is lost is missed when it is opened."""
        self._lock.write(self._mark)

    async def _settle(self, left: Mark) -> None:
        def settle(connection: sqlite3.Connection) -> tuple[int, int]:
            known = Mark(*connection.execute("SELECT commits, highest FROM progress").fetchone())
            lost = max(0, left.commits - known.commits)
            self._mark = Mark(max(left.commits, known.commits), max(left.highest, known.highest))
            cut_off = connection.execute(TO_UNCERTAIN + "state = 'sending'", (LOST_WITH_ITS_PROCESS,)).rowcount
            if lost:
                where = "state IN ('planned', 'refunded') AND number <= ?"
                cut_off += connection.execute(TO_UNCERTAIN + where, (LOST_WITH_THE_DISK, self._mark.highest)).rowcount
            return cut_off, lost

        cut_off, lost = await self._writer.write(settle)
        if lost:
            logger.warning("the journal %s has lost its last %d entries", self.path, lost)
        if cut_off:
            logger.warning("%d rows of %s may have been paid for: settle them (uncertain)", cut_off, self.path)


TO_UNCERTAIN: Final = "UPDATE row SET state = 'uncertain', reason = ? WHERE "


def _do(statement: str, *values: object) -> Callable[[sqlite3.Connection], None]:
    def do(connection: sqlite3.Connection) -> None:
        connection.execute(statement, values)

    return do


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
