"""``client.run`` over many requests, against a hand-written aiohttp loop with a semaphore and threads around the SDK.

The fake service (in another process) accepts every create and has every song finished at the first poll, which comes a
millisecond after (``poll_interval=0.001``): what is measured is the path of the requests, not the waiting.

Every create of this package goes out on a connection of its own. That is our choice: on a kept connection that the
server has just closed the outcome of a submission would be unknown. What it costs is shown by the
hand-written loop, once with fresh connections for its creates and once with kept ones; musicapi-sdk keeps its own.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Final, NamedTuple

import aiohttp
import common
import musicapi
from common import (
    KEY,
    KIB,
    MICROSECONDS,
    Ratio,
    certificate_files,
    fake_service,
    in_a_fresh_process,
    print_table,
    print_title,
    ratio,
    resident,
    verdict,
)
from musicapi import PollOptions, SonicCreateParams

from musicapi_async import MusicAPI
from musicapi_async.requests import sonic

AT_ONCE: Final = 64
ROUNDS: Final = 11
SOME: Final = 1_000
FEW: Final = 2_000
MANY: Final = 20_000
LYRICS: Final = "[Verse]\nla"
TARGET: Final = 1.05
TLS_TARGET: Final = 1.15
VENDOR_TARGET: Final = 2.5
FLAT: Final = 1.05
"""Times the size of the process after few requests."""

SDK: Final = "musicapi-async, client.run"
FRESH: Final = "hand-written, a fresh connection for each create"
KEPT: Final = "hand-written, kept connections"
THREADS: Final = "musicapi-sdk on 64 threads"

Songs = Callable[[str, int], None]


def requests(count: int) -> Iterator[sonic.Create]:
    return (sonic.Create(lyrics=LYRICS, title="Harbor", tags="sea shanty, calm") for _ in range(count))


def by_the_package(base_url: str, count: int) -> None:
    asyncio.run(_run(base_url, count))


async def _run(base_url: str, count: int) -> None:
    songs = 0
    async with MusicAPI(KEY, base_url=base_url, poll_interval=0.001) as client:
        async for outcome in client.run(requests(count), in_flight=AT_ONCE):
            songs += outcome.result is not None
    if songs != count:
        raise RuntimeError(f"{songs} songs of {count}")


def by_hand(base_url: str, count: int) -> None:
    asyncio.run(_by_hand(base_url, count, force_close=True))


def by_hand_kept(base_url: str, count: int) -> None:
    asyncio.run(_by_hand(base_url, count, force_close=False))


async def _by_hand(base_url: str, count: int, *, force_close: bool) -> None:
    sent = sonic.Create(lyrics=LYRICS, title="Harbor", tags="sea shanty, calm").to_wire()
    headers = {"Authorization": f"Bearer {KEY}"}
    semaphore, songs = asyncio.Semaphore(AT_ONCE), 0
    paying = aiohttp.TCPConnector(limit=0, force_close=force_close)
    async with aiohttp.ClientSession(connector=paying) as paid, aiohttp.ClientSession() as polls:

        async def make() -> None:
            nonlocal songs
            try:
                async with paid.post(f"{base_url}/sonic/create", json=sent, headers=headers) as response:
                    task_id = (await response.json())["task_id"]
                await asyncio.sleep(0.001)
                async with polls.get(f"{base_url}/sonic/task/{task_id}", headers=headers) as response:
                    songs += len((await response.json())["data"]) > 1
            finally:
                semaphore.release()

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                await semaphore.acquire()
                group.create_task(make())
    if songs != count:
        raise RuntimeError(f"{songs} songs of {count}")


def by_threads(base_url: str, count: int) -> None:
    client = musicapi.MusicAPI(KEY, base_url=base_url)
    options = PollOptions(poll_interval_ms=1, timeout_ms=60_000)
    local = threading.local()

    def make(_: int) -> None:
        local.songs = client.sonic.generate_and_wait(
            SonicCreateParams(
                mv="sonic-v5", task_type="create_music", custom_mode=True, prompt=LYRICS, title="Harbor", tags="calm"
            ),
            options,
        )

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(make, range(count)))
    client.close()


WAYS: Final[dict[str, tuple[Songs, float]]] = {
    SDK: (by_the_package, 1.0),
    FRESH: (by_hand, 1.0),
    KEPT: (by_hand_kept, 1.0),
    THREADS: (by_threads, 0.3),
}
"""And which part of a round's requests each makes: less where it is slow."""
TLS: Final = "over TLS"
TLS_SHARE: Final = 0.3
"""The part of them that is made over TLS."""


class Cost(NamedTuple):
    """What a song cost."""

    wall: float
    cpu: float


def measure(way: Songs, base_url: str, count: int) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    way(base_url, count)
    return Cost((time.perf_counter() - wall) / count, (time.process_time() - cpu) / count)


def times(costs: dict[str, list[Cost]], name: str, baseline: str, field: str) -> Ratio:
    """Return how many times as many songs in the same time."""
    return ratio([getattr(cost, field) for cost in costs[baseline]], [getattr(cost, field) for cost in costs[name]])


def costs_of(names: list[str], base_url: str, part: float = 1.0) -> dict[str, list[Cost]]:
    """Return what songs cost by these ways, by turns."""
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for turn in range(ROUNDS + 1):
        for name in names:
            way, share = WAYS[name]
            cost = measure(way, base_url, int(SOME * share * part))
            if turn:
                costs[name].append(cost)
        names.append(names.pop(0))
    return costs


def print_throughput(costs: dict[str, list[Cost]]) -> None:
    rows = [
        [
            name,
            f"{median(1 / cost.wall for cost in of_name):.0f}",
            f"{median(cost.cpu for cost in of_name) * MICROSECONDS:.0f}",
            str(times(costs, name, FRESH, "wall")),
            str(times(costs, name, FRESH, "cpu")),
        ]
        for name, of_name in sorted(costs.items(), key=lambda item: median(cost.cpu for cost in item[1]))
    ]
    print_table(["a create and a poll by", "songs a second", "CPU µs", "throughput, of fresh", "by CPU time"], rows)


def throughput(base_url: str) -> None:
    costs = costs_of(list(WAYS), base_url)
    print_title(f"Songs through {AT_ONCE} at once")
    print_throughput(costs)
    judge(costs, FRESH, TARGET)
    judge(costs, THREADS, VENDOR_TARGET)
    price = ratio([cost.cpu for cost in costs[FRESH]], [cost.cpu for cost in costs[KEPT]])
    print(f"\nFresh connections for creates make the hand-written loop cost {price} times the CPU of kept ones.")


def throughput_over_tls(base_url: str) -> None:
    """The vendor's client is left out: it brings authorities of its own."""
    costs = costs_of([SDK, FRESH, KEPT], base_url, TLS_SHARE)
    print_title(f"The same {TLS}")
    print_throughput(costs)
    judge(costs, FRESH, TLS_TARGET, f"{TLS}: ")


def judge(costs: dict[str, list[Cost]], baseline: str, target: float, what: str = "") -> None:
    found, by_cpu = times(costs, SDK, baseline, "wall"), times(costs, SDK, baseline, "cpu")
    words = f"{what}{SDK} makes {found} times the songs a second of {baseline} ({by_cpu} by CPU time)"
    verdict(words, found.median, target, at_least=True)


def at_length(base_url: str) -> None:
    """Make few songs and many, each in a fresh process: throughput, and memory at the end."""
    rows: list[Sequence[str]] = []
    sizes = {}
    for count in (FEW, MANY):
        for name in (SDK, FRESH):
            found = in_a_fresh_process(__file__, name, base_url, str(count))
            sizes[name, count] = found["bytes"]
            mebibytes, peak = found["bytes"] / KIB**2, found["peak"] / KIB**2
            cpu = f"{found['cpu'] / count * MICROSECONDS:.0f}"
            rows.append([name, f"{count:,}", f"{count / found['wall']:.0f}", cpu, f"{mebibytes:.1f}", f"{peak:.1f}"])
    print_title("The same over many requests, each in a fresh process")
    print_table(["by", "requests", "songs a second", "CPU µs", "MiB at the end", "MiB at most"], rows)
    grown = sizes[SDK, MANY] / sizes[SDK, FEW]
    verdict(f"{SDK}: {MANY:,} requests leave {grown:.3f} times the memory of {FEW:,}", grown, FLAT)


async def _sampled(run: Awaitable[None], peak: list[int]) -> None:
    async def sample() -> None:
        while True:
            peak.append(resident())
            await asyncio.sleep(0.25)

    sampling = asyncio.create_task(sample())
    await run
    sampling.cancel()


def main() -> None:
    if sys.argv[1:2] == [TLS]:
        throughput_over_tls(sys.argv[2])
        return
    if len(sys.argv) > 1:
        _, name, base_url, number = sys.argv
        count, peak = int(number), [0]
        run = _run(base_url, count) if name == SDK else _by_hand(base_url, count, force_close=True)
        wall, cpu = time.perf_counter(), time.process_time()
        asyncio.run(_sampled(run, peak))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"wall": wall, "cpu": cpu, "bytes": resident(), "peak": max(peak)}))
        return
    with fake_service() as url:
        throughput(f"{url}/finished")
        at_length(f"{url}/finished")
    with certificate_files() as (certificate, authority), fake_service(common.__file__, certificate) as url:
        # Each way uses the system's authorities, which are read once a process.
        address = f"{url.replace('http:', 'https:')}/finished"
        command = [sys.executable, __file__, TLS, address]
        sys.stdout.flush()
        subprocess.run(command, check=True, env={**os.environ, "SSL_CERT_FILE": authority})


if __name__ == "__main__":
    main()
