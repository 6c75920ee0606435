"""The journal, blocking: what was asked for, what was paid for, what is on disk."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import musicapi_async.bulk
from musicapi_async._arguments import usable_path
from musicapi_async.bulk import Row, State
from musicapi_async.errors import JournalError
from musicapi_sync._telling import tell

__all__ = ["Journal"]

T = TypeVar("T")


class Leaving(Protocol):
    """A run, as the journal knows it."""

    def close(self) -> None:
        """End it."""
        ...

    def _what_is_left(self) -> str | None:
        """Say, once, what it leaves at the service."""
        ...

    def _leave(self) -> None:
        """Have nothing more to end or to say."""
        ...


class Journal:
    """Rows in a file: ``with Journal.open("songs/journal.db") as journal``.

    As ``musicapi_async.bulk.Journal``, which it holds. That one works on a thread of its own and answers whichever loop
    asks: a run asks from its client's loop, all else here from a loop that lives as long as the question. So a journal
    may be opened before its client, or after it.

    Closing it ends its runs: nothing more is created, what is in the air gets its answer, and what is alive at the
    service is told, in a note on the exception and a warning in the log. A forked child has no journal: it is its
    parent's.
    """

    def __init__(self, path: Path, *, is_current: bool | None = None) -> None:
        self.path = path
        self.name = str(path)
        """What errors call it."""
        self._journal = musicapi_async.bulk.Journal(path, is_current=is_current)
        self._runs: set[Leaving] = set()
        self._process = os.getpid()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, is_current: bool | None = None) -> Self:
        """Return the journal in this file, which is made when it is not there; ``with`` opens it.

        ``is_current`` answers for a journal that has sent something and has lost its mark: True when nothing can have
        worked on a newer one, False when this may be an older one, such as a backup; then what is planned is uncertain.
        False holds also where the mark is there. True changes nothing where the mark says that entries are missing.

        Entering raises JournalError when the file is in use, damaged, from a newer version, or something else, and for
        a lost mark while ``is_current`` is None.
        """
        return cls(usable_path("path", path, 'name a file: "songs/journal.db"'), is_current=is_current)

    def __enter__(self) -> Self:
        """Take the lock, open the file, and settle what a killed process left."""
        self._process = os.getpid()
        opening: Future[Any] = Future()
        try:
            _begin(lambda: asyncio.run(self._journal.__aenter__()), opening).result()
        except BaseException:
            # Interrupted, it is opened all the same, and nobody would close it.
            opening.add_done_callback(self._close_unseen)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the runs that are left, finish what was begun, close the file, and let others have it.

        Interrupted once more, it goes on behind the caller's back, as long as the process lives.
        """
        if self._process != os.getpid():
            return
        for sentence in _begin(self._close, Future()).result():
            if error is not None:
                error.add_note(sentence)

    def rows(self, state: State, after: int = 0, count: int = 1000, *, is_wanted: bool = False) -> Sequence[Row]:
        """Return rows in a state, in their order, from behind a number on; only those of the plan if ``is_wanted``."""
        return self._ask(lambda journal: journal.rows(state, after, count, is_wanted=is_wanted))

    def counts(self) -> Mapping[State, int]:
        """Return how many rows are in each state."""
        return self._ask(lambda journal: journal.counts())

    def charged(self) -> Mapping[str, int]:
        """Return how often each operation was paid for, or may have been, refunds left out."""
        return self._ask(lambda journal: journal.charged())

    def total_charged(self) -> float:
        """Return the credits that all records have cost, or may have, refunds left out."""
        return self._ask(lambda journal: journal.total_charged())

    def _ask(self, question: Callable[[musicapi_async.bulk.Journal], Coroutine[Any, Any, T]]) -> T:
        self._check_process()
        return _begin(lambda: asyncio.run(question(self._journal)), Future()).result()

    def _check_process(self) -> None:
        """Refuse a child of the process that opened the journal: the thread that works on it is not here."""
        if self._process != os.getpid():
            raise JournalError(self.name, "it was opened before the process forked: use it in the parent")

    def _close(self) -> list[str]:
        """Close it, and return what its runs leave at the service, in sentences that were told already."""
        left: list[str] = []
        try:
            for run in tuple(self._runs):
                run.close()
                left += filter(None, [run._what_is_left()])
                run._leave()
        finally:
            for sentence in left:
                tell(sentence)
            # Each run ends on the loop of its client; what could not has ended with that loop.
            self._journal.runs.clear()
            asyncio.run(self._journal.__aexit__(None, None, None))
        return left

    def _close_unseen(self, opening: "Future[Any]") -> None:
        if opening.exception() is None:
            _begin(self._close, Future())


def _begin(function: Callable[[], T], done: "Future[T]") -> "Future[T]":
    """Call a function on a thread of its own: there a loop may run, also where the caller's thread runs one."""

    def call() -> None:
        try:
            done.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised to whoever waits
            done.set_exception(error)

    threading.Thread(target=call, name="musicapi-journal-call", daemon=True).start()
    return done
