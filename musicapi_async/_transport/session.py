"""One exchange with the API: the slots, the sockets, the limits.

Two ways out, each with connections of its own: looks over kept-alive ones; paid requests over a fresh one each, so that
a connection the server closed while idle can never leave a payment in doubt, and nothing is ever sent twice.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, Protocol

import aiohttp
import attrs
from yarl import URL

from musicapi_async._settings import Secret, Settings
from musicapi_async._transport.connections import Connections, Headers, Route, break_of
from musicapi_async._transport.limits import Limits
from musicapi_async._transport.pacing import Pacer
from musicapi_async._transport.replies import KEY_SHOWN, Reply, unreadable, without_keys
from musicapi_async._transport.retry import Budget

__all__ = ["Guard", "Sent", "Session", "Terms", "Way", "logger"]

logger: Final = logging.getLogger("musicapi")

# Above the gap between two looks, so that a lone waiter keeps its connection.
KEEP_ALIVE: Final = 90.0


class Guard(Protocol):
    """Who must know of a paid request before its first byte leaves; an error of either ends it, unsent."""

    async def leave(self) -> None:
        """Its turn has come."""
        ...

    async def stay(self) -> None:
        """It was certainly not accepted, and waits to be sent again."""
        ...


class Way:
    """How far a paid request came."""

    __slots__ = ("guard", "sent_at", "turn", "waited")

    def __init__(self, guard: Guard | None = None) -> None:
        self.guard = guard
        self.turn = 0.0
        """When its turn came, by the event loop's clock, and how long it was waited for."""
        self.waited = 0.0
        self.sent_at: datetime | None = None
        """Just before the first byte left: aiohttp tells it."""


async def _note_sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.sent_at = datetime.now(UTC)


class Sent(NamedTuple):
    """What goes out besides the address."""

    headers: Headers
    body: bytes | None
    keys: tuple[Secret, ...] = ()
    """What no reply may repeat, as it may be written in one."""


@attrs.frozen
class Terms:
    """The bounds of one exchange, and the way it takes."""

    total: float
    timeout: aiohttp.ClientTimeout
    """What the HTTP library is to watch besides."""
    reply_size: int
    route: Route


class Session:
    """The way to the API of a client and all its views: what they share of it is bounded here."""

    def __init__(self, settings: Settings, connections: Connections) -> None:
        self._connections = connections
        self._slots = asyncio.Semaphore(settings.max_requests)
        # Never all of them: looks must go on while many paid requests are under way.
        self._paid_slots = asyncio.Semaphore(max(1, settings.max_requests - max(1, settings.max_requests // 4)))
        self.pacer = Pacer(settings.create_rate)
        self.budget = Budget()
        self._limits = Limits()
        self.in_the_air: set[asyncio.Task[Any]] = set()
        """The tasks whose paid request may have reached the service and is not answered yet."""

    @property
    def is_closed(self) -> bool:
        """True when nothing can be sent any more."""
        return self._connections.closed

    def close(self) -> None:
        """Leave nothing behind in the event loop."""
        self._limits.close()

    def terms(self, settings: Settings, seconds: float) -> Terms:
        """Return the terms under these settings, with at least these seconds for the answer."""
        total, silence = max(settings.timeout, seconds), max(settings.read_timeout, seconds)
        timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=settings.connect_timeout,
            # A limit that cannot be reached would still cost a timer for each request.
            sock_read=silence if silence < total else None,
        )
        return Terms(total, timeout, settings.max_reply_size, self._connections.route(URL(settings.base_url)))

    async def send(
        self, attempted: str, method: str, url: URL, sent: Sent, terms: Terms, way: Way | None = None
    ) -> Reply:
        """Send one request and read its whole reply; one with a ``way`` is paid for, and notes there how far it came.

        Raises BrokenError when no whole reply came.
        """
        # Another event loop is told from here on: it has to wait for nothing of ours.
        self._connections.check()
        if way is None:
            async with self._slots:
                # Not before there is a slot: the client may be closed meanwhile.
                http = self._connections.session("looks", _open_for_looks)
                return await self._exchange(http, attempted, method, url, sent, terms, None)
        async with self._paid_slots:
            await self._take_turn(way)
            sender = asyncio.current_task()
            assert sender is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
            try:
                if way.guard is not None:
                    await way.guard.leave()
                http = self._connections.session("paid", _open_for_paid)
                self.in_the_air.add(sender)
                return await self._exchange(http, attempted, method, url, sent, terms, way)
            finally:
                self.in_the_air.discard(sender)
                self._slots.release()

    async def _take_turn(self, way: Way) -> None:
        """Wait for a turn, and then for a slot; a 429 that comes meanwhile makes the turn void."""
        began = asyncio.get_running_loop().time()
        while True:
            way.turn = await self.pacer.turn()
            await self._slots.acquire()
            if self.pacer.is_valid(way.turn):
                break
            self._slots.release()
        way.waited = asyncio.get_running_loop().time() - began

    async def _exchange(
        self,
        http: aiohttp.ClientSession,
        attempted: str,
        method: str,
        url: URL,
        sent: Sent,
        terms: Terms,
        way: Way | None,
    ) -> Reply:
        route = terms.route
        received: list[bytes] = []
        head: aiohttp.ClientResponse | None = None
        try:
            with self._limits.within(terms.total):
                async with http.request(
                    method,
                    url,
                    headers=sent.headers.reveal(route.sent_along),
                    data=sent.body,
                    timeout=terms.timeout,
                    allow_redirects=False,
                    proxy=route.proxy,
                    proxy_headers=None if route.asked_with is None else route.asked_with.reveal(),
                    trace_request_ctx=way,
                ) as head:
                    is_whole = await self._read_within(head.content, terms.reply_size, received)
                    reply = _reply_of(head, received, sent.keys)
                    if not is_whole:
                        raise unreadable(attempted, reply, f"the reply is larger than {terms.reply_size} bytes")
                    return reply
        # RuntimeError: the client was closed in this moment.
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError, RuntimeError) as error:
            was_sent = None if way is None else way.sent_at is not None
            broken = break_of(error, url.host, was_sent=was_sent, keys=sent.keys)
            # What has come of an answer may name what was paid for.
            broken.reply = None if head is None else _reply_of(head, received, sent.keys)
            # A line that cannot be read is quoted, and may repeat the key: then the original is not shown.
            cause = error if without_keys(str(error), sent.keys) == str(error) else None
        raise broken from cause

    async def _read_within(self, content: aiohttp.StreamReader, limit: int, parts: list[bytes]) -> bool:
        """Read to the end; False as soon as there is more than the limit."""
        size = 0
        self._connections.arriving.add(content)
        try:
            while not content.at_eof():
                part = await content.readany()
                parts.append(part)
                size += len(part)
                if size > limit:
                    return False
        finally:
            self._connections.arriving.discard(content)
        return True


def _reply_of(head: aiohttp.ClientResponse, parts: list[bytes], keys: tuple[Secret, ...]) -> Reply:
    """Put a reply together, without the key: replies go into errors, logs and files."""
    content = b"".join(parts)
    for key in keys:
        content = content.replace(key.reveal().encode(), KEY_SHOWN)
    return Reply(head.status, head.headers, content, keys)


def _open_for_looks(common: Mapping[str, Any]) -> aiohttp.ClientSession:
    # No limit here: the slots stand before the pool, so that waiting for a turn does not eat the request's own timeout.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, **common)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def _open_for_paid(common: Mapping[str, Any]) -> aiohttp.ClientSession:
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_note_sent)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True, **common),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[tracing],
    )
