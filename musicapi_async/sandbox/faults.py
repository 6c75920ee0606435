"""Faults of the sandbox: of responses, queued per route or at random, and of events, queued per type or at random."""

import random
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import TypeVar

import attrs

__all__ = ["EventFault", "EventFaults", "Fault", "Faults", "drawn_from"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Fault:
    """One fault of the sandbox. With only a ``delay`` the route responds as usual, but late."""

    status: int | None = None
    """The status of the response to send instead; None for the usual response."""
    body: Mapping[str, object] | list[object] | bytes | None = attrs.field(default=None, hash=False)
    """The body of that response: JSON, or raw bytes."""
    headers: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    """The headers of that response."""
    delay: float = 0.0
    """Seconds to wait before anything else happens."""
    drop: bool = False
    """True when the connection is cut in place of a response."""
    cut_after: int | None = None
    """The number of bytes of a file or a live stream after which the connection is cut (None: it is not); for the
    routes ``GET /files/{name}`` and ``GET /files/stream/{name}``."""
    accepted: bool = False
    """True when the request is processed, and charged, before the fault."""


class Faults:
    """The queued faults of each route, in order, and those that occur at random."""

    def __init__(self, rates: Mapping[Fault, float], seed: int) -> None:
        self._queues: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._rates = dict(rates)
        self._spread = random.Random(seed)  # noqa: S311 - reproducible by its seed

    def add(self, route: str, *faults: Fault) -> None:
        """Queue faults for a route such as ``POST /sonic/create`` or ``GET /sonic/task/{task_id}``."""
        self._queues[route].extend(faults)

    def take(self, route: str, *, at_random: bool) -> Fault | None:
        """Take the next fault of a route; without one, ``at_random`` draws one."""
        queue = self._queues.get(route)
        if queue:
            return queue.popleft()
        return drawn_from(self._rates, self._spread) if at_random else None


@attrs.frozen(kw_only=True)
class EventFault:
    """One fault in the delivery of an event; without any of its fields the event is delivered as usual."""

    lost: bool = False
    """True when the event is never sent."""
    doubled: bool = False
    """True when the event is delivered twice, with the same id."""
    delay: float = 0.0
    """Seconds by which the event is late; the events behind it are not."""
    reordered: bool = False
    """True when the event is sent after the next one of its task; the last one of a task, after the next event of
    another task, or when as long has passed as a song takes."""
    forged: bool = False
    """True when a forged event is sent first: it reports a finished task, and is signed with another secret."""
    before_response: bool = False
    """True when the response to the submission is held back until the event was sent."""

    @property
    def keeps_order(self) -> bool:
        """True when the event is sent in its turn."""
        return not self.lost and not self.reordered and self.delay == 0


class EventFaults:
    """The queued faults of each type of event, and those that occur at random."""

    def __init__(self, rates: Mapping[EventFault, float], seed: int) -> None:
        self._queues: defaultdict[str, deque[EventFault]] = defaultdict(deque)
        self._rates = dict(rates)
        self._spread = random.Random(seed)  # noqa: S311 - reproducible by its seed

    def add(self, event_type: str, *faults: EventFault) -> None:
        """Queue faults for a type of event, such as ``song.completed``."""
        self._queues[event_type].extend(faults)

    def take(self, event_type: str) -> EventFault:
        """Take the next fault of a type, or one at random."""
        queue = self._queues.get(event_type)
        if queue:
            return queue.popleft()
        return drawn_from(self._rates, self._spread) or EventFault()


def drawn_from(rates: Mapping[T, float], spread: random.Random) -> T | None:
    """Return one at random, each at its rate; None for the rest."""
    drawn = spread.random()
    for one, rate in rates.items():
        if (drawn := drawn - rate) < 0:
            return one
    return None
