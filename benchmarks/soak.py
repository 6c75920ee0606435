"""Many tasks in flight for a long time, with faults: memory, sockets, tasks and file handles must not grow.

``make soak``; or ``PYTHONPATH=tests python benchmarks/soak.py --minutes 2``. The sandbox and the proxy that plays the
faults run in another process, so that what is measured is the client alone. The sandbox remembers every task: 200 tasks
of 20 seconds are 6000 tasks in ten minutes, some 30 MB, and only a few songs are ever fetched (and so written by it).
Ends with 1 when anything grows, is left, or does not add up.
"""

import argparse
import asyncio
import gc
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import attrs
from common import KEY, print_table, print_title
from faults.fault_plan import FaultPlan
from faults.proxy import FaultProxy
from faults.user_records import names_of

from musicapi_async import MusicAPI, Outcome, Songs, errors, sonic
from musicapi_async.sandbox import Sandbox

IN_FLIGHT: Final = 200
A_SONG: Final = 20.0
SHARE: Final = 0.02
"""Of all requests: they meet a fault."""
INTERVAL: Final = 2.0
PATIENCE: Final = 3.0
BETWEEN_SAMPLES: Final = 10.0
WARM_UP: Final = 0.25
"""The part of the time that is not judged: pools fill, caches are made."""
FETCHED: Final = 20
"""How many different songs are fetched, again and again."""
MEGABYTE: Final = 1024 * 1024


class Sample(NamedTuple):
    """What the client's process held at one moment."""

    seconds: float
    traced: float
    """Bytes that Python objects hold."""
    resident: float
    """Bytes of the whole process."""
    handles: float
    """Open sockets and files."""
    tasks: float
    """Of the event loop."""


MOST_GROWTH: Final = Sample(0, 0.5 * MEGABYTE, 4 * MEGABYTE, 4, 8)
"""By the fitted line, from the end of the warming-up to the end. What leaks grows with every task, and there are 10 a
second: 1 KB of each is 4.5 MB in ten minutes."""


def take_sample(began: float) -> Sample:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return Sample(
        time.monotonic() - began,
        tracemalloc.get_traced_memory()[0],
        pages * os.sysconf("SC_PAGE_SIZE"),
        sum(1 for _ in Path("/proc/self/fd").iterdir()),
        len(asyncio.all_tasks()),
    )


def growth(samples: Sequence[Sample]) -> Sample:
    """Fit a line through what came after the warming-up, and return by how much it rises."""
    whole = samples[-1].seconds
    judged = [sample for sample in samples if sample.seconds >= WARM_UP * whole]
    span = judged[-1].seconds - judged[0].seconds
    seconds = [sample.seconds for sample in judged]
    slopes = (statistics.linear_regression(seconds, held).slope for held in zip(*judged, strict=True))
    return Sample(*(slope * span for slope in slopes))


@attrs.define
class Tally:
    """What was done; nothing here grows with time."""

    ended: int = 0
    """Tasks whose end was returned."""
    uncertain: int = 0
    fetched: int = 0
    outcomes: Counter[str] = attrs.field(factory=Counter)
    urls: list[str] = attrs.field(factory=list)

    def report(self, error: errors.UncertainSubmissionError) -> None:
        """Be the client's hook."""
        del error
        self.uncertain += 1

    def take(self, outcome: Outcome[Songs]) -> None:
        """Count an outcome."""
        self.outcomes[type(outcome.error or outcome.result).__name__] += 1
        self.ended += outcome.result is not None or isinstance(outcome.error, errors.TaskFailedError)
        if outcome.result and len(self.urls) < FETCHED:
            self.urls.extend(clip.audio_url for clip in outcome.result if clip.audio_url)


async def soak(base_url: str, seconds: float, samples: list[Sample]) -> tuple[Tally, int]:
    """Keep the client busy, and return what was done and how many tasks were still running at the end."""
    tally, began = Tally(), time.monotonic()
    sampling = asyncio.create_task(sample_on(samples, began))
    requests = (sonic.Describe(description=f"song {number}") for number in itertools.count())
    async with MusicAPI(
        KEY,
        base_url=base_url,
        timeout=PATIENCE,
        poll_interval=INTERVAL,
        create_rate=1000,
        on_uncertain=tally.report,
    ) as client:
        run = client.run(requests, in_flight=IN_FLIGHT, timeout=10 * A_SONG)
        async for outcome in run:
            tally.take(outcome)
            if sum(tally.outcomes.values()) % 20 == 0:
                await do_else(client, tally)
            if time.monotonic() - began > seconds:
                break
        sampling.cancel()
        await run.aclose()
        return tally, len(run.tasks)


async def sample_on(samples: list[Sample], began: float) -> None:
    """Take a sample now and then, and show it."""
    while True:
        samples.append(take_sample(began))
        print(" ".join(f"{value:.0f}" for value in samples[-1]), file=sys.stderr)
        await asyncio.sleep(BETWEEN_SAMPLES)


async def do_else(client: MusicAPI, tally: Tally) -> None:
    """Read the balance, and download a song, through the proxy as well; either may fail here."""
    try:
        await client.account.credits()
        if tally.urls:
            url = urlsplit(tally.urls[tally.fetched % len(tally.urls)])
            through = url._replace(netloc=urlsplit(client.settings.base_url).netloc).geturl()
            with tempfile.TemporaryDirectory() as folder:
                await client.download(through, Path(folder) / "song")
            tally.fetched += 1
    except errors.MusicAPIError as error:
        tally.outcomes[f"besides: {type(error).__name__}"] += 1


async def serve() -> None:
    """Serve the sandbox behind the faults until standard input ends; print the port, and at the end the counts."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    plan = FaultPlan(seed=1, paid=SHARE, polls=SHARE)
    async with Sandbox(seconds=A_SONG, credits=1e9, endings={"failed": SHARE}) as sandbox:
        async with FaultProxy(int(sandbox.base_url.split(":")[2].split("/")[0]), plan) as proxy:
            print(proxy.port, flush=True)
            await ended.wait()
            await proxy.drained()
        names = {name for task in sandbox.tasks for name in names_of(task.request)}
        faults = sum(plan.injected.values())
        counts = {"accepted": len(sandbox.tasks), "songs": len(names), "faults": faults, "requests": proxy.requests}
    print(json.dumps(counts), flush=True)


@contextmanager
def service() -> Iterator[tuple[str, IO[str], IO[str]]]:
    """Start the service in a process of its own; yield its address, its input (closing it ends it), and its output."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        ends, output = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        try:
            yield f"http://127.0.0.1:{int(output.readline())}/api/v1", ends, output
        finally:
            ends.close()


def judge(
    samples: Sequence[Sample], left: Sample, before: Sample, counted: dict[str, int], known: int, unsure: int
) -> list[str]:
    """Return what is wrong, in words."""
    grown = growth(samples)
    found = [
        f"{name} grew by {by:.0f}"
        for name, by, most in zip(Sample._fields, grown, MOST_GROWTH, strict=True)
        if name != "seconds" and by > most
    ]
    if left.handles > before.handles or left.tasks > before.tasks:
        found.append(f"left open: {left.handles - before.handles} handles, {left.tasks - before.tasks} tasks")
    if counted["accepted"] > counted["songs"]:
        found.append(f"{counted['accepted'] - counted['songs']} accepted twice")
    if counted["faults"] < SHARE / 2 * counted["requests"]:
        found.append(f"{counted['faults']} faults are too few to mean anything")
    if not 0 <= counted["accepted"] - known <= unsure:
        found.append(f"{counted['accepted']} accepted, {known} known, {unsure} uncertain: does not add up")
    return found


def print_account(samples: Sequence[Sample], tally: Tally, counted: dict[str, Any]) -> None:
    grown = growth(samples)
    at = [samples[round(part * (len(samples) - 1))] for part in (WARM_UP, 0.5, 1)]
    print_title(f"{IN_FLIGHT} tasks in flight for {samples[-1].seconds / 60:.1f} minutes, faults on {SHARE:.0%}")
    units = {"traced": MEGABYTE, "resident": MEGABYTE, "handles": 1, "tasks": 1}
    words = ("Python objects, MB", "process, MB", "sockets and files", "event loop tasks")
    rows = [
        [word, *(f"{getattr(sample, name) / unit:.2f}" for sample in at), f"{getattr(grown, name) / unit:+.2f}"]
        for word, (name, unit) in zip(words, units.items(), strict=True)
    ]
    print_table(["of the client", "after the warming-up", "half way", "at the end", "growth, fitted"], rows)
    print(f"\n{counted['requests']} requests, {counted['faults']} faults; outcomes: {dict(tally.outcomes)}; ", end="")
    print(f"songs fetched: {tally.fetched}; accepted {counted['accepted']}, of which twice ", end="")
    print(f"{counted['accepted'] - counted['songs']}; reported uncertain {tally.uncertain}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Soak the client.")
    parser.add_argument("--minutes", type=float, default=10.5)
    parser.add_argument("--serve", action="store_true", help="be the service")
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve())
        return
    samples: list[Sample] = []
    tracemalloc.start()

    async def measure(url: str) -> tuple[Tally, int, Sample, Sample]:
        before = take_sample(time.monotonic())
        tally, running = await soak(url, 60 * given.minutes, samples)
        await asyncio.sleep(0.1)
        return tally, running, before, take_sample(time.monotonic())

    with service() as (url, ends, output):
        tally, running, before, left = asyncio.run(measure(url))
        ends.close()
        counted = json.loads(output.readline())
    print_account(samples, tally, counted)
    wrong = judge(samples, left, before, counted, tally.ended + running, tally.uncertain)
    print(f"\nwrong: {', '.join(wrong) or 'nothing'}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
