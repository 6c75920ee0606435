"""A web server of a command, which receives events."""

import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.running import wait_shielded

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["address_of", "cannot_listen", "serving"]

SHUTDOWN_TIMEOUT: Final = 1.0


@asynccontextmanager
async def serving(
    handler: "Callable[[web.Request], Awaitable[web.StreamResponse]]",
    host: str,
    port: int,
    options: str = "--port or --host",
) -> AsyncIterator[int]:
    """Serve every path by a handler, and yield the port, a free one for 0.

    Raises UsageError where it cannot listen, naming the ``options`` that change its address.
    """
    from aiohttp import web  # noqa: PLC0415 - a web server: imported on use

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise cannot_listen(host, port, error, options) from error
        yield runner.addresses[0][1]
    finally:
        await wait_shielded(runner.cleanup())


def cannot_listen(host: str, port: int, error: OSError, options: str = "--port or --host") -> UsageError:
    """Return the error of a command whose server cannot listen; ``options`` are those that change its address."""
    # asyncio's own text repeats the address in Python's notation.
    reason = "the port is already in use" if error.errno == errno.EADDRINUSE else error.strerror or error
    return UsageError(f"cannot listen at {address_of(host, port)}: {reason}; try another {options}")


def address_of(host: str, port: int) -> str:
    """Return a host and a port as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
