"""Time limits of requests, and the minimum rate of downloads.

One timer serves the limits of all requests, since one each costs more than all else that a poll does. A limit that the
process itself slept through (it was stopped, its machine suspended, its event loop blocked) says nothing about the
peer: the response may have arrived long ago. Then what is there is read before the limit counts.
"""

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Protocol, Self

from musicapi_async._transport.retry import FailureKind, TransportError
from musicapi_async._transport.shielding import cancel_task

__all__ = ["MinimumRate", "TimeLimit", "TimeoutScheduler"]

NEVER: Final = math.inf
SHORTEST_GRACE: Final = 0.02
"""Seconds between the end of a limit and its effect: what has arrived by then is read."""
LONGEST_GRACE: Final = 2.0
"""The same at most: as long as the timer was late."""
ON_TIME: Final = 0.05
"""A timer that is later than this was held up again: what is there may still not have been read."""
MOST_GRACES: Final = 8


class TimeoutScheduler:
    """Ends the exchanges that take too long."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], TimeLimit] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER

    def within(self, total: float, connecting: float, silence: float) -> "TimeLimit":
        """Bound the block below; raises TimeoutError at its end when the time is up.

        In seconds: ``total`` for all of it, ``connecting`` for each connection that it makes, ``silence`` between two
        calls of ``heard``, from its beginning on.
        """
        return TimeLimit(self, total, connecting, silence)

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Bound the making of a connection, for the exchange of the current task."""
        task = asyncio.current_task()
        limit = None if task is None else self._running.get(task)
        if limit is None:
            yield
            return
        limit.is_connecting = True
        limit.heard()
        yield
        limit.is_connecting = False
        limit.heard()

    def close(self) -> None:
        """Take the timer out of the event loop."""
        if self._timer is not None:
            self._timer.cancel()

    def begin(self, task: asyncio.Task[Any], limit: "TimeLimit") -> None:
        """Watch over a limit from now on."""
        self._running[task] = limit
        if limit.ends_at < self._timer_at:
            self.arm(limit.ends_at)

    def end(self, task: asyncio.Task[Any]) -> None:
        """Forget a limit; the timer stays as it is, and finds nothing."""
        self._running.pop(task, None)

    def arm(self, at: float) -> None:
        """Have the timer fire at this time of the event loop's clock, if not before."""
        if at < self._timer_at:
            self.close()
            self._timer_at = at
            self._timer = asyncio.get_running_loop().call_at(at, self._wake)

    def _wake(self) -> None:
        now = asyncio.get_running_loop().time()
        for task, limit in tuple(self._running.items()):
            if limit.ends_at <= now and not limit.has_grace(now):
                self.end(task)
                limit.exceed()
        self._timer_at = NEVER
        self.arm(min((limit.ends_at for limit in self._running.values()), default=NEVER))


class TimeLimit:
    """One exchange's limit: as ``asyncio.timeout``, without a timer of its own."""

    __slots__ = (
        "_cancelling",
        "_connecting",
        "_graces",
        "_is_over",
        "_limits",
        "_silence",
        "_task",
        "_total_at",
        "ends_at",
        "is_connecting",
    )

    def __init__(self, limits: TimeoutScheduler, total: float, connecting: float, silence: float) -> None:
        now = asyncio.get_running_loop().time()
        self._limits = limits
        self._connecting = connecting
        self._silence = silence
        self._total_at = now + total
        self.ends_at = now + min(total, silence)
        self.is_connecting = False
        """True while a connection is made, and when that has failed."""
        self._is_over = False
        self._graces = 0
        """How often in a row its end was put off."""

    def __enter__(self) -> Self:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        self._task = task
        # Who cancels it besides is not to be mistaken for this limit.
        self._cancelling = task.cancelling()
        self._limits.begin(task, self)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        self._limits.end(self._task)
        is_ours = self._is_over and self._task.uncancel() <= self._cancelling
        if is_ours and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def heard(self) -> None:
        """Note that something came, or that a connection is being made: that part's time begins anew."""
        now = asyncio.get_running_loop().time()
        ends_at = min(self._total_at, now + (self._connecting if self.is_connecting else self._silence))
        # What arrives in a grace may take the rest of it.
        self.ends_at = max(ends_at, self.ends_at) if self._graces else ends_at
        if now < self._total_at:
            self._graces = 0
        self._limits.arm(self.ends_at)

    def has_grace(self, now: float) -> bool:
        """Put the end off, so that what has arrived is read first; False when it was, or when it takes too long."""
        late = now - self.ends_at
        if self._graces and (late < ON_TIME or self._graces >= MOST_GRACES):
            return False
        self._graces += 1
        self.ends_at = now + min(LONGEST_GRACE, max(SHORTEST_GRACE, late))
        return True

    def exceed(self) -> None:
        """End the exchange."""
        self._is_over = True
        cancel_task(self._task)


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
