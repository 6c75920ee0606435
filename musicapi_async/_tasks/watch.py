"""What is known of a task from looking at it, and who wants to know: pure."""

import math
from typing import Any, Final, Protocol

from musicapi_async._tasks.shapes import Stage
from musicapi_async._tasks.state import TaskState

__all__ = ["NEVER", "RECENT", "Listener", "News", "Watch"]

HICCUPS: Final = 20
"""Looks in a row that may fail without telling anything about the task, before the waiters are told."""
OUTAGE: Final = 60.0
"""Seconds that all looks must have failed before: more than twenty are made in a few seconds where they are close."""
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

    def expire(self) -> None:
        """Give up."""
        ...


class Watch:
    """One task that is looked at: its task keeps this from one wait to the next, which goes on where the last stopped.

    Times are by the event loop's clock.
    """

    __slots__ = (
        "allowed",
        "began",
        "failing_since",
        "grace",
        "hiccups",
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
        self.hiccups = 0
        """Looks in a row that failed; ``failing_since`` is when the first of them did."""
        self.failing_since = 0.0
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

    def limit(self, listener: Listener) -> float:
        """Return when a listener is to give up: not before the answer to a look, if that comes soon."""
        return max(listener.deadline, self.looked_at + LAST_LOOK) if self.is_under_way else listener.deadline

    def wants_last_look(self, now: float, recent: float) -> bool:
        """Tell whether somebody would give up without a look since he came, nor one that is recent.

        Whoever comes for no time at all asks for a look, and for nothing else.
        """
        if self.is_under_way:
            return False
        is_recent = now - self.looked_at < recent
        return any(
            listener.deadline <= now
            and self.looked_at < listener.came_at
            and (not is_recent or listener.deadline <= listener.came_at)
            for listener in self.listeners
        )

    def unanswered_by(self, now: float) -> float:
        """Return the seconds in which its polls were not answered until now."""
        return self.unanswered + self.failing_for(now)

    def failing_for(self, now: float) -> float:
        """Return the seconds since which all its polls have failed, 0 when the last one did not."""
        return now - self.failing_since if self.hiccups else 0.0

    def is_enough(self, allowed: int | None, now: float) -> bool:
        """Note a look that is worth so many more (None where nothing is to end); True when there were as many."""
        self.unanswered += self.failing_for(now)
        self.hiccups = 0
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

    def is_beyond_hope(self, now: float) -> bool:
        """Note a look that failed; True when so many did, for so long, that whoever waits must be told."""
        if not self.hiccups:
            self.failing_since = now
        self.hiccups += 1
        return self.hiccups > HICCUPS and now - self.failing_since >= OUTAGE
