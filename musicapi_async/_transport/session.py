"""One request to the API and its response, within the limits of the client.

Reads are sent over kept-alive connections, submissions over a fresh one each: a connection that the server closed
while idle can thus never make a payment uncertain, and nothing is sent twice.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, Protocol

import aiohttp
import attrs
from yarl import URL

from musicapi_async._settings import SecretBytes, Settings
from musicapi_async._transport.connections import RECEIVED, Connections, Connector, ProxyRoute, transport_error_of
from musicapi_async._transport.decoding import unreadable
from musicapi_async._transport.rate_limit import SubmissionRateLimiter
from musicapi_async._transport.response import KEY_SHOWN, Response, read_raw_response, without_keys
from musicapi_async._transport.retry import RetryBudget
from musicapi_async._transport.shielding import ShieldedTask, cancel_task, wait_shielded
from musicapi_async._transport.time_limits import TimeoutScheduler

__all__ = ["HttpRequest", "RequestLimits", "Session", "SubmissionHook", "SubmissionState"]


# Above the interval between two polls, so that a single waiting task keeps its connection.
KEEP_ALIVE: Final = 90.0
# time_limits.py enforces the limits: the HTTP library's would fire before data that has arrived is read.
WITHOUT_LIMITS: Final = aiohttp.ClientTimeout()


class SubmissionHook(Protocol):
    """Hook called around a submission. If one of the coroutines raises, the request is not sent."""

    async def before_send(self) -> None:
        """Record that the request is about to be sent, before its first byte is written."""
        ...

    async def not_accepted(self) -> None:
        """Record that the request was certainly not accepted, and may be sent again."""
        ...

    def accepted(self, task_id: str) -> None:
        """Record the task of a request whose caller was cancelled, before the cancellation is raised."""
        ...


class SubmissionState:
    """Progress of one submission: queued, dispatched, or written to the socket (``sent_at``)."""

    __slots__ = ("cancellation", "dispatched_at", "hook", "sent_at", "waited")

    def __init__(self, hook: SubmissionHook | None = None) -> None:
        self.hook: SubmissionHook | None = hook
        self.dispatched_at: float = 0.0
        """The time it left the queue, by the event loop's clock."""
        self.waited: float = 0.0
        """The seconds it spent in the queue."""
        self.sent_at: datetime | None = None
        """The time just before the first byte was written, as aiohttp's tracing reports it."""
        self.cancellation: asyncio.CancelledError | None = None
        """The caller's cancellation while the request was in flight: to be raised after reading the response."""


async def _note_sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.sent_at = datetime.now(UTC)


class HttpRequest(NamedTuple):
    """The headers and the body of a request."""

    headers: Mapping[str, str]
    body: bytes | None
    keys: tuple[SecretBytes, ...] = ()
    """The spellings of the API key, which are masked in the response."""


@attrs.frozen
class RequestLimits:
    """The limits of one request, and its route."""

    total: float
    connecting: float
    silence: float
    """Maximum time between two bytes; all three are in seconds."""
    max_size: int
    route: ProxyRoute


class Session:
    """Sends the requests of a client and all its views, within the limits that they share."""

    def __init__(self, settings: Settings, connections: Connections) -> None:
        self._connections = connections
        self._slots = asyncio.Semaphore(settings.max_requests)
        # Fewer than all: polls must continue while many paid requests are in flight.
        self._paid_slots = asyncio.Semaphore(max(1, settings.max_requests - max(1, settings.max_requests // 4)))
        self.rate_limiter: SubmissionRateLimiter = SubmissionRateLimiter(settings.create_rate)
        self.budget: RetryBudget = RetryBudget()
        self._limits = TimeoutScheduler()
        self.in_flight: dict[asyncio.Task[Any], asyncio.Task[Response]] = {}
        """The callers whose paid request is in flight, and the asyncio tasks that send it."""

    @property
    def is_closed(self) -> bool:
        """True when nothing can be sent any more."""
        return self._connections.closed

    def close(self) -> None:
        """Take the timer out of the event loop."""
        self._limits.close()

    def limits(self, settings: Settings, min_timeout: float) -> RequestLimits:
        """Return the limits under these settings, with at least ``min_timeout`` seconds for the response."""
        total, silence = max(settings.timeout, min_timeout), max(settings.read_timeout, min_timeout)
        route = self._connections.route(URL(settings.base_url))
        return RequestLimits(total, settings.connect_timeout, silence, settings.max_response_size, route)

    def abandon(self, caller: asyncio.Task[Any]) -> None:
        """End a caller's paid request without its response, if it is in flight; its outcome is then unknown."""
        sending = self.in_flight.get(caller)
        if sending is not None:
            cancel_task(sending)

    async def send(
        self,
        attempted: str,
        method: str,
        url: URL,
        sent: HttpRequest,
        limits: RequestLimits,
        state: SubmissionState | None = None,
    ) -> Response:
        """Send one request and read its whole response; ``state`` records the progress of a paid request.

        A caller that is cancelled while its paid request is in flight still gets the response, and must raise the
        cancellation, which is in ``state``, itself. When it is cancelled before the first byte, nothing is sent.

        Raises TransportError when no complete response was received.
        """
        # A call from another event loop fails here, before it waits for anything of this one.
        self._connections.check()
        if state is None:
            async with self._slots:
                # Only now that there is a slot: the client may have been closed meanwhile.
                http = self._connections.session("reads", self._open_for_reads)
                return await self._exchange(http, attempted, method, url, sent, limits, None)
        async with self._paid_slots:
            await self._dispatch(state)
            caller = asyncio.current_task()
            assert caller is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
            try:
                if state.hook is not None:
                    await state.hook.before_send()
                http = self._connections.session("paid", self._open_for_paid)
                sending = self._exchange(http, attempted, method, url, sent, limits, state)
                return await self._send_shielded(caller, sending, state)
            finally:
                self._slots.release()

    async def _send_shielded(
        self, caller: asyncio.Task[Any], sending: Coroutine[Any, Any, Response], state: SubmissionState
    ) -> Response:
        """Send a paid request in a shielded task: its response contains the id of what was paid for."""
        shielded: ShieldedTask[Response] = ShieldedTask(sending, loop=asyncio.get_running_loop())

        def stop() -> None:
            if state.sent_at is None:
                cancel_task(shielded)

        self.in_flight[caller] = shielded
        try:
            state.cancellation = await wait_shielded(shielded, on_cancel=stop)
        finally:
            del self.in_flight[caller]
        if state.cancellation is not None and shielded.cancelled():
            raise state.cancellation
        return shielded.result()

    async def _dispatch(self, state: SubmissionState) -> None:
        """Wait for the rate limiter, then for a slot; again, if a 429 arrives while waiting for the slot."""
        began = asyncio.get_running_loop().time()
        while True:
            state.dispatched_at = await self.rate_limiter.acquire()
            await self._slots.acquire()
            if self.rate_limiter.is_valid(state.dispatched_at):
                break
            self._slots.release()
        state.waited = asyncio.get_running_loop().time() - began

    async def _exchange(
        self,
        http: aiohttp.ClientSession,
        attempted: str,
        method: str,
        url: URL,
        sent: HttpRequest,
        limits: RequestLimits,
        state: SubmissionState | None,
    ) -> Response:
        route = limits.route
        received: list[bytes] = []
        head: aiohttp.ClientResponse | None = None
        limit = self._limits.timeout(limits.total, limits.connecting, limits.silence)
        on_data = None if limits.silence >= limits.total else limit.note_activity
        if state is not None:
            # In the context of this request's own asyncio task: nothing else uses its connection.
            RECEIVED.set(bytearray())
        try:
            with limit:
                async with http.request(
                    method,
                    url,
                    headers=route.headers(sent.headers),
                    data=sent.body,
                    timeout=WITHOUT_LIMITS,
                    allow_redirects=False,
                    proxy=route.proxy,
                    proxy_headers=route.tunnel_headers,
                    trace_request_ctx=state,
                ) as head:
                    if (announced := head.content_length or 0) > limits.max_size:
                        # Data received with the header may contain an id that was paid for; the rest is not awaited.
                        received.append(head.content.read_nowait())
                        response = _response_of(head, received, sent.keys)
                        raise unreadable(attempted, response, _too_large(limits, f": {announced} are announced"))
                    if on_data is not None:
                        on_data()
                    is_whole = await self._read_within(head.content, limits.max_size, received, on_data)
                    response = _response_of(head, received, sent.keys)
                    if not is_whole:
                        raise unreadable(attempted, response, _too_large(limits))
                    return response
        # RuntimeError: the client was closed at this moment.
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError, RuntimeError) as error:
            was_sent = (False if limit.is_connecting else None) if state is None else state.sent_at is not None
            failure = transport_error_of(error, url.host, was_sent=was_sent, keys=sent.keys)
            # A partial response may contain the id of what was paid for.
            failure.response = _broken_response(head, received, RECEIVED.get() if was_sent else None, sent.keys)
            # An unparsable header line is quoted, and may contain the key: then the original is not shown.
            cause = error if without_keys(str(error), sent.keys) == str(error) else None
        raise failure from cause

    async def _read_within(
        self, content: aiohttp.StreamReader, max_size: int, parts: list[bytes], on_data: Callable[[], None] | None
    ) -> bool:
        """Read to the end; return False as soon as there are more than ``max_size`` bytes."""
        size = 0
        self._connections.arriving.add(content)
        try:
            while not content.at_eof():
                part = await content.readany()
                parts.append(part)
                size += len(part)
                if size > max_size:
                    return False
                if on_data is not None:
                    on_data()
        finally:
            self._connections.arriving.discard(content)
        return True

    def _open_for_reads(self, common: Mapping[str, Any]) -> aiohttp.ClientSession:
        # No limit here: the semaphores limit it, so that waiting for a slot does not count against the timeout.
        connector = Connector(connecting=self._limits.connecting, limit=0, keepalive_timeout=KEEP_ALIVE, **common)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    def _open_for_paid(self, common: Mapping[str, Any]) -> aiohttp.ClientSession:
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_note_sent)
        return aiohttp.ClientSession(
            connector=Connector(
                connecting=self._limits.connecting, keeps_received=True, limit=0, force_close=True, **common
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[tracing],
        )


def _too_large(limits: RequestLimits, how_large: str = "") -> str:
    return f"the response is larger than {limits.max_size} bytes (max_response_size){how_large}"


def _broken_response(
    head: aiohttp.ClientResponse | None,
    parts: list[bytes],
    received: bytearray | None,
    keys: tuple[SecretBytes, ...],
) -> Response | None:
    """Return the received part of a response that broke off or was unparsable; None when nothing was received."""
    unread = read_raw_response(bytes(received)) if received and not parts else None
    if unread is not None:
        return unread._replace(content=_without_keys(unread.content, keys), keys=keys)
    return None if head is None else _response_of(head, parts, keys)


def _response_of(head: aiohttp.ClientResponse, parts: list[bytes], keys: tuple[SecretBytes, ...]) -> Response:
    return Response(head.status, head.headers, _without_keys(b"".join(parts), keys), keys)


def _without_keys(content: bytes, keys: tuple[SecretBytes, ...]) -> bytes:
    """Mask the key in a response: responses go into errors, logs and files."""
    for key in keys:
        content = content.replace(key.reveal(), KEY_SHOWN)
    return content
