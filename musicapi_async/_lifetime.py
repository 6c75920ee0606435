"""What a client and its views share, from the first call to the closing."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from musicapi_async._settings import Settings
from musicapi_async._tasks.poller import Poller
from musicapi_async._tasks.run import Background
from musicapi_async._transport.session import Session
from musicapi_async.errors import ClientClosedError

__all__ = ["Shared"]

R = TypeVar("R")

CLOSING_GRACE: Final = 5.0
"""Seconds that a closing client waits for the answers to paid requests under way."""


class Shared:
    """What a client and its views have in common: sockets, the clock, and what is under way."""

    def __init__(self, settings: Settings) -> None:
        self.session = Session(settings)
        self.poller = Poller(settings.poll_interval, max(1, settings.max_requests // 2))
        self.background = Background(self.session.in_the_air)
        self._under_way = 0
        self._idle = asyncio.Event()
        self._closing = False

    async def track(self, calling: Coroutine[Any, Any, R]) -> R:
        """Await a call, so that closing can wait for its answer."""
        if self._closing:
            calling.close()
            raise ClientClosedError
        self._under_way += 1
        try:
            return await calling
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def aclose(self) -> None:
        """Close everything, in the order in which nothing is lost."""
        self._closing = True
        # From here on nothing new is sent, nor what was told to come back later; what is in the air gets its answer.
        self.session.closed = True
        try:
            await self.poller.aclose()
            if self._under_way:
                self._idle.clear()
                async with asyncio.timeout(CLOSING_GRACE):
                    await self._idle.wait()
        except TimeoutError:
            pass
        finally:
            await self.session.aclose()
            await self.background.end()
