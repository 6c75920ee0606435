"""Requests written directly to the HTTP library's connections, without its own path of a request.

The connections with their TLS and the parsing of responses are the HTTP library's; the bytes of a request are written
here, as one piece. That saves a third of a poll's CPU (benchmarks/bench_poll.py), and makes exact when the first byte
of a submission is sent. The methods used for it are not documented: so they are used with the versions that the tests
were run with, and with any other version, through a proxy or with ``trace_configs`` requests are sent as usual.
"""

import asyncio
import select
from collections.abc import Mapping
from typing import Final, Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.helpers import TimerNoop
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from musicapi_async._secrets import BodyBytes, SecretBytes
from musicapi_async._transport.ahead import ConnectionAhead
from musicapi_async._transport.call import Call
from musicapi_async._transport.connections import RECEIVED, WITHOUT_LIMITS
from musicapi_async._transport.retry import RequestClass, RetryBudget

__all__ = ["IS_USABLE", "DirectRequest", "RequestHead"]

TESTED_VERSIONS: Final = frozenset({"3.14.5"})
"""The versions of the HTTP library that the whole suite was run with."""
IS_USABLE: Final = aiohttp.__version__ in TESTED_VERSIONS and all(
    hasattr(cls, name)
    for cls, names in {aiohttp.BaseConnector: ("connect",), ResponseHandler: ("set_response_params", "read")}.items()
    for name in names
)
NO_HEADERS: Final[CIMultiDictProxy[str]] = CIMultiDictProxy(CIMultiDict())
NO_TIMER: Final = TimerNoop()
PEER_CLOSED: Final = getattr(select, "POLLRDHUP", 0)
PEER_WROTE: Final = getattr(select, "POLLIN", 0)


class RequestHead:
    """What all requests of a method to the base URL have in common: the connection they need, and their headers."""

    __slots__ = ("_headers", "http", "is_fresh", "method", "request")

    def __init__(
        self, http: aiohttp.ClientSession, method: str, base: URL, headers: Mapping[str, str], *, is_fresh: bool
    ) -> None:
        self.http: aiohttp.ClientSession = http
        self.method: bytes = method.encode()
        self.is_fresh: bool = is_fresh
        """True when the connection is used once."""
        self.request: aiohttp.ClientRequest = aiohttp.ClientRequest(
            "GET", base, headers=headers, session=http, loop=asyncio.get_running_loop()
        )
        """A request of the HTTP library, which is never sent: it names the connection, and has the default headers."""
        self._headers = _encoded(self.request.headers, is_fresh=is_fresh)

    def encode(self, path: str, body: BodyBytes | None) -> bytes:
        """Return a whole request. It contains the key: no local variable, which a traceback may show, holds it."""
        if body is None:
            return b"%b %b HTTP/1.1\r\n%b\r\n" % (self.method, path.encode(), self._headers.reveal())
        return b"%b %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (
            self.method,
            path.encode(),
            self._headers.reveal(),
            len(body),
            body,
        )


class DirectRequest:
    """One request and its response, as a context manager; the connection is released at its end.

    A read whose kept-alive connection the server closed at the same moment is sent again, once, where the retry budget
    allows it.
    """

    __slots__ = ("_ahead", "_body", "_budget", "_call", "_connection", "_head", "_path", "content", "headers", "status")

    def __init__(
        self,
        head: RequestHead,
        call: Call,
        path: str,
        body: BodyBytes | None,
        budget: RetryBudget,
        ahead: ConnectionAhead | None = None,
    ) -> None:
        self._head = head
        self._ahead = ahead
        self._call = call
        self._path = path
        self._body = body
        self._budget = budget
        self._connection: Connection | None = None
        self.status: int = 0
        self.headers: CIMultiDictProxy[str] = NO_HEADERS
        self.content: aiohttp.StreamReader = aiohttp.streams.EMPTY_PAYLOAD

    @property
    def content_length(self) -> int | None:
        """The announced number of bytes; None when there is none."""
        announced = self.headers.get("Content-Length", "")
        return int(announced) if announced.isascii() and announced.isdigit() else None

    async def __aenter__(self) -> Self:
        try:
            await self._send()
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            is_resent = self._call.request_class is not RequestClass.SUBMISSION and self._call.method == "GET"
            if not is_resent or isinstance(error, aiohttp.ClientConnectorError) or not self._budget.spend(error):
                raise
            await self._send()
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._connection is not None:
            # Of an unread response the library closes the connection.
            self._connection.release() if error is None else self._connection.close()
            self._connection = None

    async def _send(self) -> None:
        head = self._head
        connector = head.http.connector
        if connector is None:
            raise aiohttp.ClientConnectionError("the client was closed")
        ready = None if self._ahead is None else self._ahead.take(head.request)
        if ready is None:
            connection = await connector.connect(head.request, traces=[], timeout=WITHOUT_LIMITS)
        else:
            connection = ready.connection
            RECEIVED.set(ready.received)
        try:
            protocol, transport = _usable(connection, head)
            protocol.set_response_params(timer=NO_TIMER, read_until_eof=True)
            if head.is_fresh:
                self._call.note_sent()
            transport.write(head.encode(self._path, self._body))
            message, self.content = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:  # noqa: PLR2004 - interim responses
                message, self.content = await protocol.read()
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientResponseError(
                head.request.request_info, (), status=error.code, message=error.message, headers=error.headers
            ) from error
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self.status, self.headers = message.code, message.headers


def _encoded(headers: CIMultiDict[str], *, is_fresh: bool) -> SecretBytes:
    closing = {"Connection": "close"} if is_fresh else {}
    return SecretBytes(
        "".join(f"{name}: {value!s}\r\n" for name, value in [*headers.items(), *closing.items()]).encode()
    )


def _usable(connection: Connection, head: RequestHead) -> tuple[ResponseHandler, asyncio.Transport]:
    """Return what a request is sent over; raises ServerDisconnectedError when the peer has closed it or responded.

    A request of which no byte was written was certainly not accepted. A response that has come before it is about
    something else: taken for its own, it could call a request refused that was then accepted.
    """
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or transport.is_closing():
        raise aiohttp.ServerDisconnectedError
    if head.is_fresh:
        if protocol.should_close:  # what has come was read already
            raise aiohttp.ServerDisconnectedError("the server responded before the request")
        if PEER_CLOSED:
            # With TLS any input may be a part of the protocol, such as a session ticket.
            is_tls = transport.get_extra_info("sslcontext") is not None
            found = select.poll()
            found.register(transport.get_extra_info("socket").fileno(), PEER_CLOSED | (0 if is_tls else PEER_WROTE))
            if found.poll(0):
                raise aiohttp.ServerDisconnectedError
    return protocol, transport
