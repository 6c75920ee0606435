"""Addresses: sent exactly as they were received, and checked for being public. No I/O.

A signed address is signed as a text: its host refuses an equivalent spelling (``/`` for ``%2F``). And a file's URL must
not give access to the local network.
"""

import ipaddress
import re
import socket
from typing import Final, TypeAlias
from urllib.parse import quote

from yarl import URL

__all__ = ["address_in", "as_sent", "is_public", "is_this_machine", "joined", "url_of"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
# RFC 3986, appendix B: scheme, authority, path, query with its question mark; the fragment is never sent.
PARTS: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(\?[^#]*)?", re.DOTALL)
NOT_SENDABLE: Final = re.compile(r"[^\x21-\x7e]+")
UNICAST: Final = ipaddress.IPv6Network("2000::/3")
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def as_sent(text: str) -> str:
    """Return a text as it can stand in a request line: printable ASCII as it is, all else encoded once.

    Raises ValueError for a lone surrogate that stands for no byte.
    """
    return NOT_SENDABLE.sub(lambda found: quote(found[0].encode("utf-8", "surrogateescape"), safe=""), text)


def url_of(text: str) -> URL:
    """Return the URL that is sent for an address: path and query stay the text they are, without the fragment.

    Only scheme, host and port are read and normalised, by the library that also connects: what is checked is what is
    connected to. An address without a host is returned for the check to refuse.

    Raises ValueError when the address cannot be read.
    """
    scheme, authority, path, query = _split(text)
    if not scheme or not authority:
        return URL(text)
    return URL(f"{scheme}://{authority}").with_path(_target(path, query), encoded=True)


def joined(base: URL, location: str) -> URL:
    """Return the target of a redirect from ``base`` (RFC 3986, 5.2), keeping the text of its location.

    ``base`` is from ``url_of``. Raises ValueError when the location cannot be read.
    """
    scheme, authority, path, query = _split(location)
    if scheme:
        return url_of(location)
    if authority is not None:
        return url_of(f"{base.scheme}:{location}")
    # The library drops an empty query; so ours is a part of the path it holds.
    base_path, mark, base_query = base.raw_path.partition("?")
    if not path:
        path, query = base_path, mark + base_query if query is None else query
    elif not path.startswith("/"):
        path = _without_dots(base_path[: base_path.rfind("/") + 1] + path)
    return base.with_path(_target(path, query), encoded=True)


def _split(text: str) -> tuple[str | None, str | None, str, str | None]:
    found = PARTS.match(text)
    assert found is not None  # noqa: S101 - for the type checker: every part is optional
    return found[1], found[2], found[3], found[4]


def _target(path: str, query: str | None) -> str:
    return as_sent((path or "/") + (query or ""))


def _without_dots(path: str) -> str:
    """Resolve the ``.`` and ``..`` segments of an absolute path (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept[-1:] = []
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def is_public(address: Address) -> bool:
    """Return whether an address is one of the public internet, also when it is an IPv4 address embedded in IPv6."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    inside = address.ipv4_mapped or address.sixtofour
    if inside is None and address in NAT64:
        inside = ipaddress.IPv4Address(address.packed[-4:])
    if inside is not None:
        return is_public(inside)
    return address.is_global and address in UNICAST


def address_in(host: str) -> Address | None:
    """Return the address that a URL's host spells out, in any way that systems take (``127.1``, ``0x7f000001``)."""
    host = host.rstrip(".")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def is_this_machine(host: str) -> bool:
    """Return whether a host name or address denotes this machine, without looking it up."""
    address = address_in(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")
