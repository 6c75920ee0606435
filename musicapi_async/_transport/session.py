"""The sockets: the only place that speaks to the HTTP library's client.

Three ways out, each with connections of its own: looks over kept-alive ones; paid requests over a fresh one each, so
that a connection the server closed while idle can never leave a payment in doubt; files without credentials.
"""

import asyncio
import logging
import os
import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import aiohttp
from yarl import URL

from musicapi_async._settings import Settings
from musicapi_async._transport.replies import Reply
from musicapi_async._transport.retry import NoReplyError
from musicapi_async.errors import ClientClosedError, ConnectionFailedError, UnreadableReplyError

__all__ = ["FileReply", "Session", "Way", "logger"]

logger: Final = logging.getLogger("musicapi")

# Above the gap between two looks, so that a lone waiter keeps its connection.
KEEP_ALIVE: Final = 90.0
DNS_CACHE: Final = 300
FILES_AT_ONCE: Final = 32
REDIRECTS: Final = 5
NEVER_SENT: Final = (aiohttp.ClientConnectorError, UnicodeError)
USER_AGENT: Final = f"musicapi-async/{version('musicapi-async')} python/{platform.python_version()}"


class Way:
    """How far a paid request came: aiohttp tells it just before the first byte leaves."""

    __slots__ = ("sent_at",)

    def __init__(self) -> None:
        self.sent_at: datetime | None = None


async def _note_sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.sent_at = datetime.now(UTC)


class FileReply(NamedTuple):
    """A file on its way."""

    status: int
    size: int | None
    chunks: AsyncIterator[bytes]


class Session:
    """The connections of a client and all its views; opened on first use, in one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.max_requests)
        self._open: dict[str, aiohttp.ClientSession] = {}
        self._limits: dict[float, aiohttp.ClientTimeout] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.in_the_air: set[asyncio.Task[Any]] = set()
        """The tasks whose paid request may have reached the service and is not answered yet."""
        self.closed = False

    @property
    def is_open(self) -> bool:
        """True when there are sockets to close."""
        return bool(self._open)

    async def send(
        self,
        attempted: str,
        method: str,
        url: URL,
        headers: dict[str, str],
        body: bytes | None,
        *,
        timeout: float,
        way: Way | None = None,
    ) -> Reply:
        """Send one request and read its whole reply; one with a ``way`` is paid for, and notes there how far it came.

        Raises ConnectionFailedError when nothing was sent, NoReplyError when something may have been.
        """
        limits = self._limits.get(timeout)
        if limits is None:
            limits = aiohttp.ClientTimeout(total=timeout, sock_connect=self._settings.connect_timeout)
            self._limits[timeout] = limits
        async with self._slots:
            # Not before there is a slot: the client may be closed meanwhile.
            http = self._http("looks" if way is None else "paid")
            sender = asyncio.current_task()
            if way is not None and sender is not None:
                self.in_the_air.add(sender)
            try:
                async with http.request(
                    method,
                    url,
                    headers=headers,
                    data=body,
                    timeout=limits,
                    allow_redirects=False,
                    trace_request_ctx=way,
                ) as response:
                    reply = Reply(response.status, response.headers, b"")
                    content = await _read_within(response.content, self._settings.max_reply_size)
                    if content is None:
                        reason = f"the reply is larger than {self._settings.max_reply_size} bytes"
                        raise UnreadableReplyError(attempted, response.status, reason, b"", reply.request_id)
                    return reply._replace(content=content)
            except asyncio.CancelledError as error:
                if way is not None and way.sent_at is not None:
                    note = f"{attempted} was cancelled after it was sent: it may have been accepted and charged"
                    error.add_note(note)
                    logger.warning(note)
                raise
            # UnicodeError: a name that the system's resolver cannot even be asked for.
            except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:
                if isinstance(error, NEVER_SENT) or (way is not None and way.sent_at is None):
                    reason = f"could not connect to {url.host}: {_reason(error)}"
                    raise ConnectionFailedError(attempted, reason) from error
                raise NoReplyError(_reason(error)) from error
            finally:
                if sender is not None:
                    self.in_the_air.discard(sender)

    @asynccontextmanager
    async def open_file(self, url: str) -> AsyncIterator["FileReply"]:
        """Ask for a file, following redirects, without any credential.

        Raises NoReplyError when the host cannot be reached or its answer breaks off.
        """
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.connect_timeout, sock_read=self._settings.timeout
        )
        try:
            async with self._http("files").get(url, timeout=limits, max_redirects=REDIRECTS) as response:
                yield FileReply(response.status, response.content_length, response.content.iter_any())
        except (aiohttp.ClientError, TimeoutError, UnicodeError) as error:
            raise NoReplyError(_reason(error)) from error

    async def aclose(self) -> None:
        """Close every connection; may be called twice."""
        self.closed = True
        while self._open:
            _, http = self._open.popitem()
            await http.close()

    def _http(self, use: str) -> aiohttp.ClientSession:
        if self.closed:
            raise ClientClosedError
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            message = (
                "this client was first used in another event loop: make one client for each loop, "
                "or use musicapi_sync, which brings its own"
            )
            raise RuntimeError(message)
        self._loop = loop
        if use not in self._open:
            self._open[use] = _open_session(use)
        return self._open[use]


def _open_session(use: str) -> aiohttp.ClientSession:
    # No limit on looks and paid requests here: the semaphore stands before the pool, so that
    # waiting for a turn does not eat the request's own timeout.
    paid = use == "paid"
    connector = aiohttp.TCPConnector(
        limit=FILES_AT_ONCE if use == "files" else 0,
        ttl_dns_cache=DNS_CACHE,
        force_close=paid,
        keepalive_timeout=None if paid else KEEP_ALIVE,
    )
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_note_sent)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        # Looks may be sent twice: what tracing costs is saved there.
        trace_configs=[tracing] if paid else None,
    )


async def _read_within(content: aiohttp.StreamReader, limit: int) -> bytes | None:
    """Read to the end, or return None as soon as there is more than the limit."""
    parts: list[bytes] = []
    size = 0
    while not content.at_eof():
        part = await content.readany()
        parts.append(part)
        size += len(part)
        if size > limit:
            return None
    return b"".join(parts)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time" if not str(error) else f"no answer in time ({error})"
    if isinstance(error, aiohttp.ClientConnectorError):
        # asyncio hides the system's own words ("Connection refused") behind a text of its own.
        number = error.os_error.errno
        return os.strerror(number) if number and number > 0 else str(error.os_error.strerror or error.os_error)
    return str(error) or type(error).__name__
