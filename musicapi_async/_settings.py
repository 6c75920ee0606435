"""How a client behaves: keyword, then environment, then default."""

import functools
import inspect
import math
import os
import re
import ssl
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Any, Final, Self, TypeAlias, TypeVar, final
from urllib.parse import urlsplit

import attrs

from musicapi_async.errors import InvalidRequestError, UncertainSubmissionError

__all__ = ["Secret", "Settings"]

S = TypeVar("S")
Hook: TypeAlias = Callable[[UncertainSubmissionError], object]
VARIABLES: Final = {
    "api_key": "MUSICAPI_KEY",
    "base_url": "MUSICAPI_BASE_URL",
    "poll_interval": "MUSICAPI_POLL_INTERVAL",
}
DEFAULT_BASE_URL: Final = "https://api.musicapi.ai/api/v1"


@final
class Secret:
    """Text that shows itself only through ``reveal()``, such as an API key or a proxy's address with its password.

    It is no text itself, so that no slice, format, join or JSON of it can show it, nor a traceback with locals. Two are
    equal when their texts are; a text is never equal to one.
    """

    __slots__ = ("_text",)

    def __init__(self, text: "str | Secret") -> None:
        self._text: str = text.reveal() if isinstance(text, Secret) else text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "Secret('...')"

    def __str__(self) -> str:
        """Show nothing of it."""
        return "..."

    def __bool__(self) -> bool:
        """Return whether there is any text."""
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        """Compare the texts, in a time that says nothing of them."""
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._text.encode("utf-8", "replace"), other._text.encode("utf-8", "replace"))

    def __hash__(self) -> int:
        """Return the text's own hash."""
        return hash(self._text)

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        """Pickle and copy; a pickle holds the text."""
        return Secret, (self._text,)


def _hidden(value: str | Secret | None) -> Secret | None:
    # What is no text is refused later.
    return Secret(value) if isinstance(value, str) else value


def _hide(given: dict[str, Any]) -> None:
    """Hide the secrets among what is given; apart, so that no frame that can fail holds their text."""
    for name in ("api_key", "proxy"):
        if isinstance(given.get(name), str):
            given[name] = Secret(given[name])


def _clean_key(key: object) -> Secret:
    """Strip what people paste along with a key: blanks, quotes, a ``Bearer`` prefix."""
    key = Secret(key) if isinstance(key, str) else key
    if not isinstance(key, Secret):
        message = f"the API key must be text, not {type(key).__name__}"
        raise InvalidRequestError(message, "api_key", None, "text")
    return _cleaned(key)


def _cleaned(key: Secret) -> Secret:
    cleaned = key.reveal().strip().strip("\"'").strip()
    return Secret(re.sub(r"(?i)^bearer(\s+|$)", "", cleaned).strip("\"'"))


def _can_be_sent(key: Secret) -> bool:
    """Return whether a key can stand in a header; apart, so that no frame that raises holds its text."""
    text = key.reveal()
    return text.isascii() and text.isprintable() and " " not in text


def _can_be_proxy(proxy: Secret) -> bool:
    try:
        parts = urlsplit(proxy.reveal())
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def _check_key(_: object, __: object, key: Secret) -> None:
    if not key:
        message = (
            "no API key: pass MusicAPI(api_key=...) or set the environment variable MUSICAPI_KEY "
            "(you find your key in the service's dashboard under API Keys)"
        )
        raise InvalidRequestError(message, "api_key")
    if not _can_be_sent(key):
        message = "the API key holds a blank, a control character or a letter outside ASCII: copy it again"
        raise InvalidRequestError(message, "api_key")


def _check_base_url(_: object, __: object, url: str) -> None:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        is_whole = parts.scheme in {"http", "https"} and bool(host) and parts.port != 0
    except ValueError:  # a port that is no port, a bracket that does not close, a name that no resolver takes
        parts, is_whole = urlsplit(""), False
    if not is_whole:
        message = f"base_url is {url!r}; it must begin with https:// (or http://) and name a host"
        raise InvalidRequestError(message, "base_url", url, "https://host/path")
    if parts.query or parts.fragment or parts.username:
        message = f"base_url is {url!r}; it must not hold a query, a fragment or a user name"
        raise InvalidRequestError(message, "base_url", url, "https://host/path")


def _clean_url(url: object) -> str:
    return re.sub(r"(?<=[^:/])/+$", "", str(url).strip())


def _check_positive(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise InvalidRequestError(f"{attribute.name} is {value!r}; it must be above 0", attribute.name, value, "> 0")


def _check_count(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        message = f"{attribute.name} is {value!r}; it must be a whole number of at least 1"
        raise InvalidRequestError(message, attribute.name, value, ">= 1")


def _check_proxy(_: object, __: object, proxy: Secret | None) -> None:
    # The address may hold a password: it is neither shown nor kept.
    if not (proxy is None or (isinstance(proxy, Secret) and _can_be_proxy(proxy))):
        raise InvalidRequestError(
            "proxy must be an address such as http://host:3128", "proxy", None, "http://host:port"
        )


def _check_context(_: object, __: object, context: Any) -> None:
    if context is not None and not isinstance(context, ssl.SSLContext):
        message = f"ssl_context must be an ssl.SSLContext, not {type(context).__name__}"
        raise InvalidRequestError(message, "ssl_context", None, "ssl.SSLContext")


def _check_hook(_: object, __: object, hook: Any) -> None:
    if hook is None:
        return
    if not callable(hook):
        message = f"on_uncertain must be a function that takes an UncertainSubmissionError, not {hook!r}"
        raise InvalidRequestError(message, "on_uncertain", hook, "a function")
    if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(hook.__call__):
        message = "on_uncertain must be a plain function: nobody would await what it returns"
        raise InvalidRequestError(message, "on_uncertain", hook, "a plain function")


def _check_flag(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, bool):
        message = f"{attribute.name} is {value!r}; it must be True or False"
        raise InvalidRequestError(message, attribute.name, value, (True, False))


def _hiding(made: type[S]) -> type[S]:
    """Have what is given be hidden before anything can fail: a traceback may show the locals of ``__init__``."""
    init = made.__init__

    @functools.wraps(init)
    def hiding(self: object, **given: Any) -> None:
        _hide(given)
        init(self, **given)  # pyright: ignore[reportArgumentType]

    made.__init__ = hiding  # type: ignore[method-assign]
    return made


@_hiding
@attrs.frozen(kw_only=True)
class Settings:
    """Everything that can be set on a client; times are seconds.

    - ``api_key``: a ``Secret``, sent to the API's own host alone.
      A pasted ``Bearer`` prefix, quotes and blanks are stripped.
    - ``base_url``: the service's address, or a sandbox's.
    - ``timeout``: for one try, from connecting to the reply's last byte; uploads get at least 120.
      ``connect_timeout``: for one connection. ``read_timeout``: the longest silence between two bytes, of a file too.
    - ``max_attempts``: tries of a request that may be repeated. ``total_timeout``: no try begins later than this after
      the first (waiting for a turn under ``create_rate`` is not counted).
    - ``max_requests``: requests in flight at once.
    - ``create_rate``: paid requests a second, at most. Unset, they are not held back before the service says 429; then
      they go out at its documented rate, one in 3 seconds, and slowly faster while all goes well. A 429 makes all of
      them wait, with or without a rate.
    - ``poll_price``: how many seconds of waiting one look at a task is worth. The schedule learns how long tasks of an
      operation and model take, looks first when a finish is plausible, and then where it is likely: with 1 about as
      often as every 15 seconds, and sooner. Higher looks less often. ``poll_interval`` fixes the gap between two looks
      instead (the service advises 15 to 25); a sandbox with quick songs wants a small one.
    - ``max_reply_size``: bytes of one reply; a larger one is refused.
    - ``proxy``: an address such as ``http://user:password@host:3128``, for everything. ``trust_env``: without a
      ``proxy``, whether the environment's (``HTTPS_PROXY``, ``NO_PROXY``, ...) is used, except for this machine itself.
    - ``ssl_context``: for an authority or a client certificate of your own.
    - ``allow_private_addresses``: whether files may be fetched from addresses that are not public. Those of the API's
      own host always may. A proxy looks names up by itself: through one only what a URL spells out is checked.
    - ``on_uncertain``: called with the UncertainSubmissionError of every paid request of which nobody can tell whether
      it was accepted: those that raise it, and those that were cancelled after they were sent. It runs in the client's
      event loop (of musicapi_sync: in its thread) and must be quick.
    """

    api_key: Secret = attrs.field(repr=False, converter=_clean_key, validator=_check_key)
    base_url: str = attrs.field(default=DEFAULT_BASE_URL, converter=_clean_url, validator=_check_base_url)
    timeout: float = attrs.field(default=60.0, validator=_check_positive)
    connect_timeout: float = attrs.field(default=10.0, validator=_check_positive)
    read_timeout: float = attrs.field(default=60.0, validator=_check_positive)
    total_timeout: float = attrs.field(default=300.0, validator=_check_positive)
    max_attempts: int = attrs.field(default=4, validator=_check_count)
    max_requests: int = attrs.field(default=100, validator=_check_count)
    create_rate: float | None = attrs.field(default=None, validator=attrs.validators.optional(_check_positive))
    poll_price: float = attrs.field(default=1.0, validator=_check_positive)
    poll_interval: float | None = attrs.field(default=None, validator=attrs.validators.optional(_check_positive))
    max_reply_size: int = attrs.field(default=8 * 1024 * 1024, validator=_check_count)
    proxy: Secret | None = attrs.field(default=None, repr=False, converter=_hidden, validator=_check_proxy)
    trust_env: bool = attrs.field(default=True, validator=_check_flag)
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False, validator=_check_context)
    allow_private_addresses: bool = attrs.field(default=False, validator=_check_flag)
    on_uncertain: Hook | None = attrs.field(default=None, repr=False, validator=_check_hook)

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, **given: object) -> Self:
        """Make settings from keywords (None means not given), then the environment, then the defaults.

        The environment is read when a client is made: ``MUSICAPI_KEY``, ``MUSICAPI_BASE_URL``,
        ``MUSICAPI_POLL_INTERVAL``.

        Raises InvalidRequestError naming the setting that is wrong.
        """
        _hide(given)
        found = _from_environment(environment)
        del environment  # it may hold the key, and what follows can fail
        found.update((name, value) for name, value in given.items() if value is not None)
        if given.get("poll_interval") is None and (interval := found.get("poll_interval")):
            found["poll_interval"] = _seconds("MUSICAPI_POLL_INTERVAL", interval)
        return cls(**found)

    @staticmethod
    def hidden(value: "str | Secret | None") -> Secret | None:
        """Return a text as a ``Secret``, which no repr shows, nor a traceback with locals."""
        return _hidden(value)


def _from_environment(environment: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the settings that the environment holds; apart, so that no frame that can fail holds all of it."""
    variables = os.environ if environment is None else environment
    found = {name: variables.get(variable, "").strip() for name, variable in VARIABLES.items()}
    return {name: value for name, value in found.items() if value} | {"api_key": Secret(found["api_key"])}


def _seconds(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidRequestError(f"{name} is {value!r}; it must be a number of seconds", name, value, "> 0") from None
