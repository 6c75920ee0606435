"""The account behind ``max_credits``: the limit holds as long as no request costs more than its known price."""

from collections.abc import Sequence
from typing import Any, Final

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicapi_async.bulk.records import Record
from musicapi_async.bulk.spending import Spending, pricing_key

A: Final = "sonic.describe"
B: Final = "sonic.create sonic-v6"
LIST: Final = {"sonic.describe": 20.0, "sonic.create": 15.0}


def charged(spending: Spending, key: str = A, count: int = 1) -> None:
    for _ in range(count):
        spending.admit(key)


def begun(balance: float = 1000.0) -> Spending:
    spending = Spending(LIST)
    spending.read(balance)
    return spending


def test_pricing_key_of_a_record_names_operation_and_model() -> None:
    def record(**request: Any) -> Record:
        return Record(key="k", operation="sonic.create", request=request, number=1, state="planned")

    assert pricing_key(record(mv="sonic-v6")) == "sonic.create sonic-v6"
    assert pricing_key(record(model_type="studio130-v1.5")) == "sonic.create studio130-v1.5"
    assert pricing_key(record(prompt="la")) == "sonic.create"


def test_spent_after_a_late_balance_is_what_was_charged() -> None:
    spending = begun()
    charged(spending, count=5)
    spending.read(1000)
    assert spending.spent == 100
    assert spending.prices == {}  # never learned as 0


def test_spent_after_a_top_up_is_what_was_charged() -> None:
    spending = begun()
    charged(spending, count=5)
    spending.read(1100)
    assert spending.spent == 100
    charged(spending)
    spending.read(1080)
    assert spending.spent == 120


def test_spent_after_another_program_spends_is_what_the_balance_fell() -> None:
    spending = begun()
    spending.read(900)
    charged(spending)
    assert spending.spent == 120


def test_spent_after_a_refund_of_another_program_stays() -> None:
    spending = begun()
    charged(spending)
    spending.read(900)
    spending.read(980)
    assert spending.spent == 100


@pytest.mark.parametrize("shown_early", [True, False])
def test_spent_after_a_refund_falls_once(shown_early: bool) -> None:  # noqa: FBT001
    spending = begun()
    charged(spending, count=2)
    spending.read(980 if shown_early else 960)
    spending.refund(20)
    spending.read(980)
    assert spending.spent == 20
    spending.read(1000)  # another program's
    assert spending.spent == 20


def test_refund_noted_twice_does_not_become_negative() -> None:
    spending = begun()
    charged(spending)
    spending.refund(20)
    spending.refund(20)
    spending.read(1500)
    assert spending.spent == 0


def test_price_above_the_list_is_learned_at_once_and_a_tenfold_one_when_seen_again() -> None:
    spending = begun()
    charged(spending)
    spending.read(900)
    assert spending.price(A) == 100
    spending = begun()
    for balance, price in ((700, 20), (400, 300)):
        charged(spending)
        spending.read(balance)
        assert spending.price(A) == price


def test_price_below_the_learned_one_counts_when_seen_again_and_never_below_the_list() -> None:
    spending = begun()
    for balance, price in ((940, 60), (920, 60), (900, 20), (885, 20), (870, 20)):
        charged(spending)
        spending.read(balance)
        assert spending.price(A) == price


def test_price_from_a_mixed_interval_is_not_learned() -> None:
    spending = begun()
    charged(spending, A)
    charged(spending, B)
    spending.read(900)
    assert (spending.price(A), spending.price(B)) == (20, 15)


@pytest.mark.parametrize("event", ["refund", "note_uncertain"])
def test_price_from_an_interval_with_a_refund_or_an_uncertain_request_is_not_learned(event: str) -> None:
    spending = begun()
    charged(spending)
    getattr(spending, event)(20)
    spending.read(900)
    assert spending.price(A) == 20


def test_price_from_charges_that_are_shown_late_is_not_learned() -> None:
    spending = begun()
    for balance in (1000, 1000, 940, 920):  # three at once, the first two of them late
        charged(spending)
        spending.read(balance)
    assert spending.price(A) == 20


def test_operation_without_a_list_price_has_a_cautious_one() -> None:
    assert Spending({"x.y": None}).price("x.y") == 100


def test_restored_spending_continues_where_it_was() -> None:
    before = begun()
    charged(before, count=3)
    before.read(900)
    before.refund(20)
    after = Spending(LIST, charged=before.charged)
    after.restore(before.to_json(100.0), 110.0)
    assert not before.needs_reading(A, 1000)
    assert after.needs_reading(A, 1000)  # others may have spent meanwhile
    for spending in (before, after):
        spending.read(890)
        charged(spending, count=2)
        spending.read(870)
    assert (after.spent, after.prices, after.price(A)) == (before.spent, before.prices, before.price(A))


def test_restored_spending_learns_nothing_from_earlier_requests() -> None:
    before = begun()
    charged(before)
    before.read(980)
    charged(before, count=3)
    after = Spending(LIST, charged=before.charged)
    after.restore(before.to_json(100.0), 110.0)
    after.read(920)
    charged(after)
    after.read(900)
    assert after.price(A) == 20
    assert after.spent == 100


@attrs.define
class World:
    """An account that other programs use as well, and a run that keeps a limit on it."""

    limit: float
    lag: int
    spending: Spending = attrs.field(factory=lambda: Spending(LIST))
    real: float = 0.0
    balances: list[float] = attrs.field(factory=lambda: [10_000.0])
    running: list[tuple[float, float]] = attrs.field(factory=list)
    """What each task has cost, and its charge."""

    def change(self, credits: float) -> None:
        self.balances.append(self.balances[-1] + credits)

    def read(self) -> None:
        self.spending.read(self.balances[max(0, len(self.balances) - 1 - self.lag)])

    def submit(self, key: str, share: float) -> None:
        spending = self.spending
        if (spending.needs_reading(key, self.limit) or not spending.fits(key, self.limit)) and spending.is_stale:
            self.read()
        if spending.fits(key, self.limit):
            charge = spending.admit(key)
            # No request costs more than the price that is known when it is sent.
            price = share * charge
            self.real += price
            self.running.append((price, charge))
            self.change(-price)

    def refund(self) -> None:
        if self.running:
            price, charge = self.running.pop()
            self.real -= price
            self.change(price)
            self.spending.refund(charge)

    def restart(self) -> None:
        """End the process after what was written: charges and the last reading."""
        again = Spending(LIST, charged=self.spending.charged)
        again.restore(self.spending.to_json(0.0), 0.0)
        self.spending = again


EVENTS: Final = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from([A, B]), st.floats(0.1, 1.0)),
    st.tuples(st.just("change"), st.integers(-500, 500)),
    st.tuples(st.just("refund")),
    st.tuples(st.just("read")),
    st.tuples(st.just("restart")),
)


@settings(max_examples=400)
@given(st.integers(0, 600), st.integers(0, 4), st.lists(EVENTS, max_size=60))
def test_limit_holds_whatever_else_happens_to_the_balance(
    limit: int, lag: int, events: Sequence[tuple[Any, ...]]
) -> None:
    world = World(limit, lag)
    world.read()
    for name, *values in events:
        getattr(world, name)(*values)
        assert world.real <= limit + 1e-6
        assert world.spending.spent >= world.spending.charged >= 0


@given(st.floats(1.0, 10.0), st.integers(0, 1000))
def test_limit_holds_when_the_price_rises_up_to_tenfold_between_two_readings(dearer: float, limit: int) -> None:
    spending, balance, real, price = begun(), 1000.0, 0.0, 20.0
    for number in range(60):
        if spending.needs_reading(A, limit) or not spending.fits(A, limit):
            spending.read(balance)
        if not spending.fits(A, limit):
            break
        if number == 10:
            price *= dearer
        spending.admit(A)
        real, balance = real + price, balance - price
    # The request that first shows the new price was admitted at the old one.
    assert real <= limit + price - 20 + 1e-6
