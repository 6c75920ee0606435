"""Tasks and runs that block; what they do is done by the async ones."""

import contextlib
from collections.abc import AsyncGenerator, Generator, Iterable
from typing import Any, Generic, Self, TypeVar

import attrs

import musicapi_async
from musicapi_async import TaskRequest, TaskState
from musicapi_async.errors import ClientClosedError, MusicAPIError
from musicapi_sync._blocking import View

__all__ = ["Outcome", "Run", "Task", "lives_on"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Task(Generic[R_co]):
    """A task of the service, paid for, known by its ``id``.

    Keep the id: ``client.<family>.task(id)`` takes the task up again, from another process, next week. Interrupted by
    Ctrl-C, a wait ends and the task lives on; the exception's note names it.
    """

    __slots__ = ("_client", "_task", "_view", "family", "id")

    def __init__(self, view: View, task: musicapi_async.Task[R_co]) -> None:
        self.id = task.id
        self.family = task.family
        self._view = view
        self._task = task
        self._client = view.client

    def __repr__(self) -> str:
        """Show the family and the id."""
        return repr(self._task)

    def wait(self, timeout: float | None = 600.0) -> R_co:
        """Wait until the task is finished and return its result; ``timeout`` in seconds, None for no limit.

        Raises what ``musicapi_async.Task.wait`` raises.
        """
        return self._view.call(lambda client, _: self._on(client).wait(timeout), lambda _: lives_on(self._task))

    def poll(self) -> TaskState[R_co]:
        """Look once, now. A failed task is told by the state, not raised."""
        return self._view.call(lambda client, _: self._on(client).poll(), lambda _: lives_on(self._task))

    def updates(self) -> Generator[TaskState[R_co], None, None]:
        """Yield the task's state whenever it has changed, and its last one, finished or failed, at the end."""

        async def start(client: musicapi_async.MusicAPI, _: object) -> AsyncGenerator[TaskState[R_co], None]:
            return self._on(client).updates()

        states = self._view.call(start)
        try:
            while True:
                state = self._view.call(lambda *_: anext(states, None), lambda _: lives_on(self._task))
                if state is None:
                    return
                yield state
        finally:
            # Also after a break, so that nobody looks for a caller who has left. Where no call is possible (the client
            # is closed, or the generator is collected on the loop's own thread), the loop closes what is dropped.
            with contextlib.suppress(ClientClosedError, RuntimeError):
                self._view.call(lambda *_: states.aclose())

    def _on(self, client: musicapi_async.MusicAPI) -> musicapi_async.Task[R_co]:
        """Return the async task, on this client: after a fork it is another one than the task came from."""
        if self._client is not client:
            self._task = client.attach(self._task)
            self._client = client
        return self._task


@attrs.frozen(kw_only=True)
class Outcome(Generic[R_co]):
    """What became of one request of a run.

    Either ``result`` or ``error`` is set; ``task`` is None when the request was never accepted.
    """

    request: TaskRequest[R_co]
    task: Task[R_co] | None = None
    result: R_co | None = None
    error: MusicAPIError | None = None


class Run(Generic[R]):
    """Outcomes of many requests, as they finish: ``for outcome in client.run(requests, in_flight=50)``.

    At most ``in_flight`` tasks are alive at the service. Requests are taken from their source in the caller's thread,
    and only while somebody asks for the next outcome: leaving the loop stops the spending. Tasks alive then are in
    ``tasks``. An error of the source is raised when every task that was started has been handed over.
    """

    def __init__(self, view: View, requests: Iterable[TaskRequest[R]], in_flight: int, timeout: float | None) -> None:
        async def start(client: musicapi_async.MusicAPI, _: object) -> musicapi_async.Run[R]:
            return client.run((), in_flight=in_flight, timeout=timeout)

        self._view = view
        self._run = view.call(start)
        self._requests = iter(requests)
        self._exhausted = False
        self._source_error: Exception | None = None

    @property
    def tasks(self) -> tuple[Task[R], ...]:
        """The tasks that are alive at the service now."""
        return tuple(Task(self._view, task) for task in self._run.tasks)

    @property
    def has_room(self) -> bool:
        """True when another request may be started."""
        return self._run.has_room

    def start(self, request: TaskRequest[R]) -> None:
        """Start one more request now, besides those of the source; ``has_room`` tells whether it may be."""

        async def start(*_: object) -> None:
            self._run.start(request)

        self._view.call(start)

    def next(self) -> Outcome[R] | None:
        """Return the next outcome, or None when nothing is left that was started."""
        outcome = self._view.call(lambda *_: self._run.next(), lambda _: self._what_lives_on())
        if outcome is None:
            return None
        task = None if outcome.task is None else Task(self._view, outcome.task)
        return Outcome(request=outcome.request, task=task, result=outcome.result, error=outcome.error)

    def __iter__(self) -> Self:
        """Return itself: a run is gone through once."""
        return self

    def __next__(self) -> Outcome[R]:
        """Start what there is room for, and return the next outcome."""
        self._fill()
        outcome = self.next()
        if outcome is not None:
            return outcome
        if self._source_error is not None:
            raise self._source_error
        raise StopIteration

    def close(self) -> None:
        """Stop: nothing more is started, waiting ends. Tasks that are alive live on at the service."""
        self._exhausted = True
        self._view.call(lambda *_: self._run.aclose())

    def _fill(self) -> None:
        while not self._exhausted and self._run.has_room:
            try:
                self.start(next(self._requests))
            except StopIteration:
                self._exhausted = True
            except ClientClosedError:
                raise
            except Exception as error:  # noqa: BLE001 - raised once all that was started is handed over
                self._exhausted = True
                self._source_error = error

    def _what_lives_on(self) -> str | None:
        alive = self._run.tasks
        if not alive:
            return None
        names = ", ".join(f"{task.family} {task.id}" for task in alive)
        return f"paid for and alive at the service: {names}; take each up with client.<family>.task(id)"


def lives_on(task: musicapi_async.Task[Any]) -> str:
    """Say that a task goes on without us."""
    return (
        f"{task.family} task {task.id} is paid for and lives on: take it up with client.{task.family}.task({task.id!r})"
    )
