"""The HTTP library's sessions: opened on first use, in one event loop, each kind of traffic with its own."""

import asyncio
import os
import platform
import select
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL

from musicapi_async._settings import HeaderText, Secret, SecretBytes, Settings
from musicapi_async._transport.addresses import is_this_machine
from musicapi_async._transport.response import MAX_KEPT, without_keys
from musicapi_async._transport.retry import FailureKind, TransportError
from musicapi_async._version import VERSION
from musicapi_async.errors import ClientClosedError, EventLoopError, InvalidRequestError

__all__ = ["RECEIVED", "USER_AGENT", "Connections", "Connector", "ProxyRoute", "break_of"]

USER_AGENT: Final = f"musicapi-async/{VERSION} python/{platform.python_version()}"
DNS_CACHE: Final = 300
HAS_POLL: Final = hasattr(select, "poll")
"""False on Windows."""
LIBRARIES: Final = frozenset({"aiohttp", "aiohappyeyeballs", "asyncio"})

RECEIVED: Final[ContextVar[bytearray | None]] = ContextVar("RECEIVED", default=None)
"""Takes the first bytes of connections that are made for the request at hand; None to keep none."""

# From the special to the general: the first that fits is taken.
FAILURE_KINDS: Final[tuple[tuple[tuple[type[BaseException], ...], FailureKind], ...]] = (
    ((aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError), FailureKind.TLS),
    ((aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError), FailureKind.PROXY),
    # UnicodeError: a name that the system's resolver cannot even be asked for.
    ((aiohttp.ClientConnectorDNSError, UnicodeError), FailureKind.DNS),
    ((aiohttp.ConnectionTimeoutError,), FailureKind.CONNECT_TIMEOUT),
    ((aiohttp.ClientConnectorError,), FailureKind.UNREACHABLE),
    ((TimeoutError,), FailureKind.TIMEOUT),
)


class ProxyRoute(NamedTuple):
    """The proxy on the way to a host, if any, and its login, apart: what it is asked, or what goes with each request.

    A proxy reads requests to http:// hosts itself; to https:// hosts it is asked for a tunnel.
    """

    proxy: URL | None = None
    asked_with: CIMultiDict[str] | None = None
    sent_along: CIMultiDict[str] | None = None

    def headers(self, others: Mapping[str, str]) -> Mapping[str, str]:
        """Return a request's headers with what the proxy reads itself; never in a plain dict, which is taken apart."""
        return others if self.sent_along is None else CIMultiDict([*others.items(), *self.sent_along.items()])


class Connector(aiohttp.TCPConnector):
    """Makes connections, and keeps those that can be used again.

    ``connecting`` is entered while a connection is made. With ``keeps_received`` the first bytes that come over a
    connection are kept in ``RECEIVED`` as well. What is overridden is where the HTTP library's own connectors differ;
    it is called once for each connection, not for each request.
    """

    def __init__(
        self,
        *,
        connecting: Callable[[], AbstractContextManager[object]] = nullcontext,
        keeps_received: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._connecting = connecting
        if keeps_received:
            handler: type[ResponseHandler] = _KeepingHandler
            # The HTTP library's own attribute: what makes the protocol of each connection.
            self._factory = partial(handler, loop=self._loop)

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        try:
            with self._connecting():
                return await super()._create_connection(req, traces, timeout)
        except BaseException:
            # The host may have moved: the next attempt looks its name up again.
            self.clear_dns_cache()
            raise

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> aiohttp.connector.Connection | None:
        # What lies on an idle connection is no response to a request that was not written yet.
        while (kept := await super()._get(key, traces)) is not None and _has_input(kept):
            kept.close()
        return kept


class _KeepingHandler(ResponseHandler):
    """Reads responses, and keeps the bytes of a request's connection in ``RECEIVED`` as well."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._received = RECEIVED.get()
        if self._received is not None:
            # Of several connections that were tried, or a tunnel and what goes through it, the last one counts.
            self._received.clear()

    def data_received(self, data: bytes) -> None:
        if self._received is not None and len(self._received) < MAX_KEPT:
            self._received += data[: MAX_KEPT - len(self._received)]
        super().data_received(data)


def _has_input(connection: aiohttp.connector.Connection) -> bool:
    """Return True when an idle connection has received something, or its end, whether that was read or not."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return True
    socket = transport.get_extra_info("socket")
    if not HAS_POLL:
        return bool(select.select([socket], [], [], 0)[0])
    unread = select.poll()
    unread.register(socket.fileno(), select.POLLIN)
    return bool(unread.poll(0))


class Connections:
    """The sessions of one kind of traffic each, by name; they belong to the event loop that first used them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[str, aiohttp.ClientSession] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._routes: dict[tuple[str, str | None], ProxyRoute] = {}
        self.arriving: set[aiohttp.StreamReader] = set()
        """The responses that are being read."""
        self.closed = False

    @property
    def is_open(self) -> bool:
        """True when there are sockets to close."""
        return bool(self._open)

    def session(self, use: str, make: Callable[[Mapping[str, Any]], aiohttp.ClientSession]) -> aiohttp.ClientSession:
        """Return the session for a use, made on first use from what all connections have in common.

        Raises as ``check``.
        """
        self.check()
        if use not in self._open:
            context = self._settings.ssl_context
            self._open[use] = make({"ttl_dns_cache": DNS_CACHE, "ssl": True if context is None else context})
        return self._open[use]

    def check(self) -> None:
        """Raise ClientClosedError after closing, EventLoopError in another event loop than the first."""
        if self.closed:
            raise ClientClosedError
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            message = (
                "this client was first used in another event loop: make one client for each loop, "
                "or use musicapi_sync, which brings its own"
            )
            raise EventLoopError(message)
        self._loop = loop

    def route(self, url: URL) -> ProxyRoute:
        """Return the way to an address: by the setting's proxy, or the environment's; never to this machine itself.

        Raises InvalidRequestError when the environment names something that cannot be one.
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
        # Whoever reads a response is not woken by that.
        for content in self.arriving:
            content.set_exception(aiohttp.ClientConnectionError("the client was closed"))


def break_of(
    error: BaseException, host: str | None, *, was_sent: bool | None, keys: tuple[SecretBytes, ...] = ()
) -> TransportError:
    """Say what broke an exchange; ``was_sent`` tells for certain whether bytes left, None that it is not known.

    ``keys`` is what is not to be said: a line that cannot be read is quoted.
    """
    kind = next((kind for types, kind in FAILURE_KINDS if isinstance(error, types)), FailureKind.CUT)
    if was_sent and kind.is_before_sending:
        kind = FailureKind.CUT
    if was_sent is False and not kind.is_before_sending:
        kind = FailureKind.CONNECT_TIMEOUT if kind is FailureKind.TIMEOUT else FailureKind.UNREACHABLE
    reason = without_keys(_reason(error), keys)
    _take_frames(error)
    return TransportError(kind, f"could not connect to {host}: {reason}" if kind.is_before_sending else reason)


def _take_frames(error: BaseException | None) -> None:
    """Forget the HTTP library's frames: some of their locals hold the headers, and the key, as plain bytes.

    What the user was handling when he called is at the end of the chain, and stays as it is.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
        first = None if error is None else error.__traceback__
        if first is not None and first.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in LIBRARIES:
            return


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time" if not str(error) else f"no answer in time ({error})"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refuses the tunnel ({error.status} {error.message}): check its address and login"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ssl.SSLError):
        return _tls_reason(error.os_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        # asyncio hides the system's own words ("Connection refused") behind a text of its own.
        number = error.os_error.errno
        own = str(error.os_error.strerror or error.os_error) or "the connection was closed"
        return os.strerror(number) if number and number > 0 else own
    return str(error) or type(error).__name__


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message} (ssl_context= takes an authority of your own)"
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
        message = "the environment's proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) is no address such as http://host:3128"
        raise InvalidRequestError(message, "trust_env", None, "http://host:port, or trust_env=False")
    return route


def _route_by(address: Secret, *, is_tunnel: bool) -> ProxyRoute | None:
    """Return the way by a proxy; None when this is no address of one.

    It raises nothing, since its local variables hold the password.
    """
    text = address.reveal()
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        return None
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        return None
    bare = proxy.with_user(None)
    if proxy.user is None:
        return ProxyRoute(bare)
    login = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
    headers: CIMultiDict[str] = CIMultiDict({"Proxy-Authorization": HeaderText(f"Basic {login}")})
    return ProxyRoute(bare, asked_with=headers) if is_tunnel else ProxyRoute(bare, sent_along=headers)
