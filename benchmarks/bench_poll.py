"""A look at a task through the SDK against the bare HTTP client below it, and against other SDKs.

The SDK's figure holds everything ``task.poll()`` does: address, slot, retries, time limits, bounded reading, the typed
state with its clips.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from itertools import cycle
from typing import Final

import aiohttp
import musicapi
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
)
from openai import AsyncOpenAI
from yarl import URL

from musicapi_async import MusicAPI

ROUNDS: Final = 25
FEW_ROUNDS: Final = 7
REQUESTS: Final = 256
SLOW: Final = 0.25
"""The part of the requests that a slow contender sends."""
CONCURRENCIES: Final = (1, 64)
TARGET: Final = 1.35

SDK: Final = "musicapi-async"
BARE: Final = "bare aiohttp"
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
        OnALoop("leanest aiohttp", through_the_leanest_aiohttp(base_url), stack),
    ]


def with_others(base_url: str, stack: ExitStack) -> list[Contender]:
    return [
        *ours_and_bare(base_url, stack),
        OnALoop(f"{SDK}, uvloop", through_the_sdk(base_url), stack, loop_factory=uvloop.new_event_loop),
        OnALoop(f"{BARE}, uvloop", through_bare_aiohttp(base_url), stack, loop_factory=uvloop.new_event_loop),
        OnALoop("openai", through_openai(base_url), stack, share=SLOW),
        OnThreads("musicapi-sdk, threads", through_musicapi_sdk(base_url), stack, share=SLOW),
    ]


def measure(title: str, contenders: Callable[[ExitStack], list[Contender]], rounds: int) -> Costs:
    costs = interleaved(contenders, rounds=rounds, requests=REQUESTS, concurrencies=CONCURRENCIES)
    print_title(title)
    print_costs(costs, baseline=BARE, concurrencies=CONCURRENCIES, unit="{} at once")
    return costs


def judge(costs: Costs) -> None:
    for concurrency in CONCURRENCIES:
        found = cpu_ratio(costs, SDK, BARE, concurrency)
        word = "met" if found.median <= TARGET else "missed"
        print(f"\n{concurrency} at once: {SDK} takes {found} times the CPU of {BARE}; the target {TARGET} is {word}.")


def main() -> None:
    with fake_service() as url:
        for reply in ("not_ready", "running"):
            costs = measure(f"A look at a task, answered {reply}", partial(with_the_leanest, f"{url}/{reply}"), ROUNDS)
            judge(costs)
        title = "A look answered running, also on uvloop and through other SDKs"
        measure(title, partial(with_others, f"{url}/running"), FEW_ROUNDS)


if __name__ == "__main__":
    main()
