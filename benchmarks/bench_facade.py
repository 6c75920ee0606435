"""A blocking call through ``musicapi_sync`` against the blocking HTTP clients people use, on 1 thread and on 8.

The facade's call goes to the loop thread and back, directly; the same call through anyio's portal stands beside it. One
client is shared by all threads, as is each session.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Final

import httpx
import musicapi
import requests
from anyio.from_thread import start_blocking_portal
from common import (
    KEY,
    Contender,
    Costs,
    OnALoop,
    OnThreads,
    Ratio,
    Sender,
    cpu_ratio,
    fake_service,
    interleaved,
    print_costs,
    print_title,
    spread,
    verdict,
)

from musicapi_async import MusicAPI as AsyncMusicAPI
from musicapi_sync import MusicAPI

ROUNDS: Final = 11
REQUESTS: Final = 128
THREADS: Final = (1, 8)
TARGETS: Final = {1: 90.0, 8: 60.0}
"""µs above the async call, by threads."""
OURS: Final = "musicapi_sync"
PORTAL: Final = "musicapi_async, anyio's portal"
ASYNC: Final = "musicapi_async, as many coroutines"
BASELINE: Final = "requests"
PATH: Final = "/get-credits"
HEADERS: Final = {"Authorization": f"Bearer {KEY}"}


@contextmanager
def through_the_facade(base_url: str) -> Iterator[Callable[[], object]]:
    with MusicAPI(KEY, base_url=base_url) as client:

        def send() -> object:
            return client.account.credits()

        yield send


@contextmanager
def through_the_portal(base_url: str) -> Iterator[Callable[[], object]]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opened(base_url)) as client:
        yield lambda: portal.call(client.account.credits)


@asynccontextmanager
async def opened(base_url: str) -> AsyncIterator[AsyncMusicAPI]:
    async with AsyncMusicAPI(KEY, base_url=base_url) as client:
        yield client


@asynccontextmanager
async def through_the_async_client(base_url: str) -> AsyncIterator[Sender]:
    async with opened(base_url) as client:
        yield client.account.credits


@contextmanager
def through_requests(base_url: str) -> Iterator[Callable[[], object]]:
    with requests.Session() as session:
        yield lambda: session.get(base_url + PATH, headers=HEADERS, timeout=60).json()


@contextmanager
def through_httpx(base_url: str) -> Iterator[Callable[[], object]]:
    with httpx.Client() as client:
        yield lambda: client.get(base_url + PATH, headers=HEADERS).json()


@contextmanager
def through_musicapi_sdk(base_url: str) -> Iterator[Callable[[], object]]:
    client = musicapi.MusicAPI(KEY, base_url=base_url)
    try:
        yield client.credits.get
    finally:
        client.close()


def contenders(base_url: str, stack: ExitStack) -> list[Contender]:
    return [
        OnThreads(OURS, through_the_facade(base_url), stack),
        OnThreads(PORTAL, through_the_portal(base_url), stack),
        OnALoop(ASYNC, through_the_async_client(base_url), stack),
        OnThreads(BASELINE, through_requests(base_url), stack),
        OnThreads("httpx", through_httpx(base_url), stack),
        OnThreads("musicapi-sdk", through_musicapi_sdk(base_url), stack),
    ]


def above_async(costs: Costs, name: str, threads: int) -> Ratio:
    """Return the CPU time above the async call, in microseconds, round by round: both met the same machine."""
    pairs = zip(costs[name, threads], costs[ASYNC, threads], strict=True)
    return spread([ours.cpu - theirs.cpu for ours, theirs in pairs])


def main() -> None:
    with fake_service() as url:
        costs = interleaved(
            partial(contenders, f"{url}/account"), rounds=ROUNDS, requests=REQUESTS, concurrencies=THREADS
        )
    print_title("A blocking call")
    print_costs(costs, baseline=BASELINE, concurrencies=THREADS, unit="{} thread(s)")
    for threads, target in TARGETS.items():
        above, through_portal = (above_async(costs, name, threads) for name in (OURS, PORTAL))
        verdict(f"{threads} thread(s): {above:.0f} µs of CPU above the async call", above.median, target)
        print(f"\n{threads} thread(s): anyio's portal, {through_portal:.0f} µs of CPU above the async call.")
        for name in ("requests", "httpx"):
            share = cpu_ratio(costs, OURS, name, threads)
            verdict(f"{threads} thread(s): {share} times the CPU of {name}", share.median, 1.0)


if __name__ == "__main__":
    main()
