"""One request to the API and its response, within the limits of the client.

Reads are sent over kept-alive connections, submissions over a fresh one each: a connection that the server closed
while idle can thus never make a payment uncertain, and nothing is sent twice.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import attrs
from yarl import URL

from musicapi_async._responses.decoding import unreadable
from musicapi_async._responses.response import KEY_SHOWN, Response, read_raw_response, without_keys
from musicapi_async._secrets import BodyBytes, SecretBytes
from musicapi_async._settings import Settings
from musicapi_async._transport.ahead import ConnectionAhead
from musicapi_async._transport.call import Call
from musicapi_async._transport.cancellation import ShieldedTask, cancel_task, wait_shielded
from musicapi_async._transport.connections import Connections, ProxyRoute, transport_error_of
from musicapi_async._transport.connectors import IS_USABLE, RECEIVED, WITHOUT_LIMITS, FreshConnector, KeptConnector
from musicapi_async._transport.direct import DirectRequest
from musicapi_async._transport.rate_limit import SubmissionRateLimiter
from musicapi_async._transport.request_head import RequestHead
from musicapi_async._transport.retry import RequestClass, RetryBudget
from musicapi_async._transport.time_limits import TimeLimit, TimeoutScheduler
from musicapi_async.errors import ClientClosedError
from musicapi_async.wire.json import write_json

__all__ = ["RequestOptions", "Session"]

# Above the interval between two polls, so that a single waiting task keeps its connection.
KEEP_ALIVE: Final = 90.0


def _cancel_unsent(sending: asyncio.Task[Response], call: Call) -> None:
    """Cancel a submission of which no byte was written."""
    if call.sent_at is None:
        cancel_task(sending)


async def _note_sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.note_sent()


@attrs.frozen(repr=False, eq=False)
class RequestOptions:
    """The part of a request that depends on the settings: address, headers, route and limits."""

    base: URL
    base_path: str
    get_headers: Mapping[str, str]
    post_headers: Mapping[str, str]
    keys: tuple[SecretBytes, ...]
    """The spellings of the API key, which are masked in the response."""
    route: ProxyRoute
    total: float
    connecting: float
    silence: float
    """Maximum time between two bytes; all three are in seconds."""
    max_size: int
    heads: dict[tuple[str, bool, bool], RequestHead] = attrs.field(factory=dict)
    """The heads of requests that are written directly: by method, with a body or without, paid or free."""


class Session:
    """Sends the requests of a client and all its views, within the limits that they share."""

    def __init__(self, settings: Settings, connections: Connections) -> None:
        self.connections = connections
        self._slots = asyncio.Semaphore(settings.max_requests)
        # Fewer than all: polls must continue while many paid requests are in flight.
        self._paid_slots = asyncio.Semaphore(max(1, settings.max_requests - max(1, settings.max_requests // 4)))
        self.rate_limiter: SubmissionRateLimiter = SubmissionRateLimiter(settings.create_rate, self._plan_ahead)
        self._ahead = ConnectionAhead(settings.connect_timeout)
        self._next_head: RequestHead | None = None
        """The head of the submission that was queued last; None before, and where requests are not written directly."""
        self.budget: RetryBudget = RetryBudget()
        self._limits = TimeoutScheduler()
        self._traces = list(settings.trace_configs)
        self._is_direct = IS_USABLE and not self._traces
        self.in_flight: dict[asyncio.Task[Any], asyncio.Task[Response]] = {}
        """The callers whose paid request is in flight, and the asyncio tasks that send it."""

    def close(self) -> None:
        """Take the timers out of the event loop, and close the unused connection."""
        self._limits.close()
        self._ahead.close()

    def abandon(self, caller: asyncio.Task[Any]) -> None:
        """End a caller's paid request without its response, if it is in flight; its outcome is then unknown."""
        sending = self.in_flight.get(caller)
        if sending is not None:
            cancel_task(sending)

    async def read(self, call: Call, options: RequestOptions) -> Response:
        """Send one free request and read its whole response.

        Raises TransportError when no complete response was received.
        """
        # A call from another event loop fails here, before it waits for anything of this one.
        http = self.connections.session("reads", self._open_for_reads)
        async with self._slots:
            # The client may have been closed meanwhile.
            if self.connections.closed:
                raise ClientClosedError
            return await self._exchange(http, call, options)

    async def submit(self, call: Call, options: RequestOptions) -> Response:
        """Send one paid request and read its whole response; the call records its progress.

        A caller that is cancelled while the request is in flight still gets the response, and must raise
        ``call.cancellation`` itself. When it is cancelled before the first byte, nothing is sent.

        Raises TransportError when no complete response was received.
        """
        http = self.connections.session("paid", self._open_for_paid)
        async with self._paid_slots:
            began = asyncio.get_running_loop().time()
            self._next_head = self._head_of(http, call, options)
            await self._acquire_slot(call)
            call.waited = asyncio.get_running_loop().time() - began
            try:
                if self.connections.closed:
                    raise ClientClosedError
                return await self._send_shielded(call, self._exchange(http, call, options))
            finally:
                self._slots.release()

    async def _acquire_slot(self, call: Call) -> None:
        """Wait until a submission may be sent, and take a slot for it."""
        while True:
            if call.hook is not None:
                await call.hook.turn()
            call.dispatched_at = await self.rate_limiter.acquire()
            await self._slots.acquire()
            is_admitted = False
            try:
                # Wait again if a 429 arrived while waiting for the slot.
                if call.dispatched_at > self.rate_limiter.refused_at:
                    is_admitted = call.hook is None or await call.hook.before_send()
            finally:
                if not is_admitted:
                    self._slots.release()
            if is_admitted:
                return

    async def _send_shielded(self, call: Call, sending: Coroutine[Any, Any, Response]) -> Response:
        """Send a paid request in a shielded task: its response contains the id of what was paid for."""
        caller = asyncio.current_task()
        assert caller is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        # All of it inside the block: a signal handler may raise at any line.
        try:
            shielded = self.in_flight[caller] = ShieldedTask(sending, loop=asyncio.get_running_loop())
            stop = partial(_cancel_unsent, shielded, call)
            call.cancellation = await wait_shielded(shielded, on_cancel=stop)
        finally:
            if (unfinished := self.in_flight.pop(caller, None)) is not None and not unfinished.done():
                # A caller that was not cancelled but closed: nothing is sent that it does not know of.
                _cancel_unsent(unfinished, call)
        if call.cancellation is not None and shielded.cancelled():
            raise call.cancellation
        return shielded.result()

    async def _exchange(self, http: aiohttp.ClientSession, call: Call, options: RequestOptions) -> Response:
        is_paid = call.request_class is RequestClass.SUBMISSION
        received: list[bytes] = []
        head: aiohttp.ClientResponse | DirectRequest | None = None
        limit = TimeLimit(self._limits, options.total, options.connecting, options.silence)
        on_data = None if options.silence >= options.total else limit.note_activity
        if is_paid:
            # In the context of this request's own asyncio task: nothing else uses its connection.
            RECEIVED.set(bytearray())
        try:
            with limit:
                async with self._request(http, call, options) as head:
                    has_arrived = head.content.is_eof()
                    if not has_arrived and (announced := head.content_length or 0) > options.max_size:
                        # Data received with the header may contain an id that was paid for; the rest is not awaited.
                        received.append(head.content.read_nowait())
                        response = _response_of(head, received, options.keys)
                        raise unreadable(call.attempted, response, _too_large(options, f": {announced} are announced"))
                    if on_data is not None and not has_arrived:
                        on_data()
                    is_whole = await self._read_within(head.content, options.max_size, received, on_data)
                    response = _response_of(head, received, options.keys)
                    if not is_whole:
                        raise unreadable(call.attempted, response, _too_large(options))
                    return response
        # RuntimeError: the client was closed at this moment.
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError, RuntimeError) as error:
            was_sent = call.sent_at is not None if is_paid else False if limit.is_connecting else None
            failure = transport_error_of(error, options.base.host, was_sent=was_sent, keys=options.keys)
            # A partial response may contain the id of what was paid for.
            failure.response = _broken_response(head, received, RECEIVED.get() if was_sent else None, options.keys)
            # An unparsable header line is quoted, and may contain the key: then the original is not shown.
            cause = error if without_keys(str(error), options.keys) == str(error) else None
        raise failure from cause

    def _request(
        self, http: aiohttp.ClientSession, call: Call, options: RequestOptions
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse | DirectRequest]:
        has_body, path = call.body is not None, options.base_path + call.path
        # BodyBytes: it may contain the webhook secret.
        body = BodyBytes(write_json(call.body)) if has_body else None
        if (head := self._head_of(http, call, options)) is not None:
            return DirectRequest(head, call, path, body, self.budget, self._ahead if head.is_fresh else None)
        return http.request(
            call.method,
            options.base.with_path(path, encoded=True),
            headers=options.post_headers if has_body else options.get_headers,
            data=body,
            timeout=WITHOUT_LIMITS,
            allow_redirects=False,
            proxy=options.route.proxy,
            proxy_headers=options.route.tunnel_headers,
            trace_request_ctx=call,
        )

    def _head_of(self, http: aiohttp.ClientSession, call: Call, options: RequestOptions) -> RequestHead | None:
        """Return the head of requests such as this one; None where they are not written directly."""
        if not self._is_direct or options.route.proxy is not None:
            return None
        has_body, is_fresh = call.body is not None, call.request_class is RequestClass.SUBMISSION
        key = (call.method, has_body, is_fresh)
        if (head := options.heads.get(key)) is None:
            headers = options.post_headers if has_body else options.get_headers
            head = options.heads[key] = RequestHead(http, call.method, options.base, headers, is_fresh=is_fresh)
        return head

    def _plan_ahead(self, turn: float) -> None:
        """Have the next submission's connection ready at its turn."""
        head = self._next_head
        if head is not None:
            self._ahead.plan(head, turn)

    async def _read_within(
        self, content: aiohttp.StreamReader, max_size: int, parts: list[bytes], on_data: Callable[[], None] | None
    ) -> bool:
        """Read to the end; return False as soon as there are more than ``max_size`` bytes."""
        if content.is_eof():
            # It arrived with its header, as most do.
            parts.append(content.read_nowait())
            return len(parts[0]) <= max_size
        size = 0
        self.connections.arriving.add(content)
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
            self.connections.arriving.discard(content)
        return True

    def _open_for_reads(self, common: Mapping[str, Any]) -> aiohttp.ClientSession:
        connector = KeptConnector(connecting=self._limits.connecting, keepalive_timeout=KEEP_ALIVE, **common)
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=self._traces
        )

    def _open_for_paid(self, common: Mapping[str, Any]) -> aiohttp.ClientSession:
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_note_sent)
        return aiohttp.ClientSession(
            connector=FreshConnector(connecting=self._limits.connecting, **common),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[tracing, *self._traces],
        )


def _too_large(options: RequestOptions, how_large: str = "") -> str:
    return f"the response is larger than {options.max_size} bytes (max_response_size){how_large}"


def _broken_response(
    head: aiohttp.ClientResponse | DirectRequest | None,
    parts: list[bytes],
    received: bytearray | None,
    keys: tuple[SecretBytes, ...],
) -> Response | None:
    """Return the received part of a response that broke off or was unparsable; None when nothing was received."""
    unread = read_raw_response(bytes(received)) if received and not parts else None
    if unread is not None:
        return unread._replace(content=_without_keys(unread.content, keys), keys=keys)
    return None if head is None else _response_of(head, parts, keys)


def _response_of(
    head: aiohttp.ClientResponse | DirectRequest, parts: list[bytes], keys: tuple[SecretBytes, ...]
) -> Response:
    return Response(head.status, head.headers, _without_keys(b"".join(parts), keys), keys)


def _without_keys(content: bytes, keys: tuple[SecretBytes, ...]) -> bytes:
    """Mask the key in a response: responses go into errors, logs and files."""
    for key in keys:
        content = content.replace(key.reveal(), KEY_SHOWN)
    return content
