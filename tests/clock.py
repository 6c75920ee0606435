"""The event loop's clock, which a test can move on: waits of minutes take no time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

__all__ = ["Clock", "driven"]


@attrs.define
class Clock:
    """How far the event loop's clock is ahead."""

    ahead: float = 0.0

    async def run(self, step: float, waiting: "asyncio.Future[Any]") -> None:
        """Let time pass in steps until the waiting one is done."""
        async with asyncio.timeout(36_000):
            while not waiting.done():
                self.ahead += step
                await asyncio.sleep(0.003)


@asynccontextmanager
async def driven(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clock]:
    """Put the running loop's clock into the test's hands."""
    loop, clock = asyncio.get_running_loop(), Clock()
    now = loop.time
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", lambda: now() + clock.ahead)
        yield clock
