"""What a client and its views share, from the first call to the closing."""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from musicapi_async._settings import Secret, Settings
from musicapi_async._tasks.poller import Poller
from musicapi_async._tasks.run import Background
from musicapi_async._tasks.timing import Timing
from musicapi_async._transport.caller import Caller
from musicapi_async._transport.connections import Connections
from musicapi_async._transport.files import Files
from musicapi_async._transport.ledger import Ledger
from musicapi_async._transport.session import Session
from musicapi_async._transport.shielding import complete
from musicapi_async.errors import ClientClosedError

__all__ = ["Shared"]

R = TypeVar("R")


class Shared:
    """What a client and its views have in common: sockets, the clock, and what is under way."""

    def __init__(self, settings: Settings) -> None:
        self.connections = Connections(settings)
        self.poller = Poller(Timing(settings.poll_interval, settings.poll_price), max(1, settings.max_requests // 2))
        self._session = Session(settings, self.connections)
        self.files = Files(self.connections, self._session.budget)
        self.background = Background(self._session.in_the_air)
        self._ledgers: dict[tuple[str, Secret], Ledger] = {}
        self._calling: dict[asyncio.Task[Any], int] = {}
        """Who is calling, and how often each had been cancelled before."""
        self._closing = False

    def caller(self, settings: Settings) -> Caller:
        """Return a caller under these settings; what is known of an account is shared by all who use its key."""
        ledger = self._ledgers.setdefault((settings.base_url, settings.api_key), Ledger())
        return Caller(settings, self._session, ledger)

    def learnt(self) -> dict[str, Any]:
        """Return what was learnt of the service's speed and its limits, as JSON takes it."""
        return {"timing": self.poller.timing.export_state(), "gap": self._session.pacer.gap}

    def relearn(self, learnt: Mapping[str, Any]) -> None:
        """Begin with what was learnt before; what cannot be read is left out."""
        with suppress(KeyError, TypeError, ValueError):
            self.poller.timing.restore_state(learnt["timing"])
            self._session.pacer.relearn(float(learnt["gap"]))

    def abandon(self, caller: asyncio.Task[Any]) -> None:
        """End a caller's paid request without its response, if it is in flight: it is uncertain then."""
        self._session.abandon(caller)

    async def track(self, calling: Coroutine[Any, Any, R]) -> R:
        """Await a call, so that closing can wait for its answer, or end it."""
        if self._closing:
            calling.close()
            raise ClientClosedError
        caller = asyncio.current_task()
        assert caller is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        before = self._calling[caller] = caller.cancelling()
        try:
            return await calling
        except asyncio.CancelledError:
            # Either it was the closing that ended it, or somebody else, perhaps in the same moment.
            if caller in self._calling or caller.uncancel() > before:
                raise
            raise ClientClosedError from None
        finally:
            self._calling.pop(caller, None)

    async def aclose(self) -> None:
        """Close everything, in the order in which nothing is lost; to the end, also when the caller is cancelled."""
        # From here on nothing new is sent, nor what was to be sent again later; what is in flight gets its response.
        self._closing = self.connections.closed = True
        await complete(self._close(asyncio.current_task()))

    async def _close(self, closer: asyncio.Task[Any] | None) -> None:
        try:
            await self.poller.aclose()
            # Each of them ends within its own time limit.
            await asyncio.gather(*map(self.background.answered, tuple(self._session.in_the_air)))
        finally:
            self._end_calls()
            await self.connections.aclose()
            self._session.close()
            await self.background.end(closer)

    def _end_calls(self) -> None:
        """End what is asleep before a repetition, or waits for its turn, or for the answer to a free look.

        A paid request without an answer is not cancelled: it ends as uncertain when its socket is closed.
        """
        for caller, before in tuple(self._calling.items()):
            if caller not in self._session.in_the_air and caller.cancelling() == before:
                del self._calling[caller]
                caller.cancel()
