"""The timer wheel: entries are due once, never early, never lost, and removed ones take no memory."""

import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async._tasks.schedule import Wheel

times = st.floats(min_value=0, max_value=1000)


@attrs.define(eq=False)
class Entry:
    slot: int | None = None


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 9), times),
            st.tuples(st.just("discard"), st.integers(0, 9), times),
            st.tuples(st.just("take"), st.integers(0, 9), times),
        ),
        max_size=300,
    ),
    tick=st.sampled_from([0.001, 0.1, 7.0]),
)
def test_wheel_agrees_with_a_plain_dictionary(steps: list[tuple[str, int, float]], tick: float) -> None:
    wheel: Wheel[Entry] = Wheel(tick)
    entries = [Entry() for _ in range(10)]
    plain: dict[Entry, float] = {}
    for step, number, time in steps:
        entry = entries[number]
        if step == "put":
            wheel.put(entry, time)
            plain[entry] = time
        elif step == "discard":
            wheel.discard(entry)
            plain.pop(entry, None)
        else:
            taken = wheel.take_due(time)
            dues = [plain.pop(one) for one in taken]
            assert all(due <= time for due in dues)
            # Rounded up to the tick, in its order.
            assert all(before <= after + tick for before, after in pairwise(dues))
            assert all(due > time - tick for due in plain.values())
        expected = min(plain.values(), default=None)
        found = wheel.next_due()
        assert (found is None) is (expected is None)
        if found is not None and expected is not None:
            assert expected <= found + 1e-9
            assert found <= expected + tick * 1.001


def put_and_discard(wheel: Wheel[Entry], entry: Entry, number: int) -> None:
    wheel.put(entry, 1e9 - number)
    wheel.discard(entry)


def put_again(wheel: Wheel[Entry], entry: Entry, number: int) -> None:
    wheel.put(entry, 1e9 - number)


def put_and_take(wheel: Wheel[Entry], entry: Entry, number: int) -> None:
    wheel.put(entry, number)
    wheel.take_due(number + 1)


@pytest.mark.parametrize("change", [put_and_discard, put_again, put_and_take])
def test_wheel_entries_that_are_gone_take_no_memory(change: Callable[[Wheel[Entry], Entry, int], None]) -> None:
    wheel: Wheel[Entry] = Wheel(0.1)
    entries = [Entry() for _ in range(10)]
    tracemalloc.start()
    try:
        for number in range(20_000):
            change(wheel, entries[number % 10], number)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held < 100_000
