"""Time limits of requests, and the minimum rate of downloads.

One timer serves the limits of all requests, since a timer each would cost more than the rest of a poll. A limit that
expired while the process was stopped, its machine suspended or its event loop blocked says nothing about the peer: the
response may have arrived long ago. In that case the data that has arrived is read before the limit applies.
"""

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Protocol, Self

from musicapi_async._transport.cancellation import cancel_task
from musicapi_async._transport.retry import FailureKind, TransportError

__all__ = ["MinimumRate", "TimeLimit", "TimeoutScheduler"]

NEVER: Final = math.inf
MIN_GRACE: Final = 0.02
"""Minimum seconds between the end of a limit and its effect, in which arrived data is read."""
MAX_GRACE: Final = 2.0
"""Maximum of the same; between both it is the delay of the timer."""
ON_TIME: Final = 0.05
"""Seconds; a timer that is later was delayed again, and arrived data may still be unread."""
MAX_GRACES: Final = 8


class TimeoutScheduler:
    """Ends requests that exceed their time limits."""

    def __init__(self) -> None:
        self.running: dict[asyncio.Task[Any], TimeLimit] = {}
        """The limits in force, by the asyncio task in which the request is sent."""
        self.timer_at = NEVER
        """The event-loop time at which the timer fires."""
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Apply the limit on connecting to the request of the current task."""
        task = asyncio.current_task()
        limit = None if task is None else self.running.get(task)
        if limit is None:
            yield
            return
        limit.is_connecting = True
        limit.note_activity()
        yield
        limit.is_connecting = False
        limit.note_activity()

    def close(self) -> None:
        """Take the timer out of the event loop."""
        if self._timer is not None:
            self._timer.cancel()

    def arm(self, at: float) -> None:
        """Have the timer fire at this event-loop time at the latest."""
        if at < self.timer_at:
            self.close()
            self.timer_at = at
            self._timer = asyncio.get_running_loop().call_at(at, self._wake)

    def _wake(self) -> None:
        now = asyncio.get_running_loop().time()
        for task, limit in tuple(self.running.items()):
            if limit.ends_at <= now and not limit.has_grace(now):
                del self.running[task]
                limit.exceed()
        self.timer_at = NEVER
        self.arm(min((limit.ends_at for limit in self.running.values()), default=NEVER))


class TimeLimit:
    """The time limit of one request: like ``asyncio.timeout``, but without its own timer.

    In seconds: ``total`` for the block, ``connecting`` for each connection made in it, ``silence`` between two calls of
    ``note_activity``, or since its beginning. It raises TimeoutError when one of them is exceeded.
    """

    __slots__ = (
        "_cancelling",
        "_connecting",
        "_graces",
        "_is_over",
        "_scheduler",
        "_silence",
        "_task",
        "_total_at",
        "ends_at",
        "is_connecting",
    )

    def __init__(self, scheduler: TimeoutScheduler, total: float, connecting: float, silence: float) -> None:
        now = asyncio.get_running_loop().time()
        self._scheduler = scheduler
        self._connecting = connecting
        self._silence = silence
        self._total_at = now + total
        self.ends_at = now + min(total, silence)
        self.is_connecting = False
        """True while a connection is being made, and after that has failed."""
        self._is_over = False
        self._graces = 0
        """The number of consecutive postponements of its end."""

    def __enter__(self) -> Self:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        self._task = task
        # Another cancellation must not be mistaken for this limit.
        self._cancelling = task.cancelling()
        self._scheduler.running[task] = self
        if self.ends_at < self._scheduler.timer_at:
            self._scheduler.arm(self.ends_at)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        # The timer stays as it is.
        self._scheduler.running.pop(self._task, None)
        is_ours = self._is_over and self._task.uncancel() <= self._cancelling
        if is_ours and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def note_activity(self) -> None:
        """Note received data, or a connection that is being made: the limit on it starts anew."""
        now = asyncio.get_running_loop().time()
        ends_at = min(self._total_at, now + (self._connecting if self.is_connecting else self._silence))
        # Data that arrives in a grace period may use the rest of it.
        self.ends_at = max(ends_at, self.ends_at) if self._graces else ends_at
        if now < self._total_at:
            self._graces = 0
        self._scheduler.arm(self.ends_at)

    def has_grace(self, now: float) -> bool:
        """Postpone the end, so that arrived data is read first; return False when that is not justified."""
        late = now - self.ends_at
        if self._graces and (late < ON_TIME or self._graces >= MAX_GRACES):
            return False
        self._graces += 1
        self.ends_at = now + min(MAX_GRACE, max(MIN_GRACE, late))
        return True

    def exceed(self) -> None:
        """Cancel the request."""
        self._is_over = True
        cancel_task(self._task)


MINIMUM_RATE: Final = 1024
"""Bytes per second, on average over the window."""
RATE_WINDOW: Final = 60
"""Seconds, counted one by one while the reader waits for bytes."""


class Body(Protocol):
    """A response body that is read in chunks, and can be made to fail."""

    async def readany(self) -> bytes:
        """Return the data that has arrived; b"" at the end."""
        ...

    def set_exception(self, exc: BaseException) -> None:
        """Make the pending or the next read fail."""
        ...


class MinimumRate:
    """Reads a body, and fails with TransportError when it received less than 1 KiB/s over 60 seconds.

    Seconds in which the reader did not wait (a slow disk, a slow callback) are not counted. Nor is time in which the
    process was stopped: the timer fires once for it, however late.
    """

    def __init__(self) -> None:
        self.stood_still = 0.0
        """Seconds by which the timer was late: the process was stopped, or its event loop blocked."""
        self._body: Body | None = None
        self._loop = asyncio.get_running_loop()
        self._per_second: deque[int] = deque(maxlen=RATE_WINDOW)
        self._received = 0
        self._is_waiting = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._start_timer()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def read(self, body: Body) -> bytes:
        """Return the data that has arrived, waiting for at least one byte; b"" at the end."""
        self._body = body
        self._is_waiting = True
        try:
            chunk = await body.readany()
        finally:
            self._is_waiting = False
        self._received += len(chunk)
        return chunk

    def _start_timer(self) -> None:
        self._timer = self._loop.call_later(1, self._count_second, self._loop.time() + 1)

    def _count_second(self, due: float) -> None:
        self.stood_still += max(0.0, self._loop.time() - due)
        self._start_timer()
        if self._body is None or not self._is_waiting:
            return
        self._per_second.append(self._received)
        self._received = 0
        received = sum(self._per_second)
        if len(self._per_second) == RATE_WINDOW and received < MINIMUM_RATE * RATE_WINDOW:
            rate = f"the minimum rate of {MINIMUM_RATE} bytes per second"
            reason = f"{received} bytes were received in {RATE_WINDOW} s, below {rate}"
            self._body.set_exception(TransportError(FailureKind.REFUSAL, reason))
