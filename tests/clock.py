"""The event loop's clock under the control of a test, so that waits of minutes take no time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

__all__ = ["Clock", "driven"]

PAUSE = 0.003
"""Seconds between two steps, in which sockets and threads can work."""
BUSY_PAUSES = 4
"""Number of pauses for which time stands still while sockets or threads are at work."""
QUIET_PAUSES = 3
"""Number of pauses without an event after which nothing is at work: a busy machine delivers what was sent later."""
MAX_STEPS = 50
"""Maximum number of steps at once, in case work is not noticed."""


@attrs.define
class Clock:
    """How far the event loop's clock is ahead."""

    ahead: float = 0.0
    events: int = 0
    """How often sockets or threads woke the loop."""
    idle: float = 0.0
    """For how many seconds the loop has waited for nothing but its timers."""
    in_threads: int = 0
    """How many calls the loop's executor works on."""

    async def run(self, step: float, waiting: "asyncio.Future[Any]", *, steadily: bool = False) -> None:
        """Let time pass in steps until the waiting one is done; several at once while nothing is due or happens.

        Work in other threads than the loop's own is not seen: ``steadily`` takes one step after the other, whatever
        happens meanwhile.
        """
        busy, quiet = 1, 0
        async with asyncio.timeout(36_000):
            while not waiting.done():
                if steadily or (busy and busy % BUSY_PAUSES == 0):
                    self.ahead += step
                elif not busy:
                    self.ahead += max(step, min(_until_next_timer(), MAX_STEPS * step))
                events, idle = self.events, self.idle
                await asyncio.sleep(PAUSE)
                is_quiet = self.events == events and self.idle - idle > PAUSE / 2 and not self.in_threads
                quiet = quiet + 1 if is_quiet else 0
                busy = 0 if quiet and quiet % QUIET_PAUSES == 0 else busy + 1


def _until_next_timer() -> float:
    """Return the seconds until the loop's next timer is due, as the standard library's event loop keeps them."""
    loop: Any = asyncio.get_running_loop()
    due: float = min((timer.when() for timer in loop._scheduled if not timer.cancelled()), default=0.0)
    return due - float(loop.time())


@asynccontextmanager
async def driven(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clock]:
    """Put the running loop's clock into the test's hands."""
    loop: Any = asyncio.get_running_loop()
    clock, now, select, run_in_executor = Clock(), loop.time, loop._selector.select, loop.run_in_executor

    def counted(timeout: float | None) -> Any:
        found = select(timeout)
        clock.events += len(found)
        clock.idle += 0.0 if found else timeout or 0.0
        return found

    def executed(*call: Any) -> "asyncio.Future[Any]":
        def end(_: object) -> None:
            clock.in_threads -= 1

        clock.in_threads += 1
        future: asyncio.Future[Any] = run_in_executor(*call)
        future.add_done_callback(end)
        return future

    with monkeypatch.context() as patch:
        patch.setattr(loop, "run_in_executor", executed)
        patch.setattr(loop, "time", lambda: now() + clock.ahead)
        patch.setattr(loop._selector, "select", counted)
        yield clock
