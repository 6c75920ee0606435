"""Which fault befalls which request: drawn from a seed, so that the same requests meet the same faults again."""

import enum
import random
import re
from collections import Counter, defaultdict
from typing import Final

import attrs

__all__ = ["Fault", "FaultPlan"]

NAME: Final = re.compile(rb"song \d+")
"""Distinguishes a paid request from every other one, with any client."""
UNREAD_SHARE: Final = 0.15
"""Of the faults, those that befall a connection before a whole request was read."""


class Fault(enum.Enum):
    """What goes wrong. Those that hold ``AFTER`` let the request through to the server first."""

    CLOSED_UNREAD = "accepted and closed, nothing read"
    TORN = "reset after some bytes of the request"
    CUT_BEFORE = "request read, then reset; the server never sees it"
    CUT_AFTER = "served, then reset instead of a response"
    STALLED_BEFORE = "no answer for ever; the server never sees it"
    STALLED_AFTER = "served, and no answer for ever"
    STALLED_HALF_AFTER = "served, half a response, and no more for ever"
    HALF_HEAD_AFTER = "served, half a head, closed"
    HALF_BODY_AFTER = "served, half a response, closed"
    GARBAGE_AFTER = "served, and answered with what is no HTTP"
    HTML_AFTER = "served, and a 200 that is no JSON"
    NAMELESS_AFTER = "served, and a 200 that names no task"
    ERROR_BEFORE = "500, 502 or 504; the server never sees it"
    ERROR_AFTER = "served, and then 500, 502 or 504"
    BUSY = "503 that says busy; the server never sees it"
    LIMITED = "429"
    LIMITED_AT_ONCE = "429 with Retry-After: 0"
    DRIPPED_AFTER = "served, and answered byte by byte"
    CLOSED_AFTER = "served and answered, then closed silently"

    @property
    def is_served(self) -> bool:
        """True when the server gets the request and answers it."""
        return self.name.endswith("_AFTER")


UNREAD: Final = (Fault.CLOSED_UNREAD, Fault.TORN)
STALLS: Final = (Fault.STALLED_BEFORE, Fault.STALLED_AFTER, Fault.STALLED_HALF_AFTER)
"""They take as long as the client's patience: fewer of them."""
WEIGHTS: Final = {fault: 0.4 if fault in STALLS else 1.0 for fault in Fault if fault not in UNREAD}


@attrs.define
class FaultPlan:
    """Draws the faults: a share of the paid requests and a share of the others meet one."""

    seed: int
    paid: float
    polls: float
    before_reading: bool = True
    """Whether connections fail as well, before a request was read."""
    injected: Counter[tuple[str, Fault]] = attrs.field(factory=Counter)
    _seen: defaultdict[bytes, int] = attrs.field(factory=lambda: defaultdict(int), init=False)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self.paid = self.polls = 0.0

    def of_connection(self) -> tuple[Fault | None, random.Random]:
        """Draw what befalls a connection before it is read from."""
        draw = self._draw(b"connection")
        share = UNREAD_SHARE * self.paid if self.before_reading else 0.0
        return self._note("connection", draw.choice(UNREAD) if draw.random() < share else None), draw

    def of_request(self, method: str, path: str, body: bytes) -> tuple[Fault | None, random.Random]:
        """Draw what befalls a request that was read; its next repetition is drawn anew."""
        name = NAME.search(body)
        draw = self._draw(name[0] if name else path.encode())
        share = self.paid if method == "POST" else self.polls
        hit = draw.random() < share
        (fault,) = draw.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))
        return self._note(method, fault if hit else None), draw

    def _draw(self, key: bytes) -> random.Random:
        self._seen[key] += 1
        return random.Random(f"{self.seed} {key!r} {self._seen[key]}")

    def _note(self, where: str, fault: Fault | None) -> Fault | None:
        if fault is not None:
            self.injected[where, fault] += 1
        return fault
