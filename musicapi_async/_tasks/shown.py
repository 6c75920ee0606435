"""Waits and runs whose progress is shown in a notebook."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeVar

from musicapi_async._notebook import SILENT, Display
from musicapi_async._tasks.state import TaskState, Until
from musicapi_async.errors import TaskFailedError, TaskTimeoutError

__all__ = ["ENDINGS", "RunDisplay", "wait_shown"]

R = TypeVar("R")
TICK: Final = 1.0
"""Seconds between two updates of the elapsed time."""
ENDED: Final = ("succeeded", "failed")
ENDINGS: Final[Mapping[Until, str]] = {
    "finished": "finished",
    "first": "one clip is finished",
    "stream": "can be streamed",
}
"""The status at the end of a wait."""


async def wait_shown(
    display: Display,
    name: str,
    wait: Callable[[], Awaitable[R]],
    updates: Callable[[], AsyncGenerator[TaskState[Any], None]],
    ending: str,
) -> R:
    """Wait for a task, and show its states and the elapsed time meanwhile; at last ``ending``, or how it failed."""
    shown = _TaskLine(display, name)
    token = SILENT.set(True)
    following = asyncio.create_task(shown.follow(updates))
    ticking = asyncio.create_task(shown.tick())
    try:
        result = await wait()
    except BaseException as error:
        shown.end(_ending_of(error))
        raise
    else:
        shown.end(ending)
        return result
    finally:
        SILENT.reset(token)
        following.cancel()
        ticking.cancel()
        await asyncio.wait([following, ticking])


class _TaskLine:
    """The line of one task: its name, its status, and how long the wait has taken."""

    def __init__(self, display: Display, name: str) -> None:
        self._display = display
        self._name = name
        self._began = time.monotonic()
        self._status = "waiting"

    async def follow(self, updates: Callable[[], AsyncGenerator[TaskState[Any], None]]) -> None:
        """Show each state; an error of the updates is that of the wait, which raises it."""
        try:
            async with aclosing(updates()) as states:
                async for state in states:
                    self._status = _status_of(state)
                    self._show()
        except Exception:  # noqa: BLE001 - raised by the wait
            return

    async def tick(self) -> None:
        """Show the elapsed time."""
        while True:
            await asyncio.sleep(TICK)
            self._show()

    def end(self, status: str) -> None:
        """Show how the wait ended."""
        self._status = status
        self._show()

    def _show(self) -> None:
        seconds = int(time.monotonic() - self._began)
        self._display.show(f"{self._name}: {self._status}, {seconds // 60}:{seconds % 60:02d}")


class RunDisplay:
    """The line of a run: how many songs are being made, and how many requests have ended."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._finished = self._failed = 0

    def count(self, *, is_failed: bool) -> None:
        """Count a request that has ended."""
        self._failed += is_failed
        self._finished += not is_failed

    def show(self, running: int) -> None:
        """Show the counts."""
        failed = f", {self._failed} failed" if self._failed else ""
        self._display.show(f"{self._finished} finished{failed}, {running} in flight")


def _ending_of(error: BaseException) -> str:
    if isinstance(error, TaskFailedError):
        return "failed"
    is_running = isinstance(error, (TaskTimeoutError, asyncio.CancelledError))
    return "still running on the server" if is_running else f"the wait ended with {type(error).__name__}"


def _status_of(state: TaskState[Any]) -> str:
    if not state.clips or state.is_done:
        return state.status
    ready = sum(clip.state in ENDED for clip in state.clips)
    return f"{state.status}, {ready} of {len(state.clips)} clips"
