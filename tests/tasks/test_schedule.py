"""The schedule: pure, driven by given times."""

from hypothesis import given
from hypothesis import strategies as st

from musicapi_async._tasks.schedule import Schedule

times = st.floats(min_value=0, max_value=1000)


@given(dues=st.lists(times, max_size=60), now=times, most=st.integers(0, 60))
def test_the_longest_due_come_first_and_nothing_early(dues: list[float], now: float, most: int) -> None:
    schedule: Schedule[int] = Schedule(15)
    for key, due in enumerate(dues):
        schedule.put(key, due)

    taken = schedule.take_due(now, most)

    assert [dues[key] for key in taken] == sorted(due for due in dues if due <= now)[:most]
    assert len(schedule) == len(dues) - len(taken)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 9), times),
            st.tuples(st.just("discard"), st.integers(0, 9), times),
            st.tuples(st.just("take"), st.integers(0, 9), times),
        ),
        max_size=300,
    )
)
def test_it_agrees_with_a_plain_dictionary(steps: list[tuple[str, int, float]]) -> None:
    schedule: Schedule[int] = Schedule(15)
    plain: dict[int, float] = {}
    for step, number, time in steps:
        if step == "put":
            schedule.put(number, time)
            plain[number] = time
        elif step == "discard":
            schedule.discard(number)
            plain.pop(number, None)
        else:
            taken = schedule.take_due(time, number)
            assert len(taken) == min(number, sum(due <= time for due in plain.values()))
            for key in taken:
                assert plain.pop(key) <= time
        assert len(schedule) == len(plain)
        assert schedule.next_due() == (min(plain.values()) if plain else None)


def test_a_fresh_task_is_looked_at_after_an_interval_and_a_resumed_one_at_once() -> None:
    schedule: Schedule[int] = Schedule(15)

    assert schedule.first_look(now=100, accepted_at=95) == 110
    assert schedule.first_look(now=100, accepted_at=20) == 100
    assert schedule.first_look(now=100, accepted_at=None) == 100


def test_the_service_can_ask_for_a_longer_wait_and_not_for_a_shorter_one() -> None:
    schedule: Schedule[int] = Schedule(15)

    assert schedule.next_look(now=100) == 115
    assert schedule.next_look(now=100, asked=60) == 160
    assert schedule.next_look(now=100, asked=1) == 115


def test_what_is_discarded_does_not_pile_up() -> None:
    schedule: Schedule[int] = Schedule(15)
    for key in range(10_000):
        schedule.put(key, 1e9)
        schedule.discard(key)

    assert len(schedule) == 0
    assert schedule.next_due() is None
