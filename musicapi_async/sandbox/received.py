"""The requests that the sandbox received, for the assertions of tests."""

from collections import deque
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

import attrs

from musicapi_async._request import Request
from musicapi_async.sandbox.checks import RefusedError, request_of
from musicapi_async.wire.json import JSON, read_json

__all__ = ["ReceivedRequest", "RequestLog"]

Q = TypeVar("Q", bound=Request[Any])

MAX_REQUESTS: Final = 100_000
"""Requests that are kept: a sandbox may run for days in a terminal."""


@attrs.define(kw_only=True)
class ReceivedRequest:
    """One HTTP request that the sandbox received, also one that it refused or that had a fault."""

    route: str
    """The method and the path without ids: ``POST /sonic/create``, ``GET /sonic/task/{task_id}``."""
    path: str
    """The path as it was sent, ids included: ``/sonic/task/5f0c...``."""
    body: bytes = attrs.field(default=b"", repr=False)
    """The body; empty for a GET, and until it was received."""

    @property
    def json(self) -> JSON:
        """The body as JSON; None for one that is no JSON."""
        with suppress(ValueError, RecursionError):
            found: Any = read_json(self.body)
            return found  # type: ignore[no-any-return]  # JSON
        return None


class RequestLog:
    """The last requests, in the order in which they arrived."""

    def __init__(self, models: Mapping[str, Collection[str]]) -> None:
        self._models = models
        self._received: deque[ReceivedRequest] = deque(maxlen=MAX_REQUESTS)

    def add(self, received: ReceivedRequest) -> None:
        """Add a request."""
        self._received.append(received)

    def at(self, route: str | None) -> tuple[ReceivedRequest, ...]:
        """Return the requests to a route; to all routes for None."""
        # One step, since another thread may be adding.
        received = tuple(self._received)
        return received if route is None else tuple(one for one in received if one.route == route)

    def of(self, request_class: type[Q]) -> tuple[Q, ...]:
        """Return the valid requests of a class, as values."""
        return tuple(made for one in self.at(None) if isinstance(made := self._made(one), request_class))

    def _made(self, received: ReceivedRequest) -> Request[Any] | None:
        """Return the request value of a POST; None for a GET, and for an invalid one."""
        with suppress(RefusedError):
            is_post = received.route.startswith("POST ")
            return request_of(received.path, received.json, self._models) if is_post else None
        return None
