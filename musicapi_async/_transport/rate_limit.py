"""Rate limit of submissions, and the pause of all of them after a 429.

At first there is no limit. After a 429 submissions are sent one by one, at the rate the service documents; each further
429 lowers the rate, and every ten accepted submissions raise it a little, until there is no limit any more.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final

from musicapi_async._logger import logger
from musicapi_async._transport.retry import MAX_RETRY_AFTER

__all__ = ["SubmissionRateLimiter"]


DOCUMENTED_DELAY: Final = 3.0
"""Seconds between two creates, as the service documents them for standard accounts."""
MAX_DELAY: Final = 30.0
MIN_DELAY: Final = 0.1
"""Seconds; a lower delay means no limit."""
SLOWER: Final = 1.5
FASTER: Final = 0.9
ACCEPTED_PER_STEP: Final = 10


class SubmissionRateLimiter:
    """Rate limiter, first come, first served; ``rate`` is in requests per second, None to adapt to 429s."""

    def __init__(self, rate: float | None, on_turn_set: Callable[[float], None]) -> None:
        self._on_turn_set = on_turn_set
        """Called with the time of the next turn, by the event loop's clock, while a submission waits for it."""
        self._is_fixed = rate is not None
        self._delay = 0.0 if rate is None else 1 / rate
        self._next_at = 0.0
        """The earliest time of the next submission, by the event loop's clock."""
        self._adapted_at = 0.0
        self.refused_at: float = -math.inf
        """The time of the last 429, by the event loop's clock: a submission allowed before it must wait again."""
        self._accepted_in_a_row = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def delay(self) -> float:
        """The seconds between two submissions."""
        return self._delay

    def restore_delay(self, delay: float) -> None:
        """Start with the delay of an earlier run, unless the rate is fixed."""
        if not self._is_fixed:
            self._delay = min(MAX_DELAY, max(0.0, delay))

    async def acquire(self) -> float:
        """Wait until a submission may be sent, and return that time, by the event loop's clock."""
        loop = asyncio.get_running_loop()
        if not self._waiters and loop.time() >= self._next_at:
            self._next_at = loop.time() + self._delay
            return loop.time()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        logger.info("a paid request is queued: %d in the queue, one sent every %.1f s", len(self._waiters), self._delay)
        self._arm()
        await waiter
        return loop.time()

    def refused(self, acquired_at: float, retry_after: float | None) -> float:
        """Pause all submissions after a 429 to the one of that time; return the seconds, as ``retry_after`` is."""
        now = asyncio.get_running_loop().time()
        self.refused_at = now
        self._accepted_in_a_row = 0
        # Of many that were sent together and all refused, only the first changes the rate.
        if not self._is_fixed and acquired_at >= self._adapted_at:
            self._delay = min(MAX_DELAY, max(DOCUMENTED_DELAY, self._delay * SLOWER))
            self._adapted_at = now
        wait = self._delay if retry_after is None else min(retry_after, MAX_RETRY_AFTER)
        self._next_at = max(self._next_at, now + wait)
        return wait

    def accepted(self) -> None:
        """Count a paid request that the service accepted."""
        if self._is_fixed or not self._delay:
            return
        self._accepted_in_a_row += 1
        if self._accepted_in_a_row % ACCEPTED_PER_STEP == 0:
            self._delay = max(MIN_DELAY, self._delay * FASTER)
            # Not while the queue is filled: else all of it would be sent at once.
            if self._delay == MIN_DELAY and not self._waiters:
                self._delay = 0.0

    def _arm(self) -> None:
        if self._timer is None and self._waiters:
            self._timer = asyncio.get_running_loop().call_at(self._next_at, self._release_next)
            self._on_turn_set(self._next_at)

    def _release_next(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._waiters and self._waiters[0].done():
            self._waiters.popleft()  # it was cancelled meanwhile
        # A 429 may have moved the time since the timer was set.
        if self._waiters and now >= self._next_at:
            self._waiters.popleft().set_result(None)
            self._next_at = now + self._delay
        self._arm()
