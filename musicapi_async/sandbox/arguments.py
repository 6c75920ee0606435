"""Checks of the sandbox's arguments: a mistake in a test must not let it pass."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from musicapi_async.errors import InvalidRequestError
from musicapi_async.sandbox.app import known_routes

__all__ = ["check_endings", "check_keys", "check_number", "check_request_class", "check_route", "check_shares"]


T = TypeVar("T")


def check_number(name: str, value: object) -> None:
    """Raise InvalidRequestError for anything but a number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise InvalidRequestError(f"{name} is {value!r}; it must be a number of at least 0", name, value, ">= 0")


def check_keys(keys: Sequence[str] | None) -> None:
    """Raise InvalidRequestError for anything but a list of texts, and for an empty one."""
    if keys is None:
        return
    if isinstance(keys, str) or not keys or not all(isinstance(key, str) and key.strip() for key in keys):
        raise InvalidRequestError("keys must be a list of keys, such as ['key-1', 'key-2']", "keys", None, "keys")


def check_shares(name: str, shares: Mapping[T, float]) -> None:
    """Raise InvalidRequestError for a share that is not from 0 to 1, and for shares of more than 1 together."""
    for of, share in shares.items():
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            message = f"{name}[{of!r}] is {share!r}; it must be a share from 0 to 1"
            raise InvalidRequestError(message, name, share, "0 to 1")
    if (together := math.fsum(shares.values())) > 1:
        message = f"the shares of {name} are {together:g} together; they must be at most 1"
        raise InvalidRequestError(message, name, together, "at most 1")


def check_endings(name: str, endings: Iterable[str], known: Sequence[str]) -> None:
    """Raise InvalidRequestError for an ending that does not exist."""
    for ending in endings:
        if ending not in known:
            message = f"{name} has {ending!r}; an ending is one of {', '.join(known)}"
            raise InvalidRequestError(message, name, ending, known)


def check_route(route: str) -> None:
    """Raise InvalidRequestError for a route that the sandbox does not have; it names a similar one."""
    routes = known_routes()
    if route not in routes:
        close = difflib.get_close_matches(str(route), routes, 1, 0.5)
        similar = f"; did you mean {close[0]!r}?" if close else ""
        message = f"the sandbox has no route {route!r}: routes are such as 'POST /sonic/create'{similar}"
        raise InvalidRequestError(message, "route", route, "a route of the sandbox")


def check_request_class(request_class: object) -> None:
    """Raise InvalidRequestError for anything but a request class whose requests have a body."""
    if getattr(request_class, "method", None) != "POST":
        name = getattr(request_class, "__name__", repr(request_class))
        path = getattr(request_class, "path", None)
        advice = f"pass its route: 'GET {path}'" if path else "pass a class such as sonic.Create, or a route"
        raise InvalidRequestError(f"{name} is no class of requests with a body; {advice}", "of", name, "request class")
