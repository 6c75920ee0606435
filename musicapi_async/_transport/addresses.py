"""Which addresses are public: a file's URL must not become a way into the network this runs in. Pure."""

import ipaddress
import socket
from typing import Final, TypeAlias

__all__ = ["address_in", "is_public", "is_this_machine"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
UNICAST: Final = ipaddress.IPv6Network("2000::/3")
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet, also when it is an IPv4 address in IPv6's clothes."""
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
    """Tell whether a host is this machine by its spelling."""
    address = address_in(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")
