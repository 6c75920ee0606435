"""Killed while it uploads, a run whose files are saved in S3 resumes: each song is there once, and paid for once."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from bulk.audit import planned
from bulk.killing import CREDITS, audit_folder
from object_store import BUCKET, ObjectFault, ObjectServer

from musicapi_async import bulk
from musicapi_async.sandbox import Sandbox

RECORDS: Final = 10
CHILD: Final = """
import asyncio, sys
from musicapi_async import MusicAPI, bulk

async def main(path, base_url, out):
    async with MusicAPI("k", base_url=base_url, poll_interval=0.05, create_rate=2000.0) as client:
        async with bulk.open(path) as journal:
            async for outcome in bulk.run(client, journal, out=out):
                assert outcome.error is None, outcome.error

asyncio.run(main(*sys.argv[1:]))
"""
KILLED_AT: Final = (
    ObjectFault(key=".mp3", delay=60),
    ObjectFault(key=".mp3", delay=60, stored=True),
    ObjectFault(key=".json", delay=60, stored=True),
)
"""Requests during which the run is killed: before the object is there, after it is, and when the last one of a song
is."""


async def start(path: Path, sandbox: Sandbox, bucket: ObjectServer) -> asyncio.subprocess.Process:
    command = [sys.executable, "-c", CHILD, str(path), sandbox.base_url, f"s3://{BUCKET}/songs"]
    return await asyncio.create_subprocess_exec(*command, env={**os.environ, **bucket.environment})


async def test_run_killed_while_it_uploads_has_every_song_once_and_pays_once(
    path: Path, bucket: ObjectServer, tmp_path: Path
) -> None:
    async with Sandbox(seconds=0.05, credits=CREDITS) as sandbox:
        async with bulk.open(path) as journal:
            await bulk.plan_all(journal, planned(RECORDS))
        for fault in KILLED_AT:
            bucket.faults.append(fault)
            process = await start(path, sandbox, bucket)
            while bucket.faults:
                await asyncio.sleep(0.01)
            process.kill()
            await process.wait()
        assert await (await start(path, sandbox, bucket)).wait() == 0
        names = await bucket.names()
        for name in names:
            (tmp_path / name).write_bytes(await bucket.content(name))
        audit = await audit_folder(path, sandbox, RECORDS)
    local = await asyncio.to_thread(lambda: list(path.with_name(f"{path.name}.files").iterdir()))

    assert (audit.doubled, audit.lost, audit.left, audit.broken, audit.unaccounted) == (0, 0, 0, 0, 0), audit
    assert audit.saved + audit.uncertain == RECORDS
    assert audit.charged == RECORDS - audit.for_nothing
    assert len(names) == 2 * 3 * audit.saved
    assert {file.suffix for file in local} <= {".part"}, "downloads that were killed, which are removed later"
