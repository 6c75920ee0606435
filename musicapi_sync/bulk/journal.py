"""The blocking journal, and the user's decisions on its records, on which the next run acts."""

import asyncio
import os
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import musicapi_async.bulk
from musicapi_async import Secret, webhooks
from musicapi_async._secrets import hidden
from musicapi_async.bulk import Attempt, PlanOptions, Record, State
from musicapi_async.bulk.receiving import keep_event
from musicapi_async.errors import JournalError
from musicapi_sync._notices import warn
from musicapi_sync.bulk.store import Store, callable_from_any_loop

__all__ = [
    "Journal",
    "abandon_uncertain",
    "migrate",
    "open",
    "recall_options",
    "receive",
    "remember_options",
    "resend_uncertain",
    "resolve_as_accepted",
    "resolve_not_sent",
    "retry_failed",
    "retry_refused",
]

T = TypeVar("T")


class OpenRun(Protocol):
    """The part of a run that the journal uses."""

    def close(self) -> None:
        """End it."""
        ...

    def _describe_pending(self) -> str | None:
        """Return, once, a sentence on the tasks it leaves running on the server."""
        ...

    def _detach(self) -> None:
        """Detach the run from its journal and client."""
        ...


class Journal:
    """Journal in a file or a database: ``with bulk.open("songs/journal.db") as journal``.

    It holds a journal of ``musicapi_async.bulk``, which works on a thread of its own and may be called from any event
    loop: a run calls it from its client's loop, every other method from a loop that lives as long as the call. So a
    journal may be opened before its client, or after it.

    Closing it closes its runs: nothing more is submitted, submissions in flight get their response, and the tasks that
    are still running on the server are reported, in a note on the exception and a warning in the log. A forked child
    cannot use it.

    Every method raises JournalError when the file or the database cannot be used, and in a forked child.
    """

    def __init__(self, journal: Store) -> None:
        self.path: Path | None = journal.path if isinstance(journal, musicapi_async.bulk.SQLiteJournal) else None
        """The path of its file; None for a database."""
        self.name: str = journal.name
        """The name of the journal in error messages."""
        self._journal = callable_from_any_loop(journal)
        self._runs: set[OpenRun] = set()
        self._process = os.getpid()

    def __enter__(self) -> Self:
        """Take the lock, open the file, and make uncertain what a killed process was sending.

        Raises JournalError as described at ``bulk.open``.
        """
        self._process = os.getpid()
        opening: Future[Any] = Future()
        try:
            _begin(lambda: asyncio.run(self._journal.__aenter__()), opening).result()
        except BaseException:
            # After an interruption it is opened nevertheless, and would never be closed.
            opening.add_done_callback(self._close_unseen)
            raise
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the runs that are left, finish the writes that were begun, close the file, and release the lock.

        Interrupted once more, the closing continues in its thread, as long as the process runs.
        """
        if self._process != os.getpid():
            return
        for sentence in _begin(self._close, Future()).result():
            if error is not None:
                error.add_note(sentence)

    def records(
        self, state: State, after: int = 0, count: int = 1000, *, in_current_plan: bool = False
    ) -> Sequence[Record]:
        """Return records in a state, in their order, at most ``count`` with numbers above ``after``.

        With ``in_current_plan`` only those that the active plan asks for.
        """
        return self._call(lambda journal: journal.records(state, after, count, in_current_plan=in_current_plan))

    def counts(self) -> Mapping[State, int]:
        """Return the number of records in each state."""
        return self._call(lambda journal: journal.counts())

    def charged(self) -> Mapping[str, int]:
        """Return how often each operation was, or may have been, paid for, without refunds."""
        return self._call(lambda journal: journal.charged())

    def total_charged(self) -> float:
        """Return the credits that all records have, or may have, cost, without refunds."""
        return self._call(lambda journal: journal.total_charged())

    def extras(self) -> Sequence[Attempt]:
        """Return the attempts whose songs are paid for besides those of their records."""
        return self._call(lambda journal: journal.extras())

    def _call(self, function: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
        self._check_process()
        return _begin(lambda: asyncio.run(function(self._journal)), Future()).result()

    def _check_process(self) -> None:
        """Refuse a child of the process that opened the journal: the thread that works on it is not here."""
        if self._process != os.getpid():
            raise JournalError(self.name, "it was opened before the process forked: use it in the parent")

    def _close(self) -> list[str]:
        """Close the journal, and return sentences, logged already, on the tasks its runs leave running."""
        left: list[str] = []
        try:
            for run in tuple(self._runs):
                run.close()
                left += filter(None, [run._describe_pending()])
                run._detach()
        finally:
            for sentence in left:
                warn(sentence)
            # Each run ends on the loop of its client; what could not has ended with that loop.
            self._journal.runs.clear()
            asyncio.run(self._journal.__aexit__(None, None, None))
        return left

    def _close_unseen(self, opening: "Future[Any]") -> None:
        if opening.exception() is None:
            _begin(self._close, Future())


def open(path: str | os.PathLike[str], *, is_current: bool | None = None, create: bool = True) -> Journal:
    """Return the journal in this file or database: ``with bulk.open(path) as journal``.

    ``path`` is a file, or the address of a database, ``postgresql://user@host/database``, for workers on several
    machines; that takes the extra ``cluster``.

    ``is_current`` is for a journal in a file that has sent requests and has lost its mark: True states that no run has
    used a newer copy, False that this one may be older, such as a backup, so that its planned records become uncertain.
    False has this effect even where the mark is present. True has no effect where the mark shows that entries are
    missing.

    A journal is created if there is none; with ``create=False`` that is an error.

    ```python
    from musicapi_sync import bulk

    with bulk.open("songs/journal.db") as journal:
        print(journal.counts())
    ```

    Raises InvalidRequestError for a wrong path, MissingExtraError for a database without the extra. Entering raises
    JournalError when the file is in use, damaged, from a newer version, or not a journal, for a lost mark while
    ``is_current`` is None, and when the database cannot be used, is reached through a connection pooler, or has a
    journal of another version.
    """
    return Journal(musicapi_async.bulk.open(path, is_current=is_current, create=create))


def migrate(path: str | os.PathLike[str]) -> int | None:
    """Make the tables of a journal in a database, or bring them up to date; return the version that they had.

    It is 0 where there were none, None where there is nothing to do. Errors are those of
    ``musicapi_async.bulk.migrate``.
    """
    return _begin(lambda: asyncio.run(musicapi_async.bulk.migrate(path)), Future()).result()


def receive(
    journal: str | os.PathLike[str],
    body: bytes,
    headers: webhooks.Headers,
    url: str,
    secret: str | Secret | None = None,
) -> webhooks.Event:
    """Verify an event and keep it durably for the journal's run, which takes it within a second, or the next run does.

    Arguments and errors are those of ``musicapi_async.bulk.receive``; the journal is a file, its folder, or an address,
    for a thread without an event loop. The event is on the disk before this returns: respond with 2xx after that.
    """
    return keep_event(journal, body, headers, url, hidden(secret))


def remember_options(journal: Journal, options: PlanOptions) -> None:
    """Keep the options of a plan in its journal, in place of those before; raises JournalError if that fails."""
    journal._call(lambda journal: musicapi_async.bulk.remember_options(journal, options))


def recall_options(journal: Journal) -> PlanOptions:
    """Return the options that a journal keeps for its plan; all are the default where it keeps none.

    Raises JournalError for options of a newer version of this package, and for those that this one does not accept.
    """
    return journal._call(musicapi_async.bulk.recall_options)


def resend_uncertain(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan uncertain records again, all or those of these keys; return how many.

    A request that the service had accepted is then paid for twice: check the account first, and take the events that
    were kept (``run.recover()``). Raises JournalError when the journal cannot be written.
    """
    return journal._call(lambda journal: musicapi_async.bulk.resend_uncertain(journal, keys))


def abandon_uncertain(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Mark uncertain records as failed, all or those of these keys; return how many.

    Raises JournalError when the journal cannot be written.
    """
    return journal._call(lambda journal: musicapi_async.bulk.abandon_uncertain(journal, keys))


def retry_refused(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan records again that the service refused, all or those of these keys; return how many.

    Raises JournalError when the journal cannot be written.
    """
    return journal._call(lambda journal: musicapi_async.bulk.retry_refused(journal, keys))


def retry_failed(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan failed records again, all or those of these keys; return how many.

    Each is paid for again, even if its credits are refunded later; what it has cost so far stays counted. Raises
    JournalError when the journal cannot be written.
    """
    return journal._call(lambda journal: musicapi_async.bulk.retry_failed(journal, keys))


def resolve_not_sent(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan uncertain records again that the service did not accept, all or those of these keys; return how many.

    Their last attempt does not count, and neither does its possible cost. Without ``keys`` it also resolves a journal
    that has lost entries, such as a backup: from then on, keys that it does not know are sent. Raises
    InvalidRequestError for a key of which no record is uncertain; then nothing is changed.
    """
    return journal._call(lambda journal: musicapi_async.bulk.resolve_not_sent(journal, keys))


def resolve_as_accepted(journal: Journal, key: str, task_id: str) -> None:
    """Record the task id of an uncertain request, as found in the account; the next run resumes the task.

    An id that is given later replaces it. Raises InvalidRequestError when no record of this key is uncertain, and for
    an id that is a key of the journal, or the task of another record: two records would share the songs of one task.
    """
    journal._call(lambda journal: musicapi_async.bulk.resolve_as_accepted(journal, key, task_id))


def _begin(function: Callable[[], T], done: "Future[T]") -> "Future[T]":
    """Call a function in a new thread, where a loop may run even if the caller's thread runs one."""

    def call() -> None:
        try:
            done.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised to the caller that waits
            done.set_exception(error)

    threading.Thread(target=call, name="musicapi-journal-call", daemon=True).start()
    return done
