"""Downloads: from hosts other than the API's, without its key, from public addresses only."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, TypeVar, cast

import aiohttp
import attrs
from yarl import URL

from musicapi_async._logger import logger
from musicapi_async._responses.decoding import error_from
from musicapi_async._responses.response import Response
from musicapi_async._settings import Settings
from musicapi_async._tracing import http_attributes, span
from musicapi_async._transport.addresses import address_in, is_public, is_this_machine, joined, url_of
from musicapi_async._transport.connections import USER_AGENT, Connections, transport_error_of
from musicapi_async._transport.connectors import KeptConnector
from musicapi_async._transport.ranges import Part, RangeContent
from musicapi_async._transport.retry import FailureKind, RequestClass, RetryBudget, TransportError, is_progress
from musicapi_async._transport.retrying import AttemptError, reason_of, retrying
from musicapi_async._transport.time_limits import MinimumRate
from musicapi_async.errors import ClientClosedError, MusicAPIError

__all__ = ["Downloads", "FileResponse"]

T = TypeVar("T")

MAX_DOWNLOADS: Final = 32
REDIRECTS: Final = 5
MOVED: Final = frozenset({301, 302, 303, 307, 308})
# With compression, Content-Length would not be the length of the file.
HEADERS: Final = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}


class FileResponse(NamedTuple):
    """The response with a file: the offset of its first chunk, and the total size where the host announces it.

    ``media_type`` is the response's (``audio/mpeg``, or empty), ``address`` the URL after redirects. ``validator``
    names the version of the file, by which it can be resumed; None where the host does not name it.
    """

    start: int
    size: int | None
    chunks: AsyncIterator[bytes]
    media_type: str
    address: str
    validator: str | None


@attrs.define(eq=False)
class _Download:
    """The state of one download over all its attempts."""

    settings: Settings
    url: str
    deadline: float
    """The latest start of a retry, by the event loop's clock."""
    part: Part = attrs.field(factory=Part)
    attempts: int = 0
    """The attempts since the last one that made progress, which counts as the first."""
    total_attempts: int = 0
    max_received: int = 0
    """The maximum number of bytes that any attempt has reached."""

    def describe(self) -> dict[str, str | int | bool | None]:
        """Return the attributes of its span, as far as they are known."""
        size = {"http.response.body.size": self.part.received or None}
        return http_attributes("GET", self.url, self.part.status, self.total_attempts) | size

    def failed(self, failure: MusicAPIError | TransportError, stood_still: float) -> AttemptError:
        """Return the error of an attempt.

        An attempt during which the process was stopped for longer than ``read_timeout`` says nothing about the host.
        """
        self.deadline += stood_still
        was_stopped = stood_still >= self.settings.read_timeout
        made_progress = was_stopped or is_progress(self.part.received - self.max_received)
        self.max_received = max(self.max_received, self.part.received)
        if made_progress:
            self.attempts = 1
        return AttemptError(
            RequestClass.DOWNLOAD,
            failure,
            self.attempts,
            self.deadline,
            self.settings.max_attempts,
            is_free=made_progress,
        )


class Downloads:
    """Downloads files for a client and all its views, a bounded number at once."""

    def __init__(self, connections: Connections, budget: RetryBudget) -> None:
        self.connections = connections
        self.budget = budget
        # In front of the pool, so that waiting for a slot does not count as waiting for the host.
        self._slots = asyncio.Semaphore(MAX_DOWNLOADS)
        # Attempts are counted anew after one that made progress, which backoff's max_tries cannot do.
        self._retry = retrying(
            self._attempt,
            budget=budget,
            max_attempts=None,
            give_up=lambda failed: connections.closed or failed.is_last or not failed.is_retryable,
            before_retry=_before_retry,
        )

    async def fetch(self, settings: Settings, url: str, take: Callable[[FileResponse], Awaitable[T]]) -> T:
        """Request a file and pass the response to ``take``; retried under the policy of retry.py when it is cut off.

        A retry resumes at the byte reached, or starts at the first byte where the file may have changed.

        Raises TransportError when the host cannot be reached or its response is cut off, the typed error of a refusal.
        """
        download = _Download(settings, url, asyncio.get_running_loop().time() + settings.total_timeout)
        with span("download", download.describe, is_request=True):
            try:
                return cast("T", await self._retry([], download, take))
            except AttemptError as failed:
                failure = failed.failure
                is_closed = self.connections.closed and failed.is_retryable
            if is_closed:
                raise ClientClosedError from failure
            raise failure

    async def _attempt(self, download: _Download, take: Callable[[FileResponse], Awaitable[T]]) -> T:
        """Request the file once; raises AttemptError for a failure that may be retried."""
        download.attempts += 1
        download.total_attempts += 1
        rate = MinimumRate()
        try:
            with rate:
                async with self.open(download.settings, download.url, download.part, rate) as response:
                    result = await take(response)
        except (TransportError, MusicAPIError) as failure:
            raise download.failed(failure, rate.stood_still) from failure
        self.budget.earn()
        return result

    @asynccontextmanager
    async def open(self, settings: Settings, url: str, part: Part, rate: MinimumRate) -> AsyncIterator[FileResponse]:
        """Request the missing part of a file once, following redirects, without credentials.

        Connections are made to public addresses only, except to the API's own host. Where a proxy resolves the names,
        only addresses in the URL itself can be checked.
        """
        response = None
        # A call from another event loop fails here, before it waits for a slot.
        self.connections.check()
        await self._slots.acquire()
        try:
            response = await self._follow(settings, _address_of(url), part.headers())
            content = part.accept(response.status, response.headers)
            if content is RangeContent.UNUSABLE:
                response.close()
                response = await self._follow(settings, _address_of(url), part.headers())
                content = part.accept(response.status, response.headers)
            if content is RangeContent.REFUSAL:
                refusal = Response(response.status, response.headers, b"")
                raise error_from(f"GET {url}", refusal, None, is_from_api=False)
            _check_size(part.size, settings, "are announced")
            chunks = _chunks(response.content, rate, url, part, settings)
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            yield FileResponse(part.received, part.size, chunks, media_type, str(response.url), part.validator)
        finally:
            if response is not None:
                # A response that was read to its end has released its connection already.
                response.close()
            self._slots.release()

    async def _follow(self, settings: Settings, address: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
        )
        # A header that arrives byte by byte never exceeds the limit on silence.
        header_timeout = max(settings.timeout, settings.connect_timeout + settings.read_timeout)
        for _ in range(REDIRECTS + 1):
            _check(address, settings)
            route = self.connections.route(address)
            is_open = route.proxy is not None or _may_be_private(address, settings)
            http = self.connections.session(
                "open files" if is_open else "files", _open_session if is_open else _open_public_session
            )
            try:
                async with asyncio.timeout(header_timeout):
                    response = await http.get(
                        address,
                        headers=route.headers(headers),
                        timeout=limits,
                        allow_redirects=False,
                        proxy=route.proxy,
                        proxy_headers=route.tunnel_headers,
                    )
                if response.status not in MOVED or not (location := response.headers.get("Location")):
                    return response
                response.close()
                address = joined(address, location)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise _transport_error_of(error, address) from error
        raise TransportError(FailureKind.REFUSAL, f"it redirects more than {REDIRECTS} times")


async def _before_retry(failed: AttemptError, delay: float, download: _Download, _: object) -> None:
    url, at = download.url, download.part.resumes_at
    logger.info("GET %s failed (%s): retrying in %.1f s, from byte %d", url, reason_of(failed.failure), delay, at)


async def _chunks(
    content: aiohttp.StreamReader, rate: MinimumRate, url: str, part: Part, settings: Settings
) -> AsyncIterator[bytes]:
    """Yield the body as it arrives; a failure of the connection is a TransportError, unlike an error of the consumer.

    Without a Content-Length the end of the connection is the end of the file, and completeness cannot be checked.
    """
    while True:
        try:
            chunk = await rate.read(content)
        # RuntimeError: the client was closed.
        except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError) as error:
            if part.is_whole:
                return  # the file is complete; only the proper end is missing
            raise transport_error_of(error, url, was_sent=True) from error
        if not chunk:
            break
        part.received += len(chunk)
        if part.size is not None and part.received > part.size:
            announced = part.size
            part.forget()
            raise TransportError(
                FailureKind.CUT, f"the response is longer than the {announced} bytes that were announced"
            )
        _check_size(part.received, settings, "were received")
        yield chunk
    # The HTTP library checks the length of one response; a partial one need not be all that is missing.
    if part.size is not None and not part.is_whole:
        raise TransportError(FailureKind.CUT, f"the response ended before the {part.size} bytes that were announced")


def _check_size(size: int | None, settings: Settings, how: str) -> None:
    """Refuse a file that is too large, by its announced size or by the bytes received in all attempts."""
    if size is not None and size > settings.max_file_size:
        reason = f"it is larger than max_file_size, {settings.max_file_size} bytes: {size} {how}"
        raise TransportError(FailureKind.REFUSAL, reason)


class _PrivateError(OSError):
    """An address that is not public: it was not connected to."""


def _check(address: URL, settings: Settings) -> None:
    """Refuse an address that is private or not HTTP by its text alone, before its name is resolved."""
    host = address.raw_host
    if address.scheme not in {"http", "https"} or not host:
        raise TransportError(FailureKind.REFUSAL, f"only http:// and https:// addresses can be fetched, not {address}")
    found = address_in(host)
    is_private = is_this_machine(host) or (found is not None and not is_public(found))
    if is_private and not _may_be_private(address, settings):
        raise TransportError(FailureKind.REFUSAL, _refused(host))


def _may_be_private(address: URL, settings: Settings) -> bool:
    host, api_host = address.raw_host or "", URL(settings.base_url).raw_host or ""
    is_api_host = host == api_host or (is_this_machine(api_host) and is_this_machine(host))
    return is_api_host or settings.allow_private_addresses


def _refused(host: str) -> str:
    return f"{host} is not a public address; allow_private_addresses=True allows it"


def _address_of(url: str) -> URL:
    try:
        return url_of(url)
    except ValueError as error:
        raise TransportError(FailureKind.REFUSAL, f"it is not a valid address: {error}") from error


def _transport_error_of(error: BaseException, address: URL) -> TransportError:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    if isinstance(cause, _PrivateError):
        return TransportError(FailureKind.REFUSAL, f"{address.host} leads to an address that is not public: {cause}")
    return transport_error_of(error, str(address), was_sent=None)


def _public_socket(
    info: tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]],
) -> socket.socket:
    """Make the socket for a connection, after its name was resolved; refuses a private address."""
    family, socket_type, protocol, _, target = info
    try:
        is_refused = not is_public(ipaddress.ip_address(target[0]))
    except ValueError:
        is_refused = True
    if is_refused:
        raise _PrivateError(_refused(str(target[0])))
    return socket.socket(family, socket_type, protocol)


def _open_public_session(common: Mapping[str, Any]) -> aiohttp.ClientSession:
    return _open_session({**common, "socket_factory": _public_socket})


def _open_session(common: Mapping[str, Any]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=KeptConnector(**common),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=HEADERS,
    )
