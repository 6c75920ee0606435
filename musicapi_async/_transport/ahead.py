"""A connection for the next submission, made while it waits for its turn.

Each submission has a connection of its own. Where turns are known (``create_rate``, or after a 429) the next one is
connected about a second before, TLS included: the submission then takes one round trip, where it took three. It is used
once, at most two seconds old, and only if nothing has come over it: whatever has ended or spoken is closed.
"""

import asyncio
from contextlib import suppress
from typing import Final, NamedTuple

import aiohttp

from musicapi_async._transport.connectors import HAS_POLL, RECEIVED, Handler
from musicapi_async._transport.request_head import RequestHead

__all__ = ["ConnectionAhead"]

LEAD: Final = 1.0
"""Seconds before its turn at which a submission is connected."""
MIN_WAIT: Final = 0.05
"""Seconds; a turn that comes sooner is not worth a connection that may not be there in time."""
MAX_AGE: Final = 2.0
"""Seconds after which an unused connection is closed; servers close idle ones after 2 and more."""


class Ready(NamedTuple):
    """An unused connection."""

    head: RequestHead
    """The head of the requests that it is for."""
    handler: Handler
    received: bytearray
    """What its handler keeps of the response that comes over it."""
    made_at: float

    def close(self) -> None:
        """Close it."""
        self.head.connector.release(self.handler, self.head.key, is_broken=True)


class ConnectionAhead:
    """At most one connection that is kept for the next submission of a client."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        """The time limit of connecting, in seconds."""
        self._ready: Ready | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def plan(self, head: RequestHead, turn: float) -> None:
        """Connect to where such a request goes, shortly before ``turn``, in event-loop time."""
        # Without poll (Windows) an idle connection cannot be checked, so that none is made.
        is_free = self._ready is None and self._connecting is None
        if HAS_POLL and is_free and turn - asyncio.get_running_loop().time() >= MIN_WAIT:
            self._call_at(turn - LEAD, head)

    def take(self, head: RequestHead) -> Ready | None:
        """Return the connection to where such a request goes, if there is one that may be used."""
        ready = self._ready
        if ready is None or ready.head.key != head.key:
            return None
        self._ready = None
        self._cancel_timer()
        if asyncio.get_running_loop().time() - ready.made_at <= MAX_AGE and not ready.handler.has_input():
            return ready
        ready.close()
        return None

    def close(self) -> None:
        """Close the connection, or stop connecting."""
        self._cancel_timer()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._ready is not None:
            self._ready.close()
            self._ready = None

    def _call_at(self, at: float, head: RequestHead) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_at(at, self._start, head)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, head: RequestHead) -> None:
        self._connecting = asyncio.get_running_loop().create_task(self._connect(head))

    async def _connect(self, head: RequestHead) -> None:
        received = bytearray()
        # In the context of this asyncio task, for the handler of the connection.
        RECEIVED.set(received)
        try:
            # Whatever fails here is tried again, and reported, by the submission itself.
            with suppress(aiohttp.ClientError, TimeoutError, OSError, RuntimeError):
                async with asyncio.timeout(self._timeout):
                    handler = await head.connector.open(head.request)
                loop = asyncio.get_running_loop()
                self._ready = Ready(head, handler, received, loop.time())
                self._timer = loop.call_later(MAX_AGE, self.close)
        finally:
            self._connecting = None
