"""Local files that a worker left when it was killed, and that no worker needs any more."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Final

from musicapi_async._logger import logger
from musicapi_async.bulk.postgres.connection import Channel
from musicapi_async.bulk.postgres.schema import LIVE_WORKERS

__all__ = ["FILES", "remove_leftovers"]

FILES: Final = ".files"
"""The end of the name of a worker's folder, after its own."""
MIN_AGE: Final = 3600.0
"""Seconds for which files are kept in any case: the clock of the database may differ from this one."""
# The files of a record were written after it was accepted.
IS_NEEDED: Final = """
SELECT EXISTS (SELECT 1 FROM musicapi.record WHERE state IN ('accepted', 'finished') AND accepted_at < $1)
    OR EXISTS (SELECT 1 FROM musicapi.record WHERE state = 'uncertain' AND accepted_at < $1)
    OR EXISTS (SELECT 1 FROM musicapi.attempt WHERE is_extra AND extra_files IS NULL)
"""


async def remove_leftovers(folder: Path, database: Channel) -> None:
    """Remove the folders of workers that have stopped, once each song that may be in them is saved by another one.

    ``folder`` is that of all workers of this machine. What cannot be removed stays.
    """
    found = await asyncio.to_thread(_old_folders, folder)
    if not found:
        return
    rows = await database.run(lambda connection: connection.fetch(LIVE_WORKERS))
    live = {f"{row['id']}{FILES}" for row in rows}
    for path, written_at in found.items():
        if path.name in live or await _is_needed(database, written_at + MIN_AGE):
            continue
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        logger.info("removed %s: its worker has stopped, and its songs are saved", path)


async def _is_needed(database: Channel, moment: float) -> bool:
    return bool(await database.run(lambda connection: connection.fetchval(IS_NEEDED, moment)))


def _old_folders(folder: Path) -> dict[Path, float]:
    """Return the folders that have not been written to for some time, and when they were."""
    found: dict[Path, float] = {}
    for path in folder.glob(f"*{FILES}"):
        with suppress(OSError):  # its worker has removed it
            written_at = max(one.stat().st_mtime for one in (path, *path.iterdir()))
            if time() - written_at > MIN_AGE:
                found[path] = written_at
    return found
