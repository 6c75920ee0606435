"""CPU of receiving events: of a song from its submission to its result against polling, and of an event alone.

- Thousands of tasks are in flight, each waited for, with the receiver in the same process; the service, in another one,
  ends them after about as many intervals as the learned schedule needs polls (``bench_event_schedule.py``).
- An event is received by the client's handler, against a handler of aiohttp that reads the body and responds: verified
  and decoded, its wait woken, and the result of that wait made, which a poll of a finished task costs too.
"""

import asyncio
import gc
import hmac
import json
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp
from aiohttp import web
from common import (
    KEY,
    MICROSECONDS,
    Ratio,
    fake_service,
    in_a_fresh_process,
    print_table,
    print_title,
    ratio,
    verdict,
)
from event_service import SECRET

from musicapi_async import MusicAPI, Task
from musicapi_async._engine_access import engine_of
from musicapi_async._tasks.entry import Entry
from musicapi_async._tasks.poller import Poller
from musicapi_async._tasks.state import TaskRule
from musicapi_async._tasks.task import _Waiter, entry_of
from musicapi_async.requests import sonic
from musicapi_async.wire.json import read_json

TASKS: Final = 10_000
ROUNDS: Final = 2
SUBMITTING: Final = 32
"""Submissions at once."""
POLL_INTERVAL: Final = 7.0
ENDS: Final = (28.0, 46.0)
"""Seconds until the first and the last task end: 5 to 6 polls each, about twice as fast as songs of 75 s."""
EVENTS_OF_A_TASK: Final = 2
EVENTS: Final = 2000
EVENT_ROUNDS: Final = 12
POLLED: Final = "polling"
REPORTED: Final = "events"
DISCARDED: Final = "the same events into a bare handler"
BARE: Final = "an aiohttp handler that reads the body"
VERIFIED: Final = "the same with HMAC, comparison and JSON parse alone"
UNMATCHED: Final = "client.webhooks.aiohttp, no task of this client"
WOKEN: Final = "client.webhooks.aiohttp, wait() woken"
WITH_SONGS: Final = "client.webhooks.aiohttp, wait() woken and its songs made"
PATHS: Final = {BARE: "/bare", VERIFIED: "/verified", UNMATCHED: "/hooks", WOKEN: "/hooks", WITH_SONGS: "/hooks"}
AGE: Final = 60.0
"""Seconds since the acceptance of a task, when its event arrives: long enough ago that no poll is due meanwhile."""
CPU_TARGET: Final = 0.4
RECEIVING_TARGET: Final = 1.5


class Discarded:
    """The events of a bare handler: how many are missing until all tasks are reported."""

    def __init__(self) -> None:
        self._missing = TASKS * EVENTS_OF_A_TASK
        self.are_complete = asyncio.Event()

    def count(self) -> None:
        """Count an event."""
        self._missing -= 1
        if not self._missing:
            self.are_complete.set()


@asynccontextmanager
async def receiver(client: MusicAPI, discarded: Discarded) -> AsyncIterator[str]:
    """Serve the client's handler and a bare one; yield their address."""

    async def bare(request: web.Request) -> web.Response:
        await request.read()
        discarded.count()
        return web.Response()

    async def verified(request: web.Request) -> web.Response:
        body, headers = await request.read(), request.headers
        signed = b"%b.%b" % (headers["X-Webhook-Timestamp"].encode(), body)
        given = bytes.fromhex(headers["X-Webhook-Signature"].removeprefix("sha256="))
        is_signed = hmac.compare_digest(hmac.digest(SECRET.encode(), signed, "sha256"), given)
        return web.Response(status=200 if is_signed and read_json(body) else 401)

    app = web.Application()
    app.router.add_post("/hooks", client.webhooks.aiohttp)
    app.router.add_post("/bare", bare)
    app.router.add_post("/verified", verified)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def hold(way: str, base_url: str) -> dict[str, float]:
    """Start the tasks, and wait for all of them, in this process; return the CPU of a song and its polls."""
    async with AsyncExitStack() as stack:
        interval = POLL_INTERVAL if way == POLLED else None
        client = MusicAPI(KEY, base_url=base_url, poll_interval=interval, webhook_secret=SECRET)
        await stack.enter_async_context(client)
        discarded = Discarded()
        hooks = await stack.enter_async_context(receiver(client, discarded))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        user = client.with_options(webhook_url=f"{hooks}/hooks") if way == REPORTED else client
        own = {"webhook_url": f"{hooks}/bare", "webhook_secret": SECRET} if way == DISCARDED else {}
        tasks: list[Task[Any]] = []

        async def submit_many() -> None:
            while len(tasks) < TASKS:
                tasks.append(await user.sonic.describe(description="rain", **own))

        await asyncio.gather(*(submit_many() for _ in range(SUBMITTING)))
        gc.collect()
        polls, cpu = await polls_of(session, base_url), time.process_time()
        waits = [asyncio.create_task(task.wait(None)) for task in tasks if way != DISCARDED]
        await session.post(f"{base_url}/go", json={"from": ENDS[0], "to": ENDS[1]})
        await asyncio.gather(*(waits or [discarded.are_complete.wait()]))
        cpu = time.process_time() - cpu
        polls = await polls_of(session, base_url) - polls
    return {"cpu": cpu / len(tasks) * MICROSECONDS, "polls": polls / len(tasks)}


async def polls_of(session: aiohttp.ClientSession, base_url: str) -> int:
    async with session.get(f"{base_url}/polls") as response:
        return int(await response.text())


async def receive(base_url: str) -> dict[str, list[float]]:
    """Receive floods of events, the ways taking turns; return the CPU of an event in each round."""
    names, ways, costs = list(PATHS), deque(PATHS), {way: [] for way in PATHS}
    async with (
        MusicAPI(KEY, base_url=base_url, webhook_secret=SECRET) as client,
        receiver(client, Discarded()) as hooks,
        aiohttp.ClientSession() as session,
    ):
        waiting: dict[str, Callable[[Task[Any]], Coroutine[Any, Any, None]]]
        waiting = {WOKEN: partial(woken, engine_of(client).poller), WITH_SONGS: waited}
        for turn in range(EVENT_ROUNDS + 1):
            for way in ways:
                task_ids = [f"{names.index(way)}-{turn}-{number}" for number in range(EVENTS)]
                tasks = [task_of(client, task_id) for task_id in task_ids]
                waits = [asyncio.create_task(waiting[way](task)) for task in tasks if way in waiting]
                await asyncio.sleep(0)
                gc.collect()
                cpu = time.process_time()
                await session.post(f"{base_url}/flood", json={"url": hooks + PATHS[way], "task_ids": task_ids})
                await asyncio.gather(*waits)
                if turn:
                    costs[way].append((time.process_time() - cpu) / EVENTS * MICROSECONDS)
            ways.rotate()
    return costs


def task_of(client: MusicAPI, task_id: str) -> Task[Any]:
    """Return a task that the service has accepted a minute ago."""
    engine, accepted_at = engine_of(client), asyncio.get_running_loop().time() - AGE
    entry = Entry(task_id, TaskRule.of(sonic.Describe), engine.caller, "sonic.describe", accepted_at, is_reported=True)
    return Task[Any](entry, engine.poller)


async def waited(task: Task[Any]) -> None:
    """Wait for the songs of a task."""
    await task.wait(None)


async def woken(poller: Poller, task: Task[Any]) -> None:
    """Wait for the end of a task as ``wait`` does, up to the moment at which it makes the songs."""
    entry = entry_of(task)
    waiter = _Waiter[Any](entry, None, "finished")
    poller.subscribe(entry, waiter)
    try:
        await waiter.state
    finally:
        poller.unsubscribe(entry, waiter)
        waiter.retrieve_error()


def print_songs(figures: dict[str, list[dict[str, float]]]) -> None:
    by_way = {way: [found["cpu"] for found in of_way] for way, of_way in figures.items()}
    ratios = {way: ratio(costs, by_way[POLLED]) for way, costs in by_way.items()}
    print_title(f"{TASKS:,} songs in flight, from accepted to result")
    rows = [
        [way, f"{median(by_way[way]):.0f}", f"{ratios[way]:}", f"{median([one['polls'] for one in figures[way]]):.1f}"]
        for way in figures
    ]
    print_table(["songs by", "CPU µs a song", "ratio", "polls a song"], rows)
    verdict(f"events take {ratios[REPORTED]:} of polling's CPU", ratios[REPORTED].median, CPU_TARGET)


def print_events(costs: dict[str, list[float]]) -> None:
    ratios: dict[str, Ratio] = {way: ratio(of_way, costs[BARE]) for way, of_way in costs.items()}
    print_title("Receiving an event")
    print_table(
        ["an event through", "CPU µs", "ratio"], [[w, f"{median(c):.0f}", f"{ratios[w]:}"] for w, c in costs.items()]
    )
    verdict(f"receiving takes {ratios[WOKEN]:} times a bare handler", ratios[WOKEN].median, RECEIVING_TARGET)


def main() -> None:
    if len(sys.argv) > 1:
        _, way, base_url = sys.argv
        print(json.dumps(asyncio.run(hold(way, base_url))))
        return
    program = str(Path(__file__).with_name("event_service.py"))
    figures: dict[str, list[dict[str, float]]] = {POLLED: [], REPORTED: [], DISCARDED: []}
    with fake_service(program) as url:
        costs = asyncio.run(receive(url))
    print_events(costs)
    for _ in range(ROUNDS):
        for way, of_way in figures.items():
            with fake_service(program) as url:
                of_way.append(in_a_fresh_process(__file__, way, url))
    print_songs(figures)


if __name__ == "__main__":
    main()
