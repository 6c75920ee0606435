"""Files on their way: from hosts that are not the API's, never with its key, and from public addresses alone."""

import asyncio
import ipaddress
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from musicapi_async._settings import Settings
from musicapi_async._transport.addresses import address_in, is_public, is_this_machine
from musicapi_async._transport.connections import USER_AGENT, Connections, Headers, break_of
from musicapi_async._transport.ranges import Answer, Part
from musicapi_async._transport.repeating import RepeatError, repeating
from musicapi_async._transport.replies import Reply, error_from
from musicapi_async._transport.retry import (
    BrokenError,
    Budget,
    Fault,
    Kind,
    Verdict,
    is_progress,
    judge,
    wait_before,
)
from musicapi_async._transport.session import logger
from musicapi_async.errors import ClientClosedError, MusicAPIError

__all__ = ["FileReply", "Files"]

T = TypeVar("T")

AT_ONCE: Final = 32
REDIRECTS: Final = 5
MOVED: Final = frozenset({301, 302, 303, 307, 308})
# Packed, a file's length would not tell whether it is whole.
HEADERS: Final = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
_spread: Final = random.Random()  # noqa: S311 - jitter needs no secrecy


class FileReply(NamedTuple):
    """A file on its way: the byte at which these chunks begin, and the size of the whole where its host tells it."""

    start: int
    size: int | None
    chunks: AsyncIterator[bytes]


class Files:
    """The way to the files of a client and all its views."""

    def __init__(self, connections: Connections, budget: Budget) -> None:
        self.connections = connections
        self.budget = budget

    async def fetch(self, settings: Settings, url: str, take: Callable[[FileReply], Awaitable[T]]) -> T:
        """Ask for a file and hand it to ``take``; again, by the rules of retry.py, when it breaks off.

        What comes then begins where it broke off, or at its first byte where that is not certain to fit.

        Raises BrokenError when the host cannot be reached or its answer breaks off, the typed error of a refusal.
        """
        tries = _Tries(self, settings, url, take)
        try:
            return await tries.once()
        except RepeatError as due:
            tries.due = due
        return cast("T", await repeating(tries))

    @asynccontextmanager
    async def open(self, settings: Settings, url: str, part: Part) -> AsyncIterator[FileReply]:
        """Ask for what is missing of a file once, following redirects, without any credential.

        Only public addresses are connected to, those of the API's own host excepted. Where a proxy looks the names up,
        only what is spelled out in the URL can be checked.
        """
        response = None
        try:
            response = await self._follow(settings, _address_of(url), part.ask())
            answer = part.hear(response.status, response.headers)
            if answer is Answer.USELESS:
                response.close()
                response = await self._follow(settings, _address_of(url), part.ask())
                answer = part.hear(response.status, response.headers)
            if answer is Answer.REFUSAL:
                raise error_from(f"GET {url}", Reply(response.status, response.headers, b""), None)
            yield FileReply(part.came, part.size, _chunks(response.content, url, part))
        finally:
            if response is not None:
                # What was read to its end is free already.
                response.close()

    async def _follow(self, settings: Settings, address: URL, asked: Mapping[str, str]) -> aiohttp.ClientResponse:
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
        )
        for _ in range(REDIRECTS + 1):
            _check(address, settings)
            route = self.connections.route(address)
            is_open = route.proxy is not None or _may_be_private(address, settings)
            http = self.connections.session("open files" if is_open else "files", _open_session if is_open else _guard)
            try:
                response = await http.get(
                    address,
                    headers=asked if route.sent_along is None else Headers(CIMultiDict(asked)).reveal(route.sent_along),
                    timeout=limits,
                    allow_redirects=False,
                    proxy=route.proxy,
                    proxy_headers=None if route.asked_with is None else route.asked_with.reveal(),
                )
                if response.status not in MOVED or not (location := response.headers.get("Location")):
                    return response
                response.close()
                address = address.join(URL(location))
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise _break_of(error, address) from error
        raise BrokenError(Fault.REFUSAL, f"it redirects more than {REDIRECTS} times")


class _Tries(Generic[T]):
    """The attempts at one file so far."""

    def __init__(self, files: Files, settings: Settings, url: str, take: Callable[[FileReply], Awaitable[T]]) -> None:
        self._files = files
        self._settings = settings
        self._url = url
        self._take = take
        self._part = Part()
        self._furthest = 0
        self._count = 0
        self._began = asyncio.get_running_loop().time()
        self.due: RepeatError | None = None
        """A repetition that is due, and was not waited for yet."""

    async def once(self) -> T:
        """Try once; raises RepeatError when another try is due, else the error to hand on."""
        self._count += 1
        try:
            async with self._files.open(self._settings, self._url, self._part) as reply:
                result = await self._take(reply)
        except (BrokenError, MusicAPIError) as failure:
            wait = self._wait(failure)
            if wait is None:
                raise
            reason = getattr(failure, "reason", None) or getattr(failure, "message", failure)
            at = self._part.resumes_at
            logger.info("GET %s failed (%s): again in %.1f s, from byte %d", self._url, reason, wait, at)
            raise RepeatError(failure, wait) from failure
        self._files.budget.earn()
        return result

    def _wait(self, failure: Exception) -> float | None:
        """Return the seconds before the next try, or None when there is to be none."""
        if judge(Kind.FILE, failure) is not Verdict.REPEAT:
            return None
        if self._files.connections.closed:
            raise ClientClosedError from failure
        brought_further = is_progress(self._part.came - self._furthest)
        self._furthest = max(self._furthest, self._part.came)
        if brought_further:
            self._count = 1
        wait = wait_before(self._count, failure, _spread)
        if wait is None or self._count >= self._settings.max_attempts:
            return None
        spent = asyncio.get_running_loop().time() - self._began
        if spent + wait > self._settings.total_timeout:
            return None
        return wait if brought_further or self._files.budget.spend(failure) else None


async def _chunks(content: aiohttp.StreamReader, url: str, part: Part) -> AsyncIterator[bytes]:
    """Yield the body as it comes; what breaks it off is told apart from what whoever reads it raises.

    Without a length the end of the connection is the end of the file: nobody can tell then whether it is whole.
    """
    while True:
        try:
            chunk = await content.readany()
        # RuntimeError: the client was closed.
        except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError) as error:
            if part.is_whole:
                return  # nothing is missing but a proper end
            raise break_of(error, url, was_sent=True) from error
        if not chunk:
            break
        part.came += len(chunk)
        if part.size is not None and part.came > part.size:
            announced = part.size
            part.forget()
            raise BrokenError(Fault.CUT, f"more came than the {announced} bytes that were announced")
        yield chunk
    # The HTTP library counts what one answer announced; of a part, that need not be all that is missing.
    if part.size is not None and not part.is_whole:
        raise BrokenError(Fault.CUT, f"the answer ended before the {part.size} bytes that were announced")


class _PrivateError(OSError):
    """An address that is not public: it was not connected to."""


def _check(address: URL, settings: Settings) -> None:
    """Refuse what the address shows by itself, before anything is looked up."""
    host = address.raw_host
    if address.scheme not in {"http", "https"} or not host:
        raise BrokenError(Fault.REFUSAL, f"only http:// and https:// addresses can be fetched, not {address}")
    found = address_in(host)
    is_private = is_this_machine(host) or (found is not None and not is_public(found))
    if is_private and not _may_be_private(address, settings):
        raise BrokenError(Fault.REFUSAL, _refused(host))


def _may_be_private(address: URL, settings: Settings) -> bool:
    host, home = address.raw_host or "", URL(settings.base_url).raw_host or ""
    is_home = host == home or (is_this_machine(home) and is_this_machine(host))
    return is_home or settings.allow_private_addresses


def _refused(host: str) -> str:
    return f"{host} is not a public address; allow_private_addresses=True allows it"


def _address_of(url: str) -> URL:
    try:
        return URL(url)
    except ValueError as error:
        raise BrokenError(Fault.REFUSAL, f"it is no address: {error}") from error


def _break_of(error: BaseException, address: URL) -> BrokenError:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    if isinstance(cause, _PrivateError):
        return BrokenError(Fault.REFUSAL, f"{address.host} leads to an address that is not public: {cause}")
    return break_of(error, str(address), was_sent=None)


def _public_socket(
    info: tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]],
) -> socket.socket:
    """Make a socket for an address that is about to be connected to, after its name was looked up."""
    family, kind, protocol, _, target = info
    try:
        is_refused = not is_public(ipaddress.ip_address(target[0]))
    except ValueError:
        is_refused = True
    if is_refused:
        raise _PrivateError(_refused(str(target[0])))
    return socket.socket(family, kind, protocol)


def _guard(common: Mapping[str, Any]) -> aiohttp.ClientSession:
    return _open_session({**common, "socket_factory": _public_socket})


def _open_session(common: Mapping[str, Any]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE, **common),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=HEADERS,
    )
