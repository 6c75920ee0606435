"""The command line: what can be asked for. Each command is one function; its docstring is its help."""

import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from musicapi_async._version import VERSION
from musicapi_async.cli.account import show_credits
from musicapi_async.cli.bulk_app import bulk_app
from musicapi_async.cli.exits import UsageError, table
from musicapi_async.cli.generate import Order, families, generate, request_for
from musicapi_async.cli.running import SIGINT_EXIT, fail, run_command
from musicapi_async.cli.screen import Screen
from musicapi_async.cli.serving import serve
from musicapi_async.cli.task import look, take_up
from musicapi_async.sandbox import Sandbox

__all__ = ["app", "run"]

STDIN: Final = Path("-")
ENTRY: Final = "musicapi"
WAIT: Final = 600.0

app: Final = typer.Typer(
    help="Songs from lyrics or an idea, by MusicAPI (musicapi.ai). The key is read from MUSICAPI_KEY.",
    epilog=table(),
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(bulk_app, name="bulk")

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object at the end, also on failure, and nothing else on stdout.")
]
Family = Annotated[str, typer.Option(help=f"The service's family: {' or '.join(families())}.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for the songs; the task lives on afterwards.")]


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    _prepare_streams()
    try:
        code: int | None = app(list(arguments), prog_name=ENTRY, standalone_mode=False)
    except KeyboardInterrupt:
        return SIGINT_EXIT
    except Exception as error:  # noqa: BLE001 - a user gets a sentence, never a traceback
        # Typer's own errors have no public class of their own in all its versions, but this method.
        sentence = getattr(error, "format_message", None)
        return fail(Screen(as_json="--json" in arguments), error if sentence is None else UsageError(sentence()))
    return code or 0


@app.callback(invoke_without_command=True)
def musicapi(
    context: typer.Context,
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Print the version or the help where no command is given."""
    if show_version:
        typer.echo(f"musicapi-async {VERSION}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("generate")
def generate_command(
    idea: Annotated[str | None, typer.Argument(help="What the songs are about; the service writes the lyrics.")] = None,
    *,
    lyrics: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own lyrics instead of an idea; - reads standard input.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="The title.")] = None,
    tags: Annotated[str | None, typer.Option(help="Styles, comma-separated.")] = None,
    model: Annotated[str | None, typer.Option(help="The model; the family's newest unless told.")] = None,
    instrumental: Annotated[bool, typer.Option("--instrumental", help="No voice.")] = False,
    family: Family = "sonic",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go; made if missing.")] = Path(),
    timeout: Timeout = WAIT,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Try it on an embedded double of the service: no key, no network, free.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Make songs from an idea or from lyrics: audio, cover and all that is known of each, as files."""
    if (idea is None) == (lyrics is None):
        raise UsageError("give an idea or --lyrics FILE" + (", not both" if lyrics else ""))
    told = {
        "description": idea,
        "lyrics": None if lyrics is None else _read_lyrics(lyrics),
        "title": title,
        "tags": tags,
        "model": model,
        "instrumental": instrumental or None,
    }
    request = request_for(family, {name: value for name, value in told.items() if value is not None})
    order = Order(request=request, out=out, timeout=_checked(timeout), embedded=sandbox)
    return run_command(lambda screen: generate(order, screen), as_json=as_json)


@app.command("task")
def task_command(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The id that 'musicapi generate' printed.")],
    *,
    family: Family = "sonic",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is finished.")] = False,
    download: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Wait, and write its files here; made if missing.")
    ] = None,
    timeout: Timeout = WAIT,
    as_json: AsJson = False,
) -> int:
    """Look at a task once, or take it up again: wait for its songs and write their files."""
    if family not in families():
        raise UsageError(f"--family takes {' or '.join(families())}, not {family!r}")
    if wait or download is not None:
        seconds = _checked(timeout)
        return run_command(lambda screen: take_up(task_id, family, download, seconds, screen), as_json=as_json)
    return run_command(lambda screen: look(task_id, family, screen), as_json=as_json)


@app.command("credits")
def credits_command(*, as_json: AsJson = False) -> int:
    """Show the account's balance."""
    return run_command(show_credits, as_json=as_json)


@app.command("sandbox")
def sandbox_command(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 8787,
    host: Annotated[str, typer.Option(help="The address to listen at; others than loopback are open to others.")] = (
        "127.0.0.1"
    ),
    seconds: Annotated[float, typer.Option(min=0, help="How long a song takes, about.")] = 3.0,
    balance: Annotated[float, typer.Option("--credits", min=0, help="What each new key starts with.")] = 1000.0,
    failure_rate: Annotated[float, typer.Option(min=0, max=1, help="The share of tasks that fail.")] = 0.0,
) -> int:
    """Serve a double of the service on this machine until Ctrl-C, to try programs on: any key is known, all is free."""
    sandbox = Sandbox(port=port, host=host, seconds=seconds, credits=balance, failure_rate=failure_rate)
    return run_command(lambda screen: serve(sandbox, screen))


def _prepare_streams() -> None:
    """Make sure that showing something can never end what was paid for."""
    # Python has None where the shell has closed a stream (>&-).
    sys.stdout = sys.stdout or io.StringIO()
    sys.stderr = sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        # A title may hold letters that the terminal's encoding does not know.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _read_lyrics(source: Path) -> str:
    try:
        content = sys.stdin.buffer.read() if source == STDIN else source.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read the lyrics from {source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the lyrics in {source} are not UTF-8 text") from error


def _checked(timeout: float) -> float:
    if not (timeout > 0 and math.isfinite(timeout)):
        raise UsageError(f"--timeout is {timeout:g}; it must be above 0 seconds")
    return timeout
