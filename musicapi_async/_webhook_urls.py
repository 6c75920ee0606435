"""The URL that one submission gives the service for its events: the client's, with a reference of its own. No I/O."""

import ipaddress
import re
import secrets
from typing import Final
from urllib.parse import urlsplit

__all__ = ["MAX_OWN_URL", "MAX_URL", "attempt_url", "is_loopback", "is_web_url", "new_reference", "reference_of"]

MAX_URL: Final = 1024
"""Characters of a URL that the service accepts."""
PARAMETER: Final = "musicapi_attempt"
REFERENCE: Final = re.compile(rf"(?:^|&){PARAMETER}=([0-9a-f]{{32}})(?=&|\Z)")
MAX_OWN_URL: Final = MAX_URL - len(f"&{PARAMETER}=") - 32
"""Characters of a URL that a reference can be appended to."""


def new_reference() -> str:
    """Return an unguessable reference of 128 bits, as 32 hexadecimal digits."""
    return secrets.token_hex(16)


def attempt_url(url: str, reference: str) -> str:
    """Return the URL with the reference as the last parameter of its query; the rest of it is kept byte for byte."""
    address, mark, fragment = url.partition("#")
    _, question, query = address.partition("?")
    separator = "" if question and (not query or query.endswith("&")) else "&" if question else "?"
    return f"{address}{separator}{PARAMETER}={reference}{mark}{fragment}"


def reference_of(url: str) -> str | None:
    """Return the reference in a URL of ``attempt_url``, also without its scheme and host; None where there is none."""
    found = REFERENCE.findall(url.partition("#")[0].partition("?")[2])
    return found[-1] if found else None


def is_web_url(url: str) -> bool:
    """Return whether a URL is whole: ``https://`` or ``http://``, a host, ASCII without blanks, no fragment."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port, an unclosed bracket
        return False
    return is_whole and url.isascii() and url.isprintable() and not set(url) & {" ", "#"}


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine: ``localhost``, or a loopback address."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
