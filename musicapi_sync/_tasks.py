"""Blocking tasks and runs, over the async ones."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, cast

import attrs

import musicapi_async
from musicapi_async import TaskRequest, TaskState, UploadedClip
from musicapi_async._engine_access import engine_of
from musicapi_async._notebook import open_display
from musicapi_async._notices import describe_tasks
from musicapi_async.errors import (
    ClientClosedError,
    EventLoopError,
    InvalidRequestError,
    MusicAPIError,
    UnattachedTaskError,
)
from musicapi_sync._loop_thread import View
from musicapi_sync._notices import NOT_DELIVERED, note
from musicapi_sync._portal import INTERRUPT_GRACE, DescribePending

__all__ = ["Outcome", "Run", "Task", "check_process", "describe_response", "generator_of"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class Task(Generic[R_co]):
    """A paid task of the service, identified by its ``id``.

    Keep the id: as ``resumption`` shows, it resumes the task at any later time, from any process. A task can be
    pickled, and equals every other one of its id and family; an unpickled one has no client until
    ``client.attach(task)``. Ctrl-C ends a wait; the task is still running on the server, and the exception's note names
    it.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        task = client.sonic.describe(description="lofi rain")
        print(task.id)  # client.sonic.task(id) is the same task, in any process
        for state in task.updates():
            print(state.status)
        songs = task.wait()
    ```
    """

    __slots__ = ("__weakref__", "_client", "_task", "_view", "family", "id", "uploaded")

    def __init__(self, view: View | None, task: musicapi_async.Task[R_co]) -> None:
        self.id: str = task.id
        self.family: str = task.family
        self.uploaded: UploadedClip | None = task.uploaded
        """The clip uploaded by a one-shot upload (``sonic.upload_extend`` and the like), with its steps; None for
        others."""
        self._view = view
        """None for a task that was unpickled."""
        self._task = task
        self._client = None if view is None else view.client

    def __repr__(self) -> str:
        """Show the family and the id."""
        return repr(self._task)

    def __eq__(self, other: object) -> bool:
        """Compare by family and id."""
        return self._task == other._task if isinstance(other, Task) else NotImplemented

    def __hash__(self) -> int:
        """Hash by family and id."""
        return hash(self._task)

    def __copy__(self) -> Self:
        """Return itself: a handle of the same task, on the same client."""
        return self

    def __deepcopy__(self, _: object) -> Self:
        """Return itself."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the operation, the id and the uploaded clip; not the client."""
        return Task, (None, self._task)

    @property
    def resumption(self) -> str:
        """The Python expression that resumes the task, such as ``client.sonic.task('...')``."""
        return self._task.resumption

    def wait(self, timeout: float | None = 600.0, until: Literal["finished", "first", "stream"] = "finished") -> R_co:
        """Wait until the task is finished and return its result; ``timeout`` in seconds, None for no limit.

        ``until="first"`` returns as soon as the first clip is finished, ``until="stream"`` as soon as one can be
        streamed. See ``musicapi_async.Task.wait``, which raises the same.
        """
        view, display = self._attached(), open_display()
        if display is None:
            return view.call(lambda client, _: self._on(client).wait(timeout, until), self._describe_pending)
        display.show(f"{self.family} task {self.id}")  # here: a notebook finds the cell by its thread
        return view.call(
            lambda client, _: self._on(client)._wait_shown(display, timeout, until), self._describe_pending
        )

    def poll(self) -> TaskState[R_co]:
        """Poll once, now. A failed task is reported by the state, not raised.

        Raises the errors of ``musicapi_async.Task.poll``.
        """
        return self._attached().call(lambda client, _: self._on(client).poll(), self._describe_pending)

    def updates(self, interval: float = 0.0) -> Generator[TaskState[R_co], None, None]:
        """Yield the task's state whenever it has changed; the last one is ``finished`` or ``failed``.

        At least ``interval`` seconds pass between two states; the last one is never delayed. See
        ``musicapi_async.Task.updates``, which raises the same.
        """
        view = self._attached()

        async def start(
            client: musicapi_async.MusicAPI, _: object
        ) -> tuple[musicapi_async.MusicAPI, AsyncGenerator[TaskState[R_co], None]]:
            return client, self._on(client).updates(interval)

        yield from generator_of(view, *view.call(start), self._describe_pending)

    def _describe_pending(self, _: object = None) -> str:
        """Return a sentence on the task, which is still running, and how it is resumed."""
        return self._task._describe_pending()

    def _attached(self) -> View:
        if self._view is None:
            raise UnattachedTaskError(self.family, self.id, self.resumption)
        return self._view

    def _on(self, client: musicapi_async.MusicAPI) -> musicapi_async.Task[R_co]:
        """Return the async task on this client, which after a fork is not the task's original one."""
        if self._client is not client:
            self._task = client.attach(self._task)
            self._client = client
        return self._task


@attrs.frozen(kw_only=True)
class Outcome(Generic[R_co]):
    """The outcome of one request of a run: either ``result`` or ``error`` is set.

    ```python
    from musicapi_sync import MusicAPI, sonic

    with MusicAPI() as client:
        for outcome in client.run([sonic.Describe(description="lofi rain")]):
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


class Run(Generic[R]):
    """Outcomes of many requests, as they finish: ``for outcome in client.run(requests, in_flight=50)``.

    At most ``in_flight`` tasks are waited for at once. Requests are taken from their source in the caller's thread, and
    only during the call for the next outcome: after you leave the loop, none are taken. A request that was taken before
    may still wait for a retry and be sent; ``close()`` and Ctrl-C stop that too. Paid tasks whose outcomes were not
    returned are in ``tasks``; Ctrl-C names them, and so does closing the client. An error of the source is raised once
    the outcome of every started task has been returned.

    ```python
    from musicapi_sync import MusicAPI, sonic

    requests = [sonic.Describe(description=f"rain in {month}") for month in ("March", "May", "June")]
    with MusicAPI() as client:
        for outcome in client.run(requests, in_flight=50):
            print(outcome.request, outcome.error or outcome.unwrap())
    ```
    """

    def __init__(self, view: View, requests: Iterable[TaskRequest[R]], in_flight: int, timeout: float | None) -> None:
        given: object = requests
        if not isinstance(given, Iterable):
            message = f"requests is of type {type(given).__name__}; it must be an iterable, such as [request]"
            raise InvalidRequestError(message, "requests", type(given).__name__, "an iterable of requests")
        self._client: musicapi_async.MusicAPI | None = None

        async def start(client: musicapi_async.MusicAPI, _: object) -> musicapi_async.Run[R]:
            self._client = client
            return client.run((), in_flight=in_flight, timeout=timeout)

        self._view = view
        self._run = view.call(start)
        self._requests = iter(requests)
        self._exhausted = False
        self._source_error: Exception | None = None
        self._source_traceback: TracebackType | None = None
        self._process = os.getpid()
        self._named: set[str] = set()
        self._is_shown = False
        """The ids of tasks that were returned, or named at an interruption."""

    def __repr__(self) -> str:
        """Show the limit and the progress."""
        return repr(self._run)

    @property
    def tasks(self) -> tuple[Task[R], ...]:
        """Paid tasks that are still running, or whose outcome was not returned yet; also after ``close()``."""
        return tuple(Task(self._view, task) for task in self._run.tasks)

    @property
    def has_room(self) -> bool:
        """True when another request may be started."""
        return self._run.has_room

    def start(self, request: TaskRequest[R]) -> None:
        """Start one more request now, besides those of the source; check ``has_room`` first.

        Raises the errors of ``musicapi_async.Run.start``, and ClientClosedError on a closed client.
        """

        async def start(client: musicapi_async.MusicAPI, _: object) -> None:
            check_process(client, self._client)
            self._run.start(request)

        self._view.call(start, self._stop)

    def next(self) -> Outcome[R] | None:
        """Return the next outcome; None when every started request has been returned.

        Raises ClientClosedError on a closed client.
        """

        async def take(client: musicapi_async.MusicAPI, _: object) -> musicapi_async.Outcome[R] | None:
            check_process(client, self._client)
            return await self._run.next()

        outcome = None
        try:
            outcome = self._view.call(take, self._stop)
            if outcome is None:
                return None
            task = None if outcome.task is None else Task(self._view, outcome.task)
            returned = Outcome(request=outcome.request, task=task, result=outcome.result, error=outcome.error)
            if task is not None:
                self._named.add(task.id)
        except BaseException as interruption:
            # The core has delivered it, and nothing else names it any more.
            if outcome is not None:
                note(interruption, self._stop(outcome))
            raise
        return returned

    def __iter__(self) -> Self:
        """Return itself: a run can be iterated once."""
        return self

    def __next__(self) -> Outcome[R]:
        """Start as many requests as there is room for, and return the next outcome.

        Raises the errors of ``next`` and of the source, StopIteration after the last outcome.
        """
        if not self._is_shown and (display := open_display()) is not None:
            self._run._show_in(display)
        self._is_shown = True
        self._fill()
        outcome = self.next()
        if outcome is not None:
            return outcome
        if self._source_error is not None:
            # With the original traceback, which would otherwise grow each time.
            raise self._source_error.with_traceback(self._source_traceback)
        raise StopIteration

    def __del__(self) -> None:
        """End the waits, whose results cannot be returned any more; the paid tasks are named when the client closes."""
        run = getattr(self, "_run", None)
        if run is not None and self._process == os.getpid():
            self._view.loop.end_run(run)

    def close(self) -> None:
        """Stop the run: no more requests are started, and waits end.

        Unfinished tasks are still running on the server; ``tasks`` still lists them.

        Raises ClientClosedError on a closed client, EventLoopError in a child of the process that started the run.
        """
        self._close(None)

    def _close(self, timeout: float | None) -> None:
        self._exhausted = True

        async def close(client: musicapi_async.MusicAPI, _: object) -> None:
            check_process(client, self._client)
            async with asyncio.timeout(timeout):
                await self._run.aclose()

        self._view.call(close)

    def _fill(self) -> None:
        while not self._exhausted and self._run.has_room:
            try:
                self.start(next(self._requests))
            except StopIteration:
                self._exhausted = True
            except ClientClosedError:
                raise
            except Exception as error:  # noqa: BLE001 - raised once all started requests are returned
                self._exhausted = True
                self._source_error, self._source_traceback = error, error.__traceback__
            except BaseException as interruption:
                note(interruption, self._stop(None))
                raise

    def _stop(self, taken: object) -> str | None:
        """End the interrupted run, and return a sentence on the tasks it leaves; ``taken`` was not returned."""
        last = taken.task if isinstance(taken, musicapi_async.Outcome) else None
        try:
            with contextlib.suppress(ClientClosedError, TimeoutError, RuntimeError):
                self._close(INTERRUPT_GRACE)
        except BaseException as second:
            # Interrupted twice: name the tasks known now; those in flight are named when the client closes.
            note(second, self._describe_left(last))
            raise
        return self._describe_left(last)

    def _describe_left(self, last: musicapi_async.Task[Any] | None = None) -> str | None:
        """Return a sentence on the paid tasks that were neither returned nor named before; None without any."""
        pending = (*self._run.tasks, last) if last is not None else self._run.tasks
        left = {task.id: task for task in pending if task.id not in self._named}
        self._named.update(left)
        if not left:
            return None
        if self._client is not None:
            engine_of(self._client).note_delivered(*left)
        return describe_tasks([task.resumption for task in left.values()], NOT_DELIVERED)


def generator_of(
    view: View,
    started_on: musicapi_async.MusicAPI,
    items: AsyncGenerator[T, None],
    describe_pending: DescribePending[T] = lambda _: None,
) -> Generator[T, None, None]:
    """Yield the items of an async generator of the client ``started_on``, and close it also when it is left early."""

    async def step(client: musicapi_async.MusicAPI, _: object) -> T | None:
        # Not the task's client: in a forked child the task may have moved to another one since.
        check_process(client, started_on)
        return await anext(items, None)

    async def close(client: musicapi_async.MusicAPI, _: object) -> None:
        # In a forked child it would wait for a task of the parent, for ever.
        check_process(client, started_on)
        await items.aclose()

    try:
        while (item := view.call(step, describe_pending)) is not None:
            yield item
    finally:
        # Also after a break, so that nothing is polled or received needlessly. Where no call is possible (the client is
        # closed, or the generator is collected on the loop's own thread), the loop closes the generator.
        with contextlib.suppress(ClientClosedError, RuntimeError):
            view.call(close)


def check_process(now: musicapi_async.MusicAPI, then: musicapi_async.MusicAPI | None) -> None:
    """Raise EventLoopError for an object of the parent process, whose loop does not exist here."""
    if now is not then:
        raise EventLoopError(
            "this was started before the process forked: continue in the parent, or resume the tasks by id"
        )


def describe_response(method: str) -> Callable[[object], str | None]:
    """Return a function that describes the response to an interrupted call, with its ids; None for a GET."""
    return lambda found: None if found is None or method == "GET" else f"the service had responded: {found!r}"
