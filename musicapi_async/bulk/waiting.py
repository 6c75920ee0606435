"""Waiting for accepted tasks: within a time limit, through outages, until the service no longer knows them."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

from musicapi_async._tasks.state import TaskState
from musicapi_async._tasks.task import Task
from musicapi_async.errors import (
    ConnectionFailedError,
    InvalidRequestError,
    MusicAPIError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RetiredError,
    ServerError,
    SubscriptionError,
    TaskTimeoutError,
)

__all__ = ["Patience", "UnansweredError", "UnknownTaskError"]

T = TypeVar("T")

UNKNOWN: Final = (NotFoundError, RetiredError, InvalidRequestError, PermissionDeniedError)
"""Answers to a poll that say that there will be no other, however often it is sent."""
UNANSWERED: Final = (ConnectionFailedError, RateLimitError, ServerError)
MAX_UNKNOWN: Final = 3
"""So many of those answers, one after the other, and the task is unknown to the service."""
PAUSE: Final = 0.5
"""Seconds before the second of them; as many more before each further one."""
SHORTEST_WAIT: Final = 1.0
SHORTEST_CHECK: Final = 60.0
"""Seconds, at least, between two checks of whether polls are answered."""


class UnknownTaskError(Exception):
    """The service no longer knows a task; ``error`` is its last answer."""

    def __init__(self, error: MusicAPIError) -> None:
        super().__init__(error)
        self.error = error


class UnansweredError(Exception):
    """No poll of a task was answered for as long as an outage may last; ``error`` is what ended the wait."""

    def __init__(self, error: MusicAPIError) -> None:
        super().__init__(error)
        self.error = error


class Patience:
    """How long tasks are waited for: ``timeout`` seconds each, None without limit, unanswered polls left out.

    After ``outage`` seconds in which no poll was answered a wait ends all the same.
    """

    def __init__(self, timeout: float | None, outage: float) -> None:
        self.timeout = timeout
        self._outage = outage
        self._waiting: set[Task[Any]] = set()

    @property
    def has_found_any(self) -> bool:
        """True when the service has answered a poll of a task that is waited for now."""
        return any(task._watch is not None and task._watch.seen for task in self._waiting)

    async def wait(self, task: Task[Any]) -> Any:
        """Return a task's result.

        Raises TaskFailedError, TaskTimeoutError when the time is up, UnknownTaskError, and UnansweredError.
        """
        self._waiting.add(task)
        try:
            return await self._wait(task)
        finally:
            self._waiting.discard(task)

    async def poll(self, task: Task[Any]) -> TaskState[Any]:
        """Return a task's state after one poll; raises UnknownTaskError, and the error of a poll that fails."""
        return await _known(task.poll)

    async def _wait(self, task: Task[Any]) -> Any:
        clock = asyncio.get_running_loop().time
        limit = math.inf if self.timeout is None else self.timeout
        began, left, lost_since = clock(), limit, math.inf
        while True:
            started, seconds = clock(), min(left, max(self._outage, SHORTEST_CHECK))
            try:
                return await _known(partial(task.wait, seconds))
            except TaskTimeoutError as error:
                now, watch = clock(), task._watch
                failing_since = watch.failing_since if watch is not None and watch.hiccups else math.inf
                if now - failing_since >= self._outage:
                    raise UnansweredError(error) from error
                left = limit - (now - began - (0.0 if watch is None else watch.unanswered_by(now)))
                if left <= 0:
                    raise
                left, lost_since = max(left, SHORTEST_WAIT), math.inf
            except UNANSWERED as error:
                # The client gives up a wait whose polls have failed for a while.
                now, lost_since = clock(), min(lost_since, started)
                if now - lost_since >= self._outage:
                    raise UnansweredError(error) from error
                began += now - started


async def _known(request: Callable[[], Awaitable[T]]) -> T:
    """Send a request about a task, again where the service does not know the task, a few times."""
    for count in range(1, MAX_UNKNOWN):
        try:
            return await request()
        except SubscriptionError:
            raise
        except UNKNOWN:
            await asyncio.sleep(PAUSE * count)
    try:
        return await request()
    except SubscriptionError:
        raise
    except UNKNOWN as error:
        raise UnknownTaskError(error) from error
