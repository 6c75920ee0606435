"""The journal's own claims against jobs of PGQueuer that lead to the same claims: statements, commits, CPU, lines.

Every record is claimed, accepted and saved: transitions of the journal, which alone decides whether a request may be
sent. What differs is how a worker finds its next record: by ``FOR UPDATE SKIP LOCKED`` on the journal's table, or by a
job of PGQueuer, a hint, that the planning transaction put in. The database flushes every commit to the disk.
"""

import asyncio
import inspect
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import asyncpg
from bench_cluster import database_cpu, database_server, requests
from common import MICROSECONDS, print_table, print_title, ratio
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode
from postgres import Postgres

from musicapi_async.bulk.keys import Keys
from musicapi_async.bulk.postgres import PostgresJournal
from musicapi_async.bulk.postgres.address import Address
from musicapi_async.bulk.postgres.connection import Batches, Channel
from musicapi_async.bulk.postgres.planning import add_to_plan
from musicapi_async.bulk.postgres.records import PICK, shared_record_of
from musicapi_async.bulk.records import Changes, Record

RECORDS: Final = 2000
ROUNDS: Final = 5
BATCH: Final = 16  # records or jobs that a worker takes at once
WINDOW: Final = 32  # that it moves at the same time; PGQueuer refuses less than two batches
JOURNAL: Final = "journal"
QUEUE: Final = "PGQueuer"
NAMES: Final = (JOURNAL, QUEUE)
CONTENDERS: Final = [(name, count) for count in (1, 2) for name in NAMES]
PLANNED: Final = "SELECT number AS after, * FROM musicapi.record WHERE state = 'planned' AND number = ANY($1)"
COMMITS: Final = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


async def move(journal: PostgresJournal, record: Record) -> None:
    while (sending := await journal.start_sending(record, Changes(charge=20.0))) is None:
        await journal.turn()
    accepted = await journal.transition(sending, "accepted", Changes(task_id=f"task-{record.number}"))
    await journal.transition(accepted, "saved")


async def work_by_journal(journal: PostgresJournal) -> None:
    free = asyncio.Semaphore(WINDOW)

    async def run(record: Record) -> None:
        await move(journal, record)
        free.release()

    async with asyncio.TaskGroup() as group:
        while found := await journal.claim(BATCH):
            for record in found:
                await free.acquire()
                group.create_task(run(record))


async def work_by_jobs(journal: PostgresJournal, address: str) -> None:
    manager = QueueManager(Queries.from_asyncpg_connection(await asyncpg.connect(address)))

    async def read(connection: Any, numbers: Sequence[int]) -> Sequence[Any]:
        return list(await connection.fetch(PLANNED, numbers))

    reads = Batches(Channel(Address.of(address)), read)

    @manager.entrypoint("song")
    async def song(job: Job) -> None:
        number = int(job.payload or b"")
        if (row := await reads.run(number, number)) is not None:
            await move(journal, shared_record_of(row))

    await manager.run(batch_size=BATCH, max_concurrent_tasks=WINDOW, mode=QueueExecutionMode.drain)


async def add_jobs(connection: Any) -> None:
    """Put in a job for each planned record without one: in the transaction that plans them, and as the later sweep."""
    rows = await connection.fetch("""
        SELECT convert_to(number::text, 'UTF8') AS payload FROM musicapi.record WHERE state = 'planned'
        EXCEPT SELECT payload FROM pgqueuer
    """)
    payloads = sorted((row["payload"] for row in rows), key=int)
    await Queries.from_asyncpg_connection(connection).enqueue(["song"] * len(rows), payloads, [0] * len(rows))


async def plan(address: str, name: str) -> None:
    """Plan the records, with jobs for PGQueuer."""
    keys = Keys()
    planned = [keys.planned(request) for request in requests(RECORDS)]
    entries = [(one.key, one.operation, json.dumps(one.request), one.key_version) for one in planned]
    async with PostgresJournal(address):  # creates the tables
        connection = await asyncpg.connect(address)
    if name == QUEUE:
        await Queries.from_asyncpg_connection(connection).install()
    async with connection.transaction():
        await add_to_plan(connection, entries, None)
        if name == QUEUE:
            await add_jobs(connection)
    await connection.close()


async def work(name: str, address: str) -> None:
    """Move records until none is left; print the CPU time before and after, so that the start is not counted."""
    async with PostgresJournal(address) as journal:
        journal.limit(in_flight=RECORDS, max_credits=None, create_rate=None)
        await journal.join()
        print(time.monotonic(), time.process_time(), flush=True)
        await (work_by_journal(journal) if name == JOURNAL else work_by_jobs(journal, address))
        print(time.monotonic(), time.process_time(), flush=True)


async def ask(address: str, query: str) -> Any:
    connection = await asyncpg.connect(address)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def run(server: Postgres, name: str, count: int, *, is_logged: bool = False) -> dict[str, float]:
    """Return what each record cost, moved by this many workers; the statements only where they are logged."""
    address = server.database()
    asyncio.run(plan(address, name))
    if is_logged:
        asyncio.run(ask(address, f"ALTER DATABASE {address.rpartition('/')[2]} SET log_statement = 'all'"))
    before, commits = database_cpu(server), asyncio.run(ask(address, COMMITS))
    command = [sys.executable, __file__, name, address]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    figures = [list(map(float, worker.communicate()[0].split())) for worker in workers]
    starts, cpus_before, ends, cpus_after = zip(*figures, strict=True)
    found = {
        "worker": (sum(cpus_after) - sum(cpus_before)) * MICROSECONDS,
        "database": (database_cpu(server) - before) * MICROSECONDS,
        "wall": (max(ends) - min(starts)) * MICROSECONDS,
        "commits": asyncio.run(ask(address, COMMITS)) - commits,
        "statements": sum(line.startswith(("LOG:  execute", "LOG:  statement")) for line in server.log_of(address)),
    }
    if (saved := asyncio.run(ask(address, "SELECT count(*) FROM musicapi.record WHERE state = 'saved'"))) != RECORDS:
        raise RuntimeError(f"{name}: {saved} of {RECORDS} records are saved")
    return {what: value / RECORDS for what, value in found.items()}


def lines_of(*parts: Any) -> int:
    """Return the lines of functions, and of texts as they stand, without empty ones and docstrings of a line."""
    lines = "\n".join(part if isinstance(part, str) else inspect.getsource(part) for part in parts).splitlines()
    return sum(bool(line.strip()) and not line.strip().startswith('"""') for line in lines)


def main() -> None:
    if sys.argv[1:]:
        asyncio.run(work(*sys.argv[1:]))
        return
    with database_server() as server:
        statements = {one: run(server, *one, is_logged=True)["statements"] for one in CONTENDERS}
        rounds = [{one: run(server, *one) for one in CONTENDERS} for _ in range(ROUNDS)]
    print_title(f"{RECORDS} records from planned to saved, {ROUNDS} rounds")
    rows = []
    for name, count in CONTENDERS:
        medians = {what: median(turn[name, count][what] for turn in rounds) for what in rounds[0][name, count]}
        cpus = {one: [turn[one, count]["worker"] + turn[one, count]["database"] for turn in rounds] for one in NAMES}
        times = [f"{medians[what]:.0f}" for what in ("worker", "database", "wall")]
        counts = [f"{statements[name, count]:.2f}", f"{medians['commits']:.2f}"]
        rows.append([f"{name}, {count}", *counts, *times, str(ratio(cpus[name], cpus[JOURNAL]))])
    heads = ["found by, workers", "statements", "commits", "CPU µs, worker", "CPU µs, database", "wall µs"]
    print_table([*heads, "CPU of both, of the journal's"], rows)
    own, thin = lines_of(PICK, PostgresJournal.claim, work_by_journal), lines_of(add_jobs, PLANNED, work_by_jobs)
    print(f"\nLines by which a worker finds its next record: {own} of the journal, {thin} with PGQueuer.")


if __name__ == "__main__":
    main()
