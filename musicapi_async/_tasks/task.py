"""A paid task: its id, and the methods that poll it and wait for it."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextvars import Context
from functools import partial
from typing import Any, Final, Generic, Self, TypeVar, cast, get_args

from musicapi_async._arguments import is_amount, wrong_argument
from musicapi_async._bounds import shown
from musicapi_async._notebook import Display, open_display
from musicapi_async._request import TaskRequest
from musicapi_async._responses.decoding import is_id
from musicapi_async._tasks.entry import Entry
from musicapi_async._tasks.poller import Poller
from musicapi_async._tasks.schedule import TaskUpdate, context_of_caller
from musicapi_async._tasks.shown import ENDINGS, wait_shown
from musicapi_async._tasks.state import TaskRule, TaskState, Until, ready_result
from musicapi_async._tasks.unfinished import fresh
from musicapi_async._tracing import span
from musicapi_async.errors import InvalidRequestError, TaskTimeoutError, UnattachedTaskError
from musicapi_async.results import UploadedClip

__all__ = ["Task", "check_timeout", "check_wait", "checked_task_id", "entry_of"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

ENDLESS: Final = 1e9
"""Seconds (thirty years) above which a timeout counts as none."""
UNTIL: Final = get_args(Until)


class Task(Generic[R_co]):
    """A paid task of the service, identified by its ``id``.

    Keep the id: as ``resumption`` shows, it resumes the task at any later time, from any process. A task can be
    pickled, and equals every other one of its id and family; an unpickled one has no client until
    ``client.attach(task)``.

    ```python
    from musicapi_async import MusicAPI

    async with MusicAPI() as client:
        task = await client.sonic.describe(description="lofi rain")
        print(task.id)  # client.sonic.task(id) is the same task, in any process
        async for state in task.updates():
            print(state.status)
        songs = await task.wait()
    ```
    """

    __slots__ = ("__weakref__", "_entry", "_poller", "uploaded")

    def __init__(self, entry: Entry, poller: Poller | None, uploaded: UploadedClip | None = None) -> None:
        self._entry = entry
        self._poller = poller
        self.uploaded: UploadedClip | None = uploaded
        """The clip uploaded by a one-shot upload (``sonic.upload_extend`` and the like), with its steps; None for
        others."""
        if entry.caller is not None:
            entry.caller.activity.record_tasks(entry.id)

    @property
    def id(self) -> str:
        """The id that the service assigned to the task."""
        return self._entry.id

    @property
    def family(self) -> str:
        """The family of the operation that started it, such as ``sonic``."""
        return self._entry.rule.family

    @property
    def resumption(self) -> str:
        """The Python expression that resumes the task, such as ``client.sonic.task('...')``."""
        return self._entry.resumption

    def __repr__(self) -> str:
        """Show the family and the id."""
        return f"Task(family={self.family!r}, id={self.id!r})"

    def __eq__(self, other: object) -> bool:
        """Compare by family and id."""
        return (self.family, self.id) == (other.family, other.id) if isinstance(other, Task) else NotImplemented

    def __hash__(self) -> int:
        """Hash by family and id."""
        return hash((self.family, self.id))

    def __copy__(self) -> Self:
        """Return itself: a handle of the same task, on the same client."""
        return self

    def __deepcopy__(self, _: object) -> Self:
        """Return itself."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the operation, the id and the uploaded clip; not the client."""
        return _unattached, (self._entry.rule.operation, self.id, self.uploaded)

    async def wait(self, timeout: float | None = 600.0, until: Until = "finished") -> R_co:
        """Wait until the task is finished and return its result; ``timeout`` in seconds, None for no limit.

        ``until="first"`` returns as soon as the first clip is finished, ``until="stream"`` as soon as one can be
        streamed (its ``stream_url``, or ``audio_url``): the result then holds the clips that qualify. For this the task
        is polled when its stream can be expected, by the times of earlier ones, then at least every five seconds;
        ``poll_interval`` sets a fixed interval, and with webhook events the event of the stream ends the wait. The task
        is still running on the server afterwards: wait again for the rest. A result without clips, such as a voice, is
        waited for to its end.

        When a wait times out or is cancelled, the task is still running on the server: wait again, or resume it later
        from its id. A wait that times out before its first poll is due polls once before it ends; ``timeout=0`` is one
        poll. An exception that ends the wait (Ctrl-C, ``asyncio.timeout``) gets a note that names the task.

        In a notebook the cell shows the task's state meanwhile.

        Raises TaskFailedError when the service gives up, TaskTimeoutError when the time is up, with the clips that are
        finished, ClientClosedError when the client is closed meanwhile, UnattachedTaskError for a task that was
        unpickled, InvalidRequestError for a wrong argument, and the error of polls that keep failing.
        """
        check_wait(timeout, until)
        poller, entry = self._attached(), self._entry
        if entry.end is not None:
            return cast("R_co", _result_of(entry.end))
        if (display := open_display()) is not None:
            return await self._wait_shown(display, timeout, until)
        # Not in a separate coroutine, which would cost a quarter KiB for each of thousands of waits.
        with span("wait", entry.describe):
            waiter: _Waiter[R_co] = _Waiter(entry, timeout, until)
            poller.subscribe(entry, waiter)
            try:
                state = await waiter.state
            except asyncio.CancelledError as end:
                end.add_note(self._describe_pending())
                raise
            finally:
                poller.unsubscribe(entry, waiter)
                waiter.retrieve_error()
        # Its clips are parsed here, and not in the poll or the receiving of the event that ends the wait.
        return cast("R_co", state.result if state.is_done else ready_result(state, until))

    async def _wait_shown(self, display: Display, timeout: float | None, until: Until) -> R_co:
        wait = partial(self.wait, timeout, until)
        return await wait_shown(display, str(self._entry), wait, self.updates, ENDINGS[until])

    async def poll(self) -> TaskState[R_co]:
        """Poll once, now. A failed task is reported by the state, not raised.

        Raises UnattachedTaskError for a task that was unpickled, ClientClosedError on a closed client, and the typed
        error of a poll that fails.
        """
        poller = self._poller or self._attached()
        try:
            return await poller.poll(self._entry)
        except asyncio.CancelledError as end:
            end.add_note(self._describe_pending())
            raise

    async def updates(self, interval: float = 0.0) -> AsyncGenerator[TaskState[R_co], None]:
        """Yield the task's state whenever it has changed; the last one is ``finished`` or ``failed``.

        At least ``interval`` seconds pass between two states; changes in between are skipped. The last state is never
        delayed. The interval does not change how often the task is polled.

        Raises UnattachedTaskError for a task that was unpickled, InvalidRequestError for an interval that is not a
        number of at least 0, ClientClosedError when the client is closed meanwhile, and the error of polls that keep
        failing.
        """
        if not is_amount(interval):
            message = f"interval is {shown(interval)}; it must be a number of seconds, at least 0"
            raise InvalidRequestError(message, "interval", interval, ">= 0")
        poller, entry = self._attached(), self._entry
        if entry.end is not None:
            yield entry.end
            return
        subscription = _UpdateQueue(interval)
        last: TaskState[R_co] | None = None
        poller.subscribe(entry, subscription)
        try:
            while last is None or not last.is_done:
                for update in await subscription.take():
                    if isinstance(update, BaseException):
                        raise fresh(update)
                    if update != last:
                        yield update
                    last = update
        except asyncio.CancelledError as end:
            end.add_note(self._describe_pending())
            raise
        finally:
            poller.unsubscribe(entry, subscription)
            subscription.close()

    def _attached(self) -> Poller:
        if self._poller is None:
            raise UnattachedTaskError(self.family, self.id, self.resumption)
        return self._poller

    def _describe_pending(self) -> str:
        """Return the sentence on a task whose wait ended: it is paid for, and how to resume it."""
        uploaded = f"; the audio was uploaded as clip {self.uploaded.clip_id}" if self.uploaded else ""
        return f"{self._entry} is paid for and still running on the server: resume it with {self.resumption}{uploaded}"


def entry_of(task: Task[Any]) -> Entry:
    """Return the poller's record of a task; for this package."""
    return task._entry  # noqa: SLF001 - private to this package


class _Waiter(Generic[R]):
    """Subscriber that waits for the end of a task, or a part of its result, until a deadline."""

    __slots__ = ("_entry", "_last_seen", "context", "deadline", "since", "state", "until")

    def __init__(self, entry: Entry, timeout: float | None, until: Until) -> None:
        loop = asyncio.get_running_loop()
        self.state: asyncio.Future[TaskState[R]] = loop.create_future()
        self.since = loop.time()
        self.deadline = math.inf if timeout is None or timeout > ENDLESS else self.since + timeout
        self.until: Until = until
        self.context: Context | None = context_of_caller()
        self._entry = entry
        self._last_seen: str | None = None

    def notify(self, update: TaskUpdate) -> None:
        """End the wait with a state that holds its result or with an error, or remember the task's status."""
        if self.state.done():
            return
        if isinstance(update, BaseException):
            # Each waiter raises its own copy of the error.
            self.state.set_exception(fresh(update))
        elif update.is_done and update.error is not None:
            self.state.set_exception(fresh(update.error))
        elif update.is_done or ready_result(update, self.until) is not None:
            self.state.set_result(update)
        else:
            self._last_seen = update.status

    def retrieve_error(self) -> None:
        """Mark the error as retrieved, in case the wait was cancelled at the moment of the error."""
        if self.state.done() and not self.state.cancelled():
            self.state.exception()

    def expire(self, failure: Exception | None) -> None:
        """End the wait; the task may still be running on the server."""
        if not self.state.done():
            waited = round(self.state.get_loop().time() - self.since, 1)
            entry = self._entry
            error = TaskTimeoutError(
                entry.rule.family, entry.id, waited, self._last_seen, entry.resumption, entry.finished_clips
            )
            error.__cause__ = failure
            if failure is not None:
                error.add_note(f"the last poll failed: {failure}")
            self.state.set_exception(error)


class _UpdateQueue:
    """Subscriber that queues updates of a task: all of them, or the latest one every ``interval`` seconds."""

    since = 0.0
    deadline = math.inf
    until: Until = "finished"

    def __init__(self, interval: float) -> None:
        self.context: Context | None = context_of_caller()
        self._interval = interval
        self._updates: list[TaskUpdate] = []
        self._is_due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    def notify(self, update: TaskUpdate) -> None:
        """Queue an update, and release it when the interval has passed."""
        if self._interval:
            self._updates.clear()
        self._updates.append(update)
        loop = asyncio.get_running_loop()
        is_end = isinstance(update, BaseException) or update.is_done
        if is_end or not self._interval or loop.time() >= self._not_before:
            self._is_due.set()
        elif self._timer is None:
            self._timer = loop.call_at(self._not_before, self._is_due.set)

    def expire(self, _: Exception | None) -> None:
        """Never called: it has no deadline."""

    async def take(self) -> list[TaskUpdate]:
        """Wait for updates, and return all that are queued."""
        await self._is_due.wait()
        self._is_due.clear()
        self.close()
        self._not_before = asyncio.get_running_loop().time() + self._interval
        updates, self._updates = self._updates, []
        return updates

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def check_timeout(timeout: object) -> None:
    """Raise InvalidRequestError for a value that is no timeout."""
    if timeout is not None and not is_amount(timeout):
        message = f"timeout is {shown(timeout)}; it must be a number of seconds, at least 0, or None for no limit"
        raise InvalidRequestError(message, "timeout", timeout, ">= 0, or None")


def check_wait(timeout: object, until: object) -> None:
    """Raise InvalidRequestError for invalid arguments of a wait."""
    check_timeout(timeout)
    if until not in UNTIL:
        if not isinstance(until, str):
            raise wrong_argument("until", until, f"one of {', '.join(UNTIL)}")
        message = f"until is {until[:20]!r}; it must be one of {', '.join(UNTIL)}"
        raise InvalidRequestError(message, "until", until[:20], UNTIL)


def checked_task_id(task_id: object) -> str:
    """Return a task id without surrounding blanks; raises InvalidRequestError for anything that cannot be one."""
    if not isinstance(task_id, str) or not is_id(task_id):
        advice = "pass task.id" if isinstance(getattr(task_id, "id", None), str) else ""
        raise wrong_argument("task_id", task_id, "the id that the service returned", advice)
    return task_id.strip()


def _result_of(state: TaskState[R]) -> R:
    """Return the result of a task that has ended, or raise its error."""
    if state.error is not None:
        raise fresh(state.error)
    return cast("R", state.result)


def _unattached(operation: type[TaskRequest[R]], task_id: str, uploaded: UploadedClip | None) -> Task[R]:
    """Return an unpickled task, which belongs to no client."""
    return Task(Entry(checked_task_id(task_id), TaskRule.of(operation), None), None, uploaded)
