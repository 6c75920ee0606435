"""Time limits of exchanges: one timer for all of them, since one each costs more than all else that a look does."""

import asyncio
import math
from types import TracebackType
from typing import Any, Final

__all__ = ["Limits"]

NEVER: Final = math.inf


class Limits:
    """Ends the exchanges that take too long."""

    def __init__(self) -> None:
        self._running: dict[_Limit, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER

    def within(self, seconds: float) -> "_Limit":
        """Bound the block below to so many seconds; raises TimeoutError at its end when they are up."""
        return _Limit(self, seconds)

    def close(self) -> None:
        """Take the timer out of the event loop."""
        if self._timer is not None:
            self._timer.cancel()

    def begin(self, limit: "_Limit") -> None:
        """Watch over a limit from now on."""
        self._running[limit] = None
        if limit.ends_at < self._timer_at:
            self._arm(limit.ends_at)

    def end(self, limit: "_Limit") -> None:
        """Forget a limit; the timer stays as it is, and finds nothing."""
        self._running.pop(limit, None)

    def _arm(self, at: float) -> None:
        self.close()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._wake) if at < NEVER else None

    def _wake(self) -> None:
        now = asyncio.get_running_loop().time()
        for limit in [limit for limit in self._running if limit.ends_at <= now]:
            self.end(limit)
            limit.exceed()
        self._arm(min((limit.ends_at for limit in self._running), default=NEVER))


class _Limit:
    """One exchange's limit: as ``asyncio.timeout``, without a timer of its own."""

    __slots__ = ("_cancelling", "_is_over", "_limits", "_task", "ends_at")

    def __init__(self, limits: Limits, seconds: float) -> None:
        self._limits = limits
        self.ends_at = asyncio.get_running_loop().time() + seconds
        self._is_over = False

    def __enter__(self) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        self._task = task
        # Who cancels it besides is not to be mistaken for this limit.
        self._cancelling = task.cancelling()
        self._limits.begin(self)

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        self._limits.end(self)
        is_ours = self._is_over and self._task.uncancel() <= self._cancelling
        if is_ours and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def exceed(self) -> None:
        """End the exchange."""
        self._is_over = True
        self._task.cancel()
