"""Waiting for accepted tasks: within a time limit, through outages, until the service no longer knows them."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

from musicapi_async._tasks.state import TaskState
from musicapi_async._tasks.task import Task, entry_of
from musicapi_async.errors import (
    ConnectionFailedError,
    GatewayError,
    InsufficientCreditsError,
    InvalidRequestError,
    MusicAPIError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RetiredError,
    ServerError,
    SubscriptionError,
    TaskFailedError,
    TaskTimeoutError,
    UnreadableReplyError,
)

__all__ = ["Patience", "UnansweredError", "UnknownTaskError"]

T = TypeVar("T")

UNKNOWN: Final = (NotFoundError, RetiredError, InvalidRequestError, PermissionDeniedError)
"""Answers to a poll that say that there will be no other, however often it is sent."""
UNANSWERED: Final = (
    ConnectionFailedError,
    GatewayError,
    InsufficientCreditsError,
    RateLimitError,
    ServerError,
    UnreadableReplyError,
)
"""Failures of a poll that say nothing about the task."""
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
    """No poll of a task was answered for as long as an outage may last; ``error`` is what ended the wait.

    ``is_outage`` is False when other tasks were answered meanwhile.
    """

    def __init__(self, error: MusicAPIError, *, is_outage: bool) -> None:
        super().__init__(error)
        self.error = error
        self.is_outage = is_outage


class Patience:
    """How long tasks are waited for: ``timeout`` seconds each, None without limit, unanswered polls left out.

    After ``outage`` seconds in which no poll was answered a wait ends all the same.
    """

    def __init__(self, timeout: float | None, outage: float) -> None:
        self.timeout = timeout
        self._outage = outage
        self._waiting: set[Task[Any]] = set()
        self._answered_at = -math.inf
        """When a task was last found, by the event loop's clock."""

    @property
    def has_found_any(self) -> bool:
        """True when the service has answered a poll of a task that is waited for now."""
        now, pollings = asyncio.get_running_loop().time(), (entry_of(task).polling for task in self._waiting)
        return any(polling is not None and polling.is_answered(now) for polling in pollings)

    async def wait(self, task: Task[Any]) -> Any:
        """Return a task's result.

        Raises TaskFailedError, TaskTimeoutError when the time is up, UnknownTaskError, and UnansweredError.
        """
        self._waiting.add(task)
        try:
            result = await self._wait(task)
        except TaskFailedError:
            self._note_answer()
            raise
        finally:
            self._waiting.discard(task)
        self._note_answer()
        return result

    async def poll(self, task: Task[Any]) -> TaskState[Any]:
        """Return a task's state after one poll; raises UnknownTaskError, and the error of a poll that fails."""
        state = await _known(task.poll)
        self._note_answer()
        return state

    def is_answered(self, since: float) -> bool:
        """Return whether the service has answered polls of tasks since a time of the event loop's clock."""
        return self._answered_at > since or self.has_found_any

    def _note_answer(self) -> None:
        self._answered_at = asyncio.get_running_loop().time()

    async def _wait(self, task: Task[Any]) -> Any:
        clock = asyncio.get_running_loop().time
        limit = math.inf if self.timeout is None else self.timeout
        began, left, lost_since = clock(), limit, math.inf
        while True:
            started, seconds = clock(), min(left, max(self._outage, SHORTEST_CHECK))
            try:
                return await _known(partial(task.wait, seconds))
            except TaskTimeoutError as error:
                now, polling = clock(), entry_of(task).polling
                failing = 0.0 if polling is None else polling.failing_for(now)
                if failing and failing >= self._outage:
                    raise UnansweredError(error, is_outage=not self.is_answered(now - failing)) from error
                left = limit - (now - began - (0.0 if polling is None else polling.unanswered_by(now)))
                if left <= 0:
                    raise
                left, lost_since = max(left, SHORTEST_WAIT), math.inf
            except UNANSWERED as error:
                # The client gives up a wait whose polls have failed for a while.
                now, lost_since = clock(), min(lost_since, started)
                if now - lost_since >= self._outage:
                    raise UnansweredError(error, is_outage=not self.is_answered(lost_since)) from error
                began += now - started


async def _known(request: Callable[[], Awaitable[T]]) -> T:
    """Send a request about a task, again where the service does not know the task, a few times."""
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
