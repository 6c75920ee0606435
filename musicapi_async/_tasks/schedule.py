"""When to look at which task: pure, the time is always given.

The first, simple form: a fixed interval. The poller asks three questions (what is due, when is the next one, when shall
I look again) and knows nothing of how they are answered.
"""

import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Schedule"]

K = TypeVar("K", bound=Hashable)


class Schedule(Generic[K]):
    """Due times of keys; each key stands in it at most once."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._heap: list[tuple[float, int, K]] = []
        self._turn: dict[K, int] = {}
        self._turns = itertools.count()

    def __len__(self) -> int:
        """Return how many keys are scheduled."""
        return len(self._turn)

    def first_look(self, now: float, accepted_at: float | None) -> float:
        """Return when to look first: an interval after the task was accepted; at once where that is not known."""
        return now if accepted_at is None else max(now, accepted_at + self._interval)

    def next_look(self, now: float, asked: float = 0.0) -> float:
        """Return when to look again; ``asked`` is the wait in seconds the service asked for."""
        return now + max(self._interval, asked)

    def put(self, key: K, due: float) -> None:
        """Schedule a key, instead of whatever was scheduled for it."""
        turn = next(self._turns)
        self._turn[key] = turn
        heapq.heappush(self._heap, (due, turn, key))
        self._drop_stale()

    def discard(self, key: K) -> None:
        """Forget a key; its place in the heap is given up when it comes up."""
        self._turn.pop(key, None)
        self._drop_stale()

    def take_due(self, now: float, most: int) -> list[K]:
        """Take out the keys that are due, the longest due first, at most this many."""
        taken: list[K] = []
        while len(taken) < most and (due := self.next_due()) is not None and due <= now:
            _, _, key = heapq.heappop(self._heap)
            del self._turn[key]
            taken.append(key)
        return taken

    def next_due(self) -> float | None:
        """Return when the next key is due, or None when there is none."""
        while self._heap:
            due, turn, key = self._heap[0]
            if self._turn.get(key) == turn:
                return due
            heapq.heappop(self._heap)
        return None

    def _drop_stale(self) -> None:
        """Rebuild the heap once most of it has been given up, so that it stays in proportion."""
        if len(self._heap) > 2 * len(self._turn) + 64:
            self._heap = [entry for entry in self._heap if self._turn.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)
