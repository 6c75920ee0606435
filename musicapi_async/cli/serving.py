"""The web server of a command that receives events."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from musicapi_async.cli.exits import cannot_listen
from musicapi_async.cli.running import wait_shielded

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["serving"]

SHUTDOWN_TIMEOUT: Final = 1.0


@asynccontextmanager
async def serving(
    handle: "Callable[[web.Request], Awaitable[web.StreamResponse]]", host: str, port: int, options: str
) -> AsyncIterator[str]:
    """Serve a handler under every path, and yield the scheme, host and port of the server's address.

    Raises UsageError, which names the ``options`` to change, where it cannot listen.
    """
    from aiohttp import web  # noqa: PLC0415 - a web server: imported on use

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise cannot_listen("the command", error, options) from error
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{runner.addresses[0][1]}"
    finally:
        await wait_shielded(runner.cleanup())
