"""A bulk run killed again and again, with a service that loses responses, compared with the service's count.

Run alone it is the large one: ``make torture``, or ``python tests/bulk/killing.py RECORDS KILLS [SEED]``.
"""

import asyncio
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp
import attrs

from musicapi_async import bulk, sonic
from musicapi_async.bulk import Planned, Record
from musicapi_async.sandbox import Fault, Sandbox

__all__ = ["Books", "compare", "kill", "planned"]

CREATE: Final = "POST /sonic/create"
PRICE: Final = 20.0
CREDITS: Final = 1e9
FILES: Final = 3
"""Of each clip: audio, cover, JSON."""
CHILD: Final = """
import asyncio, sys
from pathlib import Path
from musicapi_async import MusicAPI, bulk

async def main(path, base_url):
    async with MusicAPI("k", base_url=base_url, poll_interval=0.05, create_rate=2000.0) as client:
        async with bulk.open(path) as journal:
            print("begun", flush=True)
            async for _ in bulk.run(client, journal, out=Path(path).parent):
                pass

asyncio.run(main(*sys.argv[1:]))
"""


@attrs.frozen(kw_only=True)
class Books:
    """What the service charged for, against what the journal knows and what is in the folder."""

    planned: int
    charged: int
    doubled: int
    """Requests that were charged for twice."""
    lost: int
    """Tasks that were charged for, and that no record knows, nor is uncertain about."""
    uncertain: int
    for_nothing: int
    """Uncertain records that were not accepted."""
    saved: int
    left: int
    """Records that did not end."""
    broken: int
    """Files of saved records that are missing, or are not what the service has."""
    unaccounted: float
    """Credits that were taken and are not in the journal's count, or the other way round."""


async def kill(records: int, kills: int, seed: int, *, cut: bool = False) -> Books:
    """Run so many records, kill the runner so often at random moments, let the last one end, and compare.

    With ``cut`` the journal loses its last bytes now and then, as it may with a machine that stops.
    """
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        async with Sandbox(seconds=0.5, credits=CREDITS) as sandbox:
            async with bulk.open(path) as journal:
                await bulk.plan_all(journal, planned(records))
            sandbox.add_fault(CREATE, *(_fault(chance) for _ in range(records * 2)))
            killed = 0
            while killed < kills and await _run(
                path, sandbox.base_url, chance.uniform(0, 4.0 * records / 1000 / kills)
            ):
                killed += 1
                if cut and chance.random() < 0.5:
                    await asyncio.to_thread(_cut, path.with_name(f"{path.name}-wal"), chance.randrange(30_000))
            await _run(path, sandbox.base_url, None)
            return await compare(path, sandbox, records)


def planned(records: int) -> list[Planned]:
    """Return so many different requests."""
    return [
        Planned(
            key=f"k-{number}",
            operation="sonic.describe",
            request=sonic.Describe(description=f"rain {number}").to_wire(),
        )
        for number in range(records)
    ]


async def compare(path: Path, sandbox: Sandbox, records: int) -> Books:
    """Set the journal and its folder against what the sandbox knows."""
    async with bulk.open(path) as journal:
        counts = await journal.counts()
        known = {record.task_id for state in counts for record in await journal.records(state, 0, records)}
        uncertain = await journal.records("uncertain", 0, records)
        saved = await journal.records("saved", 0, records)
        charged = sum((await journal.charged()).values())
    asked = Counter(str(task.request.to_wire()) for task in sandbox.accepted)
    unsure = {str(record.request) for record in uncertain}
    for_nothing = len(unsure - set(asked))
    return Books(
        planned=records,
        charged=len(sandbox.accepted),
        doubled=sum(count - 1 for count in asked.values()),
        lost=sum(task.task_id not in known and str(task.request.to_wire()) not in unsure for task in sandbox.accepted),
        uncertain=len(uncertain),
        for_nothing=for_nothing,
        saved=len(saved),
        left=records - len(saved) - len(uncertain),
        broken=await _broken(path.parent, saved),
        unaccounted=CREDITS - sandbox.account("k").credits - PRICE * (charged - for_nothing),
    )


async def _broken(folder: Path, saved: Sequence[Record]) -> int:
    broken = 0
    async with aiohttp.ClientSession() as http:
        for record in saved:
            names = {Path(name).stem: name for name in record.files if not name.endswith((".json", ".png"))}
            broken += abs(len(record.files) - FILES * len(record.clips))
            for clip in record.clips:
                async with http.get(clip["audio_url"]) as response:
                    theirs = await response.read()
                name = next((name for stem, name in names.items() if stem.endswith(clip["clip_id"])), "missing")
                broken += not (folder / name).is_file() or (folder / name).read_bytes() != theirs
            broken += sum(not (folder / name).is_file() for name in record.files)
    return broken


def _fault(chance: random.Random) -> Fault:
    """Lose every twentieth answer, half of them after the service has done its work."""
    if chance.random() < 0.05:
        return Fault(drop=True, accepted=chance.random() < 0.5)
    return Fault(delay=0.001)


def _cut(path: Path, by: int) -> None:
    if path.exists():
        os.truncate(path, max(0, path.stat().st_size - by))


async def _run(path: Path, base_url: str, seconds: float | None) -> bool:
    """Run in a process of its own; return whether it was killed, so many seconds after it began."""
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


def main() -> None:
    """Print the books of a run without and one with a journal that loses its end."""
    count, kills, *given = map(int, sys.argv[1:])
    seed = given[0] if given else random.SystemRandom().randrange(10**6)
    names = [field.name for field in attrs.fields(Books)]
    print(f"{count} requests, {kills} kills, seed {seed}\n\n| journal | {' | '.join(names)} |")  # noqa: T201
    print(f"|---|{'---:|' * len(names)}")  # noqa: T201
    for cut in (False, True):
        books = asyncio.run(kill(count, kills, seed, cut=cut))
        cells = " | ".join(f"{value:g}" for value in attrs.astuple(books))
        print(f"| {'loses its end' if cut else 'whole'} | {cells} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
