"""Command line of ``musicapi webhooks``."""

import sys
from typing import Annotated, Final

import typer

from musicapi_async.cli.arguments import DEFAULT_HOST, Host
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.help import Command, CommandGroup

__all__ = ["webhooks_app"]

webhooks_app: Final = typer.Typer(cls=CommandGroup, help="Set up the receiving of events.")


@webhooks_app.callback()
def webhooks_group() -> None:
    """Set up the receiving of events."""


@webhooks_app.command("listen", cls=Command)
def listen_command(
    *,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = 8788,
    host: Host = DEFAULT_HOST,
    path: Annotated[str, typer.Option(metavar="PATH", help="The path of your webhook_url.")] = "/hooks/musicapi",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print each event as a line of JSON, as is also done where output is no terminal."),
    ] = False,
) -> int:
    """Show events as they arrive, and why one is refused, until Ctrl-C: for setting up a tunnel or a reverse proxy.

    The secret is read from MUSICAPI_WEBHOOK_SECRET. The events are confirmed, and used for nothing else.
    """
    from musicapi_async.cli.listening import listen
    from musicapi_async.cli.running import run_command

    if not path.startswith("/") or not path.isprintable() or set(path) & {"?", "#", " "}:
        raise UsageError(f"--path is {path!r}; it must begin with / and have no query and no blanks")
    as_json = as_json or not sys.stdout.isatty()
    return run_command(lambda screen: listen(host, port, path, screen), as_json=as_json)
