"""The line of paid requests: how fast they may go out, and the wait of all of them when the service says 429.

At first nothing is held back. After a 429 one goes out at a time, at the rate the service documents; a 429 even then
makes it slower, and every ten that are accepted make it a little faster, until nobody is held back any more.
"""

import asyncio
import logging
import math
from collections import deque
from typing import Final

from musicapi_async._transport.retry import MAX_RETRY_AFTER

__all__ = ["Pacer"]

logger: Final = logging.getLogger("musicapi")

DOCUMENTED_GAP: Final = 3.0
"""Seconds between two creates: what the service documents for standard accounts (decision 13)."""
LONGEST_GAP: Final = 30.0
SHORTEST_GAP: Final = 0.1
"""Below this the line is given up."""
SLOWER: Final = 1.5
FASTER: Final = 0.9
IN_A_ROW: Final = 10


class Pacer:
    """Gives out turns, first come first served; ``rate`` is in requests a second, None to learn it."""

    def __init__(self, rate: float | None) -> None:
        self._is_fixed = rate is not None
        self._gap = 0.0 if rate is None else 1 / rate
        self._next = 0.0
        """No turn before this, by the event loop's clock."""
        self._learned_at = 0.0
        self._refused_at = -math.inf
        self._accepted_in_a_row = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def gap(self) -> float:
        """The seconds between two turns."""
        return self._gap

    def relearn(self, gap: float) -> None:
        """Begin with a gap of an earlier run, unless the rate is fixed."""
        if not self._is_fixed:
            self._gap = min(LONGEST_GAP, max(0.0, gap))

    async def turn(self) -> float:
        """Wait for a turn, and return the time it came."""
        loop = asyncio.get_running_loop()
        if not self._line and loop.time() >= self._next:
            self._next = loop.time() + self._gap
            return loop.time()
        mine: asyncio.Future[None] = loop.create_future()
        self._line.append(mine)
        logger.info("a paid request waits for its turn: %d in line, one in %.1f s", len(self._line), self._gap)
        self._arm()
        await mine
        return loop.time()

    def is_valid(self, turn: float) -> bool:
        """Tell whether a turn still is one: the service has not said 429 since."""
        return turn > self._refused_at

    def refused(self, turn: float, asked: float | None) -> None:
        """Have everybody wait after a 429 to the request of that turn; ``asked`` is its Retry-After in seconds."""
        now = asyncio.get_running_loop().time()
        self._refused_at = now
        self._accepted_in_a_row = 0
        # Of many that went out together and were all refused only the first has something to teach.
        if not self._is_fixed and turn >= self._learned_at:
            self._gap = min(LONGEST_GAP, max(DOCUMENTED_GAP, self._gap * SLOWER))
            self._learned_at = now
        wait = self._gap if asked is None else min(asked, MAX_RETRY_AFTER)
        self._next = max(self._next, now + wait)

    def accepted(self) -> None:
        """Count a paid request that the service accepted."""
        if self._is_fixed or not self._gap:
            return
        self._accepted_in_a_row += 1
        if self._accepted_in_a_row % IN_A_ROW == 0:
            self._gap = max(SHORTEST_GAP, self._gap * FASTER)
            # Given up only when nobody waits: else all would go out at once.
            if self._gap == SHORTEST_GAP and not self._line:
                self._gap = 0.0

    def _arm(self) -> None:
        if self._timer is None and self._line:
            self._timer = asyncio.get_running_loop().call_at(self._next, self._give_turn)

    def _give_turn(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._line and self._line[0].done():
            self._line.popleft()  # it was cancelled meanwhile
        # A 429 may have moved the time since the timer was set.
        if self._line and now >= self._next:
            self._line.popleft().set_result(None)
            self._next = now + self._gap
        self._arm()
