"""A schedule holds no more than what is scheduled, however often that changes."""

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async._tasks.schedule import Schedule

TIMES = 20_000


def put_and_discard(schedule: Schedule[int], number: int) -> None:
    schedule.put(number, 1e9 - number)
    schedule.discard(number)


def put_again(schedule: Schedule[int], number: int) -> None:
    schedule.put(number % 10, 1e9 - number)


def put_and_take(schedule: Schedule[int], number: int) -> None:
    schedule.put(number, number)
    schedule.take_due(number, 1)


@pytest.mark.parametrize("change", [put_and_discard, put_again, put_and_take])
def test_what_is_gone_takes_no_memory(change: Callable[[Schedule[int], int], None]) -> None:
    schedule: Schedule[int] = Schedule(15)
    tracemalloc.start()
    try:
        for number in range(TIMES):
            change(schedule, number)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(schedule) <= 10
    assert held < 100_000


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 100)), min_size=1))
def test_the_last_word_counts(puts: list[tuple[int, float]]) -> None:
    schedule: Schedule[int] = Schedule(15)
    for key, due in puts:
        schedule.put(key, due)
    wanted = dict(puts)

    assert len(schedule) == len(wanted)
    assert schedule.next_due() == min(wanted.values())
    taken = schedule.take_due(100, 100)
    assert sorted(taken) == sorted(wanted)
    assert [wanted[key] for key in taken] == sorted(wanted.values())
    assert schedule.next_due() is None
    assert schedule.take_due(1e9, 100) == []
