"""``musicapi bulk report`` and ``musicapi bulk status``: what a folder of songs holds, also while a run is on."""

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from musicapi_async.bulk.journal import INCOMPLETE
from musicapi_async.bulk.records import State
from musicapi_async.bulk.report import MEANINGS, PAGE, Summary, write_report
from musicapi_async.bulk.requests_file import price_list
from musicapi_async.bulk.snapshot import JournalSnapshot
from musicapi_async.cli.bulk import HAS_LOST, JOURNAL
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.screen import Screen

__all__ = ["report", "status"]

KEYS_SHOWN: Final = 10


async def report(folder: Path, screen: Screen) -> None:
    """Write a page about a folder of songs; raises JournalError without a journal, OSError without room for it."""
    try:
        # All of it in one thread: a connection to a journal stays in its own.
        summary = await asyncio.to_thread(_write, folder)
    except ModuleNotFoundError as error:
        raise UsageError(str(error)) from error
    page = folder / PAGE
    screen.tell({"report": str(page), "songs": summary.songs, "seconds": summary.seconds, "counts": summary.counts})
    screen.say(
        f"{summary.songs:,} songs, {summary.duration}, of {_requests(summary.requests)}: {page.resolve().as_uri()}"
    )


async def status(folder: Path, screen: Screen) -> None:
    """Show how many requests of a folder are in which state, who works on them, and how doubts are settled."""
    counts, holder, uncertain, overdue, has_lost = await asyncio.to_thread(_read_status, folder)
    total = sum(counts.values())
    ways = _ways_to_settle(folder) if uncertain else {}
    screen.tell(
        {
            "counts": counts,
            "total": total,
            "overdue": overdue,
            "run": holder,
            "uncertain": uncertain,
            "settle": ways,
            "has_lost": has_lost,
        }
    )
    shown = [(f"{count:,}", state, MEANINGS[state]) for state, count in counts.items() if count]
    width = len(f"{total:,}")
    screen.rows([(count.rjust(width), state, meaning) for count, state, meaning in shown])
    screen.say(f"{_requests(total)}; {f'a run is on: {holder}' if holder else 'no run is on'}")
    if overdue:
        screen.say(
            f"{overdue:,} of the accepted are overdue: not finished within the time limit of a run; "
            "each run polls them again"
        )
    if counts["failed"]:
        screen.say("failed ones are not paid for again by themselves: --retry-failed does that")
    if has_lost:
        screen.say(HAS_LOST)
    if ways:
        more = ", ..." if counts["uncertain"] > len(uncertain) else ""
        screen.say(f"uncertain: {', '.join(uncertain)}{more}")
        screen.say("look for them in the service's dashboard, then settle them:")
        screen.rows([(f"  {way}", command) for way, command in ways.items()])


def _requests(count: int) -> str:
    return f"{count:,} request{'s'[: count != 1]}"


def _write(folder: Path) -> Summary:
    with JournalSnapshot(folder / JOURNAL) as snapshot:
        return write_report(folder, snapshot.records, price_list())


def _read_status(folder: Path) -> tuple[Mapping[State, int], str | None, Sequence[str], int, bool]:
    """Return counts, the holder of the journal, the first uncertain keys, how many are overdue, and a loss."""
    with JournalSnapshot(folder / JOURNAL) as snapshot:
        keys = [record.key for record in islice(snapshot.records({"uncertain"}), KEYS_SHOWN)]
        return snapshot.counts(), snapshot.holder(), keys, snapshot.overdue(), snapshot.recall(INCOMPLETE) is True


def _ways_to_settle(folder: Path) -> Mapping[str, str]:
    out = shlex.quote(str(folder))
    return {
        "send again, perhaps paid twice": f"musicapi bulk FILE --out {out} --resend-uncertain",
        "give up": f"musicapi bulk FILE --out {out} --drop-uncertain",
        "found in the dashboard": f"musicapi bulk resolve {out} KEY TASK_ID",
        "not in the dashboard": f"musicapi bulk resolve {out} --not-sent KEY...",
        "none of them is there": f"musicapi bulk resolve {out} --not-sent --all",
    }
