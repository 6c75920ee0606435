"""How late `wait(until="stream")` offers the first sound: with events, with `poll_interval=2.0`, and with neither.

The sandbox makes songs of a minute, one after the other, whose stream is there after three tenths of that time.
Requests and events go over real sockets; the clocks of the event loop and of the sandbox are virtual, so that an hour
of songs takes seconds. Lateness is from the moment at which the stream is there to the return of the wait.
"""

import asyncio
import logging
import selectors
import socket
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from statistics import fmean, median
from typing import Any, ClassVar, Final

import attrs
from aiohttp import web
from common import KEY, print_table, print_title, verdict

from musicapi_async import MusicAPI
from musicapi_async.sandbox import Sandbox
from musicapi_async.sandbox.polls import CLIPS_APPEAR

SECONDS: Final = 60.0
SONGS: Final = 20
ROUNDS: Final = 5
LARGEST_STEP: Final = 0.05
"""Seconds by which the clocks are set forward at once: little for what a thread has to do meanwhile."""
TARGET: Final = 2.0
POLL: Final = "GET /sonic/task/{task_id}"
EVENTS, FIXED, NEITHER = "events", "`poll_interval=2.0`", "neither"
WAYS: Final[Mapping[str, Mapping[str, Any]]] = {EVENTS: {}, FIXED: {"poll_interval": 2.0}, NEITHER: {}}


class VirtualSelector(selectors.SelectSelector):
    """A selector that waits in no time: the clocks of the loop and of the sandbox are set forward."""

    now = 0.0
    sandbox: ClassVar[Sandbox | None] = None

    def select(self, timeout: float | None = None) -> Any:
        """Return what is ready, or let the time pass."""
        ready = super().select(0)
        if not ready and timeout:
            step = min(timeout, LARGEST_STEP)
            self.now += step
            if self.sandbox is not None:
                self.sandbox.advance(step)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose waits take no time."""

    def __init__(self) -> None:
        self._virtual = VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the time in seconds."""
        return time.monotonic() + self._virtual.now


@attrs.frozen
class Found:
    """The songs of one round."""

    late: list[float]
    polls: float
    """Per song."""


async def songs(way: str, seed: int) -> tuple[Found, Found]:
    """Return the first songs of a client, and those after them."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(seconds=SECONDS, credits=1e9, seed=seed))
        VirtualSelector.sandbox = sandbox
        settings = dict(WAYS[way])
        listener = socket.create_server(("127.0.0.1", 0))
        if way == EVENTS:
            settings["webhook_url"] = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
            settings["webhook_secret"] = "a-secret-of-the-benchmark"
        client = await stack.enter_async_context(MusicAPI(KEY, base_url=sandbox.base_url, **settings))
        app = web.Application()
        app.router.add_post("/hook", client.webhooks.aiohttp)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        return await _take(client, sandbox), await _take(client, sandbox)


async def _take(client: MusicAPI, sandbox: Sandbox) -> Found:
    loop, late, before = asyncio.get_running_loop(), [], len(sandbox.requests(POLL))
    for _ in range(SONGS):
        await client.sonic.describe(description="rain").wait(until="stream")
        made = sandbox.tasks[-1]
        late.append(loop.time() - made.accepted_at - CLIPS_APPEAR * made.takes)
    return Found(late, (len(sandbox.requests(POLL)) - before) / SONGS)


def main() -> None:
    """Print a row for each way."""
    logging.getLogger("musicapi").setLevel(logging.ERROR)  # the songs are left when they can be heard
    rows: list[list[str]] = []
    medians: dict[str, float] = {}
    for way in WAYS:
        rounds = []
        for seed in range(ROUNDS):
            with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                rounds.append(runner.run(songs(way, seed)))
        for at, name in enumerate(("first", "next")):
            found = [each[at] for each in rounds]
            late = [median(each.late) for each in found]
            medians[f"{way}, {name} {SONGS} songs"] = median(late)
            worst = max(max(each.late) for each in found)
            rows.append(
                [way, f"{name} {SONGS}", f"{median(late):.2f}", f"{worst:.1f}", f"{fmean(f.polls for f in found):.1f}"]
            )
    print_title(f"The first sound of a song of {SECONDS:.0f} s")
    print_table(["with", "songs", "seconds late, median", "at most", "polls a song"], rows)
    for name, late in medians.items():
        verdict(f"{name}: the first sound is {late:.2f} s late", late, TARGET)


if __name__ == "__main__":
    main()
