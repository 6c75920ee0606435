"""The settings of a client: from keywords, then the environment, then defaults."""

import functools
import inspect
import math
import os
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

import attrs

from musicapi_async._bounds import shown
from musicapi_async._secrets import Secret, hidden, with_secrets
from musicapi_async._webhook_inbox import FileInbox
from musicapi_async._webhook_urls import MAX_OWN_URL, MAX_URL, is_loopback, is_web_url, reference_of
from musicapi_async.errors import InvalidRequestError, UncertainSubmissionError

if TYPE_CHECKING:
    from aiohttp import TraceConfig

__all__ = ["Hook", "Settings"]

Hook: TypeAlias = Callable[[UncertainSubmissionError], object]
VARIABLES: Final = {
    "api_key": "MUSICAPI_KEY",
    "base_url": "MUSICAPI_BASE_URL",
    "poll_interval": "MUSICAPI_POLL_INTERVAL",
    "webhook_url": "MUSICAPI_WEBHOOK_URL",
    "webhook_secret": "MUSICAPI_WEBHOOK_SECRET",
}
DEFAULT_BASE_URL: Final = "https://api.musicapi.ai/api/v1"


S = TypeVar("S")


def _clean_key(key: object) -> Secret:
    """Return a key without the blanks, quotes or ``Bearer`` prefix that are pasted along with it."""
    secret = Secret(key) if isinstance(key, str) else key
    if not isinstance(secret, Secret):
        message = f"the API key must be text, not {type(key).__name__}"
        raise InvalidRequestError(message, "api_key", None, "text")
    return _cleaned(secret)


# The functions that reveal a secret raise nothing: a traceback must not show their local variables.
def _cleaned(key: Secret) -> Secret:
    text = key.reveal().strip().strip("\"'").strip()
    return Secret(re.sub(r"(?i)^bearer(\s+|$)", "", text).strip("\"'"))


def _can_be_header(key: Secret) -> bool:
    text = key.reveal()
    return text.isascii() and text.isprintable() and " " not in text


def _is_proxy(proxy: Secret) -> bool:
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
    if not _can_be_header(key):
        message = "the API key contains a blank, a control character or a character outside ASCII: copy it again"
        raise InvalidRequestError(message, "api_key")


def _check_base_url(_: object, __: object, url: str) -> None:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        is_whole = parts.scheme in {"http", "https"} and bool(host) and parts.port != 0
    except ValueError:  # an invalid port, an unclosed bracket, a name that cannot be resolved
        parts, is_whole = urlsplit(""), False
    if not is_whole:
        message = f"base_url is {_shown(url)!r}; it must begin with https:// (or http://) and name a host"
        raise InvalidRequestError(message, "base_url", _shown(url), "https://host/path")
    if parts.query or parts.fragment or parts.username:
        message = f"base_url is {_shown(url)!r}; it must not contain a query, a fragment or a user name"
        raise InvalidRequestError(message, "base_url", _shown(url), "https://host/path")


def _shown(url: str) -> str:
    """Return an address without its possibly secret parts: login, query and fragment."""
    return re.sub(r"[?#].*", "?...", re.sub(r"^([^/?#]*//)?[^/]*@", r"\1...@", url), count=1, flags=re.DOTALL)


def _clean_url(url: object) -> str:
    return re.sub(r"(?<=[^:/])/+$", "", str(url).strip())


def _check_positive(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        message = f"{attribute.name} is {shown(value)}; it must be a number above 0"
        raise InvalidRequestError(message, attribute.name, value, "> 0")


def _check_count(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        message = f"{attribute.name} is {shown(value)}; it must be a whole number of at least 1"
        raise InvalidRequestError(message, attribute.name, value, ">= 1")


def _check_proxy(_: object, __: object, proxy: Secret | None) -> None:
    # The address may contain a password: it is not in the error.
    if proxy is not None and not (isinstance(proxy, Secret) and _is_proxy(proxy)):
        message = "proxy must be an address such as http://host:3128"
        raise InvalidRequestError(message, "proxy", None, "http://host:port")


def _check_webhook_url(settings: "Settings", _: object, url: Any) -> None:
    if url is None:
        return
    if not isinstance(url, str) or not is_web_url(url) or not (url[:6].lower() == "https:" or is_loopback(url)):
        shown = repr(_shown(url)) if isinstance(url, str) else f"of type {type(url).__name__}"
        message = (
            f"webhook_url is {shown}; it must be ASCII, begin with https:// (http:// towards this machine only), "
            "name a host, and have no fragment"
        )
        raise InvalidRequestError(message, "webhook_url", shown, "https://host/path")
    if len(url) > MAX_OWN_URL:
        message = (
            f"webhook_url has {len(url)} characters; at most {MAX_OWN_URL} are possible, since the service takes "
            f"{MAX_URL} and each submission appends a reference"
        )
        raise InvalidRequestError(message, "webhook_url", len(url), MAX_OWN_URL)
    if reference_of(url) is not None:
        message = f"webhook_url is {_shown(url)!r}; it contains the reference of a submission already"
        raise InvalidRequestError(message, "webhook_url", _shown(url), "a URL without a reference")
    if settings.webhook_secret is None:
        message = (
            "webhook_url needs a webhook_secret: pass MusicAPI(webhook_secret=...) or set the environment variable "
            "MUSICAPI_WEBHOOK_SECRET. Without it the service signs its events with a secret that only it knows"
        )
        raise InvalidRequestError(message, "webhook_secret", None, "ASCII text")


def _check_webhook_secret(_: object, __: object, secret: Any) -> None:
    if secret is not None and not (isinstance(secret, Secret) and _is_webhook_secret(secret)):
        raise InvalidRequestError(
            "webhook_secret must be text in ASCII that is not blank", "webhook_secret", None, "text"
        )


def _check_inbox(_: object, __: object, inbox: Any) -> None:
    if inbox is not None and not isinstance(inbox, FileInbox):
        message = f"webhook_inbox must be a webhooks.FileInbox, not {type(inbox).__name__}"
        raise InvalidRequestError(message, "webhook_inbox", None, "webhooks.FileInbox")


def _is_webhook_secret(secret: Secret) -> bool:
    text = secret.reveal()
    return text.isascii() and bool(text.strip())


def _shown_or_none(url: str | None) -> str:
    return repr(url and _shown(url))


def _check_context(_: object, __: object, context: Any) -> None:
    if context is not None and not isinstance(context, ssl.SSLContext):
        message = f"ssl_context must be an ssl.SSLContext, not {type(context).__name__}"
        raise InvalidRequestError(message, "ssl_context", None, "ssl.SSLContext")


def _check_traces(_: object, __: object, traces: tuple[Any, ...]) -> None:
    for trace in traces:
        # By what is used of it: the HTTP library is not imported for a setting.
        if not hasattr(trace, "on_request_start") or not hasattr(trace, "trace_config_ctx"):
            message = f"trace_configs must hold aiohttp.TraceConfig objects, not {type(trace).__name__}"
            raise InvalidRequestError(message, "trace_configs", None, "aiohttp.TraceConfig objects")


def _tuple_of(traces: Sequence["TraceConfig"]) -> tuple["TraceConfig", ...]:
    return tuple(traces) if isinstance(traces, Sequence) else (traces,)


def _check_hook(_: object, __: object, hook: Any) -> None:
    if hook is None:
        return
    if not callable(hook):
        message = f"on_uncertain must be a function that takes an UncertainSubmissionError, not {hook!r}"
        raise InvalidRequestError(message, "on_uncertain", hook, "a function")
    if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(hook.__call__):
        message = "on_uncertain must be a plain function: the coroutine it returns would never be awaited"
        raise InvalidRequestError(message, "on_uncertain", hook, "a plain function")


def _check_flag(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, bool):
        message = f"{attribute.name} is {value!r}; it must be True or False"
        raise InvalidRequestError(message, attribute.name, value, (True, False))


def _hiding(cls: type[S]) -> type[S]:
    """Return the class with a constructor that hides secrets before it can fail with their text in a local variable."""
    build: Callable[..., None] = cls.__init__

    @functools.wraps(build)
    def init(self: object, **given: Any) -> None:
        given = with_secrets(given)
        build(self, **given)

    cls.__init__ = init  # type: ignore[method-assign]  # the same signature
    return cls


@_hiding
@attrs.frozen(kw_only=True)
class Settings:
    """All settings of a client. Times are in seconds, sizes in bytes.

    ```python
    from musicapi_async import MusicAPI

    async with MusicAPI(timeout=30, create_rate=0.3) as client:
        print(client.settings.timeout)
        patient = client.with_options(timeout=90)  # a view on the same connections
    ```

    Raises InvalidRequestError naming the setting that is wrong.
    """

    api_key: Secret = attrs.field(repr=False, converter=_clean_key, validator=_check_key)
    """A ``Secret``, sent only to the API's own host. A pasted ``Bearer`` prefix, quotes and blanks are stripped."""
    base_url: str = attrs.field(default=DEFAULT_BASE_URL, converter=_clean_url, validator=_check_base_url)
    """The URL of the service, or of a sandbox."""
    timeout: float = attrs.field(default=60.0, validator=_check_positive)
    """Time limit of one attempt, from connecting to the last byte of the response; uploads get at least 120."""
    connect_timeout: float = attrs.field(default=10.0, validator=_check_positive)
    """Time limit for establishing one connection."""
    read_timeout: float = attrs.field(default=60.0, validator=_check_positive)
    """Maximum time between two bytes of a response or a file."""
    total_timeout: float = attrs.field(default=300.0, validator=_check_positive)
    """Time after the first attempt in which others may begin; time spent waiting for ``create_rate`` does not count."""
    max_attempts: int = attrs.field(default=4, validator=_check_count)
    """Maximum number of attempts of a request that may be retried, the first included."""
    max_requests: int = attrs.field(default=100, validator=_check_count)
    """Maximum number of requests in flight at once."""
    create_rate: float | None = attrs.field(default=None, validator=attrs.validators.optional(_check_positive))
    """Maximum number of paid requests per second. With None there is no limit until the service responds with 429; then
    they are sent at its documented rate, one in 3 seconds, and gradually faster while it accepts them. After a 429 all
    of them wait, with or without a rate."""
    poll_cost: float = attrs.field(default=1.0, validator=_check_positive)
    """Seconds of waiting that one poll is worth: with a higher value the client polls less often. It learns how long
    tasks of an operation and model take, and polls when one is likely to have finished. With 1 it polls about as often
    as every 15 seconds, and sees the end of a task sooner than such an interval does."""
    poll_interval: float | None = attrs.field(default=None, validator=attrs.validators.optional(_check_positive))
    """Fixed interval between two polls, in place of the learned schedule (None). The service advises 15 to 25; a
    sandbox with quick songs needs a small one."""
    max_response_size: int = attrs.field(default=8 * 1024 * 1024, validator=_check_count)
    """Maximum size of one response; a larger one is refused."""
    max_file_size: int = attrs.field(default=1024 * 1024 * 1024, validator=_check_count)
    """Maximum size of one downloaded file (1 GiB). The download of a larger one is stopped, and so is one slower than
    1 KiB/s for 60 seconds."""
    proxy: Secret | None = attrs.field(default=None, repr=False, converter=hidden, validator=_check_proxy)
    """URL of a proxy for all requests, such as ``http://user:password@host:3128``, kept as a ``Secret``."""
    trust_env: bool = attrs.field(default=True, validator=_check_flag)
    """True to use the proxy of the environment (``HTTPS_PROXY``, ``NO_PROXY``, ...) where no ``proxy`` is given; never
    for this machine itself."""
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False, validator=_check_context)
    """For a custom certificate authority or a client certificate; None for the default one."""
    trace_configs: Sequence["TraceConfig"] = attrs.field(
        default=(), repr=False, converter=_tuple_of, validator=_check_traces
    )
    """``aiohttp.TraceConfig`` objects, whose hooks are called for each request to the API. They see the headers, with
    the key. With any of them requests take the HTTP library's own path, at about 1.5 times the CPU."""
    allow_private_addresses: bool = attrs.field(default=False, validator=_check_flag)
    """True to allow downloads from addresses that are not public; from the API's own host they are always allowed. A
    proxy resolves names itself: through one, only an address in the URL is checked."""
    webhook_url: str | None = attrs.field(default=None, repr=_shown_or_none, validator=_check_webhook_url)
    """URL of your server to which the service sends its events, of operations with a field of that name; begins with
    https:// (http:// only towards this machine). At most 974 characters: each submission appends a reference of its own
    to the query. Needs ``webhook_secret``."""
    webhook_secret: Secret | None = attrs.field(
        default=None, repr=False, converter=hidden, validator=_check_webhook_secret
    )
    """A ``Secret`` with which the service signs its events: text in ASCII, sent with each submission."""
    webhook_inbox: FileInbox | None = attrs.field(default=None, validator=_check_inbox)
    """A ``webhooks.FileInbox`` that the processes of one machine share: an event that reaches another process wakes the
    wait in this one. It belongs to the client, not to its views. None for a single process."""
    on_uncertain: Hook | None = attrs.field(default=None, repr=False, validator=_check_hook)
    """Called with the UncertainSubmissionError of every paid request that may or may not have been accepted: those that
    raise it, and those that were cancelled after they were sent. It runs in the client's event loop (with
    musicapi_sync, in its thread) and must be quick."""

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, **given: object) -> Self:
        """Return settings from keywords (None means not given), then the environment, then the defaults.

        The environment is read when a client is made: ``MUSICAPI_KEY``, ``MUSICAPI_BASE_URL``,
        ``MUSICAPI_POLL_INTERVAL``, ``MUSICAPI_WEBHOOK_URL``, ``MUSICAPI_WEBHOOK_SECRET``.

        Raises InvalidRequestError naming the setting that is wrong.
        """
        given = with_secrets(given)
        found = _from_environment(environment)
        del environment  # it may contain the key, and the following lines can fail
        found.update((name, value) for name, value in given.items() if value is not None)
        if given.get("poll_interval") is None and (interval := found.get("poll_interval")):
            found["poll_interval"] = _seconds("MUSICAPI_POLL_INTERVAL", interval)
        return cls(**found)


def _from_environment(environment: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the settings in the environment; a separate function, so that no frame that can fail holds all of it."""
    variables = os.environ if environment is None else environment
    found = {name: variables.get(variable, "").strip() for name, variable in VARIABLES.items()}
    given = {name: value for name, value in found.items() if value}
    return with_secrets({**given, "api_key": found["api_key"]})


def _seconds(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidRequestError(f"{name} is {value!r}; it must be a number of seconds", name, value, "> 0") from None
