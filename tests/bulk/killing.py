"""A bulk run killed again and again, with a service that loses responses, compared with the service's count.

Run alone it is the large one: ``make torture``, or ``PYTHONPATH=tests python -m bulk.killing RECORDS KILLS [SEED]``;
with ``--webhook-url`` at the end the service also sends its events, some of them lost, doubled or reordered.
"""

import asyncio
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import attrs
from aiohttp import web
from bulk.audit import CREATE, Audit, audit, faults, planned
from receiving import hook_server

from musicapi_async import bulk, media
from musicapi_async.bulk import Record
from musicapi_async.sandbox import EventFault, Sandbox

__all__ = ["CREDITS", "FolderAudit", "audit_folder", "kill"]

PRICE: Final = 20.0
CREDITS: Final = 1e9
FILES: Final = 3
"""Of each clip: audio, cover, JSON; with captions one more."""
TIMES_PRICE: Final = 1.0
"""Of the times of the words of each clip."""
SECRET: Final = "hush-hush-hush"
EVENT_FAULTS: Final = {EventFault(lost=True): 0.1, EventFault(doubled=True): 0.1, EventFault(reordered=True): 0.1}
CHILD: Final = """
import asyncio, sys
from pathlib import Path
from musicapi_async import MusicAPI, bulk

async def main(path, base_url, is_tagged, *webhook):
    wanted = {"tags": True, "lyrics": ("lrc",)} if is_tagged else {}
    events = dict(zip(("webhook_url", "webhook_secret"), webhook))
    async with MusicAPI("k", base_url=base_url, poll_interval=0.05, create_rate=2000.0, **events) as client:
        async with bulk.open(path) as journal:
            print("begun", flush=True)
            # An event is lost now and then, and waited for until the time is up.
            timeout = 5.0 if webhook else 600.0
            async for _ in bulk.run(client, journal, out=Path(path).parent, timeout=timeout, **wanted):
                pass

asyncio.run(main(*sys.argv[1:]))
"""


@attrs.frozen(kw_only=True)
class FolderAudit(Audit):
    """The audit of a journal and of the files in its folder."""

    broken: int
    """Files of saved records that are missing, or are not what the service has."""
    unaccounted: float
    """Credits that were taken and are not in the journal's count, or the other way round."""
    untagged: int
    """Saved songs without their tags, or the lines and the cover in them."""


async def kill(
    records: int, kills: int, seed: int, *, cut: bool = False, events: bool = False, tagged: bool = False
) -> FolderAudit:
    """Run so many records, kill the runner so often at random moments, let the last one end, and compare.

    With ``cut`` the journal loses its last bytes now and then, as it may with a machine that stops. With ``events`` the
    service sends events, which another process than the runner receives. With ``tagged`` songs get tags and captions.
    """
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        sandbox = Sandbox(seconds=0.5, credits=CREDITS, event_faults=EVENT_FAULTS if events else {})
        async with sandbox, _receiving(path) as url:
            options = ("tagged" if tagged else "", *((url, SECRET) if events else ()))
            async with bulk.open(path) as journal:
                await bulk.plan_all(journal, planned(records))
            sandbox.add_fault(CREATE, *faults(chance, records * 2, delay=0.001))
            killed = 0
            while killed < kills and await _run(
                path, sandbox.base_url, chance.uniform(0, 4.0 * records / 1000 / kills), *options
            ):
                killed += 1
                if cut and chance.random() < 0.5:
                    await asyncio.to_thread(_cut, path.with_name(f"{path.name}-wal"), chance.randrange(30_000))
            for _ in range(1 + events):  # the second one takes what came at the end of the first
                await _run(path, sandbox.base_url, None, *options)
            return await audit_folder(path, sandbox, records, tagged=tagged)


async def audit_folder(path: Path, sandbox: Sandbox, records: int, *, tagged: bool = False) -> FolderAudit:
    """Set the journal and its folder against what the sandbox knows."""
    async with bulk.open(path) as journal:
        found = await audit(journal, sandbox, records)
        saved = await journal.records("saved", 0, records)
        charged = sum((await journal.charged()).values())
    times = TIMES_PRICE * sum(len(record.clips) for record in saved) if tagged else 0.0
    return FolderAudit(
        **attrs.asdict(found),
        broken=await _broken(path.parent, saved, FILES + tagged),
        unaccounted=CREDITS - sandbox.account("k").credits - PRICE * (charged - found.for_nothing) - times,
        untagged=await asyncio.to_thread(_untagged, path.parent, saved) if tagged else 0,
    )


@asynccontextmanager
async def _receiving(path: Path) -> AsyncIterator[str]:
    """Receive the events of a journal's tasks, and yield the URL."""

    async def handle(request: web.Request) -> web.Response:
        await bulk.receive(path, await request.read(), request.headers, str(request.url), SECRET)
        return web.Response()

    async with hook_server(handle) as url:
        yield url


async def _broken(folder: Path, saved: Sequence[Record], count: int) -> int:
    broken = 0
    async with aiohttp.ClientSession() as http:
        for record in saved:
            names = {Path(name).stem: name for name in record.files if not name.endswith((".json", ".png", ".lrc"))}
            broken += abs(len(record.files) - count * len(record.clips))
            for clip in record.clips:
                async with http.get(clip["audio_url"]) as response:
                    theirs = await response.read()
                name = next((name for stem, name in names.items() if stem.endswith(clip["clip_id"])), "missing")
                # Tags of an MP3 file come before its frames.
                broken += not (folder / name).is_file() or not (folder / name).read_bytes().endswith(theirs)
            broken += sum(not (folder / name).is_file() for name in record.files)
    return broken


def _untagged(folder: Path, saved: Sequence[Record]) -> int:
    songs = [folder / name for record in saved for name in record.files if name.endswith(".mp3")]
    tags = [media.read_tags(song) for song in songs]
    return sum(not (one.clip_id and one.synced and one.cover) for one in tags)


def _cut(path: Path, by: int) -> None:
    if path.exists():
        os.truncate(path, max(0, path.stat().st_size - by))


async def _run(path: Path, base_url: str, seconds: float | None, *options: str) -> bool:
    """Run in a process of its own; return whether it was killed, so many seconds after it began."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(path), base_url, *options, stdout=asyncio.subprocess.PIPE
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
    """Print the audits of a run without and one with a journal that loses its end."""
    events = sys.argv[-1] == "--webhook-url"
    count, kills, *given = map(int, sys.argv[1:-1] if events else sys.argv[1:])
    seed = given[0] if given else random.SystemRandom().randrange(10**6)
    names = [field.name for field in attrs.fields(FolderAudit)]
    print(f"{count} requests, {kills} kills, seed {seed}\n\n| journal | {' | '.join(names)} |")  # noqa: T201
    print(f"|---|{'---:|' * len(names)}")  # noqa: T201
    for cut in (False, True):
        found = asyncio.run(kill(count, kills, seed, cut=cut, events=events))
        cells = " | ".join(f"{value:g}" for value in attrs.astuple(found))
        print(f"| {'loses its end' if cut else 'whole'} | {cells} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
