"""A paid task: its id, looking at it, waiting for it."""

import asyncio
import math
import re
from collections.abc import AsyncGenerator
from typing import Final, Generic, TypeVar, cast
from urllib.parse import quote

from musicapi_async._arguments import is_amount, wrong_argument
from musicapi_async._request import GET
from musicapi_async._tasks.poller import Poller
from musicapi_async._tasks.state import TaskRule, TaskState, read_state
from musicapi_async._tasks.unfinished import fresh
from musicapi_async._tasks.watch import News, Watch
from musicapi_async._transport.caller import Call, Caller
from musicapi_async._transport.decoding import is_id
from musicapi_async.errors import InvalidRequestError, TaskTimeoutError
from musicapi_async.results import Clip, UploadedClip
from musicapi_async.results.clip import SUCCEEDED

__all__ = ["Task", "check_timeout", "checked_task_id"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

# Quoting costs as much as the rest of building a look; the service's own ids need none.
PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
ENDLESS: Final = 1e9
"""Seconds, thirty years, beyond which a wait has no end."""


class Task(Generic[R_co]):
    """A task of the service, paid for, known by its ``id``.

    Keep the id: it takes the task up again, from another process, next week, as ``resumption`` says.
    """

    __slots__ = (
        "_accepted_at",
        "_caller",
        "_clips",
        "_end",
        "_kind",
        "_poller",
        "_rule",
        "_watch",
        "family",
        "id",
        "uploaded",
    )

    def __init__(
        self,
        task_id: str,
        rule: TaskRule[R_co],
        caller: Caller,
        poller: Poller,
        *,
        kind: str = "",
        accepted_at: float | None = None,
        uploaded: UploadedClip | None = None,
    ) -> None:
        self.id = checked_task_id(task_id)
        self.family = rule.family
        self.uploaded = uploaded
        """The clip a one-shot upload made on its way (``sonic.upload_extend`` and the like), with its steps."""
        self._accepted_at = accepted_at
        """When it was accepted, by the event loop's clock; None for a task taken up from its id."""
        self._kind = kind
        """What started it, for the schedule that learns: tasks of a kind take about as long."""
        self._rule = rule
        self._caller = caller
        self._poller = poller
        self._end: TaskState[R_co] | None = None
        self._watch: Watch | None = None
        """What the poller knows of it."""
        self._clips: tuple[Clip, ...] = ()
        """The clips of it that were finished when it was last polled."""
        caller.activity.record_tasks(self.id)

    def __repr__(self) -> str:
        """Show the family and the id."""
        return f"Task(family={self.family!r}, id={self.id!r})"

    @property
    def resumption(self) -> str:
        """How the task is taken up again, as it is written in Python."""
        return self._rule.resumption(self.id)

    async def wait(self, timeout: float | None = 600.0) -> R_co:
        """Wait until the task is finished and return its result; ``timeout`` in seconds, None for no limit.

        A wait that times out or is cancelled leaves the task alive: wait again, or take it up later from its id. One
        whose time is up before the first look was due looks before it ends; ``timeout=0`` is one look.

        What ends it otherwise (Ctrl-C, ``asyncio.timeout``) gets a note that names the task.

        Raises TaskFailedError when the service gives up, TaskTimeoutError when the time is up, with the clips that are
        finished, ClientClosedError when the client is closed meanwhile, and the error of polls that keep failing.
        """
        check_timeout(timeout)
        state = self._end
        if state is None:
            # Not in a coroutine of its own: that would be a quarter KiB more for each of thousands that wait.
            waiter: _Waiter[R_co] = _Waiter(self, timeout)
            self._poller.listen(self, waiter)
            try:
                state = await waiter.end
            except asyncio.CancelledError as end:
                end.add_note(self._still_running())
                raise
            finally:
                self._poller.stop_listening(self, waiter)
                waiter.leave()
            self._note_end(state)
        if state.error is not None:
            raise fresh(state.error)
        # A finished state always carries its result.
        return cast("R_co", state.result)

    async def poll(self) -> TaskState[R_co]:
        """Look once, now. A failed task is told by the state, not raised."""
        try:
            return await self._poller.look(self)
        except asyncio.CancelledError as end:
            end.add_note(self._still_running())
            raise

    async def updates(self) -> AsyncGenerator[TaskState[R_co], None]:
        """Yield the task's state whenever it has changed, and its last one, finished or failed, at the end."""
        if self._end is not None:
            yield self._end
            return
        inbox: _Inbox[R_co] = _Inbox()
        last: TaskState[R_co] | None = None
        self._poller.listen(self, inbox)
        try:
            while last is None or not last.is_done:
                for news in await inbox.take():
                    if isinstance(news, BaseException):
                        raise fresh(news)
                    if news != last:
                        yield news
                    last = news
            self._note_end(last)
        except asyncio.CancelledError as end:
            end.add_note(self._still_running())
            raise
        finally:
            self._poller.stop_listening(self, inbox)

    async def _look(self, *, is_retried: bool = True) -> TaskState[R_co]:
        """Poll once; a poll that fails is retried, unless ``is_retried`` is False."""
        task_id = self.id if PLAIN_ID.fullmatch(self.id) else quote(self.id, safe="")
        rule = self._rule
        call = Call(method=GET, path=f"{rule.look}/{task_id}", is_retried=is_retried, replacement=rule.instead)
        state = await self._caller.send(call, lambda reply: read_state(self.id, self._rule, call.attempted, reply))
        if state.is_done:
            self._note_end(state)
        else:
            self._clips = tuple(clip for clip in state.clips if clip.state == SUCCEEDED)
            self._poller.unfinished.add(self.id, self._rule)
        return state

    def _still_running(self) -> str:
        """Return what must be known of a task that is left: that it is paid for, and how it is resumed."""
        uploaded = f"; the audio was uploaded as clip {self.uploaded.clip_id}" if self.uploaded else ""
        return (
            f"{self.family} task {self.id} is paid for and still running on the server: "
            f"resume it with {self.resumption}{uploaded}"
        )

    def _note_end(self, state: TaskState[R_co]) -> None:
        # It will give no credits back any more: who looks into an uncertain request wants to know.
        self._caller.activity.record_end(self.id, is_failed=state.error is not None)
        self._poller.unfinished.end(self.id)
        self._clips = ()
        self._end = state


class _Waiter(Generic[R]):
    """Waits for the end of a task, until a deadline."""

    __slots__ = ("_last_seen", "_task", "came_at", "deadline", "end")

    def __init__(self, task: Task[R], timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        self.end: asyncio.Future[TaskState[R]] = loop.create_future()
        self._task = task
        self.came_at = loop.time()
        self._last_seen: str | None = None
        self.deadline = math.inf if timeout is None or timeout > ENDLESS else self.came_at + timeout

    def hear(self, news: News) -> None:
        """Remember what was last seen; the end ends the waiting."""
        if self.end.done():
            return
        if isinstance(news, BaseException):
            # Each waiter raises an error of its own.
            self.end.set_exception(fresh(news))
        elif news.is_done:
            self.end.set_result(news)
        else:
            self._last_seen = news.status

    def leave(self) -> None:
        """Look at what was heard: cancelled in the moment of an error, nobody else would."""
        if self.end.done() and not self.end.cancelled():
            self.end.exception()

    def expire(self, failure: Exception | None) -> None:
        """End the waiting; the task may still be running on the server."""
        if not self.end.done():
            waited = round(self.end.get_loop().time() - self.came_at, 1)
            task = self._task
            clips = task._clips  # noqa: SLF001 - in one module
            error = TaskTimeoutError(task.family, task.id, waited, self._last_seen, task.resumption, clips)
            error.__cause__ = failure
            if failure is not None:
                error.add_note(f"the last poll failed: {failure}")
            self.end.set_exception(error)


class _Inbox(Generic[R]):
    """Keeps what was heard of a task until it is taken."""

    came_at = 0.0
    deadline = math.inf

    def __init__(self) -> None:
        self._heard: list[News] = []
        self._arrived = asyncio.Event()

    def hear(self, news: News) -> None:
        """Keep the news."""
        self._heard.append(news)
        self._arrived.set()

    def expire(self, _: Exception | None) -> None:
        """Never called: it has no deadline."""

    async def take(self) -> list[News]:
        """Wait for news, and return all there are."""
        await self._arrived.wait()
        self._arrived.clear()
        heard, self._heard = self._heard, []
        return heard


def check_timeout(timeout: object) -> None:
    """Raise InvalidRequestError for what is no time to wait."""
    if timeout is not None and not is_amount(timeout):
        message = f"timeout is {timeout!r}; it must be a number of seconds, at least 0, or None for no limit"
        raise InvalidRequestError(message, "timeout", timeout, ">= 0, or None")


def checked_task_id(task_id: object) -> str:
    """Return a task's id without blanks around it; raises InvalidRequestError for what cannot be one."""
    if not isinstance(task_id, str) or not is_id(task_id):
        advice = "pass task.id" if isinstance(getattr(task_id, "id", None), str) else ""
        raise wrong_argument("task_id", task_id, "the id the service gave", advice)
    return task_id.strip()
