"""The minimum rate of a file's body: a host that sends a byte now and then must not hold a download for ever."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Final, Protocol, Self

from musicapi_async._transport.retry import FailureKind, TransportError

__all__ = ["MinimumRate"]

MINIMUM_RATE: Final = 1024
"""Bytes per second, on average over the window."""
RATE_WINDOW: Final = 60
"""Seconds, counted one by one while the reader waits for bytes."""


class Body(Protocol):
    """A response body that is read in chunks, and can be made to fail."""

    async def readany(self) -> bytes:
        """Return what has arrived; b"" at the end."""
        ...

    def set_exception(self, exc: BaseException) -> None:
        """Make the next read fail, or the one that is waiting."""
        ...


class MinimumRate:
    """Reads a body, and fails with TransportError when fewer than 1 KiB/s have come over 60 seconds.

    Seconds in which the reader did not wait (a slow disk, a slow callback) are not counted. Nor is time in which the
    process stood still: a timer fires once for it, however late.
    """

    def __init__(self) -> None:
        self.stood_still = 0.0
        """Seconds by which the timer was late: the process was stopped, or something blocked the event loop."""
        self._body: Body | None = None
        self._loop = asyncio.get_running_loop()
        self._per_second: deque[int] = deque(maxlen=RATE_WINDOW)
        self._came = 0
        self._is_waiting = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._start_timer()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def read(self, body: Body) -> bytes:
        """Return what has arrived, waiting for at least a byte; b"" at the end."""
        self._body = body
        self._is_waiting = True
        try:
            chunk = await body.readany()
        finally:
            self._is_waiting = False
        self._came += len(chunk)
        return chunk

    def _start_timer(self) -> None:
        self._timer = self._loop.call_later(1, self._count_second, self._loop.time() + 1)

    def _count_second(self, due: float) -> None:
        self.stood_still += max(0.0, self._loop.time() - due)
        self._start_timer()
        if self._body is None or not self._is_waiting:
            return
        self._per_second.append(self._came)
        self._came = 0
        came = sum(self._per_second)
        if len(self._per_second) == RATE_WINDOW and came < MINIMUM_RATE * RATE_WINDOW:
            reason = f"{came} bytes came in {RATE_WINDOW} s, below the minimum rate of {MINIMUM_RATE} bytes per second"
            self._body.set_exception(TransportError(FailureKind.REFUSAL, reason))
