"""Thread of a database: changes that are awaited at the same time share a commit."""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

from musicapi_async.errors import JournalError

__all__ = ["Writer"]

T = TypeVar("T")

GATHER_TIME: Final = 0.004
"""Seconds that a commit waits for further changes, while many come."""
MAX_JOBS: Final = 1000
"""Jobs that share a commit, at most."""


class _Job(NamedTuple):
    work: Callable[[sqlite3.Connection], Any]
    is_write: bool
    done: "asyncio.Future[Any]"


class Writer:
    """Runs jobs on a connection in a separate thread; an awaited change is on the disk."""

    def __init__(
        self,
        path: str,
        connect: Callable[[], sqlite3.Connection],
        before_commit: Callable[[sqlite3.Connection], None],
        after_commit: Callable[[], None],
    ) -> None:
        self._path = path
        self._connect = connect
        self._before_commit = before_commit
        self._after_commit = after_commit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        """Start the thread and connect; raises what connecting raises."""
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="musicapi-journal", daemon=True)
        self._thread.start()
        await opened

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job that changes the database, all or nothing; raises JournalError when the disk is full."""
        return await self._do(work, is_write=True)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job that only reads, and return its result."""
        return await self._do(work, is_write=False)

    async def aclose(self) -> None:
        """Finish the jobs that were begun, and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(thread.join)

    async def _do(self, work: Callable[[sqlite3.Connection], T], *, is_write: bool) -> T:
        if self._thread is None:
            raise JournalError(self._path, "it is closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(work, is_write, done))
        return await done

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
                    time.sleep(GATHER_TIME)
                jobs, is_last = [job], False
                while len(jobs) < MAX_JOBS and not is_last:
                    try:
                        another = self._jobs.get_nowait()
                    except queue.Empty:
                        break
                    is_last = another is None
                    jobs += [another] if another is not None else []
                is_busy = len(jobs) > 1
                _deliver(self._do_all(connection, jobs))
                if is_last:
                    return
        finally:
            connection.close()

    def _do_all(self, connection: sqlite3.Connection, jobs: "Sequence[_Job]") -> "list[_Result]":
        is_write = any(job.is_write for job in jobs)
        results: list[_Result] = []
        try:
            if is_write:
                connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                results.append(_result_of(job, connection, self._path))
                if is_write and not connection.in_transaction:
                    raise sqlite3.OperationalError(str(results[-1][2]))  # noqa: TRY301 - SQLite rolled all of it back
            if is_write:
                self._before_commit(connection)
                connection.execute("COMMIT")
                self._after_commit()
        except Exception as error:  # noqa: BLE001 - raised in the waiting tasks; the thread continues
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            failure = JournalError(self._path, f"it could not be written: {error}")
            return [(job.done, None, failure) for job in jobs]
        return results


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
