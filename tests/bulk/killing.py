"""A bulk run that is killed again and again in front of a service that loses answers; then the books are compared.

Run alone it is the large one: ``make torture``, or ``python tests/bulk/killing.py ROWS KILLS [SEED]``.
"""

import asyncio
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import attrs

from musicapi_async import sonic
from musicapi_async.bulk import Journal, Planned
from musicapi_async.sandbox import Fault, Sandbox

__all__ = ["Books", "kill"]

CREATE: Final = "POST /sonic/create"
CHILD: Final = """
import asyncio, sys
from pathlib import Path
from musicapi_async import MusicAPI, bulk

async def main(path, base_url):
    async with MusicAPI("k", base_url=base_url, poll_interval=0.05, create_rate=2000.0) as client:
        async with bulk.Journal.open(path) as journal:
            print("begun", flush=True)
            async for _ in bulk.run(client, journal, out=Path(path).parent):
                pass

asyncio.run(main(*sys.argv[1:]))
"""


@attrs.frozen(kw_only=True)
class Books:
    """What the service charged for, against what the journal knows."""

    seed: int
    kills: int
    planned: int
    charged: int
    doubled: int
    """Requests that were charged for twice."""
    lost: int
    """Tasks that were charged for, and that no row knows, nor is uncertain about."""
    uncertain: int
    saved: int
    left: int
    """Rows that did not end."""


async def kill(rows: int, kills: int, seed: int) -> Books:
    """Run so many rows, kill the runner so often at random moments, let the last one end, and compare."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        async with Sandbox(seconds=0.5, credits=1e9) as sandbox:
            async with Journal.open(path) as journal:
                await journal.plan([_planned(number) for number in range(rows)])
            sandbox.add_fault(CREATE, *(_fault(chance) for _ in range(rows * 2)))
            killed = 0
            while killed < kills and await _run(path, sandbox.base_url, chance.uniform(0, 3.0 * rows / 1000 / kills)):
                killed += 1
            await _run(path, sandbox.base_url, None)
            return await _compare(path, sandbox, seed=seed, kills=killed, planned=rows)


def _planned(number: int) -> Planned:
    request = sonic.Describe(description=f"rain {number}")
    return Planned(key=f"k-{number}", operation="sonic.describe", request=request.to_wire())


def _fault(chance: random.Random) -> Fault:
    """Lose every twentieth answer, half of them after the service has done its work."""
    if chance.random() < 0.05:
        return Fault(drop=True, accepted=chance.random() < 0.5)
    return Fault(delay=0.001)


async def _run(path: Path, base_url: str, seconds: float | None) -> bool:
    """Run in a process of its own; tell whether it was killed, so many seconds after it began."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(path), base_url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begun\n"
    try:
        async with asyncio.timeout(seconds):
            assert await process.wait() == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return True
    return False


async def _compare(path: Path, sandbox: Sandbox, *, seed: int, kills: int, planned: int) -> Books:
    async with Journal.open(path) as journal:
        counts = await journal.counts()
        known = {row.task_id for state in counts for row in await journal.rows(state, 0, planned)}
        uncertain = await journal.rows("uncertain", 0, planned)
    asked = Counter(str(task.request.to_wire()) for task in sandbox.accepted)
    unsure = {str(row.request) for row in uncertain}
    lost = [
        task for task in sandbox.accepted if task.task_id not in known and str(task.request.to_wire()) not in unsure
    ]
    return Books(
        seed=seed,
        kills=kills,
        planned=planned,
        charged=len(sandbox.accepted),
        doubled=sum(count - 1 for count in asked.values()),
        lost=len(lost),
        uncertain=len(uncertain),
        saved=counts["saved"],
        left=planned - counts["saved"] - len(uncertain),
    )


if __name__ == "__main__":
    count, kills, *given = map(int, sys.argv[1:])
    print(asyncio.run(kill(count, kills, *given or [random.SystemRandom().randrange(10**6)])))  # noqa: T201 - the report
