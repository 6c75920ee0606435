"""The schedule of polls: what is known of a task from polling it, and the wheel that holds tasks by due time. No I/O.

Times are event-loop time, in seconds.
"""

import heapq
import math
from typing import Any, Final, Generic, Protocol, TypeVar

from musicapi_async._tasks.progress import Stage
from musicapi_async._tasks.state import TaskState

__all__ = ["NEVER", "RECENT", "Polling", "Subscriber", "TaskUpdate", "Wheel"]

OUTAGE: Final = 900.0
"""Seconds of nothing but failed polls, before a wait without a deadline of its own is ended."""
LONGEST_INTERVAL: Final = 30.0
"""Seconds between two polls that fail, at most; where tasks are polled less often, they still are."""
SLOWER: Final = 0.1
"""Part of the time since polls began to fail that passes until the next one."""
LAST_POLL: Final = 2.0
"""Seconds that a wait whose time is up is held for the response to a poll."""
RECENT: Final = 5.0
"""Seconds in which a poll is recent enough for a wait that ends, however many short waits there are."""
NEVER: Final = math.inf
NOT_YET: Final = -math.inf
SLACK: Final = 64

TaskUpdate = TaskState[Any] | BaseException


class Subscriber(Protocol):
    """Subscriber to the updates of one task."""

    since: float
    """When it subscribed."""
    deadline: float
    """When it gives up."""
    is_early: bool
    """True while it waits for less than the end, such as a stream: its task is polled more often."""

    def notify(self, update: TaskUpdate, /) -> None:
        """Take a state of the task, or the error that ends the polling."""
        ...

    def expire(self, failure: Exception | None, /) -> None:
        """Give up; ``failure`` is the error of the last poll, when that failed."""
        ...


class Polling:
    """The polling of one task: its subscribers, its next poll, its progress and its failures.

    It is kept from one wait to the next, which resumes where the last stopped.
    """

    __slots__ = (
        "allowed",
        "failing_since",
        "failure",
        "failures",
        "grace",
        "is_early",
        "last_polled_at",
        "next_poll_at",
        "pending_for",
        "stage",
        "stage_began_at",
        "subscribers",
        "unanswered",
    )

    def __init__(self, next_poll_at: float, stage_began_at: float) -> None:
        self.subscribers: tuple[Subscriber, ...] = ()
        self.is_early = False
        """True while a subscriber waits for less than the end."""
        self.next_poll_at = next_poll_at
        """When to poll; never while a poll is in flight, or queued."""
        self.last_polled_at = NOT_YET
        """When the last poll was sent, or queued."""
        self.stage: Stage = "waiting"
        self.stage_began_at = stage_began_at
        self.pending_for = 0.0
        """Seconds from the beginning of the stage to the last poll that found the task unfinished."""
        self.failures = 0
        """Polls in a row that failed; ``failing_since`` is when the first did, ``failure`` the error of the last."""
        self.failing_since = 0.0
        self.failure: Exception | None = None
        self.unanswered = 0.0
        """Seconds in which polls failed, up to the last one that was answered."""
        self.allowed = 0
        """Further polls that the last state is worth; ``grace`` counts them."""
        self.grace = 0

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add a subscriber."""
        self.subscribers += (subscriber,)
        self.is_early = self.is_early or subscriber.is_early

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Remove a subscriber, if it is one."""
        self.subscribers = tuple(other for other in self.subscribers if other is not subscriber)
        self.is_early = self.is_early and any(other.is_early for other in self.subscribers)

    @property
    def is_in_flight(self) -> bool:
        """True while a poll is in flight, or queued."""
        return self.next_poll_at == NEVER

    def is_answered(self, now: float) -> bool:
        """Return True when the last poll was answered, and found the task unfinished."""
        return bool(self.pending_for) and not self.failing_for(now)

    def enqueue(self, now: float) -> None:
        """Note that a poll is queued."""
        self.next_poll_at, self.last_polled_at = NEVER, now

    def dequeue(self, next_poll_at: float) -> None:
        """Note that the queued poll is not sent."""
        self.next_poll_at, self.last_polled_at = next_poll_at, NOT_YET

    def limit(self, subscriber: Subscriber, resumed_at: float) -> float:
        """Return when a subscriber is to give up: not before the response to a poll, if that comes soon.

        ``resumed_at`` is when the event loop last ran on after it had stood still: no response was read meanwhile.
        """
        if not self.is_in_flight:
            return subscriber.deadline
        return max(subscriber.deadline, self.last_polled_at + LAST_POLL, resumed_at + LAST_POLL)

    def wants_last_poll(self, now: float, recent: float, resumed_at: float) -> bool:
        """Return True when a subscriber would give up without a poll since it subscribed, nor a recent one.

        Neither a poll from before the loop stood still counts, nor one that failed. A subscriber with no time at all
        asks for a poll, and for nothing else.
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
        """Return the seconds in which its polls were not answered until now."""
        return self.unanswered + self.failing_for(now)

    def failing_for(self, now: float) -> float:
        """Return the seconds since which all its polls have failed, 0 when the last one did not."""
        return now - self.failing_since if self.failures else 0.0

    def is_enough(self, allowed: int | None, now: float) -> bool:
        """Note a state that is worth so many more polls (None: any number); True when there were as many."""
        self.unanswered += self.failing_for(now)
        self.failures, self.failure = 0, None
        if allowed is None:
            return False
        # A song that was joined late still has the polls of a file that is late.
        self.grace = self.grace + 1 if allowed == self.allowed else 1
        self.allowed = allowed
        return self.grace > allowed

    def note_unfinished(self, stage: Stage, now: float) -> None:
        """Note the stage that an unfinished task is in."""
        if stage != self.stage:
            self.stage, self.stage_began_at = stage, now
        self.pending_for = now - self.stage_began_at

    def note_failure(self, error: Exception, now: float) -> None:
        """Note a poll that failed."""
        if not self.failures:
            self.failing_since = now
        self.failures += 1
        self.failure = error

    def note_unknown(self, error: Exception, now: float) -> None:
        """Note a poll whose response is that the service does not know the task, or not yet."""
        self.unanswered += self.failing_for(now)
        self.failures, self.failure = 0, error

    def is_given_up(self, now: float) -> bool:
        """Return True when polls have failed for so long that a wait without a deadline must be ended."""
        return self.failures > 1 and now - self.failing_since >= OUTAGE

    def interval(self, usual: float, now: float) -> float:
        """Return the seconds until the next poll: longer, the longer all polls have failed."""
        return max(usual, min(LONGEST_INTERVAL, SLOWER * (now - self.failing_since))) if self.failures else usual


class Slotted(Protocol):
    """An entry of a wheel: it remembers its slot, None while it is in none."""

    slot: int | None


E = TypeVar("E", bound=Slotted)


class Wheel(Generic[E]):
    """Entries by due time, so that a hundred thousand cost little more than one.

    Times are rounded up to the next ``tick`` (seconds); an entry is in it at most once.
    """

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._slots: dict[int, dict[E, None]] = {}
        self._order: list[int] = []
        """A heap of the slots; one that was emptied is dropped when its time comes, or when there are many."""

    def put(self, entry: E, due: float) -> None:
        """Put an entry in the slot of its due time, instead of the one it is in."""
        slot = math.ceil(due / self._tick)
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
        """Take an entry out, if it is in."""
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
        """Return when the next entry is due, or None when there is none."""
        while self._order and self._order[0] not in self._slots:
            heapq.heappop(self._order)
        return self._order[0] * self._tick if self._order else None

    def take_due(self, now: float) -> list[E]:
        """Take out all that is due, in the order of the slots and of their insertion."""
        taken: list[E] = []
        while (due := self.next_due()) is not None and due <= now:
            taken += self._slots.pop(heapq.heappop(self._order))
        for entry in taken:
            entry.slot = None
        return taken
