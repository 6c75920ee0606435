"""The clock of the sandbox's tasks and events, which tests can advance, from any thread."""

import asyncio
import threading
import time
from contextlib import suppress

__all__ = ["Clock"]


class Clock:
    """Monotonic seconds, plus those by which it was advanced."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._adding = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._advanced = asyncio.Event()

    def start(self) -> None:
        """Belong to the running loop: that of those who wait for a time."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Belong to no loop any more."""
        self._loop = None

    def now(self) -> float:
        """Return the time in seconds."""
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Advance the clock, and wake those who wait for a time; from any thread."""
        with self._adding:
            self._ahead += seconds
        loop = self._loop
        if loop is None:
            return
        if loop is _running_loop():
            self._wake()
            return
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._wake)

    async def until(self, at: float) -> None:
        """Wait until this time."""
        while (left := at - self.now()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._advanced.wait()

    def _wake(self) -> None:
        self._advanced.set()
        self._advanced = asyncio.Event()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
