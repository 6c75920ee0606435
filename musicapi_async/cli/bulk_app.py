"""The command line of ``musicapi bulk``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from musicapi_async.bulk.saving import NAMES
from musicapi_async.cli.bulk import OUTAGE, TIMEOUT, BulkOrder, run_bulk
from musicapi_async.cli.bulk_reports import report, status
from musicapi_async.cli.bulk_resolve import Resolution, resolve
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.running import run_command

__all__ = ["bulk_app"]

AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object for each event, a line each, and the end.")]
IsCurrent = Annotated[
    bool,
    typer.Option("--journal-is-current", help="The journal has lost its mark; nothing has worked on a newer one."),
]
IsOld = Annotated[
    bool,
    typer.Option("--journal-is-old", help="The journal may be a backup: what is planned in it is uncertain."),
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a bulk run.")]


class _RunByDefault(TyperGroup):
    """``musicapi bulk FILE ...`` is ``musicapi bulk run FILE ...``."""

    # Typer's context is click's own class, or a copy of it, by its version.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the command that is left out."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


bulk_app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    help="Make thousands of songs: 'musicapi bulk FILE --out DIR'. Killed at any moment, the same command goes on.",
)


@bulk_app.command("run")
def run_bulk_command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help='JSONL or CSV: {"operation": "sonic.describe", "description": "...", "key": "..."} a line.',
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where songs and journal go; made if missing.")],
    operation: Annotated[str | None, typer.Option(help="The operation of lines that name none.")] = None,
    in_flight: Annotated[int, typer.Option(min=1, help="Tasks that are waited for at once.")] = 50,
    attempts: Annotated[int, typer.Option(min=1, help="Tries of a song whose task failed and was refunded.")] = 3,
    max_credits: Annotated[
        float | None, typer.Option(min=0, help="Credits that may be spent on this folder, all runs together.")
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(min=0, help="Seconds that each task is waited for; then its place is given to another request."),
    ] = TIMEOUT,
    outage: Annotated[
        float, typer.Option(min=0, help="Seconds for which it pauses and tries again while there is no connection.")
    ] = OUTAGE,
    names: Annotated[
        str, typer.Option(help="Names of files, made of index, key, title, clip_id, operation and ext.")
    ] = NAMES,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file and estimate its price; send nothing.")
    ] = False,
    resend_uncertain: Annotated[
        bool, typer.Option("--resend-uncertain", help="Send again what may have been accepted, and be paid for twice.")
    ] = False,
    drop_uncertain: Annotated[
        bool, typer.Option("--drop-uncertain", help="Give up what may have been accepted.")
    ] = False,
    retry_refused: Annotated[bool, typer.Option("--retry-refused", help="Try again what the service refused.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Send again what failed without a refund, and pay for it again.")
    ] = False,
    journal_is_current: IsCurrent = False,
    journal_is_old: IsOld = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Try it on an embedded double of the service: no key, no network, free.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Make the songs of a file, each paid for once: audio, cover and what is known of each, in a folder.

    The whole file is checked before anything is sent.
    """
    if resend_uncertain and drop_uncertain:
        raise UsageError("give --resend-uncertain or --drop-uncertain, not both")
    order = BulkOrder(
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
    return run_command(lambda screen: run_bulk(order, screen), as_json=as_json)


@bulk_app.command("resolve")
def resolve_command(
    folder: Folder,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY TASK_ID | KEY...]",
            help="The key of an uncertain request and the id its task was found under; keys alone with --not-sent.",
        ),
    ] = None,
    *,
    not_sent: Annotated[
        bool, typer.Option("--not-sent", help="The requests of these keys were not accepted: send them again.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="With --not-sent: none of the uncertain requests was accepted.")
    ] = False,
    journal_is_current: IsCurrent = False,
    journal_is_old: IsOld = False,
    as_json: AsJson = False,
) -> int:
    """Record what became of uncertain requests: their task, which the next run resumes, or that there is none."""
    resolution = Resolution(
        folder=folder,
        words=tuple(words or ()),
        not_sent=not_sent,
        everything=everything,
        is_current=_is_current(is_current=journal_is_current, is_old=journal_is_old),
    )
    return run_command(lambda screen: resolve(resolution, screen), as_json=as_json)


@bulk_app.command("status")
def status_command(folder: Folder, *, as_json: AsJson = False) -> int:
    """Say how far a run is, and what is uncertain; also while it is on."""
    return run_command(lambda screen: status(folder, screen), as_json=as_json)


@bulk_app.command("report")
def report_command(folder: Folder, *, as_json: AsJson = False) -> int:
    """Write DIR/index.html: every song with its player, and why others are missing; also while a run is on."""
    return run_command(lambda screen: report(folder, screen), as_json=as_json)


def _is_current(*, is_current: bool, is_old: bool) -> bool | None:
    if is_current and is_old:
        raise UsageError("give --journal-is-current or --journal-is-old, not both")
    return True if is_current else False if is_old else None
