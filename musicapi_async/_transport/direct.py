"""Requests written directly to the HTTP library's connections, without its own path of a request.

The connections with their TLS and the parsing of responses are the HTTP library's; the bytes of a request are written
here, as one piece. That saves a third of a poll's CPU (benchmarks/bench_poll.py), and makes exact when the first byte
of a submission is sent. The methods used for it are not documented: so they are used with the versions that the tests
were run with, and with any other version, through a proxy or with ``trace_configs`` requests are sent as usual.
"""

from typing import Final, Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy

from musicapi_async._secrets import BodyBytes
from musicapi_async._transport.ahead import ConnectionAhead
from musicapi_async._transport.call import Call
from musicapi_async._transport.connectors import RECEIVED, Handler
from musicapi_async._transport.request_head import RequestHead
from musicapi_async._transport.retry import RequestClass, RetryBudget

__all__ = ["DirectRequest"]

NO_HEADERS: Final[CIMultiDictProxy[str]] = CIMultiDictProxy(CIMultiDict())


class DirectRequest:
    """One request and its response, as a context manager; the connection is released at its end.

    A read whose kept-alive connection the server closed at the same moment is sent again, once, where the retry budget
    allows it.
    """

    __slots__ = ("_ahead", "_body", "_budget", "_call", "_handler", "_head", "_path", "content", "headers", "status")

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
        self._handler: Handler | None = None
        self.status: int = 0
        self.headers: CIMultiDictProxy[str] = NO_HEADERS
        self.content: aiohttp.StreamReader = aiohttp.streams.EMPTY_PAYLOAD

    @property
    def content_length(self) -> int | None:
        """The announced number of bytes; None when there is none."""
        announced = self.headers.get("Content-Length", "")
        return int(announced) if announced.isascii() and announced.isdigit() else None

    async def __aenter__(self) -> Self:
        head, is_resent = self._head, False
        while True:
            handler = None
            try:
                handler = head.connector.take(head.key)
                if handler is None:
                    handler = await self._connect()
                transport = handler.begin(is_fresh=head.is_fresh)
                if head.is_fresh:
                    self._call.note_sent()
                transport.write(head.encode(self._path, self._body))
                message, self.content = await handler.read()
                while 100 <= message.code < 200 and message.code != 101:  # noqa: PLR2004 - interim responses
                    message, self.content = await handler.read()
            except BaseException as error:
                if handler is not None:
                    head.connector.release(handler, head.key, is_broken=True)
                if isinstance(error, HttpProcessingError):
                    raise _unparsable(head, error) from error
                if is_resent or not self._may_resend(error):
                    raise
                is_resent = True
            else:
                self._handler, self.status, self.headers = handler, message.code, message.headers
                return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._handler is not None:
            # Of an unread response the library closes the connection.
            self._head.connector.release(self._handler, self._head.key, is_broken=error is not None)
            self._handler = None

    async def _connect(self) -> Handler:
        ready = None if self._ahead is None else self._ahead.take(self._head)
        if ready is None:
            return await self._head.connector.open(self._head.request)
        RECEIVED.set(ready.received)
        return ready.handler

    def _may_resend(self, error: BaseException) -> bool:
        """Return True for a read over a kept connection that the server has closed, where the budget allows it."""
        if self._call.request_class is RequestClass.SUBMISSION or self._call.method != "GET":
            return False
        if not isinstance(error, (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
            return False
        return not isinstance(error, aiohttp.ClientConnectorError) and self._budget.spend(error)


def _unparsable(head: RequestHead, error: HttpProcessingError) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(
        head.request.request_info, (), status=error.code, message=error.message, headers=error.headers
    )
