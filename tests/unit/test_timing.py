"""When to look next: learnt from what was seen, bounded, spread, and never a surprise."""

import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async._tasks.timing import MAX_INTERVAL, MIN_INTERVAL, SPREAD, Durations, Timing

seconds = st.floats(min_value=0, max_value=1e6)
seen = st.lists(st.tuples(seconds, st.floats(min_value=0, max_value=1e4)), max_size=50)


@given(seen=seen, waited=seconds, price=st.floats(0.01, 100))
def test_whatever_was_seen_the_next_look_is_within_bounds(
    seen: list[tuple[float, float]], waited: float, price: float
) -> None:
    timing = Timing(None, price, seed=0)
    for after, length in seen:
        timing.observe("song", "waiting", after, after + length)

    gap = timing.interval("song", "waiting", waited)

    assert gap >= MIN_INTERVAL
    if waited:
        assert gap <= MAX_INTERVAL * (1 + SPREAD)


@given(seen=seen, waited=seconds, price=st.floats(0.01, 100), dearer=st.floats(1, 100))
def test_a_dearer_look_is_not_taken_sooner(
    seen: list[tuple[float, float]], waited: float, price: float, dearer: float
) -> None:
    durations = Durations(75, 0.5)
    for after, length in seen:
        durations.observe(after, after + length)

    assert 0 < durations.interval(waited, price) <= durations.interval(waited, price * dearer) * (1 + 1e-9) + 1e-6


def test_the_first_look_is_held_until_a_finish_is_plausible() -> None:
    timing = Timing(None, 1.0, seed=0)
    for _ in range(60):
        timing.observe("slow", "waiting", 295, 305)
        timing.observe("quick", "waiting", 9, 11)

    assert timing.interval("slow", "waiting", 0.0) > 80
    assert timing.interval("quick", "waiting", 0.0) < 12
    # Where it is likely, closely; what is not known is guessed.
    assert timing.interval("slow", "waiting", 295.0) < 12
    assert 25 < timing.interval("unknown", "waiting", 0.0) < 60


def test_it_forgets_what_is_no_longer_so() -> None:
    timing = Timing(None, 1.0, seed=0)
    for _ in range(200):
        timing.observe("song", "waiting", 29, 31)
    before = timing.interval("song", "waiting", 0.0)
    for _ in range(600):
        timing.observe("song", "waiting", 290, 310)

    assert before < 31
    assert timing.interval("song", "waiting", 0.0) > 100


def test_looks_that_begin_together_do_not_stay_together() -> None:
    timing = Timing(None, 1.0, seed=0)
    gaps = [timing.interval("song", "waiting", 60.0) for _ in range(1000)]

    assert max(gaps) / min(gaps) == pytest.approx((1 + SPREAD / 2) / (1 - SPREAD / 2), rel=0.01)


def test_a_fixed_interval_is_kept() -> None:
    timing = Timing(7.5, 1.0, seed=0)
    timing.observe("song", "waiting", 1, 2)

    assert {timing.interval("song", "waiting", waited) for waited in (0.0, 1.0, 1e5)} == {7.5}


def test_any_number_of_models_takes_a_bounded_memory() -> None:
    timing = Timing(None, 1.0, seed=0)
    for number in range(1500):
        timing.observe(f"song model-{number}", "waiting", 10, 20)

    assert len(timing._durations_by_key) <= 1000


@pytest.mark.parametrize(("median", "spread"), [(75, 0.45), (25, 0.4), (200, 0.5)])
def test_learnt_durations_beat_every_fixed_interval(median: float, spread: float) -> None:
    """Looks times their price plus seconds late; benchmarks/bench_schedule.py has the whole table."""
    draws = random.Random(1)

    def cost(timing: Timing) -> float:
        spent = []
        for _ in range(220):
            ends, last, due, looks = (
                draws.lognormvariate(0, spread) * median,
                0.0,
                timing.interval("s", "waiting", 0.0),
                1,
            )
            while due < ends:
                last, looks = due, looks + 1
                due += timing.interval("s", "waiting", due)
            timing.observe("s", "waiting", last, due)
            spent.append(looks + due - ends)
        return fmean(spent[20:])

    learnt = fmean(cost(Timing(None, 1.0, seed=seed)) for seed in range(5))
    fixed = min(fmean(cost(Timing(interval, 1.0)) for _ in range(5)) for interval in (5.0, 7.0, 10.0, 15.0, 20.0))

    assert learnt < 0.95 * fixed
