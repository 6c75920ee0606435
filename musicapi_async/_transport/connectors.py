"""The HTTP library's connectors and connections, as requests need them.

Free requests use kept connections, which are checked for bytes that came meanwhile; a submission has a connection of
its own, whose first bytes are kept. The methods overridden here are those that the HTTP library's own classes override.
"""

import asyncio
import math
import select
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.helpers import TimerNoop
from aiohttp.tracing import Trace

from musicapi_async._responses.response import MAX_KEPT

__all__ = [
    "HAS_POLL",
    "IS_USABLE",
    "RECEIVED",
    "WITHOUT_LIMITS",
    "Connector",
    "FreshConnector",
    "Handler",
    "KeptConnector",
]

TESTED_VERSIONS: Final = frozenset({"3.14.5"})
"""The versions of the HTTP library that the whole suite was run with."""
IS_USABLE: Final = aiohttp.__version__ in TESTED_VERSIONS and all(
    hasattr(cls, name)
    for cls, names in {
        aiohttp.TCPConnector: ("_create_connection", "_release"),
        ResponseHandler: ("set_response_params", "read", "resume_reading"),
    }.items()
    for name in names
)
HAS_POLL: Final = hasattr(select, "poll")
"""False on Windows."""
# time_limits.py enforces the limits: the HTTP library's would fire before data that has arrived is read.
WITHOUT_LIMITS: Final = aiohttp.ClientTimeout()
PEER_CLOSED: Final = getattr(select, "POLLRDHUP", 0)
PEER_WROTE: Final = getattr(select, "POLLIN", 0)
NO_TIMER: Final = TimerNoop()

RECEIVED: Final[ContextVar[bytearray | None]] = ContextVar("RECEIVED", default=None)
"""Buffer for the first bytes of connections made for the current request; None to keep none."""


class Handler(ResponseHandler):
    """Reads the responses of a connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._input: select.poll | None = None

    def has_input(self) -> bool:
        """Return True when the idle connection has received data or was closed by the peer."""
        transport = self.transport
        # should_close: what has come was read already.
        if transport is None or transport.is_closing() or self.should_close:
            return True
        if self._input is None:
            socket = transport.get_extra_info("socket")
            if not HAS_POLL:
                return bool(select.select([socket], [], [], 0)[0])
            self._input = select.poll()
            self._input.register(socket.fileno(), select.POLLIN)
        return bool(self._input.poll(0))

    def begin(self, *, is_fresh: bool) -> asyncio.Transport:
        """Prepare for a request and its response, and return what the request is written to.

        A request of which no byte was written was certainly not accepted. Over the fresh connection of a submission a
        response that has come before it is about something else: taken for its own, it could call a request refused
        that was then accepted.

        Raises ServerDisconnectedError when the peer has closed the connection, or responded over a fresh one.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            raise aiohttp.ServerDisconnectedError
        # Another parser for each response: the last one may hold the beginning of a response that comes too late.
        self.set_response_params(timer=NO_TIMER, read_until_eof=True)
        if is_fresh:
            self._check_unused(transport)
        return transport

    def _check_unused(self, transport: asyncio.Transport) -> None:
        if self.should_close:  # what has come was read already
            raise aiohttp.ServerDisconnectedError("the server responded before the request")
        if PEER_CLOSED:
            # With TLS any input may be a part of the protocol, such as a session ticket.
            is_tls = transport.get_extra_info("sslcontext") is not None
            found = select.poll()
            found.register(transport.get_extra_info("socket").fileno(), PEER_CLOSED | (0 if is_tls else PEER_WROTE))
            if found.poll(0):
                raise aiohttp.ServerDisconnectedError

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - the library's signature
        """Continue reading, if it was paused: the library's own method runs the parser after each read of a body."""
        if self._reading_paused or not IS_USABLE:
            super().resume_reading(resume_parser)


class KeepingHandler(Handler):
    """Reads responses, and keeps the bytes of a request's connection in ``RECEIVED`` as well."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._received = RECEIVED.get()
        if self._received is not None:
            # Of several connection attempts, or a tunnel and its contents, the last one counts.
            self._received.clear()

    def data_received(self, data: bytes) -> None:
        if self._received is not None and len(self._received) < MAX_KEPT:
            self._received += data[: MAX_KEPT - len(self._received)]
        super().data_received(data)


class Connector(aiohttp.TCPConnector):
    """Makes connections without a limit of their number; ``connecting`` is entered while one is made."""

    handler: type[ResponseHandler] = Handler

    def __init__(
        self, *, connecting: Callable[[], AbstractContextManager[object]] = nullcontext, **options: Any
    ) -> None:
        # The session's semaphores limit it, so that waiting for a slot does not count against the timeout.
        super().__init__(limit=0, **options)
        self._connecting = connecting
        self._keep_alive = math.inf if self._keepalive_timeout is None else self._keepalive_timeout
        # The HTTP library's own attribute: the factory of each connection's protocol.
        self._factory = partial(self.handler, loop=self._loop)

    def take(self, key: ConnectionKey) -> Handler | None:
        """Return an idle connection, which is then passed to ``release``; None when there is none.

        With ``open`` it does what the library's ``connect`` does, for a part of its CPU (benchmarks/bench_poll.py).
        """
        idle = self._conns.get(key)
        while idle:
            # The one that was used last: more of them than are needed expire.
            handler, since = cast("tuple[Handler, float]", idle.pop())
            # Bytes on an idle connection cannot be the response to a request that was not written yet.
            if monotonic() - since <= self._keep_alive and not handler.has_input():
                self._acquired.add(handler)
                return handler
            handler.close()
        return None

    async def open(self, request: aiohttp.ClientRequest) -> Handler:
        """Return a new connection to where the request goes, which is then passed to ``release``."""
        handler = cast("Handler", await self._create_connection(request, [], WITHOUT_LIMITS))
        if self._closed:
            handler.close()
            raise aiohttp.ClientConnectionError("the client was closed")
        self._acquired.add(handler)
        return handler

    def release(self, handler: Handler, key: ConnectionKey, *, is_broken: bool = False) -> None:
        """Keep a connection for the next request, or close it."""
        if is_broken or self._cleanup_handle is None or self._force_close or self._closed or handler.should_close:
            self._release(key, handler, should_close=is_broken)
        else:
            self._acquired.discard(handler)
            self._conns[key].append((handler, monotonic()))

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        try:
            with self._connecting():
                return await super()._create_connection(req, traces, timeout)
        except BaseException:
            # The host may have moved: the next attempt resolves its name again.
            self.clear_dns_cache()
            raise


class FreshConnector(Connector):
    """Makes a connection for each request, and keeps the first bytes received over it in ``RECEIVED`` as well."""

    handler = KeepingHandler

    def __init__(self, **options: Any) -> None:
        super().__init__(force_close=True, **options)


class KeptConnector(Connector):
    """Keeps connections, and uses one again only where nothing has arrived over it meanwhile."""

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (kept := await super()._get(key, traces)) is not None and cast("Handler", kept.protocol).has_input():
            kept.close()
        return kept
