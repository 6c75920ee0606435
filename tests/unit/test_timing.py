"""Poll intervals: learned from observed durations, bounded and spread."""

import math
import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async._tasks.timing import EARLY_INTERVAL, MAX_INTERVAL, MIN_INTERVAL, SPREAD, Durations, Timing

seconds = st.floats(min_value=0, max_value=1e6)
seen = st.lists(st.tuples(seconds, st.floats(min_value=0, max_value=1e4)), max_size=50)


@given(seen=seen, waited=seconds, price=st.floats(0.01, 100))
def test_poll_interval_after_any_observations_is_within_bounds(
    seen: list[tuple[float, float]], waited: float, price: float
) -> None:
    timing = Timing(None, price, seed=0)
    for after, length in seen:
        timing.observe("song", "waiting", after, after + length)

    interval = timing.interval("song", "waiting", waited)

    assert interval >= MIN_INTERVAL
    if waited:
        assert interval <= MAX_INTERVAL * (1 + SPREAD)


@given(seen=seen, waited=seconds, price=st.floats(0.01, 100), dearer=st.floats(1, 100))
def test_poll_interval_at_a_higher_cost_is_not_shorter(
    seen: list[tuple[float, float]], waited: float, price: float, dearer: float
) -> None:
    durations = Durations(75, 0.5)
    for after, length in seen:
        durations.observe(after, after + length)

    assert 0 < durations.interval(waited, price) <= durations.interval(waited, price * dearer) * (1 + 1e-9) + 1e-6


def test_first_poll_interval_lasts_until_a_finish_is_plausible() -> None:
    timing = Timing(None, 1.0, seed=0)
    for _ in range(60):
        timing.observe("slow", "waiting", 295, 305)
        timing.observe("quick", "waiting", 9, 11)

    assert timing.interval("slow", "waiting", 0.0) > 80
    assert timing.interval("quick", "waiting", 0.0) < 12
    # Where it is likely, closely; what is not known is guessed.
    assert timing.interval("slow", "waiting", 295.0) < 12
    assert 25 < timing.interval("unknown", "waiting", 0.0) < 60


def test_latest_end_of_tasks_lies_behind_nearly_all_observed_ones() -> None:
    timing = Timing(None, 1.0, seed=0)
    guessed = timing.latest("song")
    draw = random.Random(0)
    for _ in range(400):
        length = draw.lognormvariate(math.log(75), 0.2)
        timing.observe("song", "waiting", length - 1, length)

    learned = timing.latest("song")

    assert guessed is not None
    assert learned is not None
    assert timing.overdue("song", "waiting") <= learned
    assert 75 * math.exp(0.2 * 2) < learned < 150 < guessed


def test_latest_end_of_tasks_is_learned_with_a_fixed_interval_too() -> None:
    timing = Timing(2.0, 1.0)
    before = timing.latest("song")
    for _ in range(400):
        timing.observe("song", "waiting", 9.0, 10.0)

    assert before is None
    learned = timing.latest("song")
    assert learned is not None
    assert 9 < learned < 20
    assert timing.interval("song", "waiting", 0.0) == pytest.approx(2)


def test_estimates_used_after_many_observations_are_those_used_after_each() -> None:
    used, unused = Timing(None, 1.0, seed=0), Timing(None, 1.0, seed=0)
    draw = random.Random(0)
    for _ in range(150):
        length = draw.lognormvariate(math.log(75), 0.3)
        for timing in (used, unused):
            timing.observe("song", "waiting", length - 1, length)
        used.interval("song", "waiting", 60.0)

    assert unused.overdue("song", "waiting") == pytest.approx(used.overdue("song", "waiting"), rel=0.15)
    assert unused.interval("song", "waiting", 60.0) == pytest.approx(used.interval("song", "waiting", 60.0), rel=0.15)


def test_poll_intervals_for_a_stream_are_learned_apart_from_the_end() -> None:
    timing = Timing(None, 1.0, seed=0)
    for _ in range(60):
        timing.observe("song", "waiting", 295, 305)
        timing.observe("song", "stream", 39, 41)
    restored = Timing(None, 1.0, seed=0)
    restored.restore_state(timing.export_state())

    for each in (timing, restored):
        assert 25 < each.interval("song", "waiting", 0.0, "stream") < 40
        assert each.interval("song", "waiting", 38.0, "stream") < 4
        # Later than any before it: closely, and not as rarely as the end of the song is likely.
        assert each.interval("song", "waiting", 100.0, "stream") <= EARLY_INTERVAL * (1 + SPREAD)
        assert 30 < each.overdue("song", "waiting", "stream") < 60
        assert each.overdue("song", "waiting") > 200


def test_timing_forgets_old_observations() -> None:
    timing = Timing(None, 1.0, seed=0)
    for _ in range(200):
        timing.observe("song", "waiting", 29, 31)
    before = timing.interval("song", "waiting", 0.0)
    for _ in range(600):
        timing.observe("song", "waiting", 290, 310)

    assert before < 31
    assert timing.interval("song", "waiting", 0.0) > 100


def test_poll_intervals_are_spread() -> None:
    timing = Timing(None, 1.0, seed=0)
    intervals = [timing.interval("song", "waiting", 60.0) for _ in range(1000)]

    assert max(intervals) / min(intervals) == pytest.approx((1 + SPREAD / 2) / (1 - SPREAD / 2), rel=0.01)


def test_fixed_poll_interval_is_kept() -> None:
    timing = Timing(7.5, 1.0, seed=0)
    timing.observe("song", "waiting", 1, 2)

    assert {timing.interval("song", "waiting", waited) for waited in (0.0, 1.0, 1e5)} == {7.5}


def test_timing_of_many_models_takes_bounded_memory() -> None:
    timing = Timing(None, 1.0, seed=0)
    for number in range(1500):
        timing.observe(f"song model-{number}", "waiting", 10, 20)

    assert len(timing._durations_by_key) <= 1000


@pytest.mark.parametrize(("median", "spread"), [(75, 0.45), (25, 0.4), (200, 0.5)])
def test_learned_intervals_cost_less_than_every_fixed_one(median: float, spread: float) -> None:
    """Polls times their cost plus seconds late; benchmarks/bench_schedule.py has the whole table."""
    draws = random.Random(1)

    def cost(timing: Timing) -> float:
        spent = []
        for _ in range(220):
            ends, last, due, polls = (
                draws.lognormvariate(0, spread) * median,
                0.0,
                timing.interval("s", "waiting", 0.0),
                1,
            )
            while due < ends:
                last, polls = due, polls + 1
                due += timing.interval("s", "waiting", due)
            timing.observe("s", "waiting", last, due)
            spent.append(polls + due - ends)
        return fmean(spent[20:])

    learned = fmean(cost(Timing(None, 1.0, seed=seed)) for seed in range(5))
    fixed = min(fmean(cost(Timing(interval, 1.0)) for _ in range(5)) for interval in (5.0, 7.0, 10.0, 15.0, 20.0))

    assert learned < 0.95 * fixed
