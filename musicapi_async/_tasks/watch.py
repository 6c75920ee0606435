"""What is known of a task from looking at it, and who wants to know: pure."""

import math
from typing import Any, Final, Protocol

from musicapi_async._tasks.shapes import Stage
from musicapi_async._tasks.state import TaskState

__all__ = ["NEVER", "RECENT", "Listener", "News", "Watch"]

OUTAGE: Final = 900.0
"""Seconds of nothing but failed polls, before a wait without a deadline of its own is ended."""
LONGEST_INTERVAL: Final = 30.0
"""Seconds between two polls that fail, at most; where tasks are polled less often, they still are."""
SLOWER: Final = 0.1
"""Part of the time since polls began to fail that passes until the next one."""
LAST_LOOK: Final = 2.0
"""Seconds that a wait whose time is up is held for the answer to a look."""
RECENT: Final = 5.0
"""Seconds in which a look is recent enough for a wait that ends, however many short waits there are."""
NEVER: Final = math.inf
NOT_YET: Final = -math.inf

News = TaskState[Any] | BaseException


class Listener(Protocol):
    """Who wants to know of a task; times are by the event loop's clock."""

    came_at: float
    deadline: float
    """When it gives up."""

    def hear(self, news: News, /) -> None:
        """Take a state of the task, or the error that ends the looking."""
        ...

    def expire(self, failure: Exception | None, /) -> None:
        """Give up; ``failure`` is the error of the last poll, when that failed."""
        ...


class Watch:
    """One task that is looked at: its task keeps this from one wait to the next, which goes on where the last stopped.

    Times are by the event loop's clock.
    """

    __slots__ = (
        "allowed",
        "began",
        "failing_since",
        "failure",
        "failures",
        "grace",
        "listeners",
        "look_at",
        "looked_at",
        "seen",
        "slot",
        "stage",
        "unanswered",
    )

    def __init__(self, look_at: float, began: float) -> None:
        self.listeners: tuple[Listener, ...] = ()
        self.look_at = look_at
        """When to look; never while a look is under way, or in line."""
        self.looked_at = NOT_YET
        """When the last look was made, or put in line."""
        self.stage: Stage = "waiting"
        self.began = began
        """When its stage began."""
        self.seen = 0.0
        """Seconds from the stage's beginning to the last look that found it unfinished."""
        self.failures = 0
        """Polls in a row that failed; ``failing_since`` is when the first did, ``failure`` the error of the last."""
        self.failing_since = 0.0
        self.failure: Exception | None = None
        self.unanswered = 0.0
        """Seconds in which polls failed, up to the last one that was answered."""
        self.allowed = 0
        """Further looks that what was last seen is worth; ``grace`` counts them."""
        self.grace = 0
        self.slot: int | None = None

    @property
    def is_under_way(self) -> bool:
        """True while a look is under way, or in line."""
        return self.look_at == NEVER

    def stand_in_line(self, now: float) -> None:
        """Note that a look is to be made as soon as may be."""
        self.look_at, self.looked_at = NEVER, now

    def leave_line(self, look_at: float) -> None:
        """Note that the look that was due is not made."""
        self.look_at, self.looked_at = look_at, NOT_YET

    def limit(self, listener: Listener, resumed_at: float) -> float:
        """Return when a listener is to give up: not before the response to a poll, if that comes soon.

        ``resumed_at`` is when the event loop last ran on after it had stood still: no response was read meanwhile.
        """
        if not self.is_under_way:
            return listener.deadline
        return max(listener.deadline, self.looked_at + LAST_LOOK, resumed_at + LAST_LOOK)

    def wants_last_look(self, now: float, recent: float, resumed_at: float) -> bool:
        """Return True when a listener would give up without a poll since it came, nor a recent one.

        Neither what was polled before the loop stood still counts, nor a poll that failed. A listener that came for no
        time at all asks for a poll, and for nothing else.
        """
        if self.is_under_way:
            return False
        is_recent = now - self.looked_at < recent
        return any(
            listener.deadline <= now
            and (self.looked_at < max(listener.came_at, resumed_at) or self.failures > 0)
            and (not is_recent or listener.deadline <= listener.came_at)
            for listener in self.listeners
        )

    def unanswered_by(self, now: float) -> float:
        """Return the seconds in which its polls were not answered until now."""
        return self.unanswered + self.failing_for(now)

    def failing_for(self, now: float) -> float:
        """Return the seconds since which all its polls have failed, 0 when the last one did not."""
        return now - self.failing_since if self.failures else 0.0

    def is_enough(self, allowed: int | None, now: float) -> bool:
        """Note a look that is worth so many more (None where nothing is to end); True when there were as many."""
        self.unanswered += self.failing_for(now)
        self.failures, self.failure = 0, None
        if allowed is None:
            return False
        # A song that was joined late still has the looks of a file that is late.
        self.grace = self.grace + 1 if allowed == self.allowed else 1
        self.allowed = allowed
        return self.grace > allowed

    def note_unfinished(self, stage: Stage, now: float) -> None:
        """Note how far it is, when the look did not find its end."""
        if stage != self.stage:
            self.stage, self.began = stage, now
        self.seen = now - self.began

    def note_failure(self, error: Exception, now: float) -> None:
        """Note a poll that failed."""
        if not self.failures:
            self.failing_since = now
        self.failures += 1
        self.failure = error

    def note_unknown(self, error: Exception, now: float) -> None:
        """Note a poll whose answer is that the service does not know the task, or not yet."""
        self.unanswered += self.failing_for(now)
        self.failures, self.failure = 0, error

    def is_given_up(self, now: float) -> bool:
        """Return True when polls have failed for so long that a wait without a deadline must be ended."""
        return self.failures > 1 and now - self.failing_since >= OUTAGE

    def interval(self, usual: float, now: float) -> float:
        """Return the seconds until the next poll: longer, the longer all polls have failed."""
        return max(usual, min(LONGEST_INTERVAL, SLOWER * (now - self.failing_since))) if self.failures else usual
