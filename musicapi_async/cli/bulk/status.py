"""``musicapi bulk status``: the progress of a journal's requests, and what to do about the uncertain ones."""

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

import attrs

from musicapi_async.bulk.journal import PLAN
from musicapi_async.bulk.meanings import MEANINGS
from musicapi_async.bulk.records import Attempt, State
from musicapi_async.cli.bulk.journals import JournalChoice
from musicapi_async.cli.bulk.texts import LOST_ENTRIES, options_text, report_paid_twice, requests_text
from musicapi_async.cli.screen import Screen

__all__ = ["status"]

KEYS_SHOWN: Final = 10


@attrs.frozen(kw_only=True)
class _JournalStatus:
    """The contents of a journal that ``status`` shows; ``holder`` is the process of a run in progress, if any."""

    counts: Mapping[State, int]
    holder: str | None
    uncertain: Sequence[str]
    """The first keys of uncertain requests, at most KEYS_SHOWN."""
    overdue: int
    has_lost: bool
    extras: Sequence[Attempt]
    """The attempts that were paid for besides their records."""
    options: Mapping[str, Any]
    """The options of the plan that are not the default."""


async def status(choice: JournalChoice, screen: Screen) -> None:
    """Show how many requests are in which state, whether a run is in progress, and how to resolve uncertain ones."""
    found = await asyncio.to_thread(_read_status, choice)
    total = sum(found.counts.values())
    resolutions = _resolutions(choice) if found.uncertain else {}
    screen.emit(
        {
            "journal": choice.name,
            "counts": found.counts,
            "total": total,
            "overdue": found.overdue,
            "run": found.holder,
            "options": found.options,
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
    if found.options:
        screen.print(f"options of the plan: {options_text(found.options)}")
    report_paid_twice(found.extras, screen)
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


def _read_status(choice: JournalChoice) -> _JournalStatus:
    with choice.snapshot() as snapshot:
        return _JournalStatus(
            counts=snapshot.counts(),
            holder=snapshot.holder(),
            uncertain=[record.key for record in islice(snapshot.records({"uncertain"}), KEYS_SHOWN)],
            overdue=snapshot.overdue(),
            has_lost=snapshot.has_lost_entries(),
            extras=snapshot.extras(),
            options=snapshot.recall(PLAN) or {},
        )


def _resolutions(choice: JournalChoice) -> Mapping[str, str]:
    journal = ["--out", str(choice.folder)] if choice.folder is not None else [*choice.arguments, "--out", "DIR"]
    run = f"musicapi bulk FILE {shlex.join(journal)}"
    return {
        "found in the dashboard": choice.command("resolve", "KEY", "TASK_ID"),
        "not in the dashboard": choice.command("resolve", "--not-sent", "KEY..."),
        "none is in the dashboard": choice.command("resolve", "--not-sent", "--all"),
        "send again (may be charged twice)": f"{run} --resend-uncertain",
        "give up": f"{run} --drop-uncertain",
    }
