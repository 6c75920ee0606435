"""Faults of the sandbox, queued per route."""

from collections import defaultdict, deque
from collections.abc import Mapping

import attrs

__all__ = ["Fault", "Faults"]


@attrs.frozen(kw_only=True)
class Fault:
    """One fault of the sandbox. With only a ``delay`` the route responds as usual, but late."""

    status: int | None = None
    """The status of the response to send instead; None for the usual response."""
    body: Mapping[str, object] | list[object] | bytes | None = None
    """The body of that response: JSON, or raw bytes."""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    """The headers of that response."""
    delay: float = 0.0
    """Seconds to wait before anything else happens."""
    drop: bool = False
    """True when the connection is cut in place of a response."""
    accepted: bool = False
    """True when the request is processed, and charged, before the fault."""


class Faults:
    """The queued faults of each route, in order."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, deque[Fault]] = defaultdict(deque)

    def add(self, route: str, *faults: Fault) -> None:
        """Queue faults for a route such as ``POST /sonic/create`` or ``GET /sonic/task/{task_id}``."""
        self._queues[route].extend(faults)

    def take(self, route: str) -> Fault | None:
        """Take the next fault of a route."""
        queue = self._queues.get(route)
        return queue.popleft() if queue else None
