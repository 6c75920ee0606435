"""Make the songs of a table: a CSV file with the names of the columns in its first line, and a song on each line.

    export MUSICAPI_KEY=...
    python examples/prompts_from_csv.py prompts.csv songs/

The columns are the fields of ``sonic.describe``: ``description``, and if you like ``title``, ``tags``, ``model`` and
the others; an empty cell is not set. Every line is checked before the first song is paid for. Audio, cover and what is
known of each song land in the folder.

Stopped or killed at any moment, the same command goes on where it was, and pays for nothing twice. Lines that are added
to the file are made by the next run.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from musicapi_async import MusicAPI, bulk, errors


async def make(prompts: Path, folder: Path, in_flight: int) -> int:
    """Make what is not made yet; return how many songs are missing in the end."""
    requests = bulk.read_requests(prompts, "sonic.describe")
    async with MusicAPI() as client, bulk.open(folder / "journal.db") as journal:
        async for outcome in bulk.run(client, journal, requests, out=folder, in_flight=in_flight):
            print(
                outcome.record.request["gpt_description_prompt"], "->", outcome.error or ", ".join(outcome.record.files)
            )
        counts = await journal.counts()
        for record in await journal.records("uncertain"):
            print(f"nobody can tell whether this was accepted, it is not sent again by itself: {record.request}")
    return sum(counts.values()) - counts["saved"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--in-flight", type=int, default=50, help="songs that are waited for at once")
    given = parser.parse_args()
    try:
        missing = asyncio.run(make(given.prompts, given.folder, given.in_flight))
    except (errors.MusicAPIError, OSError) as error:
        sys.exit(str(error))
    sys.exit(f"{missing} songs are missing" if missing else 0)
