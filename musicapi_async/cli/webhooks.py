"""``musicapi webhooks listen``: shows the events that reach this machine, and why one is refused."""

import asyncio
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.text import Text

from musicapi_async import Secret, Settings, errors, webhooks
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.help import Command, CommandGroup
from musicapi_async.cli.progress import printable
from musicapi_async.cli.running import run_command
from musicapi_async.cli.screen import Screen
from musicapi_async.cli.serving import serving
from musicapi_async.webhooks.receiver import Receiver
from musicapi_async.webhooks.responses import ResponseStatus

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["webhooks_app"]

ROWS_SHOWN: Final = 15
MAX_REMEMBERED_IDS: Final = 1000
"""Ids of events by which one that is sent again is recognized."""
MAX_PATH: Final = 200
"""Characters of another path that are shown."""
STYLES: Final = {"song.completed": "green", "song.failed": "red", "song.streaming": "cyan", "refused": "yellow"}
REFUSALS: Final = {
    ResponseStatus.NOT_A_POST: ("method", "it is no POST"),
    ResponseStatus.TOO_LARGE: ("too_large", "its body is larger than 1 MiB"),
}
"""Reasons and sentences for responses that are sent before an event is verified."""

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
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; any but a loopback address can be reached from other machines.",
        ),
    ] = "127.0.0.1",
    path: Annotated[str, typer.Option(metavar="PATH", help="The path of your webhook_url.")] = "/hooks/musicapi",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print each event as a line of JSON, as is also done where output is no terminal."),
    ] = False,
) -> int:
    """Show events as they arrive, and why one is refused, until Ctrl-C: for setting up a tunnel or a reverse proxy.

    The secret is read from MUSICAPI_WEBHOOK_SECRET. The events are confirmed, and used for nothing else.
    """
    if not path.startswith("/") or not path.isprintable() or set(path) & {"?", "#", " "}:
        raise UsageError(f"--path is {path!r}; it must begin with / and have no query and no blanks")
    as_json = as_json or not sys.stdout.isatty()
    return run_command(lambda screen: _listen(host, port, path, screen), as_json=as_json)


async def _listen(host: str, port: int, path: str, screen: Screen) -> None:
    """Show events until the command is stopped, which is its normal end."""
    screen.stream_events()
    listener = _Listener(_secret(), path, screen)
    async with serving(listener.handle, host, port, "--port or --host") as origin:
        screen.event({"event": "listening", "url": f"{origin}{path}"})
        screen.progress.stop()
        screen.print(f"listening at {origin}{path}; stop it with Ctrl-C")
        screen.print(f"give the service a public https:// address that leads here, such as https://YOUR-TUNNEL{path}")
        live = screen.live(listener.draw)
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        if live is not None:
            live.stop()
            screen.table([row.cells for row in listener.rows])
    screen.emit({"verified": listener.verified, "refused": listener.refused})
    screen.print(listener.summary)


def _secret() -> Secret:
    """Return the secret in the environment; raises UsageError without one, InvalidRequestError for an unusable one."""
    # No key is needed: nothing is sent to the service.
    secret = Settings.load(api_key="unused").webhook_secret
    if secret is None:
        raise UsageError(
            "MUSICAPI_WEBHOOK_SECRET is not set: set it to the webhook_secret that is sent with your requests, since "
            "events that are signed without one cannot be verified"
        )
    return secret


@attrs.frozen
class _Row:
    """One request that arrived; ``event`` is the type of a verified event, or ``refused``."""

    at: str
    event: str
    task_id: str
    text: str

    @property
    def cells(self) -> tuple[str, str, str, str]:
        return self.at, self.event, self.task_id, self.text


class _Listener:
    """Verifies events, responds as a client does, and shows them."""

    def __init__(self, secret: Secret, path: str, screen: Screen) -> None:
        self._secret = secret
        self._path = path
        self._screen = screen
        self._receiver = Receiver(self._receive)
        self._ids: deque[str] = deque(maxlen=MAX_REMEMBERED_IDS)
        self.rows: deque[_Row] = deque(maxlen=ROWS_SHOWN)
        self.verified = 0
        self.refused = 0

    async def handle(self, request: "web.Request") -> "web.Response":
        """Respond to a request, and show it."""
        from aiohttp import web  # noqa: PLC0415

        if request.path != self._path:
            path = request.path[:MAX_PATH]
            self._refuse(404, "path", f"{request.method} {path}: events are expected at {self._path}")
            return web.Response(status=404)
        response = await self._receiver.aiohttp(request)
        if response.status in REFUSALS:
            reason, sentence = REFUSALS[ResponseStatus(response.status)]
            self._refuse(response.status, reason, f"{request.method} {self._path}: {sentence}")
        return response

    async def _receive(self, body: bytes, headers: webhooks.Headers, _: str) -> ResponseStatus:
        try:
            event = webhooks.verify(body, headers, self._secret)
        except errors.WebhookVerificationError as error:
            self._refuse(ResponseStatus.NOT_VERIFIED, error.reason, error.message)
            return ResponseStatus.NOT_VERIFIED
        self._show(event)
        return ResponseStatus.KEPT

    def _show(self, event: webhooks.Event) -> None:
        is_duplicate = event.id in self._ids
        self._ids.append(event.id)
        self.verified += 1
        fields = {name: value for name, value in event.to_dict().items() if name != "matched"}
        self._screen.event({"event": "verified", **fields, "duplicate": is_duplicate})
        states = [clip.state or "unknown" for clip in event.clips]
        parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
        parts += [title] if (title := next((clip.title for clip in event.clips if clip.title), None)) else []
        parts += [event.message] if event.message and not states else []
        parts += ["sent again"] if is_duplicate else []
        self._add(event.type or "no type", event.task_id or "no task", ", ".join(parts))

    def _refuse(self, status: int, reason: str, message: str) -> None:
        self.refused += 1
        self._screen.event({"event": "refused", "status": int(status), "reason": reason, "message": message})
        self._add("refused", str(int(status)), message)

    def _add(self, event: str, task_id: str, text: str) -> None:
        row = _Row(time.strftime("%H:%M:%S"), *(printable(cell) for cell in (event, task_id, text)))
        self.rows.append(row)
        if not self._screen.is_live:
            self._screen.print("  ".join(row.cells))

    @property
    def summary(self) -> str:
        """How many events were verified and refused."""
        return f"{self.verified} event{'s'[: self.verified != 1]} verified, {self.refused} refused"

    def draw(self) -> Group:
        """Return the live display: the counts, and a line for each of the last requests."""
        rows = tuple(self.rows)  # drawn by a thread of its own
        event_width = max((cell_len(row.event) for row in rows), default=0)
        task_width = max((cell_len(row.task_id) for row in rows), default=0)
        lines = []
        for row in rows:
            line = Text(f"{row.at}  ", no_wrap=True, overflow="ellipsis")
            line.append(f"{set_cell_size(row.event, event_width)}  ", STYLES.get(row.event, ""))
            line.append(f"{set_cell_size(row.task_id, task_width)}  {row.text}")
            lines.append(line)
        return Group(Text(self.summary, style="dim"), *lines)
