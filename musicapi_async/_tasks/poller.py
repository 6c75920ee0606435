"""The one clock of a client: looks at every waiting task when its time has come.

A waiting task is a place in a wheel, not a coroutine that sleeps, and has no timer of its own: one is armed for the
slot that is due next.
"""

import asyncio
import random
from collections import OrderedDict
from functools import partial
from typing import Any, Final, Protocol

from musicapi_async._tasks.state import TaskState, settled
from musicapi_async._tasks.timing import Timing
from musicapi_async._tasks.unfinished import Unfinished
from musicapi_async._tasks.watch import NEVER, RECENT, Listener, News, Watch
from musicapi_async._tasks.wheel import Wheel
from musicapi_async._transport.caller import logger
from musicapi_async._transport.retry import MAX_RETRY_AFTER, RequestClass, RetryDecision, decide
from musicapi_async.errors import (
    APIStatusError,
    ClientClosedError,
    ConnectionFailedError,
    EventLoopError,
    GatewayError,
    InsufficientCreditsError,
    NotFoundError,
    RateLimitError,
    UnreadableReplyError,
)

__all__ = ["Poller", "Waiting"]

NOT_KNOWN_YET: Final = 60.0
"""Seconds in which the service may not know a task yet that it has just accepted."""
TICK: Final = 0.1
"""Looks are taken together that are due within so many seconds: one by one they cost twice as much."""
AT_ONCE: Final = 200.0
"""Looks a second that many tasks, taken up again together, may ask for."""
STILL: Final = 0.5
"""Seconds that the timer must be late for the loop to have stood still: a stopped process, a blocked loop."""
FAR: Final = 1e12
"""What is due later, by the event loop's clock, is never due; so large a number would be no slot of the wheel."""
ANOTHER_LOOP: Final = (
    "this client was first used in another event loop: make one client for each loop, "
    "or use musicapi_sync, which brings its own"
)


class Waiting(Protocol):
    """What the poller needs of a task."""

    id: str
    family: str
    _kind: str
    _accepted_at: float | None
    _watch: Watch | None

    @property
    def resumption(self) -> str:
        """How it is taken up again."""
        ...

    async def _look(self, *, is_retried: bool = True) -> TaskState[Any]:
        """Look once."""
        ...


class Poller:
    """Looks at tasks as long as somebody listens, a bounded number at once."""

    def __init__(self, timing: Timing, looks_at_once: int) -> None:
        self.timing = timing
        self.unfinished = Unfinished()
        self._recent = min(timing.interval or RECENT, RECENT)
        self._wheel: Wheel[Watch] = Wheel(min(TICK, (timing.interval or 1) / 4))
        self._waited_for: dict[Watch, Waiting] = {}
        """The tasks that somebody listens to."""
        self._due: OrderedDict[Watch, None] = OrderedDict()
        """Those whose time has come, in its order, while as many looks are under way as may be."""
        self._looks: set[asyncio.Task[None]] = set()
        self._looks_at_once = looks_at_once
        self._polls: set[asyncio.Task[TaskState[Any]]] = set()
        """The looks that users make themselves."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._paused_until = 0.0
        self._resumed_at = -NEVER
        """When the event loop last ran on after it had stood still."""
        self._closed = False

    def listen(self, task: Waiting, listener: Listener) -> None:
        """Tell the listener of every state of the task, and of the error that ends the looking."""
        self._check(task)
        if task._watch is None:
            task._watch = self._new_watch(task)
        watch = task._watch
        watch.listeners += (listener,)
        self._waited_for[watch] = task
        self._place(watch)
        self._arm()

    def stop_listening(self, task: Waiting, listener: Listener) -> None:
        """Forget the listener, and the task when nobody else listens; what is known of it stays with it."""
        if task._watch is not None:
            self._leave(task._watch, listener)

    async def look(self, task: Waiting) -> TaskState[Any]:
        """Look once, now, for whoever asks for it himself; closing the client ends that too."""
        self._check(task)
        poll = asyncio.get_running_loop().create_task(task._look())
        self._polls.add(poll)
        poll.add_done_callback(self._polls.discard)
        try:
            return await poll
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if not self._closed or (caller is not None and caller.cancelling()):
                raise
            # It was the closing, and nobody else, that ended it.
            raise ClientClosedError(task.family, task.id, task.resumption) from None

    async def aclose(self) -> None:
        """End all looking; every listener is told that the client was closed."""
        self._closed = True
        for watch, task in list(self._waited_for.items()):
            self._end(watch, task, ClientClosedError(task.family, task.id, task.resumption))
        if self._timer is not None:
            self._timer.cancel()
        looks = [*self._looks, *self._polls]
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    def _check(self, task: Waiting) -> None:
        if self._closed:
            raise ClientClosedError(task.family, task.id, task.resumption)
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            raise EventLoopError(ANOTHER_LOOP)
        self._loop = loop

    def _new_watch(self, task: Waiting) -> Watch:
        now = asyncio.get_running_loop().time()
        if task._accepted_at is None:
            # Nobody knows how long it has been waiting: look now, but not at thousands of them in one breath.
            look_at = now + random.random() * len(self._waited_for) / AT_ONCE  # noqa: S311 - nothing secret
            return Watch(look_at, now - self.timing.usual)
        gap = self.timing.gap(task._kind, "waiting", 0.0)
        return Watch(max(now, task._accepted_at + gap), task._accepted_at)

    def _leave(self, watch: Watch, listener: Listener) -> None:
        watch.listeners = tuple(other for other in watch.listeners if other is not listener)
        if not watch.listeners:
            self._drop(watch)

    def _place(self, watch: Watch) -> None:
        """Put a watch where the next thing is due for it: a look, or a listener's deadline."""
        due = min(watch.look_at, *(watch.limit(listener, self._resumed_at) for listener in watch.listeners))
        if due > FAR:
            self._wheel.discard(watch)
        else:
            self._wheel.put(watch, due)

    def _arm(self) -> None:
        due = self._wheel.next_due()
        if due is None or due >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = asyncio.get_running_loop().call_at(due, self._wake)

    def _wake(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._timer_at > STILL:
            self._resumed_at = now
        self._timer, self._timer_at = None, NEVER
        for watch in self._wheel.take_due(now):
            is_last = now >= self._paused_until and watch.wants_last_look(now, self._recent, self._resumed_at)
            if watch.look_at <= now or is_last:
                self._due[watch] = None
                watch.stand_in_line(now)
            self._go_on(watch, now)
        self._look_at_due(now)
        self._arm()

    def _go_on(self, watch: Watch, now: float) -> None:
        """Let go whose time is up, and put the watch in its next place."""
        for listener in watch.listeners:
            if watch.limit(listener, self._resumed_at) <= now:
                self._leave(watch, listener)
                listener.expire(watch.failure)
        if watch.listeners:
            self._place(watch)

    def _look_at_due(self, now: float) -> None:
        if now < self._paused_until:
            self._put_off(now)
        while self._due and len(self._looks) < self._looks_at_once:
            watch, _ = self._due.popitem(last=False)
            task = self._waited_for[watch]
            look = asyncio.get_running_loop().create_task(self._look(watch, task))
            self._looks.add(look)
            look.add_done_callback(partial(self._after_look, watch, task))

    def _after_look(self, watch: Watch, task: Waiting, look: asyncio.Task[None]) -> None:
        self._looks.discard(look)
        if not self._closed:
            if look.cancelled():
                # Not by us: somebody ends whatever runs in this loop. Who waits, waits on.
                self._again(watch, task)
            self._look_at_due(asyncio.get_running_loop().time())
            self._arm()

    def _put_off(self, now: float) -> None:
        """Have all that is due wait until the service wants to be asked again, and then not come all at once."""
        for watch in self._due:
            late = random.random() * len(self._due) / AT_ONCE  # noqa: S311 - nothing secret
            watch.leave_line(max(now, self._paused_until) + late)
            self._place(watch)
        self._due.clear()

    async def _look(self, watch: Watch, task: Waiting) -> None:
        try:
            state = await task._look(is_retried=False)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            if _is_not_known_yet(error, task._accepted_at):
                watch.note_unknown(error, asyncio.get_running_loop().time())
                self._again(watch, task)
            elif _says_nothing(error):
                self._note_failure(watch, task, error)
            else:
                self._end(watch, task, _with_resumption(error, task))
        else:
            is_enough = watch.is_enough(state._seen.grace, asyncio.get_running_loop().time())
            self._note_state(watch, task, settled(state) if is_enough else state)

    def _note_failure(self, watch: Watch, task: Waiting, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        watch.note_failure(error, now)
        logger.info("a poll of %s task %s failed (%s): polling again", task.family, task.id, error)
        if watch.is_given_up(now):
            # A listener with a deadline bears an outage until then.
            for listener in watch.listeners:
                if listener.deadline == NEVER:
                    self._leave(watch, listener)
                    listener.hear(_with_resumption(error, task))
            if not watch.listeners:
                return
        # The looks are free, and a task that is paid for must not be lost sight of for a day.
        asked = min((isinstance(error, APIStatusError) and error.retry_after) or 0.0, MAX_RETRY_AFTER)
        if isinstance(error, RateLimitError):
            self._paused_until = max(self._paused_until, now + asked)
        self._again(watch, task, asked)

    def _note_state(self, watch: Watch, task: Waiting, state: TaskState[Any]) -> None:
        now = asyncio.get_running_loop().time()
        if state.is_done:
            self._learn(watch, task, now)
            self._end(watch, task, state)
            return
        watch.note_unfinished(state._seen.stage, now)
        for listener in watch.listeners:
            listener.hear(state)
        self._again(watch, task)

    def _learn(self, watch: Watch, task: Waiting, now: float) -> None:
        kind, accepted_at = task._kind, task._accepted_at
        if accepted_at is None:
            return
        self.timing.learn(kind, watch.stage, watch.seen, now - watch.began)
        if watch.stage != "waiting":
            self.timing.learn(kind, "waiting", watch.began + watch.seen - accepted_at, now - accepted_at)

    def _again(self, watch: Watch, task: Waiting, asked: float = 0.0) -> None:
        now = asyncio.get_running_loop().time()
        gap = watch.interval(self.timing.gap(task._kind, watch.stage, now - watch.began), now)
        watch.look_at = now + max(gap, asked)
        self._go_on(watch, now)

    def _end(self, watch: Watch, task: Waiting, news: News) -> None:
        listeners, watch.listeners = watch.listeners, ()
        task._watch = None
        self._drop(watch)
        for listener in listeners:
            listener.hear(news)

    def _drop(self, watch: Watch) -> None:
        self._waited_for.pop(watch, None)
        self._wheel.discard(watch)
        if watch in self._due:
            del self._due[watch]
            watch.leave_line(watch.looked_at)  # the next wait asks for the look


def _with_resumption(error: Exception, task: Waiting) -> Exception:
    """Return the error that ends a wait, with a note that names the task and how to resume it."""
    note = f"{task.family} task {task.id} is paid for, and may still be running on the server: {task.resumption}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    return error


def _is_not_known_yet(error: Exception, accepted_at: float | None) -> bool:
    """Return True for a poll that did not find a task that was accepted a moment ago."""
    if not isinstance(error, NotFoundError) or accepted_at is None:
        return False
    return asyncio.get_running_loop().time() - accepted_at < NOT_KNOWN_YET


def _says_nothing(error: Exception) -> bool:
    """Return True for a poll that failed in a way that says nothing about the task."""
    # The account's balance says nothing about a task that is already paid for.
    is_unread = isinstance(error, (ConnectionFailedError, GatewayError, InsufficientCreditsError, UnreadableReplyError))
    return is_unread or decide(RequestClass.READ, error) is RetryDecision.RETRY
