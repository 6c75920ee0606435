"""An outage of the service: submissions are paused, tried one at a time, and given up after a limit."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import suppress
from typing import Any, Final

import backoff

__all__ = ["Outage"]

logger: Final = logging.getLogger("musicapi")

LONGEST_GAP: Final = 60.0


class Outage:
    """Pauses submissions while connections fail: one is tried after 1 s, 2 s, 4 s and so on, at most 60 s apart.

    ``limit`` are the seconds of nothing but failures after which the run stops. Times are event-loop time.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._since: float | None = None
        """When the first of the failures was noted; None while there is no outage."""
        self._next_at = 0.0
        self._gaps: Generator[float, Any, None] = _gaps()
        self._changed = asyncio.Event()
        self._is_released = False

    async def pause(self) -> None:
        """Return at once without an outage, else when it is this caller's turn to try or another try has succeeded."""
        while self._since is not None and not self._is_released:
            now = asyncio.get_running_loop().time()
            if now >= self._next_at:
                self._next_at = min(now + next(self._gaps), self._since + self._limit)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._next_at - now):
                    await self._changed.wait()

    def fail(self, error: Exception) -> bool:
        """Note a request that failed for want of a connection; False when the limit has been reached."""
        now = asyncio.get_running_loop().time()
        if self._since is None:
            self._since, self._gaps = now, _gaps()
            self._next_at = now + min(next(self._gaps), self._limit)
            self._changed.clear()
            if self._limit:
                logger.warning(
                    "the service cannot be reached (%s): submissions are paused and tried again for up to %g s",
                    error,
                    self._limit,
                )
        return now - self._since < self._limit

    def end(self) -> None:
        """Note that the service has responded: submissions continue."""
        if self._since is not None:
            lasted = asyncio.get_running_loop().time() - self._since
            logger.warning("the service can be reached again after %.0f s: submissions continue", lasted)
            self._since = None
            self._changed.set()

    def release(self) -> None:
        """End every pause: the run is stopping."""
        self._is_released = True
        self._changed.set()


def _gaps() -> Generator[float, Any, None]:
    """Yield the seconds between two tries: doubling, each with up to a second of jitter."""
    growing = backoff.expo(max_value=LONGEST_GAP)
    next(growing)  # it starts with a value for send()
    while True:
        yield backoff.random_jitter(next(growing))
