"""The sandbox in commands: embedded for ``--sandbox``, and served by ``musicapi sandbox``.

The sandbox is a web server whose import takes longer than the rest of a command's start: it is imported on use.
"""

import asyncio
import errno
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from musicapi_async import MusicAPI
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.running import closing_shielded
from musicapi_async.cli.screen import Screen

if TYPE_CHECKING:
    from musicapi_async.sandbox import Sandbox

__all__ = ["open_client", "serve"]

TASK_SECONDS: Final = 3.0
POLL_INTERVAL: Final = 0.25


@asynccontextmanager
async def open_client(*, embedded: bool, credits: float = 1000.0) -> AsyncIterator[MusicAPI]:
    """Open a client of the service, or of an embedded sandbox whose account starts with ``credits``."""
    if not embedded:
        async with closing_shielded(MusicAPI()) as client:
            yield client
        return
    from musicapi_async.sandbox import Sandbox  # noqa: PLC0415 - imported on use

    # A new seed each time, so that two runs make different songs.
    sandbox = Sandbox(seconds=TASK_SECONDS, credits=credits, seed=secrets.randbits(32))
    async with (
        closing_shielded(sandbox),
        closing_shielded(MusicAPI("sandbox", base_url=sandbox.base_url, poll_interval=POLL_INTERVAL)) as client,
    ):
        yield client


async def serve(sandbox: "Sandbox", screen: Screen) -> None:
    """Serve the sandbox until the command is stopped, which is its normal end."""
    try:
        await sandbox.start()
    except OSError as error:
        # asyncio's own text repeats the address in Python's notation.
        reason = "the port is already in use" if error.errno == errno.EADDRINUSE else error.strerror or error
        raise UsageError(f"the sandbox cannot listen: {reason}; try another --port or --host") from error
    try:
        screen.emit({"base_url": sandbox.base_url})
        screen.progress.stop()
        screen.print(f"the sandbox is running at {sandbox.base_url}; stop it with Ctrl-C")
        screen.print("to use it, run in another terminal:")
        for line in (
            f"export MUSICAPI_BASE_URL={sandbox.base_url}",
            "export MUSICAPI_KEY=any-key",
            "export MUSICAPI_POLL_INTERVAL=0.5",
            "musicapi generate 'a calm sea shanty'",
        ):
            screen.print(f"  {line}")
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        screen.print("the sandbox has stopped")
    finally:
        await sandbox.aclose()
