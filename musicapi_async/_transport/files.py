"""Files on their way: from hosts that are not the API's, and never with its key."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple

import aiohttp
from yarl import URL

from musicapi_async._settings import Settings
from musicapi_async._transport.connections import USER_AGENT, Connections, break_of

__all__ = ["FileReply", "Files"]

AT_ONCE: Final = 32
REDIRECTS: Final = 5


class FileReply(NamedTuple):
    """A file on its way."""

    status: int
    size: int | None
    chunks: AsyncIterator[bytes]


class Files:
    """The way to the files of a client and all its views."""

    def __init__(self, settings: Settings, connections: Connections) -> None:
        self._connections = connections
        self._limits = aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
        )

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[FileReply]:
        """Ask for a file, following redirects, without any credential.

        Raises BrokenError when the host cannot be reached or its answer breaks off.
        """
        http = self._connections.session("files", _open_session)
        async with AsyncExitStack() as stack:
            try:
                address = URL(url)
                asking = http.get(
                    address, timeout=self._limits, max_redirects=REDIRECTS, proxy=self._connections.proxy(address)
                )
                response = await stack.enter_async_context(asking)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise break_of(error, url, was_sent=None) from error
            yield FileReply(response.status, response.content_length, _chunks(response.content, url))


async def _chunks(content: aiohttp.StreamReader, url: str) -> AsyncIterator[bytes]:
    """Yield the body as it comes; what breaks it off is told apart from what whoever reads it raises."""
    while True:
        try:
            chunk = await content.readany()
        # RuntimeError: the client was closed.
        except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError) as error:
            raise break_of(error, url, was_sent=True) from error
        if not chunk:
            return
        yield chunk


def _open_session(common: Mapping[str, Any]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE, **common),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
    )
