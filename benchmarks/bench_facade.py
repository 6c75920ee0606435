"""A blocking call through ``musicapi_sync`` against the blocking HTTP clients people use, on 1 thread and on 8.

The facade's call goes to the loop thread and back, directly; the same call through anyio's portal and through
``asyncio.run_coroutine_threadsafe`` stands beside it, as does a call that does nothing. One client is shared by all
threads, as is each session. With ``--own`` the other HTTP clients are left out. All threads share one processor: where
the system moves them between two, a call through any of these costs up to three times as much, by chance.
"""

import asyncio
import os
import statistics
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from typing import Final, TypeVar

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
    Sender,
    cpu_ratio,
    fake_service,
    interleaved,
    print_costs,
    print_table,
    print_title,
    spread,
    verdict,
)

from musicapi_async import MusicAPI as AsyncMusicAPI
from musicapi_sync import MusicAPI

T = TypeVar("T")

ROUNDS: Final = 11
REQUESTS: Final = 256
THREADS: Final = (1, 8)
TARGETS: Final = {1: 90.0, 8: 60.0}
"""µs above the async call, by threads."""
OURS: Final = "musicapi_sync"
PORTAL: Final = "musicapi_async, anyio's portal"
THREADSAFE: Final = "musicapi_async, run_coroutine_threadsafe"
NOTHING: Final = "nothing: "
"""Before the name of a contender whose call does nothing."""
SHARE: Final = 0.75
"""A call of ours adds at most so many times what ``run_coroutine_threadsafe`` adds to the same coroutine."""
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


@contextmanager
def loop_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def through_run_coroutine_threadsafe(base_url: str) -> Iterator[Callable[[], object]]:
    with loop_thread() as loop:

        def run(coroutine: Coroutine[object, object, T]) -> T:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

        context = opened(base_url)
        client = run(context.__aenter__())
        yield lambda: run(client.account.credits())
        run(context.__aexit__(None, None, None))


async def nothing(*_: object) -> None:
    """Do nothing, on the loop."""


@contextmanager
def nothing_through_the_facade(base_url: str) -> Iterator[Callable[[], object]]:
    with MusicAPI(KEY, base_url=base_url) as client:
        loop = client._view  # noqa: SLF001 - no public call does nothing
        yield lambda: loop.call(nothing)


@contextmanager
def nothing_through_run_coroutine_threadsafe() -> Iterator[Callable[[], object]]:
    with loop_thread() as loop:
        yield lambda: asyncio.run_coroutine_threadsafe(nothing(), loop).result()


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
    ours: list[Contender] = [
        OnThreads(OURS, through_the_facade(base_url), stack),
        OnThreads(PORTAL, through_the_portal(base_url), stack),
        OnThreads(THREADSAFE, through_run_coroutine_threadsafe(base_url), stack),
        OnALoop(ASYNC, through_the_async_client(base_url), stack),
        OnThreads(NOTHING + OURS, nothing_through_the_facade(base_url), stack),
        OnThreads(NOTHING + THREADSAFE, nothing_through_run_coroutine_threadsafe(), stack),
        OnALoop(NOTHING + ASYNC, nullcontext(nothing), stack),
    ]
    if "--own" in sys.argv:
        return ours
    return [
        *ours,
        OnThreads(BASELINE, through_requests(base_url), stack),
        OnThreads("httpx", through_httpx(base_url), stack),
        OnThreads("musicapi-sdk", through_musicapi_sdk(base_url), stack),
    ]


def above_async(costs: Costs, name: str, threads: int, baseline: str = ASYNC) -> list[float]:
    """Return the CPU time above the async call, in microseconds, round by round: both met the same machine."""
    pairs = zip(costs[name, threads], costs[baseline, threads], strict=True)
    return [ours.cpu - theirs.cpu for ours, theirs in pairs]


def print_shares(costs: Costs) -> None:
    """Print what a call adds to the async one, as a share of what ``run_coroutine_threadsafe`` adds."""
    rows = []
    shares = {}
    for what, prefix in (("nothing", NOTHING), ("a GET", "")):
        for threads in THREADS:
            ours, theirs = (
                statistics.median(above_async(costs, prefix + name, threads, prefix + ASYNC))
                for name in (OURS, THREADSAFE)
            )
            # Of the medians: within one round the difference of a GET is smaller than the noise.
            shares[what, threads] = ours / theirs
            rows.append([f"{what}, {threads} thread(s)", f"{ours:.0f}", f"{theirs:.0f}", f"{ours / theirs:.2f}"])
    print_table(["CPU µs above the async call of", OURS, "run_coroutine_threadsafe", "share"], rows)
    for (what, threads), share in shares.items():
        verdict(f"{what}, {threads} thread(s): {share:.2f} of what run_coroutine_threadsafe adds", share, SHARE)


def main() -> None:
    with fake_service() as url:
        if hasattr(os, "sched_setaffinity"):  # Linux
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        costs = interleaved(
            partial(contenders, f"{url}/account"), rounds=ROUNDS, requests=REQUESTS, concurrencies=THREADS
        )
    print_title("A blocking call")
    is_own = "--own" in sys.argv
    print_costs(costs, baseline=ASYNC if is_own else BASELINE, concurrencies=THREADS, unit="{} thread(s)")
    print_shares(costs)
    for threads, target in TARGETS.items():
        above, through_portal = (spread(above_async(costs, name, threads)) for name in (OURS, PORTAL))
        verdict(f"{threads} thread(s): {above:.0f} µs of CPU above the async call", above.median, target)
        print(f"\n{threads} thread(s): anyio's portal, {through_portal:.0f} µs of CPU above the async call.")
        for name in () if is_own else ("requests", "httpx"):
            share = cpu_ratio(costs, OURS, name, threads)
            verdict(f"{threads} thread(s): {share} times the CPU of {name}", share.median, 1.0)


if __name__ == "__main__":
    main()
