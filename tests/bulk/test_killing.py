"""Killed at any moment, a bulk run resumes where it was: nothing is paid for twice, nothing paid for is lost."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from bulk.audit import planned
from bulk.killing import CREDITS, FolderAudit, audit_folder, kill
from rooms import IN_A_ROOM, require_rooms

from musicapi_async import bulk
from musicapi_async.sandbox import Sandbox

RECORDS: Final = 100
FULL: Final = """
import asyncio, shutil, subprocess, sys
from pathlib import Path
from musicapi_async import MusicAPI, bulk
from musicapi_async.errors import MusicAPIError

async def run(folder, base_url):
    ended = "ended"
    async with MusicAPI("k", base_url=base_url, poll_interval=0.02, create_rate=2000.0) as client:
        try:
            async with bulk.open(folder / "journal.db") as journal:
                async for outcome in bulk.run(client, journal, out=folder, tags=True, lyrics=("lrc",)):
                    if outcome.error is not None:
                        ended = type(outcome.error).__name__
        except MusicAPIError as error:
            ended = type(error).__name__
    print(ended, flush=True)

disk, folder, base_url = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "none", disk], check=True)
shutil.copytree(folder, disk, dirs_exist_ok=True)
asyncio.run(run(Path(disk), base_url))
subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
asyncio.run(run(Path(disk), base_url))
shutil.copytree(disk, folder, dirs_exist_ok=True)
"""


def check(audit: FolderAudit) -> None:
    assert (audit.doubled, audit.lost, audit.left, audit.broken, audit.unaccounted) == (0, 0, 0, 0, 0), audit
    assert audit.charged == audit.planned - audit.for_nothing, audit
    assert audit.saved + audit.uncertain == audit.planned == RECORDS, audit


@pytest.mark.parametrize(("seed", "tagged"), [(1, False), (2, True)])
async def test_run_killed_again_and_again_pays_once_and_loses_nothing(seed: int, *, tagged: bool) -> None:
    audit = await kill(records=RECORDS, kills=4, seed=seed, tagged=tagged)

    check(audit)
    assert audit.untagged == 0
    # At most eight in flight for each kill, and the responses that were lost.
    assert audit.uncertain < RECORDS * 0.12 + 4 * 8


async def test_run_killed_again_and_again_recovers_what_was_accepted_by_its_events() -> None:
    audit = await kill(records=RECORDS, kills=4, seed=4, events=True)

    check(audit)
    assert audit.unrecovered == 0


async def test_run_whose_journal_loses_its_end_is_uncertain_and_not_wrong() -> None:
    check(await kill(records=RECORDS, kills=4, seed=3, cut=True))


async def test_run_on_a_full_disk_stops_and_resumes_when_there_is_room(tmp_path: Path) -> None:
    await require_rooms()
    folder, disk = tmp_path / "songs", tmp_path / "disk"
    disk.mkdir()
    async with Sandbox(seconds=0.1, credits=CREDITS) as sandbox:
        async with bulk.open(folder / "journal.db") as journal:
            await bulk.plan_all(journal, planned(20))
        command = [*IN_A_ROOM, sys.executable, "-c", FULL, str(disk), str(folder), sandbox.base_url]
        done = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
        audit = await audit_folder(folder / "journal.db", sandbox, 20, tagged=True)

    first, second = done.stdout.split()
    assert first in {"DownloadError", "JournalError"}
    assert second == "ended"
    assert (audit.doubled, audit.lost, audit.left, audit.broken, audit.unaccounted) == (0, 0, 0, 0, 0), audit
    assert audit.untagged == 0
