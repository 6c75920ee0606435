"""What all requests of a method to the base URL have in common, as the bytes that are written to a connection."""

import asyncio
from collections.abc import Mapping

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict
from yarl import URL

from musicapi_async._secrets import BodyBytes, SecretBytes
from musicapi_async._transport.connectors import Connector

__all__ = ["RequestHead"]


class RequestHead:
    """What all requests of a method to the base URL have in common: the connection they need, and their headers."""

    __slots__ = ("_headers", "connector", "is_fresh", "key", "method", "request")

    def __init__(
        self, http: aiohttp.ClientSession, method: str, base: URL, headers: Mapping[str, str], *, is_fresh: bool
    ) -> None:
        assert isinstance(http.connector, Connector)  # noqa: S101 - for the type checker: the session opens no other
        self.connector: Connector = http.connector
        self.method: bytes = method.encode()
        self.is_fresh: bool = is_fresh
        """True when the connection is used once."""
        self.request: aiohttp.ClientRequest = aiohttp.ClientRequest(
            "GET", base, headers=headers, session=http, loop=asyncio.get_running_loop()
        )
        """A request of the HTTP library, which is never sent: it names the connection, and has the default headers."""
        self.key: ConnectionKey = self.request.connection_key
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


def _encoded(headers: CIMultiDict[str], *, is_fresh: bool) -> SecretBytes:
    closing = {"Connection": "close"} if is_fresh else {}
    return SecretBytes(
        "".join(f"{name}: {value!s}\r\n" for name, value in [*headers.items(), *closing.items()]).encode()
    )
