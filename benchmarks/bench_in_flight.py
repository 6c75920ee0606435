"""20,000 tasks in flight, each polled every 20 seconds, through real sockets: CPU of the client, lateness of polls.

The tasks are awaited, and were accepted one after another over the last 20 seconds; the service (in another process)
answers every poll that the task is running. Beside it the usual ways: a coroutine for each task that sleeps, over bare
aiohttp, and the same in backoff. Lateness is from the time a poll was due, 20 seconds after the last answer, to its
start; the package makes polls together that are due within a tenth of a second, so some of that is meant.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from statistics import median, quantiles
from typing import Any, Final, cast

import aiohttp
import backoff
from common import KEY, fake_service, in_a_fresh_process, print_table, print_title, verdict

from musicapi_async._engine import Engine
from musicapi_async._responses.response import Response
from musicapi_async._settings import Settings
from musicapi_async._tasks.entry import Entry
from musicapi_async._tasks.state import TaskRule, TaskState
from musicapi_async._tasks.task import Task
from musicapi_async._transport.call import Call
from musicapi_async._transport.caller import Caller
from musicapi_async.requests import sonic

TASKS: Final = 20_000
INTERVAL: Final = 20.0
SECONDS: Final = 30.0
ROUNDS: Final = 2
"""Of 30 seconds each, for each way."""
LATE_TARGET: Final = 1.0
SDK: Final = "musicapi-async"


class Lateness:
    """When polls began, against when they were due."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def of(self, due: float, poll: Callable[[], Awaitable[Any]]) -> tuple[Any, float]:
        """Poll, and return what was found and when the next poll is due."""
        clock = asyncio.get_running_loop().time
        self.seconds.append(clock() - due)
        found = await poll()
        return found, clock() + INTERVAL


class TimedCaller:
    """The caller of one task, which notes when it is polled."""

    def __init__(self, caller: Caller, due: float, lateness: Lateness) -> None:
        self.activity = caller.activity
        self._caller = caller
        self._due = due
        self._lateness = lateness

    async def send(self, call: Call, read: Callable[[Response], TaskState[Any]]) -> TaskState[Any]:
        """Poll once, and note how late that is."""
        found, self._due = await self._lateness.of(self._due, partial(self._caller.send, call, read))
        state: TaskState[Any] = found
        return state


async def by_the_package(base_url: str, lateness: Lateness, stack: AsyncExitStack) -> list[asyncio.Future[Any]]:
    settings = Settings.load({"MUSICAPI_KEY": KEY}, base_url=base_url, poll_interval=INTERVAL)
    engine = Engine(settings)
    stack.push_async_callback(engine.close)
    rule, now = TaskRule.of(sonic.Create), asyncio.get_running_loop().time()
    waits: list[asyncio.Future[Any]] = []
    for number in range(TASKS):
        accepted_at = now - INTERVAL + INTERVAL * number / TASKS
        caller = cast("Caller", TimedCaller(engine.caller, accepted_at + INTERVAL, lateness))
        task: Task[Any] = Task(Entry(task_id_of(number), rule, caller, "sonic.create", accepted_at), engine.poller)
        waits.append(asyncio.create_task(task.wait(None)))
    return waits


async def by_coroutines(
    base_url: str, lateness: Lateness, stack: AsyncExitStack, *, is_by_backoff: bool
) -> list[asyncio.Future[Any]]:
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)))
    headers = {"Authorization": f"Bearer {KEY}"}

    async def poll(task_id: str) -> bool:
        async with session.get(f"{base_url}/sonic/task/{task_id}", headers=headers) as response:
            body = await response.json()
        return all(clip["state"] == "succeeded" for clip in body["data"])

    async def sleep_and_poll(task_id: str, due: float) -> None:
        is_done = False
        while not is_done:
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            is_done, due = await lateness.of(due, partial(poll, task_id))

    @backoff.on_predicate(backoff.constant, interval=INTERVAL, jitter=None)
    async def poll_again(task_id: str, due: dict[str, float]) -> bool:
        is_done, due["at"] = await lateness.of(due["at"], partial(poll, task_id))
        return bool(is_done)

    async def in_backoff(task_id: str, due: float) -> None:
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        await poll_again(task_id, {"at": due})

    now, wait = asyncio.get_running_loop().time(), in_backoff if is_by_backoff else sleep_and_poll
    return [asyncio.create_task(wait(task_id_of(number), now + INTERVAL * number / TASKS)) for number in range(TASKS)]


WAYS: Final[Mapping[str, Callable[[str, Lateness, AsyncExitStack], Awaitable[list[asyncio.Future[Any]]]]]] = {
    SDK: by_the_package,
    "a sleeping coroutine each, bare aiohttp": partial(by_coroutines, is_by_backoff=False),
    "the same in backoff": partial(by_coroutines, is_by_backoff=True),
}


def task_id_of(number: int) -> str:
    return f"0f8fad5b-d9cb-469f-a165-{number:012d}"


async def hold(way: str, base_url: str) -> dict[str, float]:
    """Keep the tasks in flight for a while, in this process."""
    lateness = Lateness()
    async with AsyncExitStack() as stack:
        waits = await WAYS[way](base_url, lateness, stack)
        # The first second opens the connections.
        await asyncio.sleep(1)
        lateness.seconds.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(SECONDS)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        seconds = list(lateness.seconds)
        ended = sum(wait.done() for wait in waits)
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)
    percentiles = quantiles(seconds, n=100)
    return {
        "cpu": cpu / wall,
        "polls": len(seconds) / wall,
        "cpu_of_a_poll": cpu / len(seconds),
        "p50": percentiles[49],
        "p99": percentiles[98],
        "longest": max(seconds),
        "ended": ended,
    }


def main() -> None:
    if len(sys.argv) > 1:
        _, way, base_url = sys.argv
        print(json.dumps(asyncio.run(hold(way, base_url))))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with fake_service() as url:
        for _ in range(ROUNDS):
            for way, figures in found.items():
                figures.append(in_a_fresh_process(__file__, way, f"{url}/running"))
    print_title(f"{TASKS:,} tasks in flight, a poll at each every {INTERVAL:.0f} s")
    rows = []
    for way, figures in found.items():
        of = {name: median(each[name] for each in figures) for name in figures[0]}
        rows.append(
            [
                way,
                f"{of['cpu']:.0%}",
                f"{of['polls']:.0f}",
                f"{of['cpu_of_a_poll'] * 1e6:.0f}",
                *(f"{of[name] * 1000:.0f}" for name in ("p50", "p99", "longest")),
            ]
        )
    print_table(
        ["way", "CPU of the client", "polls a second", "CPU µs a poll", "ms late, p50", "p99", "longest"],
        rows,
    )
    late = median(each["p99"] for each in found[SDK])
    verdict(f"{SDK}: 99 of 100 polls are at most {late:.2f} s late", late, LATE_TARGET)


if __name__ == "__main__":
    main()
