"""The rate of a run's submissions, where its plan sets one."""

import asyncio
from typing import Final

__all__ = ["SubmissionRate"]

UNLIMITED: Final = 0.0


class SubmissionRate:
    """Rate limiter of a run, first come, first served; ``rate`` is in requests per second, None for no limit.

    It waits before a record is claimed: one that waits is planned, and was certainly not sent. The client's own limit
    applies after it.
    """

    def __init__(self, rate: float | None) -> None:
        self._delay = UNLIMITED if rate is None else 1 / rate
        self._next_at = 0.0
        """The earliest time of the next submission, by the event loop's clock."""

    async def acquire(self) -> None:
        """Wait until a request may be submitted."""
        if not self._delay:
            return
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_at)
        self._next_at = at + self._delay
        if at > now:
            await asyncio.sleep(at - now)
