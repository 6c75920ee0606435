"""Command line of ``musicapi bulk``, and its commands on the folder of a run: ``status``, ``report``, ``resolve``."""

import asyncio
import difflib
import shlex
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import typer
from typer.core import TyperGroup

from musicapi_async import bulk
from musicapi_async.bulk import Attempt, State
from musicapi_async.bulk.budget import OTHER_CHARGES
from musicapi_async.bulk.journal import OUTPUT
from musicapi_async.bulk.receiving import JOURNAL
from musicapi_async.bulk.report import MEANINGS, PAGE, Summary, write_report
from musicapi_async.bulk.requests_file import price_list
from musicapi_async.bulk.saving import NAMES
from musicapi_async.bulk.sqlite import JournalSnapshot
from musicapi_async.cli.bulk import (
    DEFAULT_OUTAGE,
    DEFAULT_TIMEOUT,
    LOST_ENTRIES,
    BulkOptions,
    requests_text,
    run_bulk,
)
from musicapi_async.cli.bulk_events import report_paid_twice
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.files import save_options
from musicapi_async.cli.running import closing_shielded, run_command
from musicapi_async.cli.screen import Screen
from musicapi_async.media.saving import CAPTION_FORMATS

__all__ = ["LyricsAs", "Tags", "bulk_app", "report", "status"]

KEYS_SHOWN: Final = 10
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object at the end, also on failure.")]
AsEvents = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per event, one per line; the last one is the result.")
]
IsCurrent = Annotated[
    bool,
    typer.Option("--journal-is-current", help="The journal lost its lock file, and no newer copy was ever used."),
]
IsOld = Annotated[
    bool,
    typer.Option("--journal-is-old", help="The journal may be an old backup: treat its unsent requests as uncertain."),
]
Tags = Annotated[
    bool, typer.Option("--tags", help="Write title, lyrics, cover and ids into the audio, for music players.")
]
LyricsAs = Annotated[
    str | None,
    typer.Option(
        metavar="FORMATS",
        help=f"Also write the lyrics with their times; comma-separated: {','.join(CAPTION_FORMATS)}. For sonic songs "
        "the times cost 1 credit a clip.",
    ),
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The --out folder of a bulk run.")]


class _RunByDefault(TyperGroup):
    """Makes ``musicapi bulk FILE ...`` mean ``musicapi bulk run FILE ...``."""

    # Depending on its version, Typer's context is click's class or a copy of it.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the command that was left out."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            is_misspelt = difflib.get_close_matches(args[0], self.commands) and not Path(args[0]).exists()
            args = args if is_misspelt else ["run", *args]
        return super().parse_args(ctx, args)


bulk_app: Final = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    help="Make thousands of songs: musicapi bulk FILE --out DIR ('musicapi bulk run --help' lists the options). "
    "After any interruption, run the same command again.",
)


@bulk_app.command("run")
def run_bulk_command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="JSONL or CSV, one request per line: "
            '{"key": "1", "operation": "sonic.describe", "description": "rain"}',
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Output folder for the songs and the journal; created if missing.")
    ],
    operation: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The operation of the lines that name none, such as sonic.describe."),
    ] = None,
    in_flight: Annotated[int, typer.Option(metavar="N", min=1, help="Maximum number of tasks in flight.")] = 50,
    attempts: Annotated[
        int, typer.Option(metavar="N", min=1, help="Maximum attempts for a song whose task fails and is refunded.")
    ] = 3,
    max_credits: Annotated[
        float | None,
        typer.Option(metavar="N", min=0, help="Maximum number of credits to spend on this folder, across all runs."),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="N", min=0, help="Seconds to wait for each task; after that its slot goes to the next request."
        ),
    ] = DEFAULT_TIMEOUT,
    outage: Annotated[
        float,
        typer.Option(
            metavar="N", min=0, help="Seconds to keep trying while no connection can be made; then the run stops."
        ),
    ] = DEFAULT_OUTAGE,
    names: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="Template of file names; fields: index, key, title, clip_id, operation, ext."
        ),
    ] = NAMES,
    tags: Tags = False,
    lyrics_as: LyricsAs = None,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Public https:// URL to which the service reports finished songs, also of requests whose response was "
            "lost; signed with MUSICAPI_WEBHOOK_SECRET.",
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Address to receive these reports at during the run, such as 127.0.0.1:8788."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file and estimate its cost; send nothing.")
    ] = False,
    resend_uncertain: Annotated[
        bool, typer.Option("--resend-uncertain", help="Send uncertain requests again; they may be charged twice.")
    ] = False,
    drop_uncertain: Annotated[
        bool, typer.Option("--drop-uncertain", help="Drop uncertain requests: mark them as failed.")
    ] = False,
    retry_refused: Annotated[bool, typer.Option("--retry-refused", help="Send refused requests again.")] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Send requests that failed without a refund again; they are charged again."
        ),
    ] = False,
    journal_is_current: IsCurrent = False,
    journal_is_old: IsOld = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Use an embedded fake server: no key, no network, no charge.")
    ] = False,
    as_json: AsEvents = False,
) -> int:
    """Make the songs of a requests file, each charged once, and save audio, covers and metadata in a folder.

    The whole file is checked before anything is sent.
    """
    if resend_uncertain and drop_uncertain:
        raise UsageError("give --resend-uncertain or --drop-uncertain, not both")
    saving = save_options(tags=tags, lyrics_as=lyrics_as)
    options = BulkOptions(
        file=file,
        out=out,
        operation=operation,
        in_flight=in_flight,
        attempts=attempts,
        max_credits=max_credits,
        timeout=timeout,
        outage=outage,
        names=names,
        tags=saving.tags,
        lyrics_as=saving.lyrics,
        webhook_url=webhook_url,
        listen=listen,
        dry_run=dry_run,
        embedded=sandbox,
        resend_uncertain=resend_uncertain,
        drop_uncertain=drop_uncertain,
        retry_refused=retry_refused,
        retry_failed=retry_failed,
        is_current=_is_current(is_current=journal_is_current, is_old=journal_is_old),
    )
    return run_command(lambda screen: run_bulk(options, screen), as_json=as_json)


@bulk_app.command("resolve")
def resolve_command(
    folder: Folder,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY TASK_ID | KEY...]",
            help="The key of an uncertain request and the id of its task; with --not-sent only keys.",
        ),
    ] = None,
    *,
    not_sent: Annotated[
        bool,
        typer.Option(
            "--not-sent", help="The requests with these keys were not accepted; the next run sends them again."
        ),
    ] = False,
    all_uncertain: Annotated[
        bool, typer.Option("--all", help="With --not-sent: no uncertain request was accepted.")
    ] = False,
    journal_is_current: IsCurrent = False,
    journal_is_old: IsOld = False,
    as_json: AsJson = False,
) -> int:
    """Record what became of uncertain requests: a task, which the next run resumes, or (--not-sent) nothing."""
    keys = tuple(arguments or ())
    current = _is_current(is_current=journal_is_current, is_old=journal_is_old)
    _check_resolution(folder, keys, not_sent=not_sent, all_uncertain=all_uncertain)
    return run_command(lambda screen: _resolve(folder, keys, current, screen, not_sent=not_sent), as_json=as_json)


@bulk_app.command("status")
def status_command(folder: Folder, *, as_json: AsJson = False) -> int:
    """Show the progress of a run and its uncertain requests; works during the run too."""
    return run_command(lambda screen: status(folder, screen), as_json=as_json)


@bulk_app.command("report")
def report_command(folder: Folder, *, as_json: AsJson = False) -> int:
    """Write DIR/index.html: every song with a player, and the reason for each one missing; works during a run too."""
    return run_command(lambda screen: report(folder, screen), as_json=as_json)


def _is_current(*, is_current: bool, is_old: bool) -> bool | None:
    if is_current and is_old:
        raise UsageError("give --journal-is-current or --journal-is-old, not both")
    return True if is_current else False if is_old else None


def _check_resolution(folder: Path, arguments: Sequence[str], *, not_sent: bool, all_uncertain: bool) -> None:
    """Raise UsageError if the arguments do not fit together."""
    if all_uncertain and not not_sent:
        raise UsageError("--all needs --not-sent; for a task that you found, give KEY TASK_ID, one pair at a time")
    if not_sent and bool(arguments) == all_uncertain:
        raise UsageError("with --not-sent, give the keys of requests that were not accepted, or --all")
    if not not_sent and len(arguments) != len(("KEY", "TASK_ID")):
        raise UsageError("give KEY TASK_ID for a task that you found, or --not-sent with keys, or --not-sent --all")
    if not (folder / JOURNAL).exists():
        raise UsageError(f"there is no {JOURNAL} in {folder}; give the --out folder of a bulk run")


async def _resolve(
    folder: Path, arguments: Sequence[str], is_current: bool | None, screen: Screen, *, not_sent: bool
) -> None:
    """Record the outcome of uncertain requests; raises InvalidRequestError for a key that is not uncertain."""
    async with closing_shielded(bulk.open(folder / JOURNAL, is_current=is_current)) as journal:
        if not_sent:
            # Without keys, all of them.
            count = await bulk.resolve_not_sent(journal, arguments or None)
            screen.emit({"not_sent": count})
            screen.print(
                f"{requests_text(count)} recorded as not accepted; the next run sends those that are still in the file"
            )
            return
        key, task_id = arguments
        await bulk.resolve_as_accepted(journal, key, task_id)
    screen.emit({"key": key, "task_id": task_id})
    screen.print(f"{key} recorded as task {task_id}; the next run resumes it")


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
        others = float(snapshot.recall(OTHER_CHARGES) or 0.0)
        return write_report(folder, snapshot.records, price_list(), snapshot.extras(), others, snapshot.recall(OUTPUT))


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


def _read_status(folder: Path) -> _JournalStatus:
    with JournalSnapshot(folder / JOURNAL) as snapshot:
        return _JournalStatus(
            counts=snapshot.counts(),
            holder=snapshot.holder(),
            uncertain=[record.key for record in islice(snapshot.records({"uncertain"}), KEYS_SHOWN)],
            overdue=snapshot.overdue(),
            has_lost=snapshot.has_lost_entries(),
            extras=snapshot.extras(),
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
