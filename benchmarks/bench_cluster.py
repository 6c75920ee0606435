"""Workers on one journal in PostgreSQL against the journal in a file: songs a second, CPU a song, idle queries.

The fake service (in another process) accepts every create and has every song finished at the first poll, a millisecond
after; nothing is downloaded. The database is a private one on this machine and flushes every commit to the disk. The
database, the service and the workers share the processors: more workers than processors are left gain nothing here.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import asyncpg
from common import KEY, MICROSECONDS, fake_service, print_table, print_title, ratio, verdict
from postgres import Postgres, find_binaries, serve

from musicapi_async import MusicAPI, bulk
from musicapi_async.bulk.plan_options import PlanOptions
from musicapi_async.requests import sonic

SONGS: Final = 600
IN_FLIGHT: Final = 64
ROUNDS: Final = 3
WORKERS: Final = (1, 2, 4)
IDLE_SECONDS: Final = 20
FILE: Final = "journal in a file"
DATABASE: Final = "PostgreSQL"
PLANNED: Final = 100_000
PLANNING_ROUNDS: Final = 2
PLANNING_TARGET: Final = 1.5
TWO_TARGET: Final = 0.8
CPU_TARGET: Final = 2.5
IDLE_TARGET: Final = 1.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
CHILD: Final = "work"


def requests(count: int) -> Iterator[sonic.Create]:
    return (sonic.Create(lyrics="[Verse]\nla", title=f"Harbor {n}", tags="sea shanty, calm") for n in range(count))


async def plan(journal: str, count: int = SONGS) -> None:
    async with bulk.open(journal) as opened:
        await bulk.plan_all(opened, requests(count), PlanOptions(in_flight=IN_FLIGHT))


async def work(journal: str, base_url: str, *, stay: bool = False) -> None:
    """Work off a journal; print time and CPU time before and after, so that the start of Python is not counted."""
    async with MusicAPI(KEY, base_url=base_url, poll_interval=0.001) as client, bulk.open(journal) as opened:
        print(time.monotonic(), time.process_time(), flush=True)
        async for _ in bulk.work(client, opened, stay=stay):
            pass
        print(time.monotonic(), time.process_time(), flush=True)


def run_workers(journal: str, base_url: str, count: int) -> tuple[float, float]:
    """Return the seconds from the first worker's start to the last one's end, and their CPU seconds."""
    command = [sys.executable, __file__, CHILD, journal, base_url]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    figures = [list(map(float, worker.communicate()[0].split())) for worker in workers]
    starts, cpus_before, ends, cpus_after = zip(*figures, strict=True)
    return max(ends) - min(starts), sum(cpus_after) - sum(cpus_before)


def database_cpu(server: Postgres) -> float:
    """Return the CPU seconds of the server so far, of the connections that have ended too."""
    main = int((server.data / "postmaster.pid").read_text(encoding="ascii").split()[0])
    seconds = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == main:
            seconds += sum(map(int, fields[11:15]))
        elif int(fields[1]) == main:
            seconds += sum(map(int, fields[11:13]))
    return seconds / TICKS


def throughput(server: Postgres, base_url: str) -> None:
    names = [FILE, *(f"PostgreSQL, {count} worker{'s'[: count != 1]}" for count in WORKERS)]
    walls: dict[str, list[float]] = {name: [] for name in names}
    cpus: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(ROUNDS + 1):
        for name, count in zip(names, (1, *WORKERS), strict=True):
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                journal = str(Path(folder) / "journal.db") if name == FILE else server.database()
                asyncio.run(plan(journal))
                before = database_cpu(server)
                wall, cpu = run_workers(journal, base_url, count)
                if turn:
                    walls[name].append(wall / SONGS)
                    cpus[name].append((cpu + database_cpu(server) - before) / SONGS * MICROSECONDS)
    print_title(f"{SONGS} songs through {IN_FLIGHT} in flight, by workers on one journal")
    rows = [
        [
            name,
            f"{median(1 / wall for wall in walls[name]):.0f}",
            f"{median(cpus[name]):.0f}",
            str(ratio(walls[FILE], walls[name])),
            str(ratio(cpus[name], cpus[FILE])),
        ]
        for name in names
    ]
    print_table(
        ["journal", "songs a second", "CPU µs a song", "songs a second, of the file's", "CPU, of the file's"], rows
    )
    two, four = (ratio(walls[FILE], walls[name]).median for name in names[2:])
    verdict(f"two workers make {two:.2f} times the songs a second of the file", two, TWO_TARGET, at_least=True)
    verdict(f"four workers make {four / two:.2f} times those of two", four / two, 1.0, at_least=True)
    cost = ratio(cpus[names[2]], cpus[FILE]).median
    verdict(f"a song costs {cost:.2f} times the CPU, of workers and database", cost, CPU_TARGET)


def planning(server: Postgres) -> None:
    """Print the time and the CPU time of a line that is planned, of the program and the database."""
    walls: dict[str, list[float]] = {FILE: [], DATABASE: []}
    cpus: dict[str, list[float]] = {FILE: [], DATABASE: []}
    for _ in range(PLANNING_ROUNDS):
        for name in (FILE, DATABASE):
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                journal = str(Path(folder) / "journal.db") if name == FILE else server.database()
                wall, cpu = time.monotonic(), time.process_time() + database_cpu(server)
                asyncio.run(plan(journal, PLANNED))
                walls[name].append((time.monotonic() - wall) / PLANNED * MICROSECONDS)
                cpus[name].append((time.process_time() + database_cpu(server) - cpu) / PLANNED * MICROSECONDS)
    print_title(f"Planning of {PLANNED:,} requests")
    rows = [
        [name, f"{median(walls[name]):.0f}", f"{median(cpus[name]):.0f}", str(ratio(walls[name], walls[FILE]))]
        for name in walls
    ]
    print_table(["journal", "µs a request", "CPU µs a request", "time, of the file's"], rows)
    found = ratio(walls[DATABASE], walls[FILE]).median
    verdict(f"planning takes {found:.2f} times as long as in the file", found, PLANNING_TARGET)


def count_of(server: Postgres, journal: str) -> int:
    return sum("execute" in line for line in server.log_of(journal))


async def count_statements(server: Postgres, journal: str, base_url: str) -> float:
    """Return the statements a second of one worker that waits for another plan, by the server's log."""
    connection = await asyncpg.connect(journal)
    await connection.execute(f"ALTER DATABASE {journal.rpartition('/')[2]} SET log_statement = 'all'")
    await connection.close()
    working = asyncio.create_task(work(journal, base_url, stay=True))
    await asyncio.sleep(5)
    before = count_of(server, journal)
    await asyncio.sleep(IDLE_SECONDS)
    after = count_of(server, journal)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return (after - before) / IDLE_SECONDS


def idle(server: Postgres, base_url: str) -> None:
    found = asyncio.run(count_statements(server, server.database(), base_url))
    print_title("A worker that waits for another plan")
    verdict(f"it sends {found:.2f} statements a second", found, IDLE_TARGET)


@contextmanager
def database_server() -> Iterator[Postgres]:
    """Serve a database that flushes every commit; without PostgreSQL say so, and end the benchmark."""
    binaries = find_binaries()
    if binaries is None:
        print(json.dumps({"skipped": "PostgreSQL is not installed"}))
        sys.exit()
    os.environ["MUSICAPI_STATE"] = tempfile.mkdtemp()
    with serve(binaries, flushes=True) as server:
        yield server


def main() -> None:
    if sys.argv[1:2] == [CHILD]:
        asyncio.run(work(*sys.argv[2:]))
        return
    with database_server() as server, fake_service() as url:
        planning(server)
        throughput(server, f"{url}/finished")
        idle(server, f"{url}/finished")


if __name__ == "__main__":
    main()
