"""Checks and conversions of the settings; their errors name the setting, its value and what is accepted. No I/O."""

import inspect
import math
import re
import ssl
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit

import attrs

from musicapi_async._bounds import shown
from musicapi_async._secrets import Secret, hidden
from musicapi_async._webhook_inbox import FileInbox
from musicapi_async._webhook_urls import MAX_OWN_URL, MAX_URL, is_loopback, is_web_url, reference_of
from musicapi_async.errors import InvalidRequestError

__all__ = [
    "as_headers",
    "check_base_url",
    "check_context",
    "check_count",
    "check_flag",
    "check_headers",
    "check_hook",
    "check_inbox",
    "check_key",
    "check_positive",
    "check_proxy",
    "check_resolver",
    "check_traces",
    "check_webhook_secret",
    "check_webhook_url",
    "clean_key",
    "clean_url",
    "shown_or_none",
]

HEADER_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_-]*")
OWN_HEADERS: Final = re.compile(
    "authorization|host|content-.*|accept.*|connection|keep-.*|transfer-encoding|te|trailer|upgrade|expect|proxy-.*",
    re.IGNORECASE,
)
"""Headers of the key, of the body, and of the connection."""
HOOK_ARGUMENTS: Final = {
    "on_accepted": "an AcceptedTask",
    "on_poll": "a TaskState",
    "on_uncertain": "an UncertainSubmissionError",
}


def clean_key(key: object) -> Secret:
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


def check_key(_: object, __: object, key: Secret) -> None:
    if not key:
        message = (
            "no API key: pass MusicAPI(api_key=...) or set the environment variable MUSICAPI_KEY "
            "(you find your key in the service's dashboard under API Keys)"
        )
        raise InvalidRequestError(message, "api_key")
    if not _can_be_header(key):
        message = "the API key contains a blank, a control character or a character outside ASCII: copy it again"
        raise InvalidRequestError(message, "api_key")


def check_base_url(_: object, __: object, url: str) -> None:
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


def clean_url(url: object) -> str:
    return re.sub(r"(?<=[^:/])/+$", "", str(url).strip())


def check_positive(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        message = f"{attribute.name} is {shown(value)}; it must be a number above 0"
        raise InvalidRequestError(message, attribute.name, value, "> 0")


def check_count(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        message = f"{attribute.name} is {shown(value)}; it must be a whole number of at least 1"
        raise InvalidRequestError(message, attribute.name, value, ">= 1")


def check_proxy(_: object, __: object, proxy: Secret | None) -> None:
    # The address may contain a password: it is not in the error.
    if proxy is not None and not (isinstance(proxy, Secret) and _is_proxy(proxy)):
        message = "proxy must be an address such as http://host:3128"
        raise InvalidRequestError(message, "proxy", None, "http://host:port")


def check_webhook_url(settings: Any, _: object, url: Any) -> None:
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


def check_webhook_secret(_: object, __: object, secret: Any) -> None:
    if secret is not None and not (isinstance(secret, Secret) and _is_webhook_secret(secret)):
        raise InvalidRequestError(
            "webhook_secret must be text in ASCII that is not blank", "webhook_secret", None, "text"
        )


def check_inbox(_: object, __: object, inbox: Any) -> None:
    if inbox is not None and not isinstance(inbox, FileInbox):
        message = f"webhook_inbox must be a webhooks.FileInbox, not {type(inbox).__name__}"
        raise InvalidRequestError(message, "webhook_inbox", None, "webhooks.FileInbox")


def _is_webhook_secret(secret: Secret) -> bool:
    text = secret.reveal()
    return text.isascii() and bool(text.strip())


def shown_or_none(url: str | None) -> str:
    return repr(url and _shown(url))


def check_context(_: object, __: object, context: Any) -> None:
    if context is not None and not isinstance(context, ssl.SSLContext):
        message = f"ssl_context must be an ssl.SSLContext, not {type(context).__name__}"
        raise InvalidRequestError(message, "ssl_context", None, "ssl.SSLContext")


def check_traces(_: object, __: object, traces: tuple[Any, ...]) -> None:
    for trace in traces:
        # By what is used of it: the HTTP library is not imported for a setting.
        if not hasattr(trace, "on_request_start") or not hasattr(trace, "trace_config_ctx"):
            message = f"trace_configs must hold aiohttp.TraceConfig objects, not {type(trace).__name__}"
            raise InvalidRequestError(message, "trace_configs", None, "aiohttp.TraceConfig objects")


def check_resolver(_: object, __: object, resolver: Any) -> None:
    """Refuse anything but a function; a resolver itself belongs to the event loop that made it."""
    if resolver is not None and not callable(resolver):
        message = (
            "resolver must be a function that returns a resolver, such as the class aiohttp.AsyncResolver, "
            f"not {shown(resolver)}"
        )
        raise InvalidRequestError(message, "resolver", None, "a function")


def as_headers(headers: Mapping[str, str | Secret]) -> Mapping[str, Secret]:
    """Return headers with their values hidden; anything else as it is."""
    given: Any = headers  # whatever else it is, check_headers refuses
    is_mapping = isinstance(given, Mapping)
    return cast(
        "Mapping[str, Secret]",
        {name: hidden(value) for name, value in given.items()} if is_mapping else given,
    )


def check_headers(_: object, __: object, headers: Any) -> None:
    """Refuse headers that are not valid, and those that the client or the connection sets itself."""
    if not isinstance(headers, Mapping):
        message = f"headers must be a mapping of names to texts, not {shown(headers)}"
        raise InvalidRequestError(message, "headers", None, "a mapping")
    for name, value in headers.items():
        if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
            message = f"headers has the name {shown(name)}; it must be letters, digits and hyphens"
            raise InvalidRequestError(message, "headers", None, "a name such as X-Team")
        if OWN_HEADERS.fullmatch(name):
            raise InvalidRequestError(f"headers has {name}, which only the client sets", "headers", name, "others")
        if not isinstance(value, Secret) or not _is_header_value(value):
            message = f"headers has a value of {name} that cannot be sent: it must be printable ASCII text"
            raise InvalidRequestError(message, "headers", None, "printable ASCII")


def _is_header_value(value: Secret) -> bool:
    text = value.reveal()
    return text.isascii() and text.isprintable() and text == text.strip()


def check_hook(_: object, attribute: "attrs.Attribute[Any]", hook: Any) -> None:
    if hook is None:
        return
    name = attribute.name
    if not callable(hook):
        message = f"{name} must be a function that takes {HOOK_ARGUMENTS[name]}, not {hook!r}"
        raise InvalidRequestError(message, name, hook, "a function")
    if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(hook.__call__):
        message = f"{name} must be a plain function: the coroutine it returns would never be awaited"
        raise InvalidRequestError(message, name, hook, "a plain function")


def check_flag(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, bool):
        message = f"{attribute.name} is {value!r}; it must be True or False"
        raise InvalidRequestError(message, attribute.name, value, (True, False))
