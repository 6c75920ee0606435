"""Timing of polls: a fixed interval, or one based on estimates of how long such tasks take. No I/O.

An estimate is a smoothed histogram over the logarithm of the duration; it starts as a guess and forgets slowly. A poll
is due when the expected seconds for which a finished task has gone unnoticed equal the cost of a poll.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, Literal

from musicapi_async._tasks.progress import Stage, Until

__all__ = ["EARLY_INTERVAL", "GUESSES", "MAX_INTERVAL", "MIN_INTERVAL", "SPREAD", "Durations", "Timing"]

Span = Stage | Literal["stream"]
"""A duration that is estimated: from the beginning of a stage to the end of the task, or to the first stream."""
GUESSES: Final[Mapping[Span, tuple[float, float]]] = {
    "waiting": (75.0, 0.5),
    "streaming": (45.0, 0.7),
    "partial": (12.0, 1.0),
    "stream": (20.0, 0.5),
}
"""The first guess of the seconds: median, and spread of the logarithm."""
MIN_INTERVAL: Final = 1.0
MAX_INTERVAL: Final = 30.0
EARLY_INTERVAL: Final = 5.0
"""Maximum seconds between two polls for a wait that ends before the task."""
STREAM_PRICE: Final = 0.5
"""The cost of a poll for a stream, as a share of the usual one: a listener is waiting."""
SPREAD: Final = 0.1
"""Random share of the interval, so that tasks that were started together are not polled together."""
MAX_KEYS: Final = 1000
MIN_DURATION: Final = 1.0
MAX_DURATION: Final = 3600.0
BINS_PER_E: Final = 9
"""Bins for each factor of 2.718 in time."""
EDGES: Final = (
    0.0,
    *(MIN_DURATION * math.exp(step / BINS_PER_E) for step in range(math.ceil(math.log(MAX_DURATION) * BINS_PER_E) + 1)),
)
BINS: Final = len(EDGES) - 1
SMOOTHING: Final = 0.25
"""Initial width of the smoothing, in units of the logarithm; it narrows with the observations."""
MIN_NARROWING: Final = 0.35
OVERDUE_SHARE: Final = 0.03
"""The share of tasks that are still running when their event counts as overdue."""
LATEST_SHARE: Final = 0.01
"""The share of tasks that are still running when nearly all have ended."""
MEMORY: Final = 100.0
"""The number of most recent tasks that an estimate is based on."""
UNOBSERVED: Final = 0.05
"""Probability reserved for durations not observed yet; it is divided by the number of observations."""
REFIT: Final = 10
"""A new fit is due after a tenth more observations: it costs as much as a few polls."""
MAX_UNFITTED: Final = 100
"""Observations that are kept for the next fit; with as many a fit is due, whether an estimate is used or not."""


class Timing:
    """Estimates of how long tasks take, by timing key (an operation and its model) and by span.

    ``fixed_interval`` is the interval of all polls in seconds: then nothing is estimated. Where it is None, ``price``
    is the cost of a poll, in seconds of waiting.
    """

    def __init__(self, fixed_interval: float | None, price: float, seed: int | None = None) -> None:
        self.fixed_interval = fixed_interval
        self._price = price
        self._random = random.Random(seed)  # noqa: S311 - nothing secret
        self._durations_by_key: dict[tuple[str, Span], Durations] = {}

    @property
    def usual(self) -> float:
        """The seconds a task takes by the first guess."""
        return GUESSES["waiting"][0]

    def interval(self, timing_key: str, stage: Stage, waited: float, until: Until = "finished") -> float:
        """Return the seconds until the next poll, after so many seconds in this stage; unbounded for the first.

        For a wait that ends before the task does, at most ``EARLY_INTERVAL``; the first poll for a stream, which has
        an estimate of its own, is unbounded.
        """
        if self.fixed_interval is not None:
            return self.fixed_interval
        span = _span(stage, until)
        price = self._price * STREAM_PRICE if span == "stream" else self._price
        interval = self._durations(timing_key, span).interval(waited, price)
        if until != "finished" and (waited or span != "stream"):
            interval = min(interval, EARLY_INTERVAL)
        if waited:
            interval = min(interval, MAX_INTERVAL)
        return max(MIN_INTERVAL, interval * (1 + SPREAD * (self._random.random() - 0.5)))

    def overdue(self, timing_key: str, stage: Stage, until: Until = "finished") -> float:
        """Return the seconds from a stage's beginning by which 97 % of the waits have ended, and with them their event.

        With a ``fixed_interval`` that is the interval.
        """
        if self.fixed_interval is not None:
            return self.fixed_interval
        return self._durations(timing_key, _span(stage, until)).overdue

    def latest(self, timing_key: str) -> float | None:
        """Return the seconds from acceptance by which 99 % of the tasks have ended.

        None with a ``fixed_interval`` until one has ended: it was set by someone who knows better than the guess.
        """
        if self.fixed_interval is not None and (timing_key, "waiting") not in self._durations_by_key:
            return None
        return self._durations(timing_key, "waiting").latest

    def observe(self, timing_key: str, span: Span, after: float, until: float) -> None:
        """Note that a span ended later than ``after`` and at latest ``until`` seconds from its beginning."""
        self._durations(timing_key, span).observe(after, until)

    def export_state(self) -> list[list[Any]]:
        """Return the estimates, as JSON takes them."""
        return [
            [timing_key, span, *durations.export_state()]
            for (timing_key, span), durations in self._durations_by_key.items()
        ]

    def restore_state(self, state: Iterable[Sequence[Any]]) -> None:
        """Start with exported estimates; raises ValueError or TypeError for invalid ones."""
        for timing_key, span, observed, weights in state:
            if span in GUESSES:
                self._durations(str(timing_key), span).restore_state(observed, weights)

    def _durations(self, timing_key: str, span: Span) -> "Durations":
        found = self._durations_by_key.get((timing_key, span))
        if found is None:
            if len(self._durations_by_key) >= MAX_KEYS:
                self._durations_by_key.clear()  # models are arbitrary texts: start anew rather than grow without limit
            found = self._durations_by_key[timing_key, span] = Durations(*GUESSES[span])
        return found


def _span(stage: Stage, until: Until) -> Span:
    """Return the span at whose end a wait can end: streams appear in the stage ``waiting``, and end it."""
    return "stream" if until == "stream" and stage == "waiting" else stage


class Durations:
    """Estimate of the duration of one span under one timing key, in seconds.

    ``median`` and ``spread`` (the deviation of the logarithm) are the first guess, which counts as ``weight`` tasks.

    Observing is cheap: the observations are only kept, and fitted when an estimate is next used.
    """

    __slots__ = (
        "_areas",
        "_density",
        "_hazards",
        "_latest",
        "_observed",
        "_overdue",
        "_risks",
        "_unfitted",
        "_weights",
    )

    def __init__(self, median: float, spread: float, weight: float = 3.0) -> None:
        below = [_share_below(edge, median, spread) for edge in EDGES]
        self._weights = [weight * (upper - lower) for lower, upper in pairwise(below)]
        self._observed = 0.0
        self._unfitted: list[tuple[float, float]] = []
        self._fit()

    @property
    def overdue(self) -> float:
        """The seconds by which all but ``OVERDUE_SHARE`` of the tasks have ended."""
        self._fit_if_due()
        return self._overdue

    @property
    def latest(self) -> float:
        """The seconds by which all but ``LATEST_SHARE`` of the tasks have ended."""
        self._fit_if_due()
        return self._latest

    def observe(self, after: float, until: float) -> None:
        """Note that something ended later than ``after`` and not later than ``until``."""
        self._unfitted.append((after, until))
        if len(self._unfitted) >= MAX_UNFITTED:
            self._fit_if_due()

    def export_state(self) -> tuple[float, list[float]]:
        """Return how many tasks were observed, and the weights of the bins."""
        if self._unfitted:
            self._fit()
        return self._observed, [round(weight, 6) for weight in self._weights]

    def restore_state(self, observed: float, weights: Sequence[float]) -> None:
        """Start with an exported state; raises ValueError for an invalid one."""
        restored = [float(weight) for weight in weights]
        is_valid = len(restored) == BINS and all(0 <= weight <= 2 * MEMORY for weight in restored)
        if not is_valid or not 0 <= observed <= 2 * MEMORY:
            raise ValueError("these are no weights of durations")
        if sum(restored) <= 0:
            raise ValueError("durations that weigh nothing")
        self._weights, self._observed, self._unfitted = restored, float(observed), []
        self._fit()

    def interval(self, waited: float, price: float) -> float:
        """Return the seconds until the next poll; ``price`` is the cost of a poll, in seconds."""
        self._fit_if_due()
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
        # Expected delay in seconds when polling at `start`, its growth there, and the growth of that.
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

    def _fit_if_due(self) -> None:
        if self._unfitted and len(self._unfitted) * REFIT >= self._observed + len(self._unfitted):
            self._fit()

    def _weigh(self) -> None:
        """Add the observations since the last fit to the weights of the bins; each weighs more than those before it."""
        kept, gain = 1 - 1 / MEMORY, 1.0
        for after, until in self._unfitted:
            # Instead of letting all weights decay each time, the observations gain.
            gain /= kept
            self._observed = self._observed * kept + 1
            self._add(min(max(after, 0.0), MAX_DURATION * 0.99), until, gain)
        self._weights = [weight / gain for weight in self._weights]
        self._unfitted = []

    def _add(self, after: float, until: float, gain: float) -> None:
        """Distribute one observation within its interval, by the current density."""
        until = min(max(until, after + 0.001), MAX_DURATION)
        first, last = bisect_right(EDGES, after) - 1, min(bisect_left(EDGES, until), BINS) - 1
        if first == last:  # nearly always, when an event has reported the end
            self._weights[first] += gain
            return
        parts = [
            (min(EDGES[bin + 1], until) - max(EDGES[bin], after)) / (EDGES[bin + 1] - EDGES[bin]) * self._density[bin]
            for bin in range(first, last + 1)
        ]
        gain /= sum(parts)
        for bin, part in enumerate(parts, first):
            self._weights[bin] += part * gain

    def _fit(self) -> None:
        self._weigh()
        self._density = _smoothed(self._weights, self._observed)
        self._hazards, self._risks, self._areas = [], [0.0], [0.0]
        left, self._overdue, self._latest = 1.0, MAX_DURATION, MAX_DURATION
        for bin, share in enumerate(self._density):
            if left > OVERDUE_SHARE >= left - share:
                self._overdue = EDGES[bin + 1]
            if left > LATEST_SHARE >= left - share:
                self._latest = EDGES[bin + 1]
            width = EDGES[bin + 1] - EDGES[bin]
            hazard = share / width / max(left - share / 2, 1e-9)
            self._hazards.append(hazard)
            self._areas.append(self._areas[-1] + self._risks[-1] * width + hazard * width**2 / 2)
            self._risks.append(self._risks[-1] + hazard * width)
            left -= share


def _smoothed(weights: list[float], observed: float) -> list[float]:
    density = [0.0] * BINS
    for weight, (first, shares) in zip(weights, _kernels(round(max(observed, 1.0))), strict=True):
        for bin, share in enumerate(shares, first):
            density[bin] += weight * share
    whole, unobserved = sum(density), UNOBSERVED / (observed + 2)
    return [(1 - unobserved) * share / whole + unobserved / BINS for share in density]


@lru_cache(maxsize=4)  # most estimates are based on as many observations as are remembered
def _kernels(observed: int) -> list[tuple[int, list[float]]]:
    """Return, for each bin, the first bin that its weight is spread to, and the shares of that and of those behind."""
    width = SMOOTHING * BINS_PER_E * max(MIN_NARROWING, observed**-0.2)
    kernel = [math.exp(-0.5 * (distance / width) ** 2) for distance in range(int(3 * width) + 2)]
    reach = len(kernel) - 1
    spread = []
    for bin in range(BINS):
        near = range(max(0, bin - reach), min(BINS, bin + reach + 1))
        whole = sum(kernel[abs(other - bin)] for other in near)
        spread.append((near.start, [kernel[abs(other - bin)] / whole for other in near]))
    return spread


def _share_below(time: float, median: float, spread: float) -> float:
    return 0.5 * math.erfc(-math.log(time / median) / (spread * math.sqrt(2))) if time > 0 else 0.0
