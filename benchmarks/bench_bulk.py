"""What a bulk run costs, against an older commit: songs a second, planning a million lines, starting again.

Commit b8af022 is built into an environment of its own (needs git and a package index). A process for each build makes
songs by turns, in interleaved rounds; a ratio is taken within a round. The fake service (in another process) accepts
every create and has every song finished at the first poll, a millisecond after. Nothing is downloaded: the records'
transitions, each on the disk before the next step, are measured, on the disk of this machine (its flush is measured
beside it). For planning, each build checks and plans the same file in a fresh process, one after the other.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any, Final

from common import (
    KEY,
    KIB,
    MICROSECONDS,
    fake_service,
    print_table,
    print_title,
    ratio,
    resident,
    verdict,
)
from old_build import COMMIT, Worker, old_build

from musicapi_async import MusicAPI, bulk

IN_FLIGHT: Final = 64
ROUNDS: Final = 12
SOME: Final = 600
LINES: Final = (20_000, 1_000_000)
FINISHED: Final = 100_000
RATE_TARGET: Final = 1.5
CPU_TARGET: Final = 0.7
PLAN_TARGET: Final = 0.65
LINEAR_TARGET: Final = 1.2
PEAK_TARGET: Final = 200.0
RESUME_TARGET: Final = 2.0
RUN: Final = "client.run"
BULK: Final = "bulk.run, with a journal"
FLUSHES: Final = 200
NOW: Final = "now"

BULK_MODULE: Any = bulk
# The names in the old build are Journal.open, families, row, move, take, start and Facts.
IS_OLD: Final = not hasattr(bulk, "open")
OPEN: Any = BULK_MODULE.Journal.open if IS_OLD else BULK_MODULE.open
SONIC: Any = import_module(f"musicapi_async.{'families' if IS_OLD else 'requests'}.sonic")


def requests(count: int) -> Iterator[Any]:
    return (SONIC.Create(lyrics="[Verse]\nla", title=f"Harbor {n}", tags="sea shanty, calm") for n in range(count))


async def by_run(base_url: str, _: Path) -> int:
    songs = 0
    async with MusicAPI(KEY, base_url=base_url, poll_interval=0.001) as client:
        async for outcome in client.run(requests(SOME), in_flight=IN_FLIGHT):
            songs += outcome.result is not None
    return songs


async def by_bulk(base_url: str, journal_path: Path) -> int:
    songs = 0
    async with MusicAPI(KEY, base_url=base_url, poll_interval=0.001) as client, OPEN(journal_path) as journal:
        run: Any = bulk.run(client, journal, in_flight=IN_FLIGHT)
        async for outcome in run:
            songs += (outcome.row if IS_OLD else outcome.record).state == "saved"
    return songs


async def plan_some(journal_path: Path) -> None:
    """Plan what the next turn makes, in a journal of its own: what that costs is measured below."""
    shutil.rmtree(journal_path.parent, ignore_errors=True)
    async with OPEN(journal_path) as journal:
        await bulk.plan_all(journal, requests(SOME))


def make(base_url: str) -> None:
    """Make songs in the way that each line of standard input names; print the seconds and CPU µs of each song."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        journal_path = Path(folder) / "songs" / "journal.db"
        for line in sys.stdin:
            asyncio.run(plan_some(journal_path))
            wall, cpu = time.perf_counter(), time.process_time()
            songs = asyncio.run((by_run if line.strip() == RUN else by_bulk)(base_url, journal_path))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if songs != SOME:
                raise RuntimeError(f"{songs} songs of {SOME}")
            print(json.dumps({"wall": wall / SOME, "cpu": cpu / SOME * MICROSECONDS}), flush=True)


def throughput(base_url: str, old_python: Path) -> None:
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        workers = {
            build: Worker(python, [__file__, "make", base_url], stack)
            for build, python in ((COMMIT, old_python), (NOW, Path(sys.executable)))
        }
        for turn in range(ROUNDS + 1):
            for way in (RUN, BULK):
                for build in sorted(workers, reverse=bool(turn % 2)):
                    cost = workers[build].do(way)
                    if turn:
                        found.setdefault((way, build), []).append((cost["wall"], cost["cpu"]))
    print_title(f"Songs through {IN_FLIGHT} in flight, each record on the disk before the next step")
    walls = {name: [wall for wall, _ in costs] for name, costs in found.items()}
    cpus = {name: [cpu for _, cpu in costs] for name, costs in found.items()}
    print_table(
        ["by", "songs a second", "CPU µs", f"throughput, of {COMMIT}'s", f"CPU time, of {COMMIT}'s"],
        [
            [
                f"{way}, {build}",
                f"{median(1 / wall for wall in walls[way, build]):.0f}",
                f"{median(cpus[way, build]):.0f}",
                str(ratio(walls[way, COMMIT], walls[way, build])),
                str(ratio(cpus[way, build], cpus[way, COMMIT])),
            ]
            for way, build in found
        ],
    )
    rate = ratio(walls[BULK, COMMIT], walls[BULK, NOW])
    verdict(f"{BULK} makes {rate} times the songs a second of {COMMIT}", rate.median, RATE_TARGET, at_least=True)
    cpu = ratio(cpus[BULK, NOW], cpus[BULK, COMMIT])
    verdict(f"{BULK} takes {cpu} of the CPU time of {COMMIT}", cpu.median, CPU_TARGET)
    print(f"\nA flush of a small write to this disk takes {flush() * 1000:.2f} ms.")


def flush() -> float:
    """Return the seconds that a small write and its flush take, the median."""
    took = []
    with tempfile.TemporaryFile(dir=Path.cwd()) as file:
        for _ in range(FLUSHES):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return median(took)


async def plan(folder: Path) -> dict[str, float]:
    """Check and plan a file of requests; return seconds and the most memory."""
    peak = [0]

    async def sample() -> None:
        while True:
            peak.append(resident())
            await asyncio.sleep(0.1)

    sampling = asyncio.create_task(sample())
    began, cpu = time.perf_counter(), time.process_time()
    async with OPEN(folder / "songs" / "journal.db") as journal:
        await bulk.plan_all(journal, bulk.read_requests(folder / "requests.jsonl", "sonic.create"))
    sampling.cancel()
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak": max(peak) / KIB**2,
    }


async def resume(folder: Path) -> dict[str, float]:
    """Open a journal of finished records, plan the same requests again, and find that nothing is left to do."""
    began = time.perf_counter()
    async with MusicAPI(KEY, base_url="http://127.0.0.1:1") as client, OPEN(folder / "songs" / "journal.db") as journal:
        async for _ in bulk.run(client, journal):
            raise RuntimeError("there was something left to do")
        gone_on = time.perf_counter() - began
    lines = bulk.read_requests(folder / "requests.jsonl", "sonic.create")
    began, cpu = time.perf_counter(), time.process_time()
    async with OPEN(folder / "songs" / "journal.db") as journal:
        await bulk.plan_all(journal, lines)
    return {
        "seconds": gone_on,
        "planning": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak": resident() / KIB**2,
    }


async def finish_all(folder: Path) -> dict[str, float]:
    """Have every record of a journal saved, as a run would leave it."""
    clips = [{"clip_id": "26c9c592-0566-46cf-bb71-91ac1deaa7b5", "title": "Harbor", "state": "succeeded"}] * 2
    changed: Any = BULK_MODULE.Facts if IS_OLD else BULK_MODULE.Changes
    changes = {"accepted": changed(task_id="0f8fad5b-d9cb-469f-a165-70867728950e"), "finished": changed(clips=clips)}
    async with OPEN(folder / "songs" / "journal.db") as journal:
        await bulk.plan_all(journal, bulk.read_requests(folder / "requests.jsonl", "sonic.create"))
        await journal.remember("service", "127.0.0.1:1")
        await (journal.start if IS_OLD else journal.activate_plan)()
        take, move = (journal.take, journal.move) if IS_OLD else (journal.claim, journal.transition)
        while records := await take(5_000):
            for state in ("sending", "accepted", "finished", "saved"):
                records = await asyncio.gather(
                    *(move(record, state, changes.get(state, changed())) for record in records)
                )
    return {}


def write_lines(folder: Path, count: int) -> None:
    with (folder / "requests.jsonl").open("w") as file:
        for number in range(count):
            line = {"lyrics": "[Verse]\nThe harbour sleeps", "title": f"Harbor {number}", "tags": "sea shanty, calm"}
            file.write(json.dumps(line) + "\n")


def in_process(python: Path, work: str, folder: Path) -> dict[str, float]:
    """Return the figures of a piece of work in a fresh process of a build."""
    with ExitStack() as stack:
        return dict(Worker(python, [__file__, "once"], stack).do(f"{work} {folder}"))


def planning(old_python: Path) -> None:
    builds = {COMMIT: old_python, NOW: Path(sys.executable)}
    planned: dict[tuple[str, int], dict[str, float]] = {}
    resumed: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        for count in LINES:
            write_lines(folder, count)
            for build, python in builds.items():
                planned[build, count] = in_process(python, "plan", folder)
                shutil.rmtree(folder / "songs")
        write_lines(folder, FINISHED)
        for build, python in builds.items():
            in_process(python, "finish", folder)
            resumed[build] = in_process(python, "resume", folder)
            shutil.rmtree(folder / "songs")
    print_title("Planning, and starting again")
    each = {(build, count): cost["cpu"] / count * MICROSECONDS for (build, count), cost in planned.items()}
    print_table(
        ["what", "seconds", "CPU seconds", "CPU µs a line", "MiB at most"],
        [
            [
                f"check and plan {count:,} lines, {build}",
                f"{planned[build, count]['seconds']:.1f}",
                f"{planned[build, count]['cpu']:.1f}",
                f"{each[build, count]:.0f}",
                f"{planned[build, count]['peak']:.0f}",
            ]
            for build, count in planned
        ],
    )
    print_table(
        ["what", "seconds", "MiB"],
        [
            row
            for build, found in resumed.items()
            for row in (
                [f"find {FINISHED:,} records finished, {build}", f"{found['seconds']:.2f}", f"{found['peak']:.0f}"],
                [f"check their {FINISHED:,} lines against the journal, {build}", f"{found['planning']:.2f}", ""],
            )
        ],
    )
    few, many = LINES
    share = each[NOW, many] / each[COMMIT, many]
    verdict(f"Planning {many:,} lines takes {share:.2f} of the CPU time of {COMMIT}", share, PLAN_TARGET)
    grown = each[NOW, many] / each[NOW, few]
    verdict(f"A line of {many:,} takes {grown:.2f} times the CPU time of one of {few:,}", grown, LINEAR_TARGET)
    peak = planned[NOW, many]["peak"]
    verdict(f"Planning {many:,} lines takes {peak:.0f} MiB", peak, PEAK_TARGET)
    verdict(f"Starting again takes {resumed[NOW]['seconds']:.2f} s", resumed[NOW]["seconds"], RESUME_TARGET)


def main() -> None:
    if sys.argv[1:2] == ["make"]:
        make(sys.argv[2])
    elif sys.argv[1:2] == ["once"]:
        work, folder = sys.stdin.readline().split()
        done = {"plan": plan, "resume": resume, "finish": finish_all}[work](Path(folder))
        print(json.dumps(asyncio.run(done)))
    else:
        with old_build() as old_python:
            with fake_service() as url:
                throughput(f"{url}/finished", old_python)
            planning(old_python)


if __name__ == "__main__":
    main()
