"""When to look at a task: by a fixed interval, or by what was learnt of tasks like it; pure."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from musicapi_async._tasks.durations import Durations
from musicapi_async._tasks.shapes import Stage

__all__ = ["GUESSES", "LONGEST_GAP", "SHORTEST_GAP", "SPREAD", "Timing"]

GUESSES: Final[Mapping[Stage, tuple[float, float]]] = {
    "waiting": (75.0, 0.5),
    "streaming": (45.0, 0.7),
    "partial": (12.0, 1.0),
}
"""The first guess of the seconds until a task is finished, from there on: their median, the spread of the logarithm."""
SHORTEST_GAP: Final = 1.0
LONGEST_GAP: Final = 30.0
SPREAD: Final = 0.1
"""Looks are spread by so much of their gap, so that tasks that were started together do not stay together."""
MOST_KINDS: Final = 1000


class Timing:
    """What is known of how long tasks take, by kind (an operation and its model) and by what was last seen.

    ``interval`` fixes the gap; without it ``price`` is what a look costs, in seconds of waiting.
    """

    def __init__(self, interval: float | None, price: float, seed: int | None = None) -> None:
        self.interval = interval
        self._price = price
        self._random = random.Random(seed)  # noqa: S311 - nothing secret
        self._known: dict[tuple[str, Stage], Durations] = {}

    @property
    def usual(self) -> float:
        """The seconds a task takes by the first guess."""
        return GUESSES["waiting"][0]

    def gap(self, kind: str, stage: Stage, waited: float) -> float:
        """Return the seconds until the next look, after so many seconds in this stage; not bounded for the first."""
        if self.interval is not None:
            return self.interval
        gap = self._durations(kind, stage).gap(waited, self._price)
        if waited:
            gap = min(gap, LONGEST_GAP)
        return max(SHORTEST_GAP, gap * (1 + SPREAD * (self._random.random() - 0.5)))

    def learn(self, kind: str, stage: Stage, after: float, until: float) -> None:
        """Note that a task ended later than ``after`` and at latest ``until`` seconds from the stage's beginning."""
        if self.interval is None:
            self._durations(kind, stage).observe(after, until)

    def learnt(self) -> list[list[Any]]:
        """Return what is known, as JSON takes it."""
        return [[kind, stage, *durations.learnt()] for (kind, stage), durations in self._known.items()]

    def relearn(self, learnt: Iterable[Sequence[Any]]) -> None:
        """Begin with what was known before; raises ValueError or TypeError for what is no such thing."""
        for kind, stage, seen, weights in learnt:
            if stage in GUESSES:
                self._durations(str(kind), stage).relearn(seen, weights)

    def _durations(self, kind: str, stage: Stage) -> Durations:
        known = self._known.get((kind, stage))
        if known is None:
            if len(self._known) >= MOST_KINDS:
                self._known.clear()  # models are any text: rather learn anew than grow without end
            known = self._known[kind, stage] = Durations(*GUESSES[stage])
        return known
