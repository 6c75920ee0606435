"""How long something takes, learnt from what was seen, and when to look next: pure.

A histogram over the logarithm of the duration, smoothed; it starts as a guess and forgets slowly. A look is due when
the seconds that a finish would by then have gone unseen, on average, are worth the price of a look.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

__all__ = ["Durations"]

SHORTEST: Final = 1.0
LONGEST: Final = 3600.0
BINS_PER_E: Final = 9
"""Bins for each factor of 2.718 in time."""
EDGES: Final = (
    0.0,
    *(SHORTEST * math.exp(step / BINS_PER_E) for step in range(math.ceil(math.log(LONGEST) * BINS_PER_E) + 1)),
)
BINS: Final = len(EDGES) - 1
SMOOTHING: Final = 0.25
"""Width of the smoothing at first, in units of the logarithm; it narrows as more is known."""
NARROWEST: Final = 0.35
MEMORY: Final = 100.0
"""Of so many tasks, the last ones, the estimate is made."""
OPEN_MIND: Final = 0.05
"""What is held possible without having been seen, shared by so many tasks as were seen."""
REFIT: Final = 10
"""A new fit is due when a tenth more is known: it costs as much as a few looks."""


class Durations:
    """The durations of one kind of wait; seconds throughout.

    ``median`` and ``spread`` (the deviation of the logarithm) are the first guess, which counts as ``weight`` tasks.
    """

    __slots__ = ("_areas", "_density", "_hazards", "_risks", "_seen", "_unfitted", "_weights")

    def __init__(self, median: float, spread: float, weight: float = 3.0) -> None:
        below = [_share_below(edge, median, spread) for edge in EDGES]
        self._weights = [weight * (upper - lower) for lower, upper in pairwise(below)]
        self._seen = 0.0
        self._fit()

    def observe(self, after: float, until: float) -> None:
        """Learn that something ended later than ``after`` and not later than ``until``."""
        after = min(max(after, 0.0), LONGEST * 0.99)
        until = min(max(until, after + 0.001), LONGEST)
        first, last = bisect_right(EDGES, after) - 1, min(bisect_left(EDGES, until), BINS) - 1
        # Within the interval by what is held likely now.
        parts = [
            (min(EDGES[bin + 1], until) - max(EDGES[bin], after)) / (EDGES[bin + 1] - EDGES[bin]) * self._density[bin]
            for bin in range(first, last + 1)
        ]
        whole = sum(parts)
        self._weights = [weight * (1 - 1 / MEMORY) for weight in self._weights]
        for bin, part in enumerate(parts, first):
            self._weights[bin] += part / whole
        self._seen = self._seen * (1 - 1 / MEMORY) + 1
        self._unfitted += 1
        if self._unfitted * REFIT >= self._seen:
            self._fit()

    def learnt(self) -> tuple[float, list[float]]:
        """Return how much was seen, and the weights of the bins."""
        return self._seen, [round(weight, 6) for weight in self._weights]

    def relearn(self, seen: float, weights: Sequence[float]) -> None:
        """Go on from what ``learnt`` returned; raises ValueError for what it cannot have been."""
        known = [float(weight) for weight in weights]
        if len(known) != BINS or not all(0 <= weight <= 2 * MEMORY for weight in known) or not 0 <= seen <= 2 * MEMORY:
            raise ValueError("these are no weights of durations")
        if sum(known) <= 0:
            raise ValueError("durations that weigh nothing")
        self._weights, self._seen = known, float(seen)
        self._fit()

    def gap(self, waited: float, price: float) -> float:
        """Return the seconds until the next look, after a wait in vain; ``price`` is what a look costs, in seconds."""
        risk, area = self._at(waited)
        low, high = bisect_right(EDGES, waited), BINS
        while low < high:
            middle = (low + high) // 2
            if self._areas[middle] - area - (EDGES[middle] - waited) * risk < price:
                low = middle + 1
            else:
                high = middle
        bin = max(0, min(low, BINS) - 1)
        start = max(EDGES[bin], waited)
        risk_there, area_there = self._at(start)
        # Seconds late on average when looking at `start`, how fast they grow there, and how fast that grows.
        late, slope, hazard = area_there - area - (start - waited) * risk, risk_there - risk, self._hazards[bin]
        return start - waited + (math.sqrt(slope**2 + 2 * hazard * max(0.0, price - late)) - slope) / hazard

    def _at(self, time: float) -> tuple[float, float]:
        """Return the hazard accumulated until a time, and the area below that."""
        bin = min(bisect_right(EDGES, time), BINS) - 1
        hazard, into = self._hazards[bin], time - EDGES[bin]
        return (
            self._risks[bin] + hazard * into,
            self._areas[bin] + self._risks[bin] * into + hazard * into**2 / 2,
        )

    def _fit(self) -> None:
        self._unfitted = 0
        self._density = _smoothed(self._weights, self._seen)
        self._hazards, self._risks, self._areas = [], [0.0], [0.0]
        left = 1.0
        for bin, share in enumerate(self._density):
            width = EDGES[bin + 1] - EDGES[bin]
            hazard = share / width / max(left - share / 2, 1e-9)
            self._hazards.append(hazard)
            self._areas.append(self._areas[-1] + self._risks[-1] * width + hazard * width**2 / 2)
            self._risks.append(self._risks[-1] + hazard * width)
            left -= share


def _smoothed(weights: list[float], seen: float) -> list[float]:
    width = SMOOTHING * BINS_PER_E * max(NARROWEST, max(seen, 1.0) ** -0.2)
    kernel = [math.exp(-0.5 * (distance / width) ** 2) for distance in range(int(3 * width) + 2)]
    reach = len(kernel) - 1
    density = [0.0] * BINS
    for bin, weight in enumerate(weights):
        near = range(max(0, bin - reach), min(BINS, bin + reach + 1))
        scale = weight / sum(kernel[abs(other - bin)] for other in near)
        for other in near:
            density[other] += scale * kernel[abs(other - bin)]
    whole, open_mind = sum(density), OPEN_MIND / (seen + 2)
    return [(1 - open_mind) * share / whole + open_mind / BINS for share in density]


def _share_below(time: float, median: float, spread: float) -> float:
    return 0.5 * math.erfc(-math.log(time / median) / (spread * math.sqrt(2))) if time > 0 else 0.0
