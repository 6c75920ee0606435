"""The events of a bulk run: the server that receives them, and the songs that were paid for twice."""

from contextlib import AbstractAsyncContextManager
from typing import Final

from musicapi_async import Secret, Settings, bulk
from musicapi_async.bulk import Journal
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.serving import serving
from musicapi_async.webhooks import Headers
from musicapi_async.webhooks.receiver import Receiver
from musicapi_async.webhooks.responses import ResponseStatus

__all__ = ["check_listen", "receiving"]

MAX_PORT: Final = 65_535


def check_listen(listen: str) -> tuple[str, int]:
    """Return the host and the port of ``--listen``; raises UsageError for anything but ``HOST:PORT``."""
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) <= MAX_PORT:
        raise UsageError(f"--listen is {listen!r}; it must be HOST:PORT, such as 127.0.0.1:8788")
    return host.removeprefix("[").removesuffix("]"), int(port)


def receiving(listen: str, journal: Journal, settings: Settings) -> AbstractAsyncContextManager[str]:
    """Return a server that keeps the events which arrive at an address in the inbox of the journal.

    Raises UsageError without a URL that leads to it, and when entered where it cannot listen.
    """
    host, port = check_listen(listen)
    if settings.webhook_url is None or settings.webhook_secret is None:
        raise UsageError("--listen needs --webhook-url, the address under which the service reaches this one")
    return serving(_receiver(journal, settings.webhook_secret).aiohttp, host, port, "--listen")


def _receiver(journal: Journal, secret: Secret) -> Receiver:
    # Not the client's own: each event is on the disk before it is answered, and stays there until the run has used it.
    async def receive(body: bytes, headers: Headers, url: str) -> ResponseStatus:
        await bulk.receive(journal, body, headers, url, secret)
        return ResponseStatus.KEPT

    return Receiver(receive)
