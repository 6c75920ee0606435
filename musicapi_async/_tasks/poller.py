"""The poller of a client: polls every task that has subscribers when its poll is due.

A task that waits for its next poll is only an item in a timer wheel. It has no coroutine and no timer of its own: one
timer of the event loop fires at the earliest due slot.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any, Final

from musicapi_async._logger import logger
from musicapi_async._notices import ANOTHER_LOOP
from musicapi_async._tasks.entry import Entry
from musicapi_async._tasks.fetching import fetch_state
from musicapi_async._tasks.intervals import Intervals
from musicapi_async._tasks.reported import ReportedTasks
from musicapi_async._tasks.schedule import NEVER, RECENT, Polling, Subscriber, TaskUpdate, Wheel
from musicapi_async._tasks.state import (
    ReportedEvent,
    TaskState,
    Until,
    as_final,
    progress_of,
    read_event,
)
from musicapi_async._tasks.timing import Timing
from musicapi_async._tasks.unfinished import Unfinished
from musicapi_async._transport.cancellation import ActiveCalls
from musicapi_async._transport.retry import MAX_RETRY_AFTER
from musicapi_async.errors import APIStatusError, EventLoopError, RateLimitError

__all__ = ["Poller"]

TICK: Final = 0.1
"""Width of a slot of the wheel in seconds. Polls of one slot are sent together, which halves their CPU time."""
TICKS: Final = 4
"""Minimum number of slots in a fixed interval."""
BURST_RATE: Final = 200.0
"""Maximum polls per second when many tasks are resumed together."""
STALL: Final = 0.5
"""If the timer fires more than this many seconds late, the process was stopped or the event loop blocked (a stall)."""
FAR: Final = 1e12
"""Event-loop time beyond which a poll is never due; the wheel has no slots for larger numbers."""


class Poller:
    """Polls tasks while they have subscribers, a bounded number at once."""

    def __init__(self, timing: Timing, max_polls: int, calls: ActiveCalls) -> None:
        self.timing = timing
        self._calls = calls
        self.unfinished: Unfinished = Unfinished()
        self._wheel: Wheel[Entry] = Wheel(TICK)
        self._subscribed: dict[Entry, Polling] = {}
        """The entries with subscribers."""
        self.reported: ReportedTasks = ReportedTasks()
        self._intervals = Intervals(timing, self.reported)
        self.on_first_wait: Callable[[], None] | None = None
        """Called when the first task is waited for."""
        self._queue: OrderedDict[Entry, Polling] = OrderedDict()
        """The entries whose poll is due, in order, while the maximum number of polls is in flight."""
        self._polls: set[asyncio.Task[None]] = set()
        self._max_polls = max_polls
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._paused_until = 0.0
        self._postponed = 0
        """The number of polls postponed since the service asked for a pause."""
        self._resumed_at = -NEVER
        """Event-loop time at which the loop last continued after a stall."""
        self._is_closed = False

    def subscribe(self, entry: Entry, subscriber: Subscriber) -> None:
        """Subscribe to every state of the task, and to the error that ends its polling."""
        self._check(entry)
        if entry.poll_interval is not None:
            self._refine(entry.poll_interval / TICKS)
        polling = entry.polling
        if polling is None:
            polling = entry.polling = self._start_polling(entry, subscriber.until)
            polling.subscribe(subscriber)
        else:
            polling.subscribe(subscriber)
            if subscriber.until != "finished" and not polling.is_in_flight:
                self._poll_earlier(entry, polling)
        if self.on_first_wait is not None:
            self.on_first_wait()
            self.on_first_wait = None
        self._subscribed[entry] = polling
        self._schedule(entry, polling)
        if self.reported.is_enabled and (event := self.reported.add(entry)) is not None:
            self.apply_event(entry, event)
        self._arm()

    def expect_events(self) -> None:
        """Begin to receive events, also of the tasks that are waited for already."""
        if not self.reported.is_enabled:
            self.reported.is_enabled = True
            for entry in self._subscribed:
                self.reported.add(entry)

    def apply_event(self, entry: Entry, event: ReportedEvent) -> None:
        """Notify the subscribers of the state that a verified event reports; poll once, now, if it is uncertain."""
        polling, now = self._subscribed[entry], asyncio.get_running_loop().time()
        state = read_event(event, entry.id, entry.rule)
        if state is None:
            self.poll_soon(entry)
        elif state.is_done:
            polling.note_reported(now)
            self._note_state(entry, polling, state)
        elif polling.stage == "waiting":  # events may arrive in any order, and behind a poll
            polling.note_reported(now)
            self._note_unfinished(entry, polling, state, now)
            for subscriber in polling.subscribers:
                subscriber.notify(state)
            if not polling.is_in_flight:
                self._poll_later(entry, polling)
        self._arm()

    def poll_soon(self, entry: Entry) -> None:
        """Poll a task that is waited for once, now."""
        polling = self._subscribed[entry]
        polling.is_urgent = polling.is_in_flight
        if not polling.is_in_flight:
            polling.next_poll_at = asyncio.get_running_loop().time()
            self._schedule(entry, polling)
        self._arm()

    def unsubscribe(self, entry: Entry, subscriber: Subscriber) -> None:
        """Remove the subscriber; a task without any is not polled, and keeps its state."""
        if entry.polling is not None:
            self._remove(entry, entry.polling, subscriber)

    async def poll(self, entry: Entry) -> TaskState[Any]:
        """Poll once, now; the poll ends with ClientClosedError if the client is closed."""
        self._check(entry)
        return await self._calls.track(fetch_state(entry, self.unfinished), entry.closed_error)

    async def aclose(self) -> None:
        """End all polling; every subscriber is notified that the client was closed."""
        self._is_closed = True
        for entry, polling in list(self._subscribed.items()):
            self._end(entry, polling, entry.closed_error())
        if self._timer is not None:
            self._timer.cancel()
        for poll in self._polls:
            poll.cancel()
        await asyncio.gather(*self._polls, return_exceptions=True)

    def _check(self, entry: Entry) -> None:
        if self._is_closed:
            raise entry.closed_error()
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            raise EventLoopError(ANOTHER_LOOP)
        self._loop = loop

    def _start_polling(self, entry: Entry, until: Until) -> Polling:
        now = asyncio.get_running_loop().time()
        if entry.accepted_at is None:
            # A resumed task, of unknown age: it is polled at once, but thousands of them are spread over time.
            next_poll_at = now + random.random() * len(self._subscribed) / BURST_RATE  # noqa: S311 - nothing secret
            return Polling(next_poll_at, now - self.timing.usual)
        return Polling(max(now, entry.accepted_at + self._intervals.first(entry, until)), entry.accepted_at)

    def _poll_earlier(self, entry: Entry, polling: Polling) -> None:
        """Advance the next poll, for a subscriber that waits for less than those before it."""
        now = asyncio.get_running_loop().time()
        if polling.is_new and entry.accepted_at is not None:
            earlier = max(now, entry.accepted_at + self._intervals.first(entry, polling.until))
        else:
            earlier = now + self._intervals.next(entry, polling, now)
        polling.next_poll_at = min(polling.next_poll_at, earlier)

    def _refine(self, tick: float) -> None:
        """Divide the wheel into shorter ticks, for an interval of a few of them."""
        if tick >= self._wheel.tick:
            return
        wheel, self._wheel = self._wheel, Wheel(tick)
        for entry, polling in self._subscribed.items():
            wheel.discard(entry)
            self._schedule(entry, polling)

    def _remove(self, entry: Entry, polling: Polling, subscriber: Subscriber) -> None:
        polling.unsubscribe(subscriber)
        if not polling.subscribers:
            self._drop(entry, polling)

    def _schedule(self, entry: Entry, polling: Polling) -> None:
        """Schedule an entry for its next poll or its earliest subscriber's deadline, whichever comes first."""
        deadlines = [polling.effective_deadline(subscriber, self._resumed_at) for subscriber in polling.subscribers]
        due = min(polling.next_poll_at, *deadlines)
        if due > FAR:
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
        now = asyncio.get_running_loop().time()
        if now - self._timer_at > STALL:
            self._resumed_at = now
        self._timer, self._timer_at = None, NEVER
        for entry in self._wheel.take_due(now):
            polling = self._subscribed[entry]
            is_last = now >= self._paused_until and self._wants_final_poll(entry, polling, now)
            if polling.next_poll_at <= now or is_last:
                self._queue[entry] = polling
                polling.enqueue(now)
            self._expire(entry, polling, now)
        self._send_queued(now)
        self._arm()

    def _wants_final_poll(self, entry: Entry, polling: Polling, now: float) -> bool:
        return polling.wants_final_poll(now, min(entry.poll_interval or RECENT, RECENT), self._resumed_at)

    def _expire(self, entry: Entry, polling: Polling, now: float) -> None:
        """Expire subscribers whose deadline has passed, then schedule the entry again."""
        for subscriber in polling.subscribers:
            if polling.effective_deadline(subscriber, self._resumed_at) <= now:
                self._remove(entry, polling, subscriber)
                subscriber.expire(polling.failure)
        if polling.subscribers:
            self._schedule(entry, polling)

    def _send_queued(self, now: float) -> None:
        if now < self._paused_until:
            self._postpone(now)
        while self._queue and len(self._polls) < self._max_polls:
            entry, polling = self._queue.popitem(last=False)
            # In the context of a caller that waits for it: the timer's is that of any caller.
            context = polling.subscribers[0].context or Context()
            poll = asyncio.get_running_loop().create_task(self._poll(entry, polling), context=context)
            self._polls.add(poll)
            poll.add_done_callback(partial(self._after_poll, entry, polling))

    def _after_poll(self, entry: Entry, polling: Polling, poll: asyncio.Task[None]) -> None:
        self._polls.discard(poll)
        if not self._is_closed:
            if poll.cancelled():
                # Cancelled from outside, such as by code that cancels every task of the loop. The waits continue.
                self._poll_later(entry, polling)
            self._send_queued(asyncio.get_running_loop().time())
            self._arm()

    def _postpone(self, now: float) -> None:
        """Reschedule all queued polls after the pause that the service asks for, spread at ``BURST_RATE``."""
        for entry, polling in self._queue.items():
            # Each becomes due after those that were postponed before it.
            late = (self._postponed + random.random()) / BURST_RATE  # noqa: S311 - nothing secret
            self._postponed += 1
            polling.dequeue(max(now, self._paused_until) + late)
            self._schedule(entry, polling)
        self._queue.clear()

    async def _poll(self, entry: Entry, polling: Polling) -> None:
        try:
            waiting = tuple(one.context for one in polling.subscribers[1:] if one.context is not None)
            state = await fetch_state(entry, self.unfinished, waiting, is_retried=False)
        except Exception as error:  # noqa: BLE001 - the subscribers must be notified of any error
            now = asyncio.get_running_loop().time()
            if entry.polling is not polling:
                return  # an event ended it meanwhile
            if entry.is_not_visible_yet(error, now):
                polling.note_not_visible(error, now)
                self._poll_later(entry, polling)
            elif entry.is_transient(error):
                self._note_failure(entry, polling, error)
            else:
                self._end(entry, polling, entry.with_resume_hint(error))
        else:
            if entry.polling is not polling:
                return
            is_grace_over = polling.is_grace_over(progress_of(state).grace, asyncio.get_running_loop().time())
            if state.is_done:
                self.reported.note_unreported(entry)
            self._note_state(entry, polling, as_final(state) if is_grace_over else state)

    def _note_failure(self, entry: Entry, polling: Polling, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        polling.note_failure(error, now)
        logger.info("a poll of %s failed (%s): polling again", entry, error)
        if polling.has_failed_too_long(now):
            # Only subscribers without a deadline are given up; the others wait until theirs.
            for subscriber in polling.subscribers:
                if subscriber.deadline == NEVER:
                    self._remove(entry, polling, subscriber)
                    subscriber.notify(entry.with_resume_hint(error))
            if not polling.subscribers:
                return
        # Bounded: a huge Retry-After must not keep a paid task from being polled.
        retry_after = min((isinstance(error, APIStatusError) and error.retry_after) or 0.0, MAX_RETRY_AFTER)
        if isinstance(error, RateLimitError):
            if now >= self._paused_until:
                self._postponed = 0
            self._paused_until = max(self._paused_until, now + retry_after)
        self._poll_later(entry, polling, retry_after)

    def _note_state(self, entry: Entry, polling: Polling, state: TaskState[Any]) -> None:
        now = asyncio.get_running_loop().time()
        if state.is_done:
            self._intervals.observe_end(entry, polling, now)
            entry.record_end(state)
            self.unfinished.end(entry.id)
            self._end(entry, polling, state)
            return
        self._note_unfinished(entry, polling, state, now)
        for subscriber in polling.subscribers:
            subscriber.notify(state)
        self._poll_later(entry, polling)

    def _note_unfinished(self, entry: Entry, polling: Polling, state: TaskState[Any], now: float) -> None:
        stage = progress_of(state).stage
        if stage != "waiting":
            self._intervals.observe_stream(entry, polling, now)
        polling.note_unfinished(stage, now)

    def _poll_later(self, entry: Entry, polling: Polling, retry_after: float = 0.0) -> None:
        now = asyncio.get_running_loop().time()
        interval = 0.0 if polling.is_urgent else self._intervals.next(entry, polling, now)
        polling.is_urgent = False
        polling.next_poll_at = now + max(interval, retry_after)
        self._expire(entry, polling, now)

    def _end(self, entry: Entry, polling: Polling, update: TaskUpdate) -> None:
        subscribers, polling.subscribers = polling.subscribers, ()
        entry.polling = None
        self._drop(entry, polling)
        for subscriber in subscribers:
            subscriber.notify(update)

    def _drop(self, entry: Entry, polling: Polling) -> None:
        self._subscribed.pop(entry, None)
        if self.reported.is_enabled:
            self.reported.discard(entry)
        self._wheel.discard(entry)
        if entry in self._queue:
            del self._queue[entry]
            polling.dequeue(polling.last_polled_at)  # so that the next subscriber causes a poll at once
