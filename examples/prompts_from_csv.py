"""Make the songs of a CSV file, which has the names of its columns in the first line and one song on each further line.

    export MUSICAPI_KEY=...
    python examples/prompts_from_csv.py prompts.csv songs/

The columns are the fields of ``sonic.describe``: ``description``, and if you like ``title``, ``tags``, ``model`` and
the others; an empty cell is not set. Every line is checked before the first song is paid for. Audio, cover and metadata
of each song are saved in the folder.

Stopped or killed at any moment, the same command resumes where it stopped, and pays for nothing twice. Lines that are
added to the file are made by the next run.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from musicapi_async import MusicAPI, bulk, errors


async def make(prompts: Path, folder: Path, in_flight: int) -> int:
    """Make the songs that are not made yet; return how many are missing at the end."""
    requests = bulk.read_requests(prompts, "sonic.describe")
    async with MusicAPI() as client, bulk.open(folder / "journal.db") as journal:
        async for outcome in bulk.run(client, journal, requests, out=folder, in_flight=in_flight):
            print(
                outcome.record.request["gpt_description_prompt"], "->", outcome.error or ", ".join(outcome.record.files)
            )
        counts = await journal.counts()
        for record in await journal.records("uncertain"):
            print(f"this may or may not have been accepted, and is not resent automatically: {record.request}")
    return sum(counts.values()) - counts["saved"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--in-flight", type=int, default=50, help="tasks to wait for at once")
    given = parser.parse_args()
    try:
        missing = asyncio.run(make(given.prompts, given.folder, given.in_flight))
    except (errors.MusicAPIError, OSError) as error:
        sys.exit(str(error))
    sys.exit(f"{missing} songs are missing" if missing else 0)
