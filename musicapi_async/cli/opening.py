"""The client of a command: of the service, or of an embedded sandbox."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from musicapi_async import MusicAPI
from musicapi_async.cli.ending import in_order
from musicapi_async.sandbox import Sandbox

__all__ = ["open_client"]

SECONDS: Final = 3.0
POLL_INTERVAL: Final = 0.25


@asynccontextmanager
async def open_client(*, embedded: bool, credits: float = 1000.0) -> AsyncIterator[MusicAPI]:
    """Open a client; an embedded sandbox's account has so many credits."""
    if not embedded:
        async with in_order(MusicAPI()) as client:
            yield client
        return
    # A seed of its own: two runs make different songs.
    async with (
        in_order(Sandbox(seconds=SECONDS, credits=credits, seed=secrets.randbits(32))) as sandbox,
        in_order(MusicAPI("sandbox", base_url=sandbox.base_url, poll_interval=POLL_INTERVAL)) as client,
    ):
        yield client
