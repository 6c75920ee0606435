"""Give every song of a bulk run a second part, and join the two.

    export MUSICAPI_KEY=...
    python examples/prompts_from_csv.py prompts.csv songs/
    python examples/extend_and_join.py songs/ --lyrics "[Bridge] And the rain goes on"

The first song of each request in ``songs/journal.db`` is continued from its end, and the continuation is joined with
it; the whole songs are saved in ``songs/whole``. Any folder made by ``bulk.run`` or ``musicapi bulk`` can be used.

Each step has its own journal, with keys derived from those of the previous step. Stopped or killed at any moment, the
same command resumes where it stopped, and pays for nothing twice.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from musicapi_async import MusicAPI, bulk, errors, sonic


async def saved(journal: bulk.Journal) -> AsyncIterator[bulk.Record]:
    """Yield the records that are saved, a page at a time."""
    after = 0
    while records := await journal.records("saved", after):
        for record in records:
            yield record
        after = records[-1].number


async def second_parts(first: bulk.Journal, lyrics: str) -> AsyncIterator[bulk.Planned]:
    """Yield a request to continue each song from its end."""
    async for record in saved(first):
        for clip in record.clips[:1]:
            request = sonic.Extend(clip=clip["clip_id"], at=clip["duration"], lyrics=lyrics)
            yield bulk.Planned.of(f"{record.key} extended", request)


async def whole_songs(second: bulk.Journal) -> AsyncIterator[bulk.Planned]:
    """Yield a request to join each continuation with the song it continues."""
    async for record in saved(second):
        for clip in record.clips[:1]:
            yield bulk.Planned.of(f"{record.key} joined", sonic.Concat(clip=clip["clip_id"]))


async def make(folder: Path, lyrics: str, in_flight: int) -> int:
    """Run both steps for the songs that need them; return how many results are missing at the end."""
    async with (
        MusicAPI() as client,
        bulk.open(folder / "journal.db") as first,
        bulk.open(folder / "extended.db") as second,
        bulk.open(folder / "joined.db") as third,
    ):
        async for outcome in bulk.run(client, second, second_parts(first, lyrics), in_flight=in_flight):
            print(outcome.record.key, outcome.error or "")
        async for outcome in bulk.run(client, third, whole_songs(second), out=folder / "whole", in_flight=in_flight):
            print(outcome.record.key, outcome.error or ", ".join(outcome.record.files))
        return await count_missing(second) + await count_missing(third)


async def count_missing(journal: bulk.Journal) -> int:
    """Return the number of requests that are not saved."""
    counts = await journal.counts()
    return sum(counts.values()) - counts["saved"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lyrics", default="[Outro]", help="lyrics of the second part")
    parser.add_argument("--in-flight", type=int, default=50, help="tasks to wait for at once")
    given = parser.parse_args()
    try:
        missing = asyncio.run(make(given.folder, given.lyrics, given.in_flight))
    except errors.MusicAPIError as error:
        sys.exit(str(error))
    sys.exit(f"{missing} results are missing" if missing else 0)
