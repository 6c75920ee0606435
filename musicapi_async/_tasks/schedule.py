"""The schedule of polls: the polling state of a task, and the timer wheel that holds tasks by due time. No I/O.

Times are event-loop time, in seconds.
"""

import heapq
import math
from contextvars import Context, copy_context
from typing import Any, Final, Generic, Protocol, TypeVar

from musicapi_async._tasks.progress import Stage, Until
from musicapi_async._tasks.state import TaskState

__all__ = ["NEVER", "RECENT", "Polling", "Subscriber", "TaskUpdate", "Wheel", "context_of_caller"]

OUTAGE: Final = 900.0
"""Seconds of only failed polls after which a wait without a deadline is ended."""
MAX_FAILING_INTERVAL: Final = 30.0
"""Maximum seconds between two failed polls, unless the regular interval is longer."""
FAILING_SHARE: Final = 0.1
"""The interval after a failed poll, as a share of the time since polls began to fail."""
LAST_POLL: Final = 2.0
"""Seconds for which an expired wait is extended for the response to a poll."""
RECENT: Final = 5.0
"""Maximum age in seconds of a poll that makes a further one unnecessary when a wait expires."""
REPORTED_WITHIN: Final = 1.0
"""Seconds between a change of a task and its event, at most, for the estimates of durations."""
NEVER: Final = math.inf
NOT_YET: Final = -math.inf
SLACK: Final = 64

TaskUpdate = TaskState[Any] | BaseException


class Subscriber(Protocol):
    """Subscriber to the updates of one task."""

    since: float
    """Time of the subscription."""
    deadline: float
    """Time at which it expires."""
    until: Until
    """The end of its wait; for a part of the result, such as a stream, its task is polled earlier."""
    context: Context | None
    """The context variables of its caller, in which its task is polled; None where it has none."""

    def notify(self, update: TaskUpdate, /) -> None:
        """Receive a state of the task, or the error that ends the polling."""
        ...

    def expire(self, failure: Exception | None, /) -> None:
        """End the subscription at its deadline; ``failure`` is the error of the last poll, if it failed."""
        ...


def context_of_caller() -> Context | None:
    """Return a copy of the current context; None for an empty one, which is not kept for each of thousands of waits."""
    return copy_context() or None


class Polling:
    """The polling of one task: its subscribers, its next poll, its progress and its failures.

    It is kept between waits, so that the next wait continues the schedule of the last.
    """

    __slots__ = (
        "allowed",
        "failing_since",
        "failure",
        "failures",
        "grace",
        "is_urgent",
        "last_polled_at",
        "next_poll_at",
        "pending_for",
        "stage",
        "stage_began_at",
        "subscribers",
        "unanswered",
        "until",
    )

    def __init__(self, next_poll_at: float, stage_began_at: float) -> None:
        self.subscribers: tuple[Subscriber, ...] = ()
        self.until: Until = "finished"
        """The earliest end that a subscriber waits for."""
        self.is_urgent: bool = False
        """True when the poll in flight is to be followed by another one at once."""
        self.next_poll_at: float = next_poll_at
        """Time of the next poll; infinite while a poll is in flight or queued."""
        self.last_polled_at: float = NOT_YET
        """Time at which the last poll was sent or queued."""
        self.stage: Stage = "waiting"
        self.stage_began_at: float = stage_began_at
        self.pending_for: float = 0.0
        """Seconds from the beginning of the stage to the last poll that found the task unfinished."""
        self.failures: int = 0
        """Consecutive failed polls; ``failing_since`` is the time of the first, ``failure`` the error of the last."""
        self.failing_since: float = 0.0
        self.failure: Exception | None = None
        self.unanswered: float = 0.0
        """Seconds in which polls failed, up to the last successful one."""
        self.allowed: int = 0
        """Further polls allowed by the last state; ``grace`` counts them."""
        self.grace: int = 0

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add a subscriber."""
        self.subscribers += (subscriber,)
        if subscriber.until != self.until:
            self.until = self._earliest_end()

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Remove a subscriber, if it is one."""
        self.subscribers = tuple(other for other in self.subscribers if other is not subscriber)
        if self.until != "finished":
            self.until = self._earliest_end()

    def _earliest_end(self) -> Until:
        ends = {subscriber.until for subscriber in self.subscribers}
        return "stream" if "stream" in ends else "first" if "first" in ends else "finished"

    @property
    def is_new(self) -> bool:
        """True when it was never polled."""
        return self.last_polled_at == NOT_YET

    @property
    def is_in_flight(self) -> bool:
        """True while a poll is in flight, or queued."""
        return self.next_poll_at == NEVER

    def is_answered(self, now: float) -> bool:
        """Return True when the last poll succeeded and found the task unfinished."""
        return bool(self.pending_for) and not self.failing_for(now)

    def enqueue(self, now: float) -> None:
        """Note that a poll is queued."""
        self.next_poll_at, self.last_polled_at = NEVER, now

    def dequeue(self, next_poll_at: float) -> None:
        """Note that the queued poll is not sent."""
        self.next_poll_at, self.last_polled_at = next_poll_at, NOT_YET

    def effective_deadline(self, subscriber: Subscriber, resumed_at: float) -> float:
        """Return the time at which a subscriber expires: after the response to a poll in flight, if that arrives soon.

        ``resumed_at`` is the time at which the event loop last continued after a stall, in which nothing was read.
        """
        if not self.is_in_flight:
            return subscriber.deadline
        return max(subscriber.deadline, self.last_polled_at + LAST_POLL, resumed_at + LAST_POLL)

    def wants_final_poll(self, now: float, recent: float, resumed_at: float) -> bool:
        """Return True when a subscriber would expire without a poll since its subscription, or a recent one.

        A poll from before a stall of the loop does not count, nor does a failed one. A subscriber with a timeout of 0
        always gets one poll.
        """
        if self.is_in_flight:
            return False
        is_recent = now - self.last_polled_at < recent
        return any(
            subscriber.deadline <= now
            and (self.last_polled_at < max(subscriber.since, resumed_at) or self.failures > 0)
            and (not is_recent or subscriber.deadline <= subscriber.since)
            for subscriber in self.subscribers
        )

    def unanswered_by(self, now: float) -> float:
        """Return the seconds in which its polls have failed so far."""
        return self.unanswered + self.failing_for(now)

    def failing_for(self, now: float) -> float:
        """Return the seconds for which all its polls have failed; 0 when the last one succeeded."""
        return now - self.failing_since if self.failures else 0.0

    def is_grace_over(self, allowed: int | None, now: float) -> bool:
        """Note a state that allows so many more polls (None: any number); return True when they are used up."""
        self.unanswered += self.failing_for(now)
        self.failures, self.failure = 0, None
        if allowed is None:
            return False
        # A song that was joined late still gets the polls allowed for a late file.
        self.grace = self.grace + 1 if allowed == self.allowed else 1
        self.allowed = allowed
        return self.grace > allowed

    def note_unfinished(self, stage: Stage, now: float) -> None:
        """Note the stage of an unfinished task."""
        if stage != self.stage:
            self.stage, self.stage_began_at = stage, now
        self.pending_for = now - self.stage_began_at

    def note_reported(self, now: float) -> None:
        """Note that an event reports the end of the stage, within about a second."""
        self.pending_for = max(self.pending_for, now - self.stage_began_at - REPORTED_WITHIN)

    def note_failure(self, error: Exception, now: float) -> None:
        """Note a poll that failed."""
        if not self.failures:
            self.failing_since = now
        self.failures += 1
        self.failure = error

    def note_not_visible(self, error: Exception, now: float) -> None:
        """Note a poll whose response says that the service does not know the task (yet)."""
        self.unanswered += self.failing_for(now)
        self.failures, self.failure = 0, error

    def has_failed_too_long(self, now: float) -> bool:
        """Return True when polls have failed so long that a wait without a deadline must end."""
        return self.failures > 1 and now - self.failing_since >= OUTAGE

    def interval(self, usual: float, now: float) -> float:
        """Return the seconds until the next poll; they grow with the time for which all polls have failed."""
        return (
            max(usual, min(MAX_FAILING_INTERVAL, FAILING_SHARE * (now - self.failing_since)))
            if self.failures
            else usual
        )


class Slotted(Protocol):
    """An entry of a wheel: it remembers its slot, None while it is in none."""

    slot: int | None


E = TypeVar("E", bound=Slotted)


class Wheel(Generic[E]):
    """Timer wheel: entries by due time, so that a hundred thousand cost little more than one.

    Times are rounded up to the next ``tick`` (seconds); an entry is in it at most once.
    """

    def __init__(self, tick: float) -> None:
        self.tick: float = tick
        self._slots: dict[int, dict[E, None]] = {}
        self._order: list[int] = []
        """A heap of the slots; empty ones are dropped when they are due, or when there are many."""

    def put(self, entry: E, due: float) -> None:
        """Put an entry in the slot of its due time, instead of the one it is in."""
        slot = math.ceil(due / self.tick)
        if entry.slot == slot:
            return
        self.discard(entry)
        entries = self._slots.get(slot)
        if entries is None:
            entries = self._slots[slot] = {}
            heapq.heappush(self._order, slot)
        entries[entry] = None
        entry.slot = slot

    def discard(self, entry: E) -> None:
        """Remove an entry, if it is in the wheel."""
        if entry.slot is None:
            return
        entries = self._slots[entry.slot]
        del entries[entry]
        if not entries:
            del self._slots[entry.slot]
            if len(self._order) > 2 * len(self._slots) + SLACK:
                self._order = sorted(self._slots)  # which is a heap too
        entry.slot = None

    def next_due(self) -> float | None:
        """Return the time at which the next entry is due, or None when there is none."""
        while self._order and self._order[0] not in self._slots:
            heapq.heappop(self._order)
        return self._order[0] * self.tick if self._order else None

    def take_due(self, now: float) -> list[E]:
        """Remove and return all due entries, in the order of the slots and of their insertion."""
        taken: list[E] = []
        while (due := self.next_due()) is not None and due <= now:
            taken += self._slots.pop(heapq.heappop(self._order))
        for entry in taken:
            entry.slot = None
        return taken
