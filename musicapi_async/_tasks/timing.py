"""When to poll a task: at a fixed interval, or by what was learned of how long such tasks take. No I/O.

A histogram over the logarithm of the duration, smoothed; it starts as a guess and forgets slowly. A poll is due when
the seconds that a finish would by then have gone unnoticed, on average, are worth the price of a poll.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from musicapi_async._tasks.progress import Stage

__all__ = ["EARLY_INTERVAL", "GUESSES", "MAX_INTERVAL", "MIN_INTERVAL", "SPREAD", "Durations", "Timing"]

GUESSES: Final[Mapping[Stage, tuple[float, float]]] = {
    "waiting": (75.0, 0.5),
    "streaming": (45.0, 0.7),
    "partial": (12.0, 1.0),
}
"""The first guess of the seconds until a task is finished, from there on: their median, the spread of the logarithm."""
MIN_INTERVAL: Final = 1.0
MAX_INTERVAL: Final = 30.0
EARLY_INTERVAL: Final = 5.0
"""Seconds between two polls, at most, for a wait that ends before the task does: nothing is learned of that moment."""
SPREAD: Final = 0.1
"""Polls are spread by so much of their interval, so that tasks that were started together do not stay together."""
MAX_KEYS: Final = 1000
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
"""The estimate is made of the last so many tasks."""
OPEN_MIND: Final = 0.05
"""What is held possible without having been seen, shared by so many tasks as were seen."""
REFIT: Final = 10
"""A new fit is due when a tenth more is known: it costs as much as a few polls."""


class Timing:
    """Estimates of how long tasks take, by timing key (an operation and its model) and by stage.

    ``fixed_interval`` is the interval of the polls in seconds; where it is None, ``price`` is what a poll costs, in
    seconds of waiting.
    """

    def __init__(self, fixed_interval: float | None, price: float, seed: int | None = None) -> None:
        self.fixed_interval = fixed_interval
        self._price = price
        self._random = random.Random(seed)  # noqa: S311 - nothing secret
        self._known: dict[tuple[str, Stage], Durations] = {}

    @property
    def usual(self) -> float:
        """The seconds a task takes by the first guess."""
        return GUESSES["waiting"][0]

    def interval(self, timing_key: str, stage: Stage, waited: float, *, is_early: bool = False) -> float:
        """Return the seconds until the next poll, after so many seconds in this stage; not bounded for the first.

        With ``is_early``, for a wait that ends before the task does, at most ``EARLY_INTERVAL``.
        """
        if self.fixed_interval is not None:
            return self.fixed_interval
        interval = self._durations(timing_key, stage).interval(waited, self._price)
        if is_early:
            interval = min(interval, EARLY_INTERVAL)
        if waited:
            interval = min(interval, MAX_INTERVAL)
        return max(MIN_INTERVAL, interval * (1 + SPREAD * (self._random.random() - 0.5)))

    def observe(self, timing_key: str, stage: Stage, after: float, until: float) -> None:
        """Note that a task ended later than ``after`` and at latest ``until`` seconds from the stage's beginning."""
        if self.fixed_interval is None:
            self._durations(timing_key, stage).observe(after, until)

    def export_state(self) -> list[list[Any]]:
        """Return the estimates, as JSON takes them."""
        return [[timing_key, stage, *known.export_state()] for (timing_key, stage), known in self._known.items()]

    def restore_state(self, state: Iterable[Sequence[Any]]) -> None:
        """Begin with exported estimates; raises ValueError or TypeError for what is no such thing."""
        for timing_key, stage, seen, weights in state:
            if stage in GUESSES:
                self._durations(str(timing_key), stage).restore_state(seen, weights)

    def _durations(self, timing_key: str, stage: Stage) -> "Durations":
        known = self._known.get((timing_key, stage))
        if known is None:
            if len(self._known) >= MAX_KEYS:
                self._known.clear()  # models are any text: rather learn anew than grow without end
            known = self._known[timing_key, stage] = Durations(*GUESSES[stage])
        return known


class Durations:
    """The durations of one sort of wait; seconds throughout.

    ``median`` and ``spread`` (the deviation of the logarithm) are the first guess, which counts as ``weight`` tasks.
    """

    __slots__ = ("_areas", "_density", "_hazards", "_risks", "_seen", "_unfitted", "_weights")

    def __init__(self, median: float, spread: float, weight: float = 3.0) -> None:
        below = [_share_below(edge, median, spread) for edge in EDGES]
        self._weights = [weight * (upper - lower) for lower, upper in pairwise(below)]
        self._seen = 0.0
        self._fit()

    def observe(self, after: float, until: float) -> None:
        """Note that something ended later than ``after`` and not later than ``until``."""
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

    def export_state(self) -> tuple[float, list[float]]:
        """Return how many tasks were observed, and the weights of the bins."""
        return self._seen, [round(weight, 6) for weight in self._weights]

    def restore_state(self, seen: float, weights: Sequence[float]) -> None:
        """Resume from an exported state; raises ValueError for what cannot be one."""
        known = [float(weight) for weight in weights]
        if len(known) != BINS or not all(0 <= weight <= 2 * MEMORY for weight in known) or not 0 <= seen <= 2 * MEMORY:
            raise ValueError("these are no weights of durations")
        if sum(known) <= 0:
            raise ValueError("durations that weigh nothing")
        self._weights, self._seen = known, float(seen)
        self._fit()

    def interval(self, waited: float, price: float) -> float:
        """Return the seconds until the next poll, after a wait in vain; ``price`` is what a poll costs, in seconds."""
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
        # Seconds late on average when polling at `start`, how fast they grow there, and how fast that grows.
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
