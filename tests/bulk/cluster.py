"""Several workers on one database, killed, stopped and continued, while the database crashes; judged by the service.

Run alone it is the large one: ``make torture-cluster``, or ``PYTHONPATH=tests python -m bulk.cluster RECORDS KILLS
STOPS CRASHES [SEED]``.
"""

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from typing import Final

import attrs
from bulk.audit import CREATE, Audit, audit, faults, planned
from postgres import Postgres, find_binaries, serve

from musicapi_async import bulk
from musicapi_async.bulk.plan_options import PlanOptions, remember_options
from musicapi_async.sandbox import Sandbox

__all__ = ["ClusterAudit", "torture"]

WORKERS: Final = 3
IN_FLIGHT: Final = 40
PAUSE: Final = 18.0
"""Seconds for which a worker is stopped: longer than its heartbeats may stay away."""
CHILD: Final = """
import asyncio, logging, signal, sys
from musicapi_async import MusicAPI, bulk

async def main(address, base_url):
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(process)d %(message)s")
    async with MusicAPI("k", base_url=base_url, poll_interval=0.2, create_rate=2000.0) as client:
        async with bulk.open(address) as journal:
            worker = bulk.work(client, journal)
            async for _ in worker:
                pass

asyncio.run(main(*sys.argv[1:]))
"""


@attrs.frozen(kw_only=True)
class ClusterAudit(Audit):
    """The audit of a shared journal."""

    most_in_flight: int
    """By the service's own count."""
    seconds: float


async def torture(
    server: Postgres, records: int, *, kills: int, stops: int, crashes: int, seed: int, pace: float = 1.0
) -> ClusterAudit:
    """Work off so many records with three workers, among kills, stops and crashes in a random order, and compare.

    ``pace`` is the mean time in seconds between two of these.
    """
    chance = random.Random(seed)
    address = await asyncio.to_thread(server.database)
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox(seconds=1.0, credits=1e9) as sandbox:
            async with bulk.open(address) as journal:
                await bulk.plan_all(journal, planned(records))
                await remember_options(journal, PlanOptions(in_flight=IN_FLIGHT))
            sandbox.add_fault(CREATE, *faults(chance, records * 2, delay=0.05))
            began = time.monotonic()
            workers = Workers(address, sandbox.base_url, {**os.environ, "MUSICAPI_STATE": folder})
            events = ["kill"] * kills + ["stop"] * stops + ["crash"] * crashes
            chance.shuffle(events)
            try:
                for _ in range(WORKERS):
                    await workers.start()
                for event in events:
                    await asyncio.sleep(chance.uniform(0.5, 1.5) * pace)
                    await (server.crash() if event == "crash" else workers.disturb(event, chance))
                await workers.finish()
            finally:
                workers.kill_all()
            seconds = round(time.monotonic() - began, 1)
            async with bulk.open(address) as journal:
                found = await audit(journal, sandbox, records)
            return ClusterAudit(**attrs.asdict(found), most_in_flight=_most_in_flight(sandbox), seconds=seconds)


class Workers:
    """The processes that work on one journal."""

    def __init__(self, address: str, base_url: str, environment: dict[str, str]) -> None:
        self._command = (sys.executable, "-c", CHILD, address, base_url)
        self._environment = environment
        self._running: list[asyncio.subprocess.Process] = []
        self._stopped: set[int] = set()
        self._continuing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start another worker."""
        self._running.append(await asyncio.create_subprocess_exec(*self._command, env=self._environment))

    async def disturb(self, event: str, chance: random.Random) -> None:
        """Kill a worker and start another one, or stop one for a while."""
        awake = [one for one in self._running if one.pid not in self._stopped and one.returncode is None]
        if not awake:
            return
        process = chance.choice(awake)
        if event == "kill":
            process.kill()
            await process.wait()
            self._running.remove(process)
            await self.start()
            return
        process.send_signal(signal.SIGSTOP)
        self._stopped.add(process.pid)
        continuing = asyncio.create_task(self._continue(process))
        self._continuing.add(continuing)

    async def _continue(self, process: asyncio.subprocess.Process) -> None:
        await asyncio.sleep(PAUSE)
        process.send_signal(signal.SIGCONT)
        self._stopped.discard(process.pid)

    async def finish(self) -> None:
        """Wait until all workers have ended."""
        await asyncio.gather(*self._continuing)
        codes = [await process.wait() for process in self._running]
        assert not any(codes), codes

    def kill_all(self) -> None:
        """Kill what is left."""
        for process in self._running:
            if process.returncode is None:
                process.kill()


def _most_in_flight(sandbox: Sandbox) -> int:
    """Return how many tasks the service had in flight at most, by its own times."""
    changes = [(task.accepted_at, 1) for task in sandbox.tasks]
    changes += [(task.accepted_at + task.takes, -1) for task in sandbox.tasks]
    running = most = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return most


def main() -> None:
    """Print the audit of a run."""
    records, kills, stops, crashes, *given = map(int, sys.argv[1:])
    seed = given[0] if given else random.SystemRandom().randrange(10**6)
    binaries = find_binaries()
    assert binaries is not None, "PostgreSQL is not installed"
    print(f"{records} requests, {WORKERS} workers, {kills} kills, {stops} stops, {crashes} crashes, seed {seed}")  # noqa: T201
    with serve(binaries) as server:
        pace = records / 40 / max(1, kills + stops + crashes)
        found = asyncio.run(torture(server, records, kills=kills, stops=stops, crashes=crashes, seed=seed, pace=pace))
    for name, value in attrs.asdict(found).items():
        print(f"{name:>16} {value:g}")  # noqa: T201


if __name__ == "__main__":
    main()
