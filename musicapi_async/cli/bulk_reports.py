"""``musicapi bulk status``, ``report`` and ``resolve``: the journal of a bulk run's folder."""

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import attrs

from musicapi_async import bulk
from musicapi_async.bulk.records import State
from musicapi_async.bulk.report import MEANINGS, PAGE, Summary, write_report
from musicapi_async.bulk.requests_file import price_list
from musicapi_async.bulk.snapshot import JournalSnapshot
from musicapi_async.cli.bulk import JOURNAL, LOST_ENTRIES, requests_text
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.running import closing_shielded
from musicapi_async.cli.screen import Screen

__all__ = ["Resolution", "report", "resolve", "status"]

KEYS_SHOWN: Final = 10


async def report(folder: Path, screen: Screen) -> None:
    """Write the folder's HTML page; raises JournalError without a journal, OSError if it cannot be written."""
    try:
        # In one thread: a connection to a journal must stay in its own.
        summary = await asyncio.to_thread(_write_report, folder)
    except ModuleNotFoundError as error:
        raise UsageError(str(error)) from error
    page = folder / PAGE
    screen.emit({"report": str(page), "songs": summary.songs, "seconds": summary.seconds, "counts": summary.counts})
    songs = f"{summary.songs:,} song{'s'[: summary.songs != 1]}"
    screen.print(f"{songs}, {summary.duration}, from {requests_text(summary.requests)}: {page.resolve().as_uri()}")


def _write_report(folder: Path) -> Summary:
    with JournalSnapshot(folder / JOURNAL) as snapshot:
        return write_report(folder, snapshot.records, price_list())


@attrs.frozen(kw_only=True)
class _JournalStatus:
    """The contents of a journal that ``status`` shows; ``holder`` is the process of a run in progress, if any."""

    counts: Mapping[State, int]
    holder: str | None
    uncertain: Sequence[str]
    """The first keys of uncertain requests, at most KEYS_SHOWN."""
    overdue: int
    has_lost: bool


async def status(folder: Path, screen: Screen) -> None:
    """Show how many requests are in which state, whether a run is in progress, and how to resolve uncertain ones."""
    found = await asyncio.to_thread(_read_status, folder)
    total = sum(found.counts.values())
    resolutions = _resolutions(folder) if found.uncertain else {}
    screen.emit(
        {
            "counts": found.counts,
            "total": total,
            "overdue": found.overdue,
            "run": found.holder,
            "uncertain": found.uncertain,
            "resolutions": resolutions,
            "has_lost": found.has_lost,
        }
    )
    width = len(f"{total:,}")
    screen.table(
        [(f"{count:,}".rjust(width), state, MEANINGS[state]) for state, count in found.counts.items() if count]
    )
    run = f"run in progress: {found.holder}" if found.holder else "no run in progress"
    screen.print(f"{requests_text(total)}; {run}")
    _print_hints(found, resolutions, screen)


def _print_hints(found: _JournalStatus, resolutions: Mapping[str, str], screen: Screen) -> None:
    if found.overdue:
        screen.print(
            f"{found.overdue:,} of the accepted are overdue: not finished within the --timeout of a run; "
            "the next run polls them again"
        )
    if found.counts["failed"]:
        screen.print("failed requests are sent again, and charged again, only with --retry-failed")
    if found.has_lost:
        screen.print(LOST_ENTRIES)
    if resolutions:
        more = ", ..." if found.counts["uncertain"] > len(found.uncertain) else ""
        screen.print(f"uncertain: {', '.join(found.uncertain)}{more}")
        screen.print("check the service's dashboard for each, then run one of:")
        screen.table([(f"  {situation}", command) for situation, command in resolutions.items()])


def _read_status(folder: Path) -> _JournalStatus:
    with JournalSnapshot(folder / JOURNAL) as snapshot:
        return _JournalStatus(
            counts=snapshot.counts(),
            holder=snapshot.holder(),
            uncertain=[record.key for record in islice(snapshot.records({"uncertain"}), KEYS_SHOWN)],
            overdue=snapshot.overdue(),
            has_lost=snapshot.has_lost_entries(),
        )


def _resolutions(folder: Path) -> Mapping[str, str]:
    out = shlex.quote(str(folder))
    return {
        "found in the dashboard": f"musicapi bulk resolve {out} KEY TASK_ID",
        "not in the dashboard": f"musicapi bulk resolve {out} --not-sent KEY...",
        "none is in the dashboard": f"musicapi bulk resolve {out} --not-sent --all",
        "send again (may be charged twice)": f"musicapi bulk FILE --out {out} --resend-uncertain",
        "give up": f"musicapi bulk FILE --out {out} --drop-uncertain",
    }


@attrs.frozen(kw_only=True)
class Resolution:
    """The arguments of ``musicapi bulk resolve``; the help describes each."""

    folder: Path
    arguments: tuple[str, ...]
    """A key and a task id, or keys with ``not_sent``."""
    not_sent: bool
    all_uncertain: bool
    is_current: bool | None

    def check(self) -> None:
        """Raise UsageError if the arguments do not fit together."""
        if self.all_uncertain and not self.not_sent:
            raise UsageError("--all needs --not-sent; for a task that you found, give KEY TASK_ID, one pair at a time")
        if self.not_sent and bool(self.arguments) == self.all_uncertain:
            raise UsageError("with --not-sent, give the keys of requests that were not accepted, or --all")
        if not self.not_sent and len(self.arguments) != len(("KEY", "TASK_ID")):
            raise UsageError("give KEY TASK_ID for a task that you found, or --not-sent with keys, or --not-sent --all")
        if not (self.folder / JOURNAL).exists():
            raise UsageError(f"there is no {JOURNAL} in {self.folder}; give the --out folder of a bulk run")


async def resolve(resolution: Resolution, screen: Screen) -> None:
    """Record the outcome of uncertain requests; raises InvalidRequestError for a key that is not uncertain."""
    resolution.check()
    opening = bulk.open(resolution.folder / JOURNAL, is_current=resolution.is_current)
    async with closing_shielded(opening) as journal:
        if resolution.not_sent:
            keys = None if resolution.all_uncertain else resolution.arguments
            count = await bulk.resolve_not_sent(journal, keys)
            screen.emit({"not_sent": count})
            screen.print(
                f"{requests_text(count)} recorded as not accepted; the next run sends those that are still in the file"
            )
            return
        key, task_id = resolution.arguments
        await bulk.resolve_as_accepted(journal, key, task_id)
    screen.emit({"key": key, "task_id": task_id})
    screen.print(f"{key} recorded as task {task_id}; the next run resumes it")
