"""Command line of ``musicapi bulk``."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from musicapi_async.bulk.saving import NAMES
from musicapi_async.cli.bulk import DEFAULT_OUTAGE, DEFAULT_TIMEOUT, BulkOptions, run_bulk
from musicapi_async.cli.bulk_reports import Resolution, report, resolve, status
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.running import run_command

__all__ = ["bulk_app"]

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
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The --out folder of a bulk run.")]


class _RunByDefault(TyperGroup):
    """Makes ``musicapi bulk FILE ...`` mean ``musicapi bulk run FILE ...``."""

    # Depending on its version, Typer's context is click's class or a copy of it.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the command that was left out."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
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
    resolution = Resolution(
        folder=folder,
        arguments=tuple(arguments or ()),
        not_sent=not_sent,
        all_uncertain=all_uncertain,
        is_current=_is_current(is_current=journal_is_current, is_old=journal_is_old),
    )
    return run_command(lambda screen: resolve(resolution, screen), as_json=as_json)


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
