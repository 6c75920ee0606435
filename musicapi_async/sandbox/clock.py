"""The clock of the sandbox's tasks and events, which tests can advance."""

import asyncio
import time
from contextlib import suppress

__all__ = ["Clock"]


class Clock:
    """Monotonic seconds, plus those by which it was advanced."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._advanced = asyncio.Event()

    def now(self) -> float:
        """Return the time in seconds."""
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Advance the clock, and wake those who wait for a time."""
        self._ahead += seconds
        self._advanced.set()
        self._advanced = asyncio.Event()

    async def until(self, at: float) -> None:
        """Wait until this time."""
        while (left := at - self.now()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._advanced.wait()
