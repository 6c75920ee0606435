"""Thread that writes a journal's file: changes that are awaited at the same time share a commit.

It holds the journal's lock, and after each commit leaves the mark in it.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, TypeVar

from musicapi_async.bulk.sqlite.lock import Lock, Mark, lock_of
from musicapi_async.errors import JournalError

__all__ = ["Writer"]

P = ParamSpec("P")
T = TypeVar("T")
_Work = Callable[Concatenate[sqlite3.Connection, P], T]
"""A function of a connection and further arguments."""

GATHER_SHARE: Final = 0.25
"""Part of the time of a flush that a commit waits for further changes, while many come."""
MIN_GATHER_TIME: Final = 0.0007
"""Seconds of that wait at least: below it the turns of threads cost more than the flushes they save."""
MAX_GATHER_TIME: Final = 0.004
"""Seconds of that wait at most."""
FLUSHES: Final = 8
"""Number of the last commits, about, over which the time of a flush is averaged."""
MAX_JOBS: Final = 1000
"""Jobs that share a commit, at most."""


class _Job(NamedTuple):
    work: Callable[[sqlite3.Connection], Any]
    is_write: bool
    done: "asyncio.Future[Any]"


class Writer:
    """Runs jobs on a connection in a separate thread, while it has the lock; an awaited change is on the disk."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._lock = Lock(lock_of(path))
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._flush_time = 0.0
        """Seconds that a commit takes on this disk, on average."""
        self.mark: Mark = Mark()
        """As it was last committed; set by a job when the journal is opened, to continue from."""
        self.highest = 0
        """The highest number of a record that is about to be sent: a part of the next mark."""

    async def open(self) -> Mark | None:
        """Take the lock, start the thread and connect; return the mark that was left, None when there is none.

        Raises JournalError when another process holds the lock, and what connecting raises.
        """
        try:
            left = await asyncio.to_thread(self._take_lock)
        except OSError as error:
            raise JournalError(str(self._path), f"it cannot be opened: {error.strerror}") from error
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="musicapi-journal", daemon=True)
        self._thread.start()
        try:
            await opened
        except BaseException:
            await self.aclose()
            raise
        return left

    async def write(self, work: "_Work[P, T]", *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a job that changes the database, all or nothing; raises JournalError when the disk is full."""
        return await self._do(lambda connection: work(connection, *args, **kwargs), is_write=True)

    async def read(self, work: "_Work[P, T]", *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a job that only reads, and return its result."""
        return await self._do(lambda connection: work(connection, *args, **kwargs), is_write=False)

    async def aclose(self) -> None:
        """Finish the jobs that were begun, end the thread, and release the lock."""
        thread, self._thread = self._thread, None
        try:
            if thread is not None:
                self._jobs.put(None)
                await asyncio.to_thread(thread.join)
        finally:
            self._lock.release()

    async def _do(self, work: Callable[[sqlite3.Connection], T], *, is_write: bool) -> T:
        if self._thread is None:
            raise JournalError(str(self._path), "it is closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(work, is_write, done))
        return await done

    def _take_lock(self) -> Mark | None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._lock.acquire()

    def _run(self, opened: "asyncio.Future[None]") -> None:
        try:
            connection = self._connect()
        except BaseException as error:  # noqa: BLE001 - raised in the opening task
            _deliver([(opened, None, error)])
            return
        _deliver([(opened, None, None)])
        is_busy = False
        try:
            while (job := self._jobs.get()) is not None:
                if is_busy and job.is_write:
                    # Changes that come meanwhile share the flush, which costs more than the writing.
                    time.sleep(min(max(self._flush_time * GATHER_SHARE, MIN_GATHER_TIME), MAX_GATHER_TIME))
                jobs = [job]
                while len(jobs) < MAX_JOBS and not self._jobs.empty():
                    if (another := self._jobs.get()) is None:
                        self._jobs.put(None)  # ends the loop, after these
                        break
                    jobs.append(another)
                is_busy = len(jobs) > 1
                _deliver(self._do_all(connection, jobs))
        finally:
            connection.close()

    def _do_all(self, connection: sqlite3.Connection, jobs: "Sequence[_Job]") -> "list[_Result]":
        is_write = any(job.is_write for job in jobs)
        results: list[_Result] = []
        try:
            if is_write:
                connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                results.append(_result_of(job, connection, str(self._path)))
                if is_write and not connection.in_transaction:
                    raise sqlite3.OperationalError(str(results[-1][2]))  # noqa: TRY301 - SQLite rolled all of it back
            if is_write:
                mark = self._count_commit(connection)
                began = time.perf_counter()
                connection.execute("COMMIT")
                self._flush_time += (time.perf_counter() - began - self._flush_time) / FLUSHES
                # As it was committed: a record that is about to be sent may be in the next commit.
                self._lock.write(mark)
        except Exception as error:  # noqa: BLE001 - raised in the waiting tasks; the thread continues
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            failure = JournalError(str(self._path), f"it could not be written: {error}")
            return [(job.done, None, failure) for job in jobs]
        return results

    def _count_commit(self, connection: sqlite3.Connection) -> Mark:
        self.mark = Mark(self.mark.commits + 1, self.highest, self.mark.journal_id)
        connection.execute("UPDATE progress SET commits = ?, highest = ?", self.mark[:2])
        return self.mark


_Result = tuple["asyncio.Future[Any]", Any, BaseException | None]


def _result_of(job: _Job, connection: sqlite3.Connection, path: str) -> _Result:
    try:
        return job.done, job.work(connection), None
    except sqlite3.Error as error:
        return job.done, None, JournalError(path, f"it could not be read or written: {error}")
    except Exception as error:  # noqa: BLE001 - raised in the waiting task
        return job.done, None, error


def _deliver(results: Sequence[_Result]) -> None:
    """Set the results of the waiting tasks, with one call per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Result]] = {}
    for result in results:
        by_loop.setdefault(result[0].get_loop(), []).append(result)
    for loop, its in by_loop.items():
        try:
            loop.call_soon_threadsafe(_set_all, its)
        except RuntimeError:  # the loop is closed, and no task waits
            continue


def _set_all(results: Sequence[_Result]) -> None:
    for future, value, error in results:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
