"""``musicapi bulk report``: a page about the songs of a journal."""

import asyncio
from pathlib import Path

from musicapi_async._arguments import is_address
from musicapi_async.bulk.journal import OTHER_CHARGES, OUT, OUTPUT
from musicapi_async.bulk.report import PAGE, Summary, write_report
from musicapi_async.bulk.requests_file import price_list
from musicapi_async.bulk.snapshot import Snapshot
from musicapi_async.cli.bulk.journals import JournalChoice
from musicapi_async.cli.bulk.texts import requests_text
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.screen import Screen

__all__ = ["report"]


async def report(choice: JournalChoice, screen: Screen, page: Path | None = None) -> None:
    """Write the HTML page of a journal; raises JournalError without a journal, OSError if it cannot be written.

    ``page`` is its file; None for ``index.html`` in the folder of a run.
    """
    if page is None and choice.folder is None:
        raise UsageError("give the page's file too: --out songs.html")
    try:
        # In one thread: a connection to a journal must stay in its own.
        written, summary = await asyncio.to_thread(_write_report, choice, page)
    except ModuleNotFoundError as error:
        raise UsageError(str(error)) from error
    screen.emit({"report": str(written), "songs": summary.songs, "seconds": summary.seconds, "counts": summary.counts})
    songs = f"{summary.songs:,} song{'s'[: summary.songs != 1]}"
    screen.print(f"{songs}, {summary.duration}, from {requests_text(summary.requests)}: {written.resolve().as_uri()}")


def _write_report(choice: JournalChoice, page: Path | None) -> tuple[Path, Summary]:
    with choice.snapshot() as snapshot:
        folder = _folder_of(choice, snapshot, page)
        page = folder / PAGE if page is None else page
        others = float(snapshot.recall(OTHER_CHARGES) or 0.0)
        stored_at = snapshot.recall(OUTPUT)
        summary = write_report(folder, snapshot.records, price_list(), snapshot.extras(), others, stored_at, page=page)
        return page, summary


def _folder_of(choice: JournalChoice, snapshot: Snapshot, page: Path | None) -> Path:
    """Return the folder of the songs: DIR, else the one that the last run noted, as far as it is on this machine."""
    if choice.folder is not None:
        return choice.folder
    noted = snapshot.recall(OUT)
    if isinstance(noted, str) and not is_address(noted) and Path(noted).is_dir():
        return Path(noted)
    # Songs that are elsewhere have no player; files beside the page are found.
    return Path() if page is None else page.parent
