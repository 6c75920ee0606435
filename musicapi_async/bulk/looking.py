"""A look into a journal, also while a run works on it: nothing is locked, no row changed."""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from musicapi_async.bulk.lock import holder_of, lock_of
from musicapi_async.bulk.schema import APPLICATION, COLUMNS, VERSION, row_of
from musicapi_async.bulk.states import MOVES, Row, State
from musicapi_async.errors import JournalError

__all__ = ["Look"]


class Look:
    """What a journal holds at one moment: ``with Look(path) as look``, in one thread.

    Everything that is asked of one look is as it was when it was entered, whatever a run does meanwhile. Raises
    JournalError when there is no journal, or it is something else, damaged, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = ExitStack()
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        """Open the file for reading."""
        if not self._path.is_file():
            raise JournalError(str(self._path), "there is none: 'musicapi bulk FILE --out DIR' begins one")
        with ExitStack() as opened, self._explained():
            self._connection = self._open(opened)
            # One moment, which begins with the first read: what is counted and what is gone through belong together.
            self._connection.execute("BEGIN")
            self._check(self._connection)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self._connection = None
        self._opened.close()

    def rows(self, states: Collection[State] | None = None) -> Iterator[Row]:
        """Go through the rows in these states, or all, in their order; one is in memory at a time."""
        wanted = tuple(MOVES if states is None else states)
        marks = ", ".join("?" * len(wanted))
        # The plus keeps SQLite from using the index of states, and so from sorting.
        question = f"SELECT {COLUMNS} FROM row WHERE +state IN ({marks}) ORDER BY number"  # noqa: S608 - names of ours
        with self._explained(), closing(self._ask(question, wanted)) as found:
            yield from map(row_of, found)

    def counts(self) -> Mapping[State, int]:
        """Return how many rows are in each state."""
        with self._explained():
            found = dict(self._ask("SELECT state, count(*) FROM row GROUP BY state"))
        return {state: found.get(state, 0) for state in MOVES}

    def overdue(self) -> int:
        """Return how many accepted records are overdue: not finished within the time limit of a run."""
        with self._explained():
            question = "SELECT count(*) FROM row WHERE state = 'accepted' AND overdue_at >= coalesce(accepted_at, 0)"
            return int(self._ask(question).fetchone()[0])

    def recall(self, name: str) -> Any:
        """Return a value that a run has kept, or None."""
        with self._explained():
            found = self._ask("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
            return None if found is None else json.loads(found[0])

    def holder(self) -> str | None:
        """Say who works on the journal now, if anybody does."""
        return holder_of(lock_of(self._path))

    def _ask(self, question: str, values: tuple[str, ...] = ()) -> sqlite3.Cursor:
        if self._connection is None:
            raise JournalError(str(self._path), "it is not open: a look is used in a with statement")
        return self._connection.execute(question, values)

    def _open(self, opened: ExitStack) -> sqlite3.Connection:
        connection = opened.enter_context(closing(_connect(self._path)))
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in UNREADABLE_HERE:
                raise
            # To be read, a journal needs a file beside it, which cannot be made in a folder that is read-only.
            return opened.enter_context(closing(_connect(self._copied(opened))))
        return connection

    def _copied(self, opened: ExitStack) -> Path:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="musicapi-")))
        for suffix in ("", "-wal"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                shutil.copyfile(part, folder / f"journal{suffix}")
        return folder / "journal"

    def _check(self, connection: sqlite3.Connection) -> None:
        version, application = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")
        )
        if application != APPLICATION:
            is_empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            reason = "nothing is planned in it yet" if is_empty else "it is another program's database"
            raise JournalError(str(self._path), reason)
        if version > VERSION:
            reason = f"it was written by a newer version of this package (its format {version}, known up to {VERSION})"
            raise JournalError(str(self._path), reason)
        if version < VERSION:
            reason = (
                f"it was written by an older version of this package (its format {version}); a run makes it {VERSION}"
            )
            raise JournalError(str(self._path), reason)

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
