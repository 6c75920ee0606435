"""When to poll: the learning schedule against fixed intervals and against the optimum, in a simulation.

No sockets, no clock: durations are drawn from a seed. What counts is polls times the price of a poll plus seconds late.
The optimum is found by dynamic programming for the true distribution, which no schedule can know.
"""

import argparse
import functools
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple, Protocol

from musicapi_async._tasks.timing import MAX_INTERVAL, MIN_INTERVAL, Timing

INTERVALS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30)
PRICES: Final = (0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0, 1.5, 2.0, 3.0, 5.0)
LEARNERS: Final = 40
WARM_UP: Final = 20
TASKS: Final = 100
SAMPLE: Final = 20_000
STEP: Final = 0.5
HORIZON: Final = 1500.0
PLOT: Final = Path(__file__).parents[1] / "docs" / "schedule.svg"

Draw = Callable[[random.Random], float]


class Cost(NamedTuple):
    """Polls for each task, and seconds from its end to the poll that saw it."""

    polls: float
    late: float

    def at(self, price: float) -> float:
        """Return the cost in seconds when a poll costs that many."""
        return self.polls * price + self.late


class Policy(Protocol):
    """When to poll, and what is learned from it."""

    def interval(self, waited: float) -> float:
        """Return the seconds until the next poll."""
        ...

    def observe(self, after: float, until: float) -> None:
        """Learn when a task ended."""
        ...


class Fixed:
    """Poll every so many seconds."""

    def __init__(self, interval: float) -> None:
        self._interval = interval

    def interval(self, _: float) -> float:
        """Return the interval."""
        return self._interval

    def observe(self, after: float, until: float) -> None:
        """Learn nothing."""


class Learning:
    """The schedule of the package."""

    def __init__(self, price: float, seed: int) -> None:
        self._timing = Timing(None, price, seed)

    def interval(self, waited: float) -> float:
        """Return the seconds until the next poll."""
        return self._timing.interval("song", "waiting", waited)

    def observe(self, after: float, until: float) -> None:
        """Learn when a task ended."""
        self._timing.observe("song", "waiting", after, until)


def follow(policy: Policy, durations: Sequence[float], warm_up: int = 0) -> Cost:
    """Follow tasks one after the other; count what comes after the warm-up."""
    polls: list[int] = []
    late: list[float] = []
    for duration in durations:
        seen, count, due = 0.0, 1, policy.interval(0.0)
        while due < duration:
            seen, count = due, count + 1
            due += policy.interval(due)
        policy.observe(seen, due)
        polls.append(count)
        late.append(due - duration)
    return Cost(fmean(polls[warm_up:]), fmean(late[warm_up:]))


def lognormal(median: float, spread: float) -> Draw:
    return lambda seeded: seeded.lognormvariate(math.log(median), spread)


def bimodal(seeded: random.Random) -> float:
    return seeded.lognormvariate(math.log(40 if seeded.random() < 0.5 else 180), 0.25)  # noqa: PLR2004


def drawn(draw: Draw, seed: int, count: int) -> list[float]:
    seeded = random.Random(seed)  # noqa: S311 - a seed is the point
    return [draw(seeded) for _ in range(count)]


@functools.cache
def fixed(draw: Draw, interval: float) -> Cost:
    return follow(Fixed(interval), drawn(draw, 0, SAMPLE))


def best_fixed(draw: Draw, price: float) -> tuple[float, float]:
    """Return the cost of the best fixed interval, and that interval."""
    return min((fixed(draw, interval).at(price), interval) for interval in INTERVALS)


def average(costs: Sequence[Cost]) -> Cost:
    return Cost(fmean(cost.polls for cost in costs), fmean(cost.late for cost in costs))


@functools.cache
def learning(draw: Draw, price: float) -> Cost:
    """Return what tasks cost after the first twenty, for many learners."""
    return average(
        [
            follow(Learning(price, seed), drawn(draw, 1000 + seed, WARM_UP + TASKS), warm_up=WARM_UP)
            for seed in range(LEARNERS)
        ]
    )


@functools.cache
def optimum(draw: Draw, price: float) -> Cost:
    """Return the least cost that is possible if the distribution is known: dynamic programming over a grid."""
    steps = int(HORIZON / STEP)
    ended = [0.0] * (steps + 1)
    for duration in drawn(draw, 0, SAMPLE):
        ended[min(steps, math.ceil(duration / STEP))] += 1 / SAMPLE
    done, moments = [0.0], [0.0]
    for step in range(1, steps + 1):
        done.append(done[-1] + ended[step])
        moments.append(moments[-1] + ended[step] * (step - 0.5) * STEP)
    least = [Cost(1, 0)] * (steps + 1)
    for now in range(steps - 1, -1, -1):
        running = 1 - done[now]
        if running < 1e-9:  # noqa: PLR2004
            continue
        longest = MAX_INTERVAL if now else HORIZON / 2
        choices = []
        for then in range(now + int(MIN_INTERVAL / STEP), min(steps, now + int(longest / STEP)) + 1):
            late = (then * STEP * (done[then] - done[now]) - (moments[then] - moments[now])) / running
            share_running, rest = (1 - done[then]) / running, least[then]
            choices.append(Cost(1 + share_running * rest.polls, late + share_running * rest.late))
        least[now] = min(choices, key=lambda cost: cost.at(price)) if choices else Cost(1, 0)
    return least[0]


def at_same(draw: Draw, interval: float, *, polls: bool) -> tuple[float, float]:
    """Return what is saved at the polls (or the lateness) of a fixed interval: by learning, and by the optimum."""
    target = fixed(draw, interval)
    return tuple(
        1 - (_late_at([cost(draw, price) for price in PRICES], target.polls) / target.late)
        if polls
        else 1 - _polls_at([cost(draw, price) for price in PRICES], target.late) / target.polls
        for cost in (learning, optimum)
    )  # type: ignore[return-value]  # of two


def _late_at(costs: Sequence[Cost], polls: float) -> float:
    return _between([(cost.polls, cost.late) for cost in costs], polls)


def _polls_at(costs: Sequence[Cost], late: float) -> float:
    return _between([(cost.late, cost.polls) for cost in costs], late)


def _between(points: Sequence[tuple[float, float]], x: float) -> float:
    """Interpolate on the logarithms: the trade-off is close to a straight line there."""
    ordered = sorted(points)
    above = next(index for index, point in enumerate(ordered) if point[0] >= x)
    (x0, y0), (x1, y1) = ordered[above - 1], ordered[above]
    share = math.log(x / x0) / math.log(x1 / x0)
    return math.exp(math.log(y0) + share * (math.log(y1) - math.log(y0)))


DRAWS: Final[dict[str, Draw]] = {
    "lognormal, median 75 s, spread 0.35": lognormal(75, 0.35),
    "lognormal, median 75 s, spread 0.45": lognormal(75, 0.45),
    "lognormal, median 75 s, spread 0.6": lognormal(75, 0.6),
    "lognormal, median 25 s, spread 0.4": lognormal(25, 0.4),
    "lognormal, median 200 s, spread 0.5": lognormal(200, 0.5),
    "bimodal, 40 s and 180 s": bimodal,
}


def table_of_costs() -> None:
    print("| durations | price of a poll | optimum | learning | over the optimum | best fixed | against it |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, draw in DRAWS.items():
        for price in (1.0, 3.0):
            least, mine, (other, interval) = optimum(draw, price), learning(draw, price), best_fixed(draw, price)
            over, against = mine.at(price) / least.at(price) - 1, mine.at(price) / other - 1
            print(
                f"| {name} | {price:g} s | {least.at(price):.1f} | {mine.at(price):.1f} | {over:+.1%} | "
                f"{other:.1f} (every {interval} s) | {against:+.1%} |"
            )


def table_of_savings() -> None:
    print("| durations | polls as every 15 s: less late | optimum | as late as every 5 s: fewer polls | optimum |")
    print("|---|---:|---:|---:|---:|")
    for name, draw in list(DRAWS.items())[:3]:
        (mine, best), (fewer, fewest) = at_same(draw, 15, polls=True), at_same(draw, 5, polls=False)
        print(f"| {name} | {mine:.0%} | {best:.0%} | {fewer:.0%} | {fewest:.0%} |")


def table_of_surprises() -> None:
    """The first hundred tasks after a change, or of a beginner whose first guess is wrong; the price is 1."""
    usual = lognormal(75, 0.45)
    surprises: list[tuple[str, Draw, bool]] = [
        ("suddenly twice as slow", lognormal(150, 0.45), True),
        ("suddenly twice as fast", lognormal(37.5, 0.45), True),
        ("seven times faster than guessed", lognormal(10, 0.45), False),
        ("five times slower than guessed", lognormal(400, 0.45), False),
        ("bimodal from the start", bimodal, False),
    ]
    print("| surprise | learning, the first 100 tasks | best fixed | against it |")
    print("|---|---:|---:|---:|")
    for name, draw, has_learned in surprises:
        costs = []
        for seed in range(LEARNERS):
            policy = Learning(1.0, seed)
            if has_learned:
                follow(policy, drawn(usual, seed, TASKS))
            costs.append(follow(policy, drawn(draw, 1000 + seed, TASKS)))
        mine, (other, interval) = average(costs).at(1.0), best_fixed(draw, 1.0)
        print(f"| {name} | {mine:.1f} | {other:.1f} (every {interval} s) | {mine / other - 1:+.1%} |")


def plot(path: Path) -> None:
    """Draw polls against lateness: fixed intervals, what is learned, what is possible."""
    import matplotlib as mpl  # noqa: PLC0415 - only for the picture

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "schedule", "font.family": "sans-serif"})
    import matplotlib.pyplot as plt  # noqa: PLC0415

    draw = DRAWS["lognormal, median 75 s, spread 0.45"]
    figure, axes = plt.subplots(figsize=(7, 4.2))
    lines = (
        ("fixed interval", [fixed(draw, interval) for interval in INTERVALS], "o-", "#8a8a8a"),
        ("learning, after 20 tasks", [learning(draw, price) for price in PRICES], "o-", "#c2410c"),
        ("optimum if durations are known", [optimum(draw, price) for price in PRICES], "--", "#1d4ed8"),
    )
    for label, costs, style, colour in lines:
        axes.plot([c.polls for c in costs], [c.late for c in costs], style, color=colour, label=label, markersize=4)
    for interval in (2, 3, 5, 7, 10, 15, 20, 30):
        cost = fixed(draw, interval)
        axes.annotate(f"{interval} s", (cost.polls, cost.late), textcoords="offset points", xytext=(5, 4), fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="polls for each song", ylabel="seconds late, on average")
    axes.set_title("Songs that take 75 s (median), spread 0.45: polls against lateness", fontsize=10)
    axes.set_xticks([3, 5, 10, 20, 40], ["3", "5", "10", "20", "40"])
    axes.set_yticks([1, 2, 5, 10, 15], ["1", "2", "5", "10", "15"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", action="store_true", help=f"also draw {PLOT.name} for the docs")
    arguments = parser.parse_args()
    for table in (table_of_costs, table_of_savings, table_of_surprises):
        table()
        print()
    if arguments.plot:
        plot(PLOT)


if __name__ == "__main__":
    main()
