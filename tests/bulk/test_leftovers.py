"""Files of a worker that was killed are removed by a later one, when each song they may be of is saved."""

import os
import time
from pathlib import Path

import asyncpg
from bulk.runs import songs

from musicapi_async import bulk
from musicapi_async.bulk import Changes
from musicapi_async.bulk.postgres import PostgresJournal


def leave(journal: PostgresJournal, worker: str, *, hours: float = 2.0) -> Path:
    """Make the folder of a worker that was killed so many hours ago, with a file that it did not complete."""
    folder = journal.work_folder.parent / f"{worker}.files"
    folder.mkdir(parents=True)
    part = folder / ".00001-rain.mp3.0123abcd.part"
    part.write_bytes(b"half")
    for path in (part, folder):
        os.utime(path, (moment := time.time() - hours * 3600, moment))
    return folder


async def join(address: str) -> None:
    async with PostgresJournal(address) as worker:
        await worker.join()


async def test_files_of_a_worker_that_has_stopped_are_removed_once_its_songs_are_saved(address: str) -> None:
    async with PostgresJournal(address) as other:
        await other.join()
        await bulk.plan_all(other, songs(1))
        (record,) = await other.claim(1)
        sending = await other.transition(record, "sending", Changes(charge=20.0))
        accepted = await other.transition(sending, "accepted", Changes(task_id="t-1"))
        folder = leave(other, "stopped-1-abc")
        recent = leave(other, "stopped-2-def", hours=0)
        connection = await asyncpg.connect(address)
        await connection.execute("UPDATE musicapi.record SET accepted_at = accepted_at - 3 * 3600")
        await connection.close()
        await join(address)
        assert folder.exists(), "the song may be in it"

        await other.transition(accepted, "saved")
        await join(address)
        assert not folder.exists()
        assert recent.exists(), "its worker may not have joined yet"


async def test_files_of_a_live_worker_stay(address: str) -> None:
    async with PostgresJournal(address) as other:
        await other.join()
        folder = leave(other, other.worker)
        await join(address)

        assert folder.exists()
