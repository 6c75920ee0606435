"""Command line of ``musicapi bulk``. Each command is one function; its docstring is its help.

What a command needs is imported when it runs.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from musicapi_async.cli.arguments import LyricsAs, Sandboxed, Tags
from musicapi_async.cli.bulk import arguments as given
from musicapi_async.cli.bulk.group import RunByDefault
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.help import Command

__all__ = ["bulk_app"]


bulk_app: Final = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    help="Make thousands of songs: musicapi bulk FILE --out DIR. After any interruption, run the same command again. "
    "To divide the work, plan a file in a journal, then let workers make its songs. A requests file that is called "
    "like a command is given as ./plan.",
)


@bulk_app.command("run", cls=Command)
def run_command_line(
    file: given.RequestsFile,
    *,
    out: given.Out,
    journal: given.JournalOption = None,
    operation: given.Operation = None,
    in_flight: given.InFlight = given.DEFAULT_IN_FLIGHT,
    attempts: given.Attempts = given.DEFAULT_ATTEMPTS,
    max_credits: given.MaxCredits = None,
    create_rate: given.CreateRate = None,
    timeout: given.TaskTimeout = given.DEFAULT_TIMEOUT,
    outage: given.Outage = given.DEFAULT_OUTAGE,
    names: given.NameTemplate = given.NAMES,
    tags: Tags = False,
    lyrics_as: LyricsAs = None,
    webhook_url: given.WebhookUrl = None,
    listen: given.Listen = None,
    base_url: given.BaseUrl = None,
    same_account: given.SameAccount = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check the file, estimate its cost, say what is done already; send nothing."),
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
    journal_is_current: given.IsCurrent = False,
    journal_is_old: given.IsOld = False,
    sandbox: Sandboxed = False,
    as_json: given.AsEvents = False,
) -> int:
    """Make the songs of a requests file, each charged once, and save audio, covers and metadata in a folder.

    The whole file is checked before anything is sent.
    """
    from musicapi_async.cli.bulk.journals import journal_beside, journal_in
    from musicapi_async.cli.bulk.requests_file import requests_source
    from musicapi_async.cli.bulk.run import BulkOptions, run_bulk
    from musicapi_async.cli.files import save_options
    from musicapi_async.cli.running import run_command

    if resend_uncertain and drop_uncertain:
        raise UsageError("give --resend-uncertain or --drop-uncertain, not both")
    if sandbox and (journal is not None or base_url is not None):
        raise UsageError("--sandbox has a server of its own, and its journal in --out: leave out --journal, --base-url")
    saving = save_options(tags=tags, lyrics_as=lyrics_as)
    with requests_source(file, operation) as source:
        options = BulkOptions(
            source=source,
            choice=journal_in(out) if sandbox else journal_beside(out, journal),
            out=out,
            operation=operation,
            in_flight=in_flight,
            attempts=attempts,
            max_credits=max_credits,
            create_rate=create_rate,
            timeout=timeout,
            outage=outage,
            names=names,
            tags=saving.tags,
            lyrics_as=saving.lyrics,
            webhook_url=webhook_url,
            listen=listen,
            base_url=base_url,
            same_account=same_account,
            dry_run=dry_run,
            embedded=sandbox,
            resend_uncertain=resend_uncertain,
            drop_uncertain=drop_uncertain,
            retry_refused=retry_refused,
            retry_failed=retry_failed,
            is_current=given.is_current(current=journal_is_current, old=journal_is_old),
        )
        return run_command(lambda screen: run_bulk(options, screen), as_json=as_json)


@bulk_app.command("plan", cls=Command)
def plan_command_line(
    file: given.RequestsFile,
    *,
    journal: given.JournalOption = None,
    operation: given.Operation = None,
    in_flight: given.InFlight = given.DEFAULT_IN_FLIGHT,
    attempts: given.Attempts = given.DEFAULT_ATTEMPTS,
    max_credits: given.MaxCredits = None,
    create_rate: given.CreateRate = None,
    timeout: given.TaskTimeout = given.DEFAULT_TIMEOUT,
    names: given.NameTemplate = given.NAMES,
    journal_is_current: given.IsCurrent = False,
    journal_is_old: given.IsOld = False,
    as_json: given.AsJson = False,
) -> int:
    """Plan the requests of a file in a journal, with the limits that all workers on it keep together; send nothing.

    The whole file is checked first. Planned again, a file or a limit replaces the one before.
    """
    from musicapi_async.bulk import PlanOptions
    from musicapi_async.cli.bulk.journals import journal_of
    from musicapi_async.cli.bulk.plan import PlanCommand, plan
    from musicapi_async.cli.bulk.requests_file import requests_source
    from musicapi_async.cli.running import run_command

    options = PlanOptions(
        operation=operation,
        in_flight=given.unless_default(in_flight, given.DEFAULT_IN_FLIGHT),
        attempts=given.unless_default(attempts, given.DEFAULT_ATTEMPTS),
        max_credits=max_credits,
        create_rate=create_rate,
        timeout=given.unless_default(timeout, given.DEFAULT_TIMEOUT),
        names=given.unless_default(names, given.NAMES),
    )
    choice = journal_of(None, journal)
    current = given.is_current(current=journal_is_current, old=journal_is_old)
    with requests_source(file, operation) as source:
        command = PlanCommand(source=source, choice=choice, options=options, is_current=current)
        return run_command(lambda screen: plan(command, screen), as_json=as_json)


@bulk_app.command("work", cls=Command)
def work_command_line(
    *,
    out: given.Out,
    journal: given.JournalOption = None,
    stay: Annotated[bool, typer.Option("--stay", help="Wait for further plans when nothing is left.")] = False,
    outage: given.Outage = given.DEFAULT_OUTAGE,
    tags: Tags = False,
    lyrics_as: LyricsAs = None,
    webhook_url: given.WebhookUrl = None,
    listen: given.Listen = None,
    base_url: given.BaseUrl = None,
    same_account: given.SameAccount = False,
    journal_is_current: given.IsCurrent = False,
    journal_is_old: given.IsOld = False,
    as_json: given.AsEvents = False,
) -> int:
    """Make the songs that are planned in a journal, and end when nothing is left.

    SIGTERM and Ctrl-C stop it, with exit code 0: nothing more is sent, and the responses in flight are waited for. A
    second one ends it at once: what was in flight is then uncertain.
    """
    from musicapi_async.cli.bulk.journals import journal_beside
    from musicapi_async.cli.bulk.work import WorkOptions, run_work
    from musicapi_async.cli.files import save_options
    from musicapi_async.cli.running import run_command

    options = WorkOptions(
        choice=journal_beside(out, journal),
        out=out,
        stay=stay,
        saving=save_options(tags=tags, lyrics_as=lyrics_as),
        outage=outage,
        webhook_url=webhook_url,
        listen=listen,
        base_url=base_url,
        same_account=same_account,
        is_current=given.is_current(current=journal_is_current, old=journal_is_old),
    )
    return run_command(lambda screen: run_work(options, screen), as_json=as_json)


@bulk_app.command("migrate", cls=Command)
def migrate_command_line(
    folder: given.Folder = None, *, journal: given.JournalOption = None, as_json: given.AsJson = False
) -> int:
    """Make the tables of a journal in a database, or upgrade those of an older version, once its workers have ended.

    A plan does so too.
    """
    from musicapi_async.cli.bulk.journals import journal_of
    from musicapi_async.cli.bulk.migrate import migrate
    from musicapi_async.cli.running import run_command

    choice = journal_of(folder, journal)
    return run_command(lambda screen: migrate(choice, screen), as_json=as_json)


@bulk_app.command("status", cls=Command)
def status_command_line(
    folder: given.Folder = None, *, journal: given.JournalOption = None, as_json: given.AsJson = False
) -> int:
    """Show the progress of a run and its uncertain requests; works during the run too."""
    from musicapi_async.cli.bulk.journals import journal_of
    from musicapi_async.cli.bulk.status import status
    from musicapi_async.cli.running import run_command

    choice = journal_of(folder, journal)
    return run_command(lambda screen: status(choice, screen), as_json=as_json)


@bulk_app.command("resolve", cls=Command)
def resolve_command_line(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIR] [KEY TASK_ID | KEY...]",
            help="DIR, the --out folder of a bulk run, unless --journal is given; the key of an uncertain request and "
            "the id of its task; with --not-sent only keys.",
        ),
    ] = None,
    *,
    journal: given.JournalOption = None,
    not_sent: Annotated[
        bool,
        typer.Option(
            "--not-sent", help="The requests with these keys were not accepted; the next run sends them again."
        ),
    ] = False,
    all_uncertain: Annotated[
        bool, typer.Option("--all", help="With --not-sent: no uncertain request was accepted.")
    ] = False,
    journal_is_current: given.IsCurrent = False,
    journal_is_old: given.IsOld = False,
    as_json: given.AsJson = False,
) -> int:
    """Record what became of uncertain requests: a task, which the next run resumes, or (--not-sent) nothing."""
    from musicapi_async.cli.bulk.journals import journal_of_arguments
    from musicapi_async.cli.bulk.resolve import Resolution, resolve
    from musicapi_async.cli.running import run_command

    current = given.is_current(current=journal_is_current, old=journal_is_old)
    choice, rest = journal_of_arguments(arguments or [], journal)
    resolution = Resolution(
        choice=choice, arguments=rest, not_sent=not_sent, all_uncertain=all_uncertain, is_current=current
    )
    resolution.check()
    return run_command(lambda screen: resolve(resolution, screen), as_json=as_json)


@bulk_app.command("report", cls=Command)
def report_command_line(
    folder: given.Folder = None,
    *,
    journal: given.JournalOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page to write; by default DIR/index.html.")
    ] = None,
    as_json: given.AsJson = False,
) -> int:
    """Write a page: every song with a player, and the reason for each one missing; works during a run too."""
    from musicapi_async.cli.bulk.journals import journal_of
    from musicapi_async.cli.bulk.report import report
    from musicapi_async.cli.running import run_command

    choice = journal_of(folder, journal)
    return run_command(lambda screen: report(choice, screen, out), as_json=as_json)


@bulk_app.command("copy", cls=Command)
def copy_command_line(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The --out folder of a bulk run, or its journal.")],
    *,
    journal: given.JournalOption = None,
    journal_is_current: given.IsCurrent = False,
    journal_is_old: given.IsOld = False,
    as_json: given.AsJson = False,
) -> int:
    """Move a half-finished journal into another, empty one: its requests, tasks, spending and uncertain requests.

    The old one is closed for good. Interrupted, run the same command again.
    """
    from musicapi_async.cli.bulk.copying import CopyCommand, copy
    from musicapi_async.cli.bulk.journals import journal_of
    from musicapi_async.cli.running import run_command

    command = CopyCommand(
        source=CopyCommand.source_of(folder),
        target=journal_of(None, journal),
        is_current=given.is_current(current=journal_is_current, old=journal_is_old),
    )
    command.check()
    return run_command(lambda screen: copy(command, screen), as_json=as_json)
