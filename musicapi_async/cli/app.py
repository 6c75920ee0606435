"""Command line of ``musicapi``. Each command is one function; its docstring is its help.

What a command needs is imported when it runs: ``musicapi --help`` takes no longer than the libraries that draw it.
"""

import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from musicapi_async._logger import log_to_stderr
from musicapi_async.cli import VERSION_TEXT
from musicapi_async.cli.arguments import (
    DEFAULT_TIMEOUT,
    AsJson,
    Family,
    LyricsAs,
    Sandboxed,
    Source,
    Tags,
    Timeout,
    checked_timeout,
    read_lyrics,
)
from musicapi_async.cli.bulk import bulk_app
from musicapi_async.cli.choices import SONG_FAMILIES
from musicapi_async.cli.exit_codes import STOPPED, UsageError, exit_code_table
from musicapi_async.cli.help import Command, CommandGroup
from musicapi_async.cli.sandbox import sandbox_command, sandbox_help
from musicapi_async.cli.webhooks import webhooks_app
from musicapi_async.media.caption_formats import CAPTION_FORMATS

if TYPE_CHECKING:
    from musicapi_async.cli.screen import Screen

__all__ = ["app", "run"]

PROGRAM: Final = "musicapi"

app: Final = typer.Typer(
    help="Make songs from an idea or from lyrics with MusicAPI (musicapi.ai). The API key is read from MUSICAPI_KEY.",
    epilog=exit_code_table(),
    cls=CommandGroup,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(bulk_app, name="bulk")
app.add_typer(webhooks_app, name="webhooks")


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    _prepare_streams()
    _hide_passwords(arguments)
    try:
        code: int | None = app(list(arguments), prog_name=PROGRAM, standalone_mode=False)
    except KeyboardInterrupt:
        return STOPPED
    except Exception as error:  # noqa: BLE001 - a user gets a sentence, never a traceback
        from musicapi_async.cli.running import fail

        return fail(_screen(arguments), _usage_error(error) or error)
    return code or 0


def _hide_passwords(arguments: Sequence[str]) -> None:
    if not any(":" in argument for argument in arguments):
        return  # no address
    from musicapi_async.cli.title import hide_passwords

    if advice := hide_passwords(arguments):
        _screen(arguments).warn(advice)


def _screen(arguments: Sequence[str]) -> "Screen":
    from musicapi_async.cli.screen import Screen

    return Screen(as_json="--json" in arguments)


def _usage_error(error: Exception) -> UsageError | None:
    """Return an error of Typer's parser as a UsageError that names the help; None for any other error."""
    # Typer's errors share no public class across its versions, but they share this method and attribute.
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        return None
    message = str(format_message()).rstrip(".")
    command = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
    if message.startswith("Got unexpected extra argument") and command == f"{PROGRAM} generate":
        advice = f"an idea of several words needs quotes: {command} 'a calm sea shanty'; styles are given with --style"
        return UsageError(f"{message}; {advice}")
    return UsageError(f"{message or 'a command is missing'}; see '{command} --help'")


@app.callback(invoke_without_command=True)
def musicapi(
    context: typer.Context,
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show each request on standard error, as MUSICAPI_LOG=debug does.")
    ] = False,
) -> None:
    """Print the version, or the help if no command is given."""
    if verbose:
        context.call_on_close(log_to_stderr(logging.DEBUG))
    if show_version:
        typer.echo(VERSION_TEXT)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("generate", cls=Command)
def generate_command(
    idea: Annotated[
        str | None, typer.Argument(metavar="IDEA", help="What the songs are about; the service writes the lyrics.")
    ] = None,
    *,
    lyrics: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file with your own lyrics, instead of an idea; - reads standard input."),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="The title.")] = None,
    style: Annotated[str | None, typer.Option(metavar="TEXT", help="Styles, comma-separated.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model; by default the family's newest.")
    ] = None,
    instrumental: Annotated[bool, typer.Option("--instrumental", help="Make songs without vocals.")] = False,
    family: Source = "sonic",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder; created if missing.")] = Path(),
    tags: Tags = False,
    lyrics_as: LyricsAs = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    sandbox: Sandboxed = False,
    as_json: AsJson = False,
) -> int:
    """Make songs from an idea or from lyrics, and save the audio, cover and metadata of each."""
    from musicapi_async.cli.files import save_options
    from musicapi_async.cli.running import run_command
    from musicapi_async.cli.task import generate, make_request

    options = save_options(tags=tags, lyrics_as=lyrics_as)
    if (idea is None) == (lyrics is None):
        raise UsageError("give an idea or --lyrics FILE" + (", not both" if lyrics else ""))
    fields = {
        "description": idea,
        "lyrics": None if lyrics is None else read_lyrics(lyrics),
        "title": title,
        "tags": style,
        "model": model,
        "instrumental": instrumental or None,
    }
    request = make_request(family, {name: value for name, value in fields.items() if value is not None})
    seconds = checked_timeout(timeout)
    return run_command(
        lambda screen: generate(request, out, options, seconds, screen, embedded=sandbox), as_json=as_json
    )


@app.command("task", cls=Command)
def task_command(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The task id that 'musicapi generate' printed.")],
    *,
    family: Family = "sonic",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the task is finished.")] = False,
    download: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Wait, then save the files here; created if missing.")
    ] = None,
    tags: Tags = False,
    lyrics_as: LyricsAs = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> int:
    """Show a task's status, or resume it: wait for its songs and save their files."""
    from musicapi_async.cli.files import save_options
    from musicapi_async.cli.running import run_command
    from musicapi_async.cli.task import resume_task, show_task

    if family not in SONG_FAMILIES:
        raise UsageError(f"--family is {family!r}; use one of: {', '.join(SONG_FAMILIES)}")
    options = save_options(tags=tags, lyrics_as=lyrics_as)
    if download is None and (tags or lyrics_as is not None):
        raise UsageError("--tags and --lyrics-as are for saved files; give --download DIR too")
    if wait or download is not None:
        seconds = checked_timeout(timeout)
        return run_command(
            lambda screen: resume_task(task_id, family, download, options, seconds, screen), as_json=as_json
        )
    return run_command(lambda screen: show_task(task_id, family, screen), as_json=as_json)


@app.command("doctor", cls=Command)
def doctor_command(*, as_json: AsJson = False) -> int:
    """Check the key, the balance, the connection, the proxy, the clock and the webhook's address; free of charge."""
    from musicapi_async.cli.doctor import examine
    from musicapi_async.cli.running import run_command

    return run_command(examine, as_json=as_json)


@app.command("lyrics", cls=Command)
def lyrics_command(
    songs: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Folders of saved songs, or the audio or JSON of single ones."),
    ],
    *,
    formats: Annotated[
        str, typer.Option("--as", metavar="FORMATS", help=f"Formats, comma-separated: {','.join(CAPTION_FORMATS)}.")
    ] = "lrc",
    fetch: Annotated[
        bool,
        typer.Option(
            "--fetch",
            help="For songs without times, get them from the service: 1 credit for each sonic song, then free.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Write the lyrics of saved songs with their times, in files beside the audio."""
    from musicapi_async.cli.files import formats_in
    from musicapi_async.cli.lyrics import write_lyrics
    from musicapi_async.cli.running import run_command

    names = formats_in(formats, "--as")
    return run_command(lambda screen: write_lyrics(songs, names, screen, fetch=fetch), as_json=as_json)


@app.command("karaoke", cls=Command)
def karaoke_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of saved songs: the --out folder of generate or bulk.")
    ],
    *,
    as_json: AsJson = False,
) -> int:
    """Write a page for each saved song with times, beside its audio: the word that is sung is marked."""
    from musicapi_async.cli.karaoke import write_pages
    from musicapi_async.cli.running import run_command

    return run_command(lambda screen: write_pages(folder, screen), as_json=as_json)


@app.command("tag", cls=Command)
def tag_command(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Folders of saved songs, or the audio or JSON of single ones."),
    ],
    *,
    as_json: AsJson = False,
) -> int:
    """Write title, lyrics, cover and ids into the audio of saved songs, from the JSON files beside them."""
    from musicapi_async.cli.running import run_command
    from musicapi_async.cli.tag import tag_songs

    return run_command(lambda screen: tag_songs(paths, screen), as_json=as_json)


@app.command("credits", cls=Command)
def credits_command(*, as_json: AsJson = False) -> int:
    """Show the account's balance."""
    from musicapi_async.cli.running import run_command

    return run_command(_show_credits, as_json=as_json)


app.command("sandbox", cls=Command, help=sandbox_help())(sandbox_command)


async def _show_credits(screen: "Screen") -> None:
    from musicapi_async.cli.running import open_client

    async with open_client() as client:
        balance = await client.account.credits()
    screen.emit(balance.to_dict() | {"total": balance.total})
    screen.progress.stop()
    screen.print(
        f"{balance.total:g} credits ({balance.credits:g} from the subscription, {balance.extra_credits:g} extra)"
    )


def _prepare_streams() -> None:
    """Make sure that output can never fail and so end a paid task."""
    # Python has None where the shell has closed a stream (>&-).
    sys.stdout = sys.stdout or io.StringIO()
    sys.stderr = sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        # A title may hold characters that the terminal's encoding lacks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
