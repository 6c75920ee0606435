"""Who is due when: entries in slots of time, so that a hundred thousand cost little more than one. Pure."""

import heapq
import math
from typing import Final, Generic, Protocol, TypeVar

__all__ = ["Wheel"]

SLACK: Final = 64


class Slotted(Protocol):
    """What can be put into a wheel: it remembers its slot, None while it is in none."""

    slot: int | None


E = TypeVar("E", bound=Slotted)


class Wheel(Generic[E]):
    """Entries by the time they are due, rounded up to the next ``tick`` (seconds); each is there at most once."""

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._slots: dict[int, dict[E, None]] = {}
        self._order: list[int] = []
        """A heap of the slots; one that was emptied is dropped when its time comes, or when there are many."""

    def put(self, entry: E, due: float) -> None:
        """Put an entry where it is due, instead of where it was."""
        slot = math.ceil(due / self._tick)
        if entry.slot == slot:
            return
        self.discard(entry)
        there = self._slots.get(slot)
        if there is None:
            there = self._slots[slot] = {}
            heapq.heappush(self._order, slot)
        there[entry] = None
        entry.slot = slot

    def discard(self, entry: E) -> None:
        """Take an entry out, if it is in."""
        if entry.slot is None:
            return
        there = self._slots[entry.slot]
        del there[entry]
        if not there:
            del self._slots[entry.slot]
            if len(self._order) > 2 * len(self._slots) + SLACK:
                self._order = sorted(self._slots)  # which is a heap too
        entry.slot = None

    def next_due(self) -> float | None:
        """Return when the next entry is due, or None when there is none."""
        while self._order and self._order[0] not in self._slots:
            heapq.heappop(self._order)
        return self._order[0] * self._tick if self._order else None

    def take_due(self, now: float) -> list[E]:
        """Take out all that is due, in the order of the slots and of their coming."""
        taken: list[E] = []
        while (due := self.next_due()) is not None and due <= now:
            taken += self._slots.pop(heapq.heappop(self._order))
        for entry in taken:
            entry.slot = None
        return taken
