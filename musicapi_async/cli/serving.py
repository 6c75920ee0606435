"""``musicapi sandbox``: the service's double, for as long as it is wanted."""

import asyncio

from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.screen import Screen
from musicapi_async.sandbox import Sandbox

__all__ = ["serve"]


async def serve(sandbox: Sandbox, screen: Screen) -> None:
    """Serve until stopped; that is its regular end."""
    try:
        await sandbox.start()
    except OSError as error:
        raise UsageError(f"cannot listen there: {error.strerror or error}; another --port may be free") from error
    try:
        screen.tell({"base_url": sandbox.base_url})
        screen.progress.stop()
        screen.say(f"the sandbox is at {sandbox.base_url}; Ctrl-C ends it; to use it, in another terminal:")
        for line in (
            f"export MUSICAPI_BASE_URL={sandbox.base_url}",
            "export MUSICAPI_KEY=any-key",
            "export MUSICAPI_POLL_INTERVAL=0.5",
            "musicapi generate 'a calm sea shanty'",
        ):
            screen.say(f"  {line}")
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        screen.say("the sandbox has ended")
    finally:
        await sandbox.aclose()
