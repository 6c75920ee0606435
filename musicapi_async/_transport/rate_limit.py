"""Rate limit of submissions: how fast they may be sent, and the wait of all of them after a 429.

At first nothing is held back. After a 429 one goes out at a time, at the rate the service documents; a 429 even then
makes it slower, and every ten that are accepted make it a little faster, until none is held back any more.
"""

import asyncio
import logging
import math
from collections import deque
from typing import Final

from musicapi_async._transport.retry import MAX_RETRY_AFTER

__all__ = ["SubmissionRateLimiter"]

logger: Final = logging.getLogger("musicapi")

DOCUMENTED_DELAY: Final = 3.0
"""Seconds between two creates, as the service documents them for standard accounts."""
MAX_DELAY: Final = 30.0
MIN_DELAY: Final = 0.1
"""Below this nothing is held back any more."""
SLOWER: Final = 1.5
FASTER: Final = 0.9
IN_A_ROW: Final = 10


class SubmissionRateLimiter:
    """Gives out turns, first come first served; ``rate`` is in requests a second, None to learn it."""

    def __init__(self, rate: float | None) -> None:
        self._is_fixed = rate is not None
        self._delay = 0.0 if rate is None else 1 / rate
        self._next = 0.0
        """No turn before this, by the event loop's clock."""
        self._learned_at = 0.0
        self._refused_at = -math.inf
        self._accepted_in_a_row = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def delay(self) -> float:
        """The seconds between two turns."""
        return self._delay

    def restore_delay(self, delay: float) -> None:
        """Begin with the delay of an earlier run, unless the rate is fixed."""
        if not self._is_fixed:
            self._delay = min(MAX_DELAY, max(0.0, delay))

    async def turn(self) -> float:
        """Wait for a turn, and return the time it came."""
        loop = asyncio.get_running_loop()
        if not self._waiters and loop.time() >= self._next:
            self._next = loop.time() + self._delay
            return loop.time()
        mine: asyncio.Future[None] = loop.create_future()
        self._waiters.append(mine)
        logger.info("a paid request waits for its turn: %d in line, one in %.1f s", len(self._waiters), self._delay)
        self._arm()
        await mine
        return loop.time()

    def is_valid(self, turn: float) -> bool:
        """Tell whether a turn still is one: the service has not said 429 since."""
        return turn > self._refused_at

    def refused(self, turn: float, retry_after: float | None) -> None:
        """Have all wait after a 429 to the request of that turn; ``retry_after`` is in seconds."""
        now = asyncio.get_running_loop().time()
        self._refused_at = now
        self._accepted_in_a_row = 0
        # Of many that went out together and were all refused only the first has something to teach.
        if not self._is_fixed and turn >= self._learned_at:
            self._delay = min(MAX_DELAY, max(DOCUMENTED_DELAY, self._delay * SLOWER))
            self._learned_at = now
        wait = self._delay if retry_after is None else min(retry_after, MAX_RETRY_AFTER)
        self._next = max(self._next, now + wait)

    def accepted(self) -> None:
        """Count a paid request that the service accepted."""
        if self._is_fixed or not self._delay:
            return
        self._accepted_in_a_row += 1
        if self._accepted_in_a_row % IN_A_ROW == 0:
            self._delay = max(MIN_DELAY, self._delay * FASTER)
            # Not while any wait: else all would be sent at once.
            if self._delay == MIN_DELAY and not self._waiters:
                self._delay = 0.0

    def _arm(self) -> None:
        if self._timer is None and self._waiters:
            self._timer = asyncio.get_running_loop().call_at(self._next, self._give_turn)

    def _give_turn(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._waiters and self._waiters[0].done():
            self._waiters.popleft()  # it was cancelled meanwhile
        # A 429 may have moved the time since the timer was set.
        if self._waiters and now >= self._next:
            self._waiters.popleft().set_result(None)
            self._next = now + self._delay
        self._arm()
