"""What the journal of a bulk run costs: songs a second against ``client.run``, planning a million, starting again.

The fake service (in another process) accepts every create and has every song finished at the first poll, a millisecond
after. Nothing is downloaded: the records' four transitions, each on the disk before the next step, are measured, on the
disk of this machine (its flush is measured beside it).
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Final

from common import (
    KEY,
    KIB,
    MICROSECONDS,
    fake_service,
    in_a_fresh_process,
    print_table,
    print_title,
    ratio,
    resident,
    verdict,
)

from musicapi_async import MusicAPI, bulk
from musicapi_async.bulk import Changes
from musicapi_async.requests import sonic

IN_FLIGHT: Final = 64
ROUNDS: Final = 7
SOME: Final = 1_000
LINES: Final = 1_000_000
FINISHED: Final = 100_000
RATE_TARGET: Final = 500.0
CPU_TARGET: Final = 1300.0
SHARE_TARGET: Final = 0.8
PEAK_TARGET: Final = 200.0
RESUME_TARGET: Final = 2.0
RUN: Final = "client.run"
BULK: Final = "bulk.run, with a journal"
FLUSHES: Final = 200


def requests(count: int) -> Iterator[sonic.Create]:
    return (sonic.Create(lyrics="[Verse]\nla", title=f"Harbor {n}", tags="sea shanty, calm") for n in range(count))


async def by_run(base_url: str, count: int) -> float:
    songs = 0
    async with MusicAPI(KEY, base_url=base_url, poll_interval=0.001) as client:
        async for outcome in client.run(requests(count), in_flight=IN_FLIGHT):
            songs += outcome.result is not None
    return songs


async def by_bulk(base_url: str, count: int) -> float:
    songs = 0
    async with (
        MusicAPI(KEY, base_url=base_url, poll_interval=0.001) as client,
        bulk.open(journal_path()) as journal,
    ):
        async for outcome in bulk.run(client, journal, in_flight=IN_FLIGHT):
            songs += outcome.record.state == "saved"
    if songs != count:
        raise RuntimeError(f"{songs} songs of {count}")
    return songs


def journal_path() -> Path:
    return Path.cwd() / "bench-journal" / "journal.db"


async def plan_some() -> None:
    """Plan what the next turn makes, in a journal of its own: what that costs is measured below."""
    shutil.rmtree(journal_path().parent, ignore_errors=True)
    async with bulk.open(journal_path()) as journal:
        await bulk.plan_all(journal, requests(SOME))


def throughput(base_url: str) -> None:
    walls: dict[str, list[float]] = {RUN: [], BULK: []}
    cpus: dict[str, list[float]] = {RUN: [], BULK: []}
    ways: dict[str, Callable[[str, int], object]] = {RUN: by_run, BULK: by_bulk}
    for turn in range(ROUNDS + 1):
        for name in sorted(ways, reverse=bool(turn % 2)):
            asyncio.run(plan_some())
            wall, cpu = time.perf_counter(), time.process_time()
            songs = asyncio.run(ways[name](base_url, SOME))  # type: ignore[arg-type]  # both are coroutines
            if songs != SOME:
                raise RuntimeError(f"{songs} songs of {SOME}")
            if turn:
                walls[name].append((time.perf_counter() - wall) / SOME)
                cpus[name].append((time.process_time() - cpu) / SOME * MICROSECONDS)
    shutil.rmtree(journal_path().parent)
    print_title(f"Songs through {IN_FLIGHT} in flight, each record on the disk before the next step")
    print_table(
        ["by", "songs a second", "CPU µs", "throughput, of client.run", "by CPU time"],
        [
            [
                name,
                f"{median(1 / wall for wall in walls[name]):.0f}",
                f"{median(cpus[name]):.0f}",
                str(ratio(walls[RUN], walls[name])),
                str(ratio(cpus[RUN], cpus[name])),
            ]
            for name in ways
        ],
    )
    rate = median(1 / wall for wall in walls[BULK])
    verdict(f"{BULK}: {rate:.0f} songs a second", rate, RATE_TARGET, at_least=True)
    verdict(f"{BULK}: {median(cpus[BULK]):.0f} µs of CPU a song", median(cpus[BULK]), CPU_TARGET)
    share = ratio(walls[RUN], walls[BULK])
    verdict(f"{BULK} makes {share} times the songs a second of {RUN}", share.median, SHARE_TARGET, at_least=True)
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
    """Check and plan a file of a million lines; return seconds and the most memory."""
    peak = [0]

    async def sample() -> None:
        while True:
            peak.append(resident())
            await asyncio.sleep(0.1)

    sampling = asyncio.create_task(sample())
    began, cpu = time.perf_counter(), time.process_time()
    async with bulk.open(folder / "journal.db") as journal:
        count, _ = await bulk.plan_all(journal, bulk.read_requests(folder / "requests.jsonl", "sonic.create"))
    sampling.cancel()
    return {
        "requests": count,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak": max(peak) / KIB**2,
    }


async def resume(folder: Path) -> dict[str, float]:
    """Open a journal of finished records, plan the same requests again, and find that nothing is left to do."""
    began = time.perf_counter()
    async with (
        MusicAPI(KEY, base_url="http://127.0.0.1:1") as client,
        bulk.open(folder / "journal.db") as journal,
    ):
        async for _ in bulk.run(client, journal):
            raise RuntimeError("there was something left to do")
        gone_on = time.perf_counter() - began
    lines = bulk.read_requests(folder / "requests.jsonl", "sonic.create")
    began = time.perf_counter()
    async with bulk.open(folder / "journal.db") as journal:
        await bulk.plan_all(journal, lines)
    return {"seconds": gone_on, "planning": time.perf_counter() - began, "peak": resident() / KIB**2}


async def finish_all(folder: Path) -> None:
    """Have every record of a journal saved, as a run would leave it."""
    clips = [{"clip_id": "26c9c592-0566-46cf-bb71-91ac1deaa7b5", "title": "Harbor", "state": "succeeded"}] * 2
    changes = {"accepted": Changes(task_id="0f8fad5b-d9cb-469f-a165-70867728950e"), "finished": Changes(clips=clips)}
    async with bulk.open(folder / "journal.db") as journal:
        await bulk.plan_all(journal, bulk.read_requests(folder / "requests.jsonl", "sonic.create"))
        await journal.remember("service", "127.0.0.1:1")
        await journal.activate_plan()
        while records := await journal.claim(5_000):
            for state in ("sending", "accepted", "finished", "saved"):
                records = await asyncio.gather(
                    *(journal.transition(record, state, changes.get(state, Changes())) for record in records)
                )


def write_lines(folder: Path, count: int) -> None:
    with (folder / "requests.jsonl").open("w") as file:
        for number in range(count):
            line = {"lyrics": "[Verse]\nThe harbour sleeps", "title": f"Harbor {number}", "tags": "sea shanty, calm"}
            file.write(json.dumps(line) + "\n")


def planning() -> None:
    print_title("Planning, and starting again")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        write_lines(Path(folder), LINES)
        planned = in_a_fresh_process(__file__, "plan", folder)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        write_lines(Path(folder), FINISHED)
        asyncio.run(finish_all(Path(folder)))
        resumed = in_a_fresh_process(__file__, "resume", folder)
    print_table(
        ["what", "seconds", "MiB at most"],
        [
            [f"check and plan {planned['requests']:,.0f} lines", f"{planned['seconds']:.1f}", f"{planned['peak']:.0f}"],
            [f"find {FINISHED:,} records finished", f"{resumed['seconds']:.2f}", f"{resumed['peak']:.0f}"],
            [f"check their {FINISHED:,} lines against the journal", f"{resumed['planning']:.2f}", ""],
        ],
    )
    verdict(f"Planning {LINES:,} lines takes {planned['peak']:.0f} MiB", planned["peak"], PEAK_TARGET)
    verdict(f"Starting again takes {resumed['seconds']:.2f} s", resumed["seconds"], RESUME_TARGET)


def main() -> None:
    if len(sys.argv) > 1:
        _, what, folder = sys.argv
        print(json.dumps(asyncio.run((plan if what == "plan" else resume)(Path(folder)))))
        return
    with fake_service() as url:
        throughput(f"{url}/finished")
    planning()


if __name__ == "__main__":
    main()
