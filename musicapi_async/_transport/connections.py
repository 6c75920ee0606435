"""The HTTP library's sessions: opened on first use, in one event loop, each kind of traffic with its own."""

import asyncio
import ipaddress
import os
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from musicapi_async._settings import Settings
from musicapi_async._transport.retry import BrokenError, Fault
from musicapi_async.errors import ClientClosedError

__all__ = ["USER_AGENT", "Connections", "break_of"]

DNS_CACHE: Final = 300
USER_AGENT: Final = f"musicapi-async/{version('musicapi-async')} python/{platform.python_version()}"

# From the special to the general: the first that fits is taken.
FAULTS: Final[tuple[tuple[tuple[type[BaseException], ...], Fault], ...]] = (
    ((aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError), Fault.TLS),
    ((aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError), Fault.PROXY),
    # UnicodeError: a name that the system's resolver cannot even be asked for.
    ((aiohttp.ClientConnectorDNSError, UnicodeError), Fault.DNS),
    ((aiohttp.ConnectionTimeoutError,), Fault.CONNECT_TIMEOUT),
    ((aiohttp.ClientConnectorError,), Fault.UNREACHABLE),
    ((TimeoutError,), Fault.TIMEOUT),
)


class Connections:
    """The sessions of one kind of traffic each, by name; they belong to the event loop that first used them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[str, aiohttp.ClientSession] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._proxies: dict[tuple[str, str | None], URL | None] = {}
        self.arriving: set[aiohttp.StreamReader] = set()
        """The replies that are being read."""
        self.closed = False

    @property
    def is_open(self) -> bool:
        """True when there are sockets to close."""
        return bool(self._open)

    def session(self, use: str, make: Callable[[Mapping[str, Any]], aiohttp.ClientSession]) -> aiohttp.ClientSession:
        """Return the session for a use, made on first use from what all connections have in common.

        Raises ClientClosedError after closing, RuntimeError in another event loop.
        """
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
            context = self._settings.ssl_context
            self._open[use] = make({"ttl_dns_cache": DNS_CACHE, "ssl": True if context is None else context})
        return self._open[use]

    def proxy(self, url: URL) -> URL | None:
        """Return the proxy for an address: the setting's, or the environment's; never for this machine itself."""
        key = (url.scheme, url.host)
        if key not in self._proxies:
            self._proxies[key] = _proxy_for(url, self._settings)
        return self._proxies[key]

    async def aclose(self) -> None:
        """Close every session; may be called twice."""
        self.closed = True
        while self._open:
            _, session = self._open.popitem()
            await session.close()
        # Whoever reads a reply is not woken by that.
        for content in self.arriving:
            content.set_exception(aiohttp.ClientConnectionError("the client was closed"))


def break_of(error: BaseException, host: str | None, *, was_sent: bool | None) -> BrokenError:
    """Say what broke an exchange; ``was_sent`` tells for certain whether bytes left, None that it is not known."""
    fault = next((fault for kinds, fault in FAULTS if isinstance(error, kinds)), Fault.CUT)
    if was_sent and fault.is_before_sending:
        fault = Fault.CUT
    if was_sent is False and not fault.is_before_sending:
        fault = Fault.CONNECT_TIMEOUT if fault is Fault.TIMEOUT else Fault.UNREACHABLE
    reason = _reason(error)
    return BrokenError(fault, f"could not connect to {host}: {reason}" if fault.is_before_sending else reason)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time" if not str(error) else f"no answer in time ({error})"
    if isinstance(error, aiohttp.ClientConnectorError):
        # asyncio hides the system's own words ("Connection refused") behind a text of its own.
        number = error.os_error.errno
        return os.strerror(number) if number and number > 0 else str(error.os_error.strerror or error.os_error)
    return str(error) or type(error).__name__


def _proxy_for(url: URL, settings: Settings) -> URL | None:
    if url.host is None or _is_this_machine(url.host):
        return None
    if settings.proxy is not None:
        return URL(settings.proxy)
    if not settings.trust_env or proxy_bypass(url.host):
        return None
    found = getproxies().get(url.scheme) or getproxies().get("all")
    return URL(found) if found else None


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
