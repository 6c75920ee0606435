"""Waiting for tasks within a time limit, and for the service during an outage."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

import backoff

from musicapi_async._logger import logger
from musicapi_async._notebook import SILENT
from musicapi_async._tasks.state import TaskState
from musicapi_async._tasks.task import Task, entry_of
from musicapi_async.errors import (
    ConnectionFailedError,
    GatewayError,
    InsufficientCreditsError,
    InvalidRequestError,
    InvalidResponseError,
    MusicAPIError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RetiredError,
    ServerError,
    SubscriptionError,
    TaskFailedError,
    TaskTimeoutError,
)

__all__ = ["Outage", "TaskWaiter", "UnansweredError", "UnknownTaskError"]

T = TypeVar("T")


UNKNOWN: Final = (NotFoundError, RetiredError, InvalidRequestError, PermissionDeniedError)
"""Errors of a poll which say that the service does not know the task."""
UNANSWERED: Final = (
    ConnectionFailedError,
    GatewayError,
    InsufficientCreditsError,
    RateLimitError,
    ServerError,
    InvalidResponseError,
)
"""Failures of a poll that say nothing about the task."""
MAX_UNKNOWN: Final = 3
"""Consecutive errors of that sort after which a task is unknown to the service."""
PAUSE: Final = 0.5
"""Seconds before the second of these polls; the pause grows by as much before each further one."""
MIN_WAIT: Final = 1.0
MIN_CHECK_INTERVAL: Final = 5.0
"""Seconds, at least, between two checks of whether polls get responses."""
MAX_DELAY: Final = 60.0
"""Seconds between two submissions during an outage."""


class UnknownTaskError(Exception):
    """The service no longer knows a task; ``error`` is its last response."""

    def __init__(self, error: MusicAPIError) -> None:
        super().__init__(error)
        self.error = error


class UnansweredError(Exception):
    """No poll of a task got a response for as long as an outage may last; ``error`` ended the wait.

    ``is_outage`` is False when polls of other tasks got one meanwhile.
    """

    def __init__(self, error: MusicAPIError, *, is_outage: bool) -> None:
        super().__init__(error)
        self.error = error
        self.is_outage = is_outage


class TaskWaiter:
    """Waits for tasks: ``timeout`` seconds each, None without limit; time in which polls fail does not count.

    A wait ends after ``outage`` seconds in which all polls failed.
    """

    def __init__(self, timeout: float | None, outage: float) -> None:
        self.timeout = timeout
        self._outage = outage
        self._waiting: set[Task[Any]] = set()
        self._responded_at = -math.inf
        """Event-loop time of the last successful poll."""

    @property
    def has_successful_polls(self) -> bool:
        """True when the last poll of a task that is waited for now has succeeded."""
        now, pollings = asyncio.get_running_loop().time(), (entry_of(task).polling for task in self._waiting)
        return any(polling is not None and polling.is_answered(now) for polling in pollings)

    async def wait(self, task: Task[Any]) -> Any:
        """Return a task's result.

        Raises TaskFailedError, TaskTimeoutError when the time is up, UnknownTaskError, and UnansweredError.
        """
        SILENT.set(True)  # one of thousands, in the context of its worker
        self._waiting.add(task)
        try:
            result = await self._wait(task)
        except TaskFailedError:
            self._note_response()
            raise
        finally:
            self._waiting.discard(task)
        self._note_response()
        return result

    async def poll(self, task: Task[Any]) -> TaskState[Any]:
        """Return a task's state after one poll; raises UnknownTaskError, and the error of a poll that fails."""
        state = await _known(task.poll)
        self._note_response()
        return state

    def has_responses(self, since: float) -> bool:
        """Return whether polls of tasks have succeeded since a time of the event loop's clock."""
        return self._responded_at > since or self.has_successful_polls

    def _unanswered(self, error: MusicAPIError, since: float) -> UnansweredError:
        """Return the error that ends a wait; after a timeout it contains the failure of the last poll."""
        failure = error.__cause__ if isinstance(error, TaskTimeoutError) else None
        reported = failure if isinstance(failure, MusicAPIError) else error
        return UnansweredError(reported, is_outage=not self.has_responses(since))

    def _note_response(self) -> None:
        self._responded_at = asyncio.get_running_loop().time()

    async def _wait(self, task: Task[Any]) -> Any:
        clock = asyncio.get_running_loop().time
        limit = math.inf if self.timeout is None else self.timeout
        began, left, lost_since = clock(), limit, math.inf
        while True:
            started, seconds = clock(), min(left, max(self._outage, MIN_CHECK_INTERVAL))
            try:
                return await _known(partial(task.wait, seconds))
            except TaskTimeoutError as error:
                now, polling = clock(), entry_of(task).polling
                failing = 0.0 if polling is None else polling.failing_for(now)
                if failing and failing >= self._outage:
                    raise self._unanswered(error, since=now - failing) from error
                left = limit - (now - began - (0.0 if polling is None else polling.unanswered_by(now)))
                if left <= 0:
                    raise
                left, lost_since = max(left, MIN_WAIT), math.inf
            except UNANSWERED as error:
                # The client gives up a wait whose polls have failed for a while.
                now, lost_since = clock(), min(lost_since, started)
                if now - lost_since >= self._outage:
                    raise self._unanswered(error, since=lost_since) from error
                began += now - started


async def _known(request: Callable[[], Awaitable[T]]) -> T:
    """Send a request about a task; retry a few times if the service does not know the task."""
    count = 0
    while True:
        count += 1
        try:
            return await request()
        except SubscriptionError:
            raise
        except UNKNOWN as error:
            if count == MAX_UNKNOWN:
                raise UnknownTaskError(error) from error
            await asyncio.sleep(PAUSE * count)


class Outage:
    """Pauses submissions while connections fail: one is sent after 1 s, 2 s, 4 s and so on, at most 60 s apart.

    ``limit`` is the time in seconds with nothing but failures after which the run stops. Times are event-loop time.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._since: float | None = None
        """Time of the first failure; None while there is no outage."""
        self._ended_at = -math.inf
        """Time at which the service was reached again after the last outage."""
        self._next_at = 0.0
        self._delays: Generator[float, Any, None] = _delays()
        self._changed = asyncio.Event()
        self._is_released = False

    async def pause(self) -> None:
        """Return at once without an outage, else when the caller may send, or another submission succeeded."""
        while self._since is not None and not self._is_released:
            now = asyncio.get_running_loop().time()
            if now >= self._next_at:
                self._next_at = min(now + next(self._delays), self._since + self._limit)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._next_at - now):
                    await self._changed.wait()

    def fail(self, error: Exception, began: float) -> bool:
        """Note a request that began then, and failed without a connection; return False when the limit is reached.

        One that began before the service was reached again says nothing about it since.
        """
        now = asyncio.get_running_loop().time()
        if self._since is None and began <= self._ended_at:
            return True
        if self._since is None:
            self._since, self._delays = now, _delays()
            self._next_at = now + min(next(self._delays), self._limit)
            self._changed.clear()
            if self._limit:
                logger.warning(
                    "the service cannot be reached (%s): submissions are paused and tried again for up to %g s",
                    error,
                    self._limit,
                )
        return now - self._since < self._limit

    def end(self) -> None:
        """Note that the service has responded: submissions continue."""
        if self._since is not None:
            self._ended_at = asyncio.get_running_loop().time()
            lasted = self._ended_at - self._since
            logger.warning("the service can be reached again after %.0f s: submissions continue", lasted)
            self._since = None
            self._changed.set()

    def release(self) -> None:
        """End every pause: the run is stopping."""
        self._is_released = True
        self._changed.set()


def _delays() -> Generator[float, Any, None]:
    """Yield the seconds between two attempts: doubling, each with up to a second of jitter."""
    growing = backoff.expo(max_value=MAX_DELAY)
    next(growing)  # it starts with a value for send()
    while True:
        yield backoff.random_jitter(next(growing))
