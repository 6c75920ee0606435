"""The HTTP library's sessions: opened on first use, in one event loop, each kind of traffic with its own."""

import asyncio
import os
import platform
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from musicapi_async._settings import Secret, Settings
from musicapi_async._transport.addresses import is_this_machine
from musicapi_async._transport.replies import without_keys
from musicapi_async._transport.retry import BrokenError, Fault
from musicapi_async._version import VERSION
from musicapi_async.errors import ClientClosedError, EventLoopError, InvalidRequestError

__all__ = ["USER_AGENT", "Connections", "HeaderText", "Headers", "Route", "break_of"]

USER_AGENT: Final = f"musicapi-async/{VERSION} python/{platform.python_version()}"
DNS_CACHE: Final = 300
LIBRARIES: Final = frozenset({"aiohttp", "aiohappyeyeballs", "asyncio"})

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


class HeaderText(str):
    """A header's secret value, for the HTTP library: its frames show nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "'...'"

    def __getitem__(self, index: object) -> str:
        """Show nothing of a part of it either."""
        return "..."

    def __len__(self) -> int:
        """Be as short as what is shown."""
        return 3


@final
class Headers:
    """Headers that hold a secret, as no traceback shows them."""

    __slots__ = ("_headers",)

    def __init__(self, headers: CIMultiDict[str]) -> None:
        self._headers = headers

    def reveal(self, more: "Headers | None" = None) -> CIMultiDict[str]:
        """Return them, with others, for a request."""
        return self._headers if more is None else CIMultiDict([*self._headers.items(), *more.reveal().items()])


class Route(NamedTuple):
    """The proxy on the way to a host, if any, and its login, apart: what it is asked, or what goes with each request.

    A proxy reads requests to http:// hosts itself; to https:// hosts it is asked for a tunnel.
    """

    proxy: URL | None = None
    asked_with: "Headers | None" = None
    sent_along: "Headers | None" = None


class Connections:
    """The sessions of one kind of traffic each, by name; they belong to the event loop that first used them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[str, aiohttp.ClientSession] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._routes: dict[tuple[str, str | None], Route] = {}
        self.arriving: set[aiohttp.StreamReader] = set()
        """The replies that are being read."""
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

    def route(self, url: URL) -> Route:
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
        # Whoever reads a reply is not woken by that.
        for content in self.arriving:
            content.set_exception(aiohttp.ClientConnectionError("the client was closed"))


def break_of(
    error: BaseException, host: str | None, *, was_sent: bool | None, keys: tuple[Secret, ...] = ()
) -> BrokenError:
    """Say what broke an exchange; ``was_sent`` tells for certain whether bytes left, None that it is not known.

    ``keys`` is what is not to be said: a line that cannot be read is quoted.
    """
    fault = next((fault for kinds, fault in FAULTS if isinstance(error, kinds)), Fault.CUT)
    if was_sent and fault.is_before_sending:
        fault = Fault.CUT
    if was_sent is False and not fault.is_before_sending:
        fault = Fault.CONNECT_TIMEOUT if fault is Fault.TIMEOUT else Fault.UNREACHABLE
    reason = without_keys(_reason(error), keys)
    _take_frames(error)
    return BrokenError(fault, f"could not connect to {host}: {reason}" if fault.is_before_sending else reason)


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


def _route_to(url: URL, settings: Settings) -> Route:
    if url.host is None or is_this_machine(url.host):
        return Route()
    found = settings.proxy
    if found is None and settings.trust_env and not proxy_bypass(url.host):
        found = Secret(getproxies().get(url.scheme) or getproxies().get("all") or "")
    if not found:
        return Route()
    route = _route_by(found, url.scheme)
    if route is None:
        # The address may hold a password: it is not shown.
        message = "the environment's proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) is no address such as http://host:3128"
        raise InvalidRequestError(message, "trust_env", None, "http://host:port, or trust_env=False")
    return route


def _route_by(found: Secret, scheme: str) -> Route | None:
    """Return the way by a proxy, None when it cannot be one; apart, so that no frame that raises holds its text."""
    text = found.reveal()
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        return None
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        return None
    bare = proxy.with_user(None)
    if proxy.user is None:
        return Route(bare)
    word = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
    login = Headers(CIMultiDict({"Proxy-Authorization": HeaderText(f"Basic {word}")}))
    return Route(bare, asked_with=login) if scheme == "https" else Route(bare, sent_along=login)
