"""Read-only snapshot of a journal, also while a run works on it: nothing is locked, no record changed."""

import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from musicapi_async.bulk.records import TRANSITIONS, Attempt, Record, State
from musicapi_async.bulk.rows import COLUMNS, record_of
from musicapi_async.bulk.sqlite import attempts, statements
from musicapi_async.bulk.sqlite.lock import Mark, holder_of, is_complete_by, lock_of, mark_of
from musicapi_async.bulk.sqlite.schema import VERSION, read_version, select_value
from musicapi_async.errors import JournalError

__all__ = ["JournalSnapshot"]


class JournalSnapshot:
    """The contents of a journal at one moment: ``with JournalSnapshot(path) as snapshot``, in one thread.

    Every method returns the state at the moment of entering, whatever a run does meanwhile. Entering raises
    JournalError when there is no journal, or it is something else, damaged, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = ExitStack()
        self._connection: sqlite3.Connection | None = None
        self._mark: Mark | None = None

    def __enter__(self) -> Self:
        """Open the file for reading."""
        if not self._path.is_file():
            raise JournalError(str(self._path), "there is none: 'musicapi bulk FILE --out DIR' creates one")
        with ExitStack() as opened, self._explained():
            self._connection = self._open(opened)
            # Before the first read: a mark that a run moves meanwhile would be ahead of what is read.
            self._mark = mark_of(lock_of(self._path))
            # One transaction, which begins with the first read, so that counts and records belong together.
            self._connection.execute("BEGIN")
            self._check(self._connection)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self._connection = None
        self._opened.close()

    def records(self, states: Collection[State] | None = None) -> Iterator[Record]:
        """Yield the records in these states, or all, in their order; one is in memory at a time."""
        wanted = tuple(TRANSITIONS if states is None else states)
        marks = ", ".join("?" * len(wanted))
        # The plus keeps SQLite from using the index of states, and so from sorting.
        query = f"SELECT {COLUMNS} FROM row WHERE +state IN ({marks}) ORDER BY number"  # noqa: S608 - names of ours
        with self._explained(), closing(self._opened_connection().execute(query, wanted)) as found:
            yield from map(record_of, found)

    def states(self, keys: Sequence[str]) -> Mapping[str, State]:
        """Return the state of the record of each of these keys that the journal has, at most a thousand at once."""
        marks = ", ".join("?" * len(keys))
        found: dict[str, State] = {}
        with self._explained():
            for name in ("former_key", "key"):
                query = f"SELECT {name}, state FROM row WHERE {name} IN ({marks})"  # noqa: S608 - names of ours
                found.update(self._opened_connection().execute(query, tuple(keys)))
        return found

    def counts(self) -> Mapping[State, int]:
        """Return the number of records in each state."""
        with self._explained():
            return statements.count_states(self._opened_connection())

    def extras(self) -> Sequence[Attempt]:
        """Return the attempts whose songs are paid for besides those of their records."""
        with self._explained():
            return attempts.extras_in(self._opened_connection())

    def overdue(self) -> int:
        """Return how many accepted records are overdue: not finished within the time limit of a run."""
        with self._explained():
            query = "SELECT count(*) FROM row WHERE state = 'accepted' AND overdue_at >= coalesce(accepted_at, 0)"
            return int(select_value(self._opened_connection(), query))

    def corrected(self, count: int) -> tuple[int, list[str]]:
        """Return how many records of the active plan were sent with another request, and up to ``count`` of their keys.

        What they made stays; the request they are planned with now is sent only if they are sent again.
        """
        where = f"FROM row WHERE {statements.IN_PLAN}next_request IS NOT NULL AND state <> 'planned'"
        with self._explained():
            connection = self._opened_connection()
            found = connection.execute(f"SELECT key {where} ORDER BY number LIMIT ?", (count,))
            return int(select_value(connection, f"SELECT count(*) {where}")), [str(key) for (key,) in found]

    def has_lost_entries(self) -> bool:
        """Return whether entries are missing, as in a backup: the next run makes what is planned uncertain."""
        with self._explained():
            connection = self._opened_connection()
            own, has_sent = statements.read_progress(connection)
            return statements.is_incomplete(connection) or is_complete_by(self._mark, own, has_sent=has_sent) is False

    def recall(self, name: str) -> Any:
        """Return the value that a run has stored under a name, or None."""
        with self._explained():
            return statements.recall(self._opened_connection(), name)

    def holder(self) -> str | None:
        """Return the process that works on the journal now; None when there is none."""
        return holder_of(lock_of(self._path))

    def _opened_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise JournalError(str(self._path), "it is not open: use the snapshot in a with statement")
        return self._connection

    def _open(self, opened: ExitStack) -> sqlite3.Connection:
        connection = opened.enter_context(closing(_connect(self._path)))
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in UNREADABLE_HERE:
                raise
            # SQLite needs a file beside the journal to read it, which cannot be made in a folder that is read-only.
            return opened.enter_context(closing(_connect(self._copy_journal(opened))))
        return connection

    def _copy_journal(self, opened: ExitStack) -> Path:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="musicapi-")))
        for suffix in ("", "-wal"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                shutil.copyfile(part, folder / f"journal{suffix}")
        return folder / "journal"

    def _check(self, connection: sqlite3.Connection) -> None:
        version = read_version(connection, str(self._path))
        if version is None:
            raise JournalError(str(self._path), "nothing is planned in it yet")
        if version < VERSION:
            reason = f"it was written by an older version of this package (its format {version})"
            raise JournalError(str(self._path), f"{reason}; the next run converts it to format {VERSION}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(str(self._path), f"it cannot be read: {error}") from error
        except OSError as error:
            raise JournalError(str(self._path), f"it cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise JournalError(str(self._path), f"it is damaged: {error}") from error


UNREADABLE_HERE: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
