"""A poll of a task through the SDK against the bare HTTP client below it, and against other SDKs.

The SDK's figure holds everything ``task.poll()`` does: address, slot, retries, time limits, bounded reading, the typed
state with its clips.
"""

import dataclasses
import json
import statistics
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from itertools import cycle
from typing import Final

import aiohttp
import fal_client
import musicapi
import replicate
import uvloop
from common import (
    KEY,
    Contender,
    Costs,
    OnALoop,
    OnThreads,
    Sender,
    cpu_ratio,
    fake_service,
    interleaved,
    print_costs,
    print_title,
    verdict,
)
from openai import AsyncOpenAI
from runwayml import AsyncRunwayML
from yarl import URL

from musicapi_async import MusicAPI

ROUNDS: Final = 25
FEW_ROUNDS: Final = 7
REQUESTS: Final = 256
SLOW: Final = 0.25
"""The part of the requests that a slow contender sends."""
CONCURRENCIES: Final = (1, 64)
TARGET: Final = 0.7
LEAN_TARGET: Final = 1.0
OTHERS: Final = {"musicapi-sdk, threads": 9.0, "openai": 15.0, "runwayml": 15.0, "replicate": 15.0, "fal-client": 15.0}
"""How many times less than these a poll is to cost, at the higher concurrency."""

SDK: Final = "musicapi-async"
BARE: Final = "bare aiohttp"
LEAN: Final = "leanest aiohttp"
TASK_IDS: Final = tuple(f"0f8fad5b-d9cb-469f-a165-7086772895{number:02x}" for number in range(64))
PATHS: Final = tuple(f"/sonic/task/{task_id}" for task_id in TASK_IDS)


@asynccontextmanager
async def through_the_sdk(base_url: str) -> AsyncIterator[Sender]:
    async with MusicAPI(KEY, base_url=base_url) as client:
        tasks = cycle([client.sonic.task(task_id) for task_id in TASK_IDS])
        yield lambda: next(tasks).poll()


@asynccontextmanager
async def through_bare_aiohttp(base_url: str) -> AsyncIterator[Sender]:
    async with aiohttp.ClientSession() as session:
        paths = cycle(PATHS)

        async def send() -> object:
            headers = {"Authorization": f"Bearer {KEY}"}
            async with session.get(base_url + next(paths), headers=headers) as response:
                return await response.json()

        yield send


@asynccontextmanager
async def through_the_leanest_aiohttp(base_url: str) -> AsyncIterator[Sender]:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Authorization": f"Bearer {KEY}"},
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None),
    )
    async with session:
        urls = cycle([URL(base_url + path, encoded=True) for path in PATHS])

        async def send() -> object:
            async with session.get(next(urls), allow_redirects=False) as response:
                return json.loads(await response.read())

        yield send


@asynccontextmanager
async def through_openai(base_url: str) -> AsyncIterator[Sender]:
    async with AsyncOpenAI(api_key=KEY, base_url=base_url) as client:
        paths = cycle(PATHS)
        yield lambda: client.get(next(paths), cast_to=object)


@asynccontextmanager
async def through_runwayml(base_url: str) -> AsyncIterator[Sender]:
    async with AsyncRunwayML(api_key=KEY, base_url=base_url) as client:
        paths = cycle(PATHS)
        yield lambda: client.get(next(paths), cast_to=object)


@asynccontextmanager
async def through_replicate(base_url: str) -> AsyncIterator[Sender]:
    client = replicate.Client(KEY, base_url=beside(base_url, "replicate"))
    task_ids = cycle(TASK_IDS)
    yield lambda: client.predictions.async_get(next(task_ids))


@asynccontextmanager
async def through_fal(base_url: str) -> AsyncIterator[Sender]:
    client = fal_client.AsyncClient(KEY)
    found = [await client.get_handle("fal-ai/song", task_id) for task_id in TASK_IDS]
    url = beside(base_url, "fal")
    handles = cycle([dataclasses.replace(one, status_url=f"{url}/{one.request_id}") for one in found])
    yield lambda: next(handles).status()


def beside(base_url: str, response: str) -> str:
    """Return the address under which the service gives another response."""
    return f"{base_url.rpartition('/')[0]}/{response}"


@contextmanager
def through_musicapi_sdk(base_url: str) -> Iterator[Callable[[], object]]:
    client = musicapi.MusicAPI(KEY, base_url=base_url)
    task_ids = cycle(TASK_IDS)
    try:
        yield lambda: client.sonic.get_task(next(task_ids))
    finally:
        client.close()


def ours_and_bare(base_url: str, stack: ExitStack) -> list[Contender]:
    return [OnALoop(SDK, through_the_sdk(base_url), stack), OnALoop(BARE, through_bare_aiohttp(base_url), stack)]


def with_the_leanest(base_url: str, stack: ExitStack) -> list[Contender]:
    return [
        *ours_and_bare(base_url, stack),
        OnALoop(LEAN, through_the_leanest_aiohttp(base_url), stack),
    ]


def with_others(base_url: str, stack: ExitStack) -> list[Contender]:
    return [
        *ours_and_bare(base_url, stack),
        OnALoop(f"{SDK}, uvloop", through_the_sdk(base_url), stack, loop_factory=uvloop.new_event_loop),
        OnALoop(f"{BARE}, uvloop", through_bare_aiohttp(base_url), stack, loop_factory=uvloop.new_event_loop),
        OnALoop("openai", through_openai(base_url), stack, share=SLOW),
        OnALoop("runwayml", through_runwayml(base_url), stack, share=SLOW),
        OnALoop("replicate", through_replicate(base_url), stack, share=SLOW),
        OnALoop("fal-client", through_fal(base_url), stack, share=SLOW),
        OnThreads("musicapi-sdk, threads", through_musicapi_sdk(base_url), stack, share=SLOW),
    ]


def measure(title: str, contenders: Callable[[ExitStack], list[Contender]], rounds: int) -> Costs:
    costs = interleaved(contenders, rounds=rounds, requests=REQUESTS, concurrencies=CONCURRENCIES)
    print_title(title)
    print_costs(costs, baseline=BARE, concurrencies=CONCURRENCIES, unit="{} at once")
    return costs


def judge(costs: Costs) -> None:
    most = CONCURRENCIES[-1]
    for other, target in ((BARE, TARGET), (LEAN, LEAN_TARGET)):
        found = cpu_ratio(costs, SDK, other, most)
        verdict(f"{most} at once: {SDK} takes {found} times the CPU of {other}", found.median, target)


def judge_others(costs: Costs) -> None:
    most = CONCURRENCIES[-1]
    ours = statistics.median(cost.cpu for cost in costs[SDK, most])
    for other, target in OTHERS.items():
        times = statistics.median(cost.cpu for cost in costs[other, most]) / ours
        verdict(f"{most} at once: {other} takes {times:.1f} times the CPU of {SDK}", times, target, at_least=True)


def main() -> None:
    with fake_service() as url:
        for response in ("not_ready", "running"):
            costs = measure(
                f"A poll of a task, answered {response}", partial(with_the_leanest, f"{url}/{response}"), ROUNDS
            )
            judge(costs)
        title = "A poll answered running, also on uvloop and through other SDKs"
        judge_others(measure(title, partial(with_others, f"{url}/running"), FEW_ROUNDS))


if __name__ == "__main__":
    main()
