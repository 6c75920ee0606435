"""``client.run``: many requests, with a bounded number of tasks at once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Iterable
from typing import Any, Generic, Protocol, Self, TypeVar, cast

import attrs

from musicapi_async._arguments import wrong_argument
from musicapi_async._bounds import shown
from musicapi_async._notebook import SILENT, Display, open_display
from musicapi_async._notices import describe_tasks
from musicapi_async._request import TaskRequest, checked_item
from musicapi_async._tasks.background import Background, RequestSource
from musicapi_async._tasks.shown import RunDisplay
from musicapi_async._tasks.task import Task, check_timeout
from musicapi_async._transport.cancellation import complete
from musicapi_async.errors import (
    ClientClosedError,
    EventLoopError,
    InvalidRequestError,
    MusicAPIError,
    RunClosedError,
    TaskFailedError,
)

__all__ = ["Outcome", "Run"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@attrs.frozen(kw_only=True)
class Outcome(Generic[R_co]):
    """The outcome of one request of a run: either ``result`` or ``error`` is set.

    ```python
    from musicapi_async import MusicAPI, sonic

    async with MusicAPI() as client:
        async for outcome in client.run([sonic.Describe(description="lofi rain")]):
            songs = outcome.unwrap()
    ```
    """

    request: TaskRequest[R_co]
    """The request."""
    task: Task[R_co] | None = None
    """Its task; None when the request was not accepted, or may not have been."""
    result: R_co | None = None
    """The result of the task; None when there is an error."""
    error: MusicAPIError | None = None
    """The error that ended the request or its task; None when there is a result."""

    def unwrap(self) -> R_co:
        """Return the result. Raises ``error`` when there is one."""
        if self.error is not None:
            raise self.error
        return cast("R_co", self.result)


class Client(Protocol):
    """The part of a client that a run uses."""

    def submit(self, request: TaskRequest[R], /) -> Awaitable[Task[R]]:
        """Start a task."""
        ...


class Run(Generic[R]):
    """Outcomes of many requests, as they finish: ``async for outcome in client.run(requests, in_flight=50)``.

    At most ``in_flight`` tasks are waited for at once. Requests are taken from their source one by one, and only during
    the call for the next outcome: after you leave the loop, none are taken. A request that was taken before may still
    wait for a retry and be sent; ``aclose()`` stops that too. Paid tasks whose outcomes were not returned are in
    ``tasks``. An error of the source, or ClientClosedError, is raised once the outcome of every started task has been
    returned. In a notebook the cell shows how many have finished.

    ```python
    from musicapi_async import MusicAPI, sonic

    requests = [sonic.Describe(description=f"rain in {month}") for month in ("March", "May", "June")]
    async with MusicAPI() as client:
        async for outcome in client.run(requests, in_flight=50):
            print(outcome.request, outcome.error or outcome.unwrap())
    ```
    """

    def __init__(
        self,
        client: Client,
        requests: Iterable[TaskRequest[R]] | AsyncIterable[TaskRequest[R]],
        in_flight: int,
        timeout: float | None,
        background: Background,
    ) -> None:
        if isinstance(in_flight, bool) or not isinstance(in_flight, int) or in_flight < 1:
            message = f"in_flight is {shown(in_flight)}; it must be a whole number of at least 1"
            raise InvalidRequestError(message, "in_flight", in_flight, ">= 1")
        check_timeout(timeout)
        _check_source(requests)
        self._client = client
        self._timeout = timeout
        self._in_flight = in_flight
        self._background = background
        self._changed = asyncio.Event()
        self._source = RequestSource(requests, self._changed, background)
        self._workers: set[asyncio.Task[None]] = set()
        self._pending: dict[str, Task[R]] = {}
        self._is_closed = False
        self._finished: deque[Outcome[R]] = deque()
        self._display: RunDisplay | None = None

    def __repr__(self) -> str:
        """Show the limit and the progress."""
        state = ", closed" if self._is_closed else ""
        running, finished = len(self._workers), len(self._finished)
        return f"<Run in_flight={self._in_flight}: {running} running, {finished} finished{state}>"

    @property
    def tasks(self) -> tuple[Task[R], ...]:
        """Paid tasks that are still running, or whose outcome was not returned yet; also after ``aclose()``."""
        waiting = {outcome.task.id: outcome.task for outcome in self._finished if outcome.task is not None}
        return tuple({**self._pending, **waiting}.values())

    @property
    def has_room(self) -> bool:
        """True when another request may be started."""
        return len(self._workers) + len(self._finished) < self._in_flight

    def start(self, request: TaskRequest[R]) -> None:
        """Start one more request now, besides those of the source; check ``has_room`` first.

        Raises RunClosedError when the run was closed, InvalidRequestError for a request that starts no task.
        """
        if self._is_closed:
            raise RunClosedError("this run was closed: start another one")
        worker = asyncio.get_running_loop().create_task(self._work(checked_item(request)))
        for group in (self._workers, self._background.workers):
            group.add(worker)
            worker.add_done_callback(group.discard)
        # Also for one that was cancelled before its first step.
        worker.add_done_callback(lambda _: self._changed.set())
        self._show(None)

    async def next(self) -> Outcome[R] | None:
        """Return the next outcome; None when every started request has been returned.

        Raises the error of the source, or ClientClosedError, after the last outcome.
        """
        while not self._finished:
            if not self._workers and not self._source.is_pulling:
                if self._source.error is not None:
                    self._source.raise_error(self._source.error)
                return None
            self._changed.clear()
            await self._changed.wait()
            self._fill()
        outcome = self._finished.popleft()
        if outcome.task is not None:
            self._background.undelivered.pop(outcome.task.id, None)
        return outcome

    def __aiter__(self) -> Self:
        """Return itself: a run can be iterated once."""
        return self

    async def __anext__(self) -> Outcome[R]:
        """Start as many requests as there is room for, and return the next outcome.

        Raises the errors of ``next``, StopAsyncIteration after the last outcome.
        """
        if self._display is None and (display := open_display()) is not None:
            self._show_in(display)
        self._fill()
        try:
            outcome = await self.next()
        except asyncio.CancelledError as end:
            if left := self.tasks:
                end.add_note(describe_tasks([task.resumption for task in left]))
            raise
        if outcome is not None:
            return outcome
        raise StopAsyncIteration

    def _show_in(self, display: Display) -> None:
        self._display = RunDisplay(display)
        self._display.show(0)

    async def aclose(self) -> None:
        """Stop the run: no more requests are started, waits end, and paid requests in flight get their responses.

        Unfinished tasks are still running on the server; ``tasks`` still lists them.
        """
        self._is_closed = True
        await complete(self._close(asyncio.current_task()))

    async def _close(self, closer: asyncio.Task[Any] | None) -> None:
        await self._source.aclose(closer)
        await self._background.stop(self._workers)

    def _fill(self) -> None:
        while self.has_room and (request := self._source.take()) is not None:
            try:
                self.start(request)
            except InvalidRequestError as error:
                self._source.stop(error)

    def _show(self, outcome: Outcome[R] | None) -> None:
        if self._display is not None:
            if outcome is not None:
                self._display.count(is_failed=outcome.error is not None)
            self._display.show(len(self._workers))

    async def _work(self, request: TaskRequest[R]) -> None:
        task: Task[R] | None = None
        outcome: Outcome[R] | None = None
        SILENT.set(True)  # in the context of this worker alone
        try:
            task = await self._client.submit(request)
            self._pending[task.id] = task
            self._background.add_undelivered(task.id, task.resumption)
            if self._is_closed:
                return
            outcome = Outcome(request=request, task=task, result=await task.wait(self._timeout))
        except ClientClosedError as error:
            # Nothing more can be started; the id of an accepted task is returned.
            self._source.stop(error)
            outcome = None if task is None else Outcome(request=request, task=task, error=error)
        except EventLoopError as error:
            # Not an error of this request: every other one would raise it too.
            self._source.stop(error)
        except MusicAPIError as error:
            outcome = Outcome(request=request, task=task, error=error)
        except Exception as error:  # noqa: BLE001 - raised by the next call for an outcome
            self._source.stop(error)
            outcome = None
        finally:
            # Here, not in a callback: the caller that is woken now must find the room.
            self._workers -= {asyncio.current_task()}
            self._changed.set()
            self._show(outcome)
        if outcome is not None:
            self._finished.append(outcome)
            # A task whose wait ended is still running, and its id must stay available.
            if task is not None and (outcome.error is None or isinstance(outcome.error, TaskFailedError)):
                self._pending.pop(task.id, None)
            if task is not None and isinstance(outcome.error, TaskFailedError):
                self._background.undelivered.pop(task.id, None)


def _check_source(requests: object) -> None:
    if not isinstance(requests, (Iterable, AsyncIterable)):
        advice = "pass a list: [request]" if isinstance(requests, TaskRequest) else ""
        raise wrong_argument("requests", requests, "an iterable of requests, also an async one", advice)
