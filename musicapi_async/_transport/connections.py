"""The HTTP library's sessions: one for each type of traffic, opened on first use, in one event loop."""

import asyncio
import os
import platform
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict
from yarl import URL

from musicapi_async._notices import ANOTHER_LOOP
from musicapi_async._responses.response import without_keys
from musicapi_async._secrets import HeaderText, Secret, SecretBytes
from musicapi_async._settings import Settings
from musicapi_async._transport.addresses import is_this_machine
from musicapi_async._transport.retry import FailureKind, TransportError
from musicapi_async._version import VERSION
from musicapi_async.errors import ClientClosedError, EventLoopError, InvalidRequestError

__all__ = ["USER_AGENT", "Connections", "ProxyRoute", "transport_error_of"]

USER_AGENT: Final = f"musicapi-async/{VERSION} python/{platform.python_version()}"
DNS_CACHE: Final = 300
LIBRARIES: Final = frozenset({"aiohttp", "aiohappyeyeballs", "asyncio"})

# From the most specific to the most general: the first match counts.
FAILURE_KINDS: Final[tuple[tuple[tuple[type[BaseException], ...], FailureKind], ...]] = (
    ((aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError), FailureKind.TLS),
    ((aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError), FailureKind.PROXY),
    # UnicodeError: a name that cannot be passed to the system's resolver.
    ((aiohttp.ClientConnectorDNSError, UnicodeError), FailureKind.DNS),
    ((aiohttp.ConnectionTimeoutError,), FailureKind.CONNECT_TIMEOUT),
    ((aiohttp.ClientConnectorError,), FailureKind.UNREACHABLE),
    ((TimeoutError,), FailureKind.TIMEOUT),
)


class ProxyRoute(NamedTuple):
    """The proxy for a host, if any, and the headers with its login: for the tunnel, or for each request.

    A proxy reads requests to http:// hosts itself; for https:// hosts it opens a tunnel.
    """

    proxy: URL | None = None
    tunnel_headers: CIMultiDict[str] | None = None
    request_headers: CIMultiDict[str] | None = None

    def headers(self, others: Mapping[str, str]) -> CIMultiDict[str]:
        """Return a request's headers with the proxy's; never in a plain dict, whose values tracebacks show."""
        # The HTTP library's own type, so that it is not converted for each request.
        return CIMultiDict([*others.items(), *(self.request_headers or {}).items()])


class Connections:
    """The sessions by type of traffic; they belong to the event loop that first used them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[str, aiohttp.ClientSession] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._routes: dict[tuple[str, str | None], ProxyRoute] = {}
        self._resolver: AbstractResolver | None = None
        self.arriving: set[aiohttp.StreamReader] = set()
        """The responses that are being read."""
        self.closed: bool = False

    @property
    def is_open(self) -> bool:
        """True when there are sockets to close."""
        return bool(self._open)

    def session(self, use: str, make: Callable[[Mapping[str, Any]], aiohttp.ClientSession]) -> aiohttp.ClientSession:
        """Return the session for a use, made on first use from what all connections have in common.

        Raises as ``check``.
        """
        if self.closed or asyncio.get_running_loop() is not self._loop:
            self.check()
        if use not in self._open:
            settings = self._settings
            if self._resolver is None and settings.resolver is not None:
                self._resolver = settings.resolver()
            context = True if settings.ssl_context is None else settings.ssl_context
            self._open[use] = make({"ttl_dns_cache": DNS_CACHE, "ssl": context, "resolver": self._resolver})
        return self._open[use]

    def check(self) -> None:
        """Raise ClientClosedError after closing, EventLoopError in another event loop than the first."""
        if self.closed:
            raise ClientClosedError
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            raise EventLoopError(ANOTHER_LOOP)
        self._loop = loop

    def route(self, url: URL) -> ProxyRoute:
        """Return the route to an address: the setting's proxy, or the environment's; none to this machine itself.

        Raises InvalidRequestError when the environment's value is not a proxy address.
        """
        key = (url.scheme, url.host)
        if key not in self._routes:
            self._routes[key] = _route_to(url, self._settings)
        return self._routes[key]

    async def aclose(self) -> None:
        """Close every session; may be called twice."""
        self.closed = True
        while self._open:
            _, session = self._open.popitem()
            await session.close()
        # Closing a session does not wake the readers of its responses.
        for content in self.arriving:
            content.set_exception(aiohttp.ClientConnectionError("the client was closed"))
        if self._resolver is not None:
            resolver, self._resolver = self._resolver, None
            await resolver.close()


def transport_error_of(
    error: BaseException, host: str | None, *, was_sent: bool | None, keys: tuple[SecretBytes, ...] = ()
) -> TransportError:
    """Return the transport error for an exception; ``was_sent`` says whether bytes were sent, None when unknown.

    ``keys`` are masked in its message: a header line that cannot be parsed is quoted there.
    """
    failure = next((failure for types, failure in FAILURE_KINDS if isinstance(error, types)), FailureKind.CUT)
    if was_sent and failure.is_before_sending:
        failure = FailureKind.CUT
    if was_sent is False and not failure.is_before_sending:
        failure = FailureKind.CONNECT_TIMEOUT if failure is FailureKind.TIMEOUT else FailureKind.UNREACHABLE
    reason = without_keys(_reason(error), keys)
    _take_frames(error)
    return TransportError(failure, f"could not connect to {host}: {reason}" if failure.is_before_sending else reason)


def _take_frames(error: BaseException | None) -> None:
    """Remove the HTTP library's frames: some of their locals hold the headers, and the key, as plain bytes.

    The exception that the user was handling at the time of the call ends the chain, and stays as it is.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
        first = None if error is None else error.__traceback__
        if first is not None and first.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in LIBRARIES:
            return


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no response in time" if not str(error) else f"no response in time ({error})"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refuses the tunnel ({error.status} {error.message}): check its address and login"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ssl.SSLError):
        return _tls_reason(error.os_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        # asyncio replaces the system's message ("Connection refused") by its own.
        number = error.os_error.errno
        message = str(error.os_error.strerror or error.os_error) or "the connection was closed"
        return os.strerror(number) if number and number > 0 else message
    return str(error) or type(error).__name__


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message} (ssl_context= takes a custom authority)"
    return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"


def _route_to(url: URL, settings: Settings) -> ProxyRoute:
    if url.host is None or is_this_machine(url.host):
        return ProxyRoute()
    found = settings.proxy
    if found is None and settings.trust_env and not proxy_bypass(url.host):
        found = Secret(getproxies().get(url.scheme) or getproxies().get("all") or "")
    if not found:
        return ProxyRoute()
    route = _route_by(found, is_tunnel=url.scheme == "https")
    if route is None:
        message = (
            "the environment's proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) is not an address such as http://host:3128"
        )
        raise InvalidRequestError(message, "trust_env", None, "http://host:port, or trust_env=False")
    return route


def _route_by(address: Secret, *, is_tunnel: bool) -> ProxyRoute | None:
    """Return the route through a proxy; None when the address is not one of a proxy.

    It raises nothing, because its local variables hold the password.
    """
    text = address.reveal()
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        return None
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        return None
    without_login = proxy.with_user(None)
    if proxy.user is None:
        return ProxyRoute(without_login)
    login = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
    headers: CIMultiDict[str] = CIMultiDict({"Proxy-Authorization": HeaderText(f"Basic {login}")})
    return (
        ProxyRoute(without_login, tunnel_headers=headers)
        if is_tunnel
        else ProxyRoute(without_login, request_headers=headers)
    )
