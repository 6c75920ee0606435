"""The one clock of a client: looks at every waiting task when its time has come.

A waiting task is an entry in a wheel, not a coroutine that sleeps, and has no timer of its own: one is armed for the
slot that is due next.
"""

import asyncio
import math
import random
from typing import Any, Final, Protocol

from musicapi_async._tasks.shapes import Stage
from musicapi_async._tasks.state import TaskState, settled
from musicapi_async._tasks.timing import Timing
from musicapi_async._tasks.wheel import Wheel
from musicapi_async._transport.caller import logger
from musicapi_async._transport.retry import LONGEST_RETRY_AFTER, Kind, Verdict, judge
from musicapi_async.errors import (
    APIStatusError,
    ClientClosedError,
    ConnectionFailedError,
    NotFoundError,
    RateLimitError,
    UnreadableReplyError,
)

__all__ = ["Listener", "News", "Poller", "Waiting"]

HICCUPS: Final = 20
"""Looks in a row that may fail without telling anything about the task, before the waiters are told."""
NOT_KNOWN_YET: Final = 60.0
"""Seconds in which the service may not know a task yet that it has just accepted."""
TICK: Final = 0.1
"""Looks are taken together that are due within so many seconds: one by one they cost twice as much."""
AT_ONCE: Final = 200.0
"""Looks a second that many tasks, taken up again together, may ask for."""
NEVER: Final = math.inf

News = TaskState[Any] | BaseException


class Listener(Protocol):
    """Who wants to know of a task."""

    deadline: float
    """When it gives up, by the event loop's clock."""

    def hear(self, news: News, /) -> None:
        """Take a state of the task, or the error that ends the looking."""
        ...

    def expire(self) -> None:
        """Give up."""
        ...


class Waiting(Protocol):
    """What the poller needs of a task."""

    id: str
    family: str
    _kind: str
    _accepted_at: float | None

    @property
    def resumption(self) -> str:
        """How it is taken up again."""
        ...

    async def _look(self, attempts: int | None = None) -> TaskState[Any]:
        """Look once."""
        ...


class _Entry:
    """One task that is waited for."""

    __slots__ = ("allowed", "began", "grace", "hiccups", "listeners", "look_at", "seen", "slot", "stage", "task")

    def __init__(self, task: Waiting, look_at: float, began: float) -> None:
        self.task = task
        self.listeners: tuple[Listener, ...] = ()
        self.look_at = look_at
        """When to look; never while a look is under way."""
        self.stage: Stage = "waiting"
        self.began = began
        """When its stage began, by the event loop's clock."""
        self.seen = 0.0
        """Seconds from the stage's beginning to the last look that found it unfinished."""
        self.hiccups = 0
        self.allowed = 0
        """Further looks that what was last seen is worth; ``grace`` counts them."""
        self.grace = 0
        self.slot: int | None = None


class Poller:
    """Looks at tasks as long as somebody listens, a bounded number at once."""

    def __init__(self, timing: Timing, looks_at_once: int) -> None:
        self._timing = timing
        self._wheel: Wheel[_Entry] = Wheel(min(TICK, (timing.interval or 1) / 4))
        self._entries: dict[int, _Entry] = {}
        self._due: dict[_Entry, None] = {}
        """Those whose time has come, in its order, while as many looks are under way as may be."""
        self._looks: set[asyncio.Task[None]] = set()
        self._looks_at_once = looks_at_once
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._paused_until = 0.0
        self._closed = False

    def listen(self, task: Waiting, listener: Listener) -> None:
        """Tell the listener of every state of the task, and of the error that ends the looking."""
        if self._closed:
            raise ClientClosedError(task.family, task.id, task.resumption)
        entry = self._entries.get(id(task))
        if entry is None:
            entry = self._entries[id(task)] = self._new_entry(task)
        entry.listeners += (listener,)
        self._place(entry)
        self._arm()

    def stop_listening(self, task: Waiting, listener: Listener) -> None:
        """Forget the listener, and the task when nobody else listens."""
        entry = self._entries.get(id(task))
        if entry is not None and listener in entry.listeners:
            self._leave(entry, listener)

    async def aclose(self) -> None:
        """End all looking; every listener is told that the client was closed."""
        self._closed = True
        for entry in list(self._entries.values()):
            task = entry.task
            self._end(entry, ClientClosedError(task.family, task.id, task.resumption))
        if self._timer is not None:
            self._timer.cancel()
        looks = list(self._looks)
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    def _new_entry(self, task: Waiting) -> _Entry:
        now = asyncio.get_running_loop().time()
        if task._accepted_at is None:
            # Nobody knows how long it has been waiting: look now, but not at thousands of them in one breath.
            look_at = now + random.random() * len(self._entries) / AT_ONCE  # noqa: S311 - nothing secret
            return _Entry(task, look_at, now - self._timing.usual)
        gap = self._timing.gap(task._kind, "waiting", 0.0)
        return _Entry(task, max(now, task._accepted_at + gap), task._accepted_at)

    def _leave(self, entry: _Entry, listener: Listener) -> None:
        entry.listeners = tuple(other for other in entry.listeners if other is not listener)
        if not entry.listeners:
            self._drop(entry)

    def _place(self, entry: _Entry) -> None:
        """Put an entry where the next thing is due for it: a look, or a listener's deadline."""
        due = min([entry.look_at, *(listener.deadline for listener in entry.listeners)])
        if due == NEVER:
            self._wheel.discard(entry)
        else:
            self._wheel.put(entry, due)

    def _arm(self) -> None:
        due = self._wheel.next_due()
        if due is None or due >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = asyncio.get_running_loop().call_at(due, self._wake)

    def _wake(self) -> None:
        self._timer, self._timer_at = None, NEVER
        now = asyncio.get_running_loop().time()
        for entry in self._wheel.take_due(now):
            for listener in entry.listeners:
                if listener.deadline <= now:
                    self._leave(entry, listener)
                    listener.expire()
            if not entry.listeners:
                continue
            if entry.look_at <= now:
                self._due[entry] = None
                entry.look_at = NEVER
            self._place(entry)
        self._look_at_due(now)
        self._arm()

    def _look_at_due(self, now: float) -> None:
        if now < self._paused_until:
            self._put_off(now)
        while self._due and len(self._looks) < self._looks_at_once:
            entry = next(iter(self._due))
            del self._due[entry]
            look = asyncio.get_running_loop().create_task(self._look(entry))
            self._looks.add(look)
            look.add_done_callback(self._after_look)

    def _after_look(self, look: asyncio.Task[None]) -> None:
        self._looks.discard(look)
        if not self._closed:
            self._look_at_due(asyncio.get_running_loop().time())
            self._arm()

    def _put_off(self, now: float) -> None:
        """Have all that is due wait until the service wants to be asked again, and then not come all at once."""
        for entry in self._due:
            late = random.random() * len(self._due) / AT_ONCE  # noqa: S311 - nothing secret
            entry.look_at = max(now, self._paused_until) + late
            self._place(entry)
        self._due.clear()

    async def _look(self, entry: _Entry) -> None:
        try:
            state = await entry.task._look(attempts=1)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            if _is_hiccup(error, entry.task._accepted_at):
                self._note_hiccup(entry, error)
            else:
                self._end(entry, error)
        else:
            self._note_state(entry, state)

    def _note_hiccup(self, entry: _Entry, error: Exception) -> None:
        entry.hiccups += 1
        if entry.hiccups > HICCUPS:
            self._end(entry, error)
            return
        logger.info("a look at %s task %s failed (%s): looking again", entry.task.family, entry.task.id, error)
        # The looks are free, and a task that is paid for must not be lost sight of for a day.
        asked = min((isinstance(error, APIStatusError) and error.retry_after) or 0.0, LONGEST_RETRY_AFTER)
        if isinstance(error, RateLimitError):
            self._paused_until = max(self._paused_until, asyncio.get_running_loop().time() + asked)
        self._again(entry, asked)

    def _note_state(self, entry: _Entry, state: TaskState[Any]) -> None:
        entry.hiccups = 0
        now = asyncio.get_running_loop().time()
        allowed = state._seen.grace
        if allowed is not None:
            # A song that was joined late still has the looks of a file that is late.
            entry.grace = entry.grace + 1 if allowed == entry.allowed else 1
            entry.allowed = allowed
            if entry.grace > allowed:
                state = settled(state)
        if state.is_done:
            self._learn(entry, now)
            self._end(entry, state)
            return
        stage = state._seen.stage
        if stage != entry.stage:
            entry.stage, entry.began = stage, now
        entry.seen = now - entry.began
        for listener in entry.listeners:
            listener.hear(state)
        self._again(entry)

    def _learn(self, entry: _Entry, now: float) -> None:
        kind, accepted_at = entry.task._kind, entry.task._accepted_at
        if accepted_at is None:
            return
        self._timing.learn(kind, entry.stage, entry.seen, now - entry.began)
        if entry.stage != "waiting":
            self._timing.learn(kind, "waiting", entry.began + entry.seen - accepted_at, now - accepted_at)

    def _again(self, entry: _Entry, asked: float = 0.0) -> None:
        # Whoever waited may have left while the look was under way.
        if entry.listeners:
            now = asyncio.get_running_loop().time()
            gap = self._timing.gap(entry.task._kind, entry.stage, now - entry.began)
            entry.look_at = now + max(gap, asked)
            self._place(entry)

    def _end(self, entry: _Entry, news: News) -> None:
        listeners, entry.listeners = entry.listeners, ()
        self._drop(entry)
        for listener in listeners:
            listener.hear(news)

    def _drop(self, entry: _Entry) -> None:
        if self._entries.get(id(entry.task)) is entry:
            del self._entries[id(entry.task)]
        self._due.pop(entry, None)
        self._wheel.discard(entry)


def _is_hiccup(error: Exception, accepted_at: float | None) -> bool:
    """Tell whether a look failed in a way that says nothing about the task."""
    if isinstance(error, NotFoundError) and accepted_at is not None:
        return asyncio.get_running_loop().time() - accepted_at < NOT_KNOWN_YET
    is_unread = isinstance(error, (ConnectionFailedError, UnreadableReplyError))
    return is_unread or judge(Kind.LOOK, error) is Verdict.REPEAT
