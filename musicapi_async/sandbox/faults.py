"""What can go wrong on the way to the service and back, queued per route."""

from collections import defaultdict, deque
from collections.abc import Mapping

import attrs

__all__ = ["Fault", "Faults"]


@attrs.frozen(kw_only=True)
class Fault:
    """One fault of the sandbox.

    - ``status``, ``body``, ``headers``: the response to send instead; ``body`` is JSON, or raw bytes.
    - ``delay``: seconds to wait before anything else happens.
    - ``drop``: whether the connection is cut in place of a response.
    - ``accepted``: whether the request is processed, and charged, before the fault.

    With only a ``delay`` the route responds as usual, but late.
    """

    status: int | None = None
    body: Mapping[str, object] | list[object] | bytes | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    delay: float = 0.0
    drop: bool = False
    accepted: bool = False


class Faults:
    """The faults still to come, in order, for each route."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, deque[Fault]] = defaultdict(deque)

    def add(self, route: str, *faults: Fault) -> None:
        """Queue faults for a route such as ``POST /sonic/create`` or ``GET /sonic/task/{task_id}``."""
        self._queues[route].extend(faults)

    def take(self, route: str) -> Fault | None:
        """Take the next fault of a route."""
        queue = self._queues.get(route)
        return queue.popleft() if queue else None
