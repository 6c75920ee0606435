"""The account of a journal's credits: what was spent, and the prices learned from the balance. No I/O."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from musicapi_async.bulk.records import Planned

__all__ = ["Spending", "pricing_key"]

MAX_UNREAD: Final = 25
"""Requests admitted between two readings of the balance, at most."""
DEARER: Final = 10.0
"""Factor by which a price may rise between two readings without exceeding the limit or being doubted."""
UNLISTED_PRICE: Final = 100.0
"""Credits charged for an operation without a listed price."""
LATE: Final = 60.0
"""Seconds after which a balance shows every charge."""
TOLERANCE: Final = 1e-6
"""Credits: sums of decimal fractions differ by less."""


def pricing_key(record: Planned) -> str:
    """Return the key of a record's price: its operation and, where it names one, its model."""
    model = record.request.get("mv") or record.request.get("model_type")
    return f"{record.operation} {model}" if isinstance(model, str) else record.operation


class Spending:
    """Account of one journal's credits, all its runs together.

    Spent is the greater of two sums: (a) the charges of all records, each at the price that was known when it was sent,
    without refunds; (b) the observed drops of the balance, where rises beyond those refunds are ignored as top-ups. A
    balance that is reported late, or topped up, makes (b) too small and leaves (a) as it is; a price that rises makes
    (a) too small and shows in (b).

    ``price_list`` are credits by operation; None where the price is unknown. ``charged`` is the sum of all charges.
    """

    def __init__(self, price_list: Mapping[str, float | None], charged: float = 0.0) -> None:
        self._price_list = price_list
        self.charged: float = charged
        self.balance: float | None = None
        """At the last reading; None before the first."""
        self.fallen: float = 0.0
        """Credits the balance fell from reading to reading, refunds of this journal's records taken off."""
        self.prices: dict[str, float] = {}
        """Learned prices, by pricing key."""
        self._doubtful: dict[str, float] = {}
        """Prices observed once that need a second observation: lower than the learned or far above the listed one."""
        self._late = 0.0
        """Charges that the balance did not show yet."""
        self._refunds_due = 0.0
        """Refunds that the balance did not show yet."""
        self._is_observed = False
        """False until the first reading of this run."""
        self._clear_interval()

    def _clear_interval(self) -> None:
        self._unread: Counter[str] = Counter()
        """Requests admitted since the last reading, by pricing key."""
        self._unread_credits = 0.0
        self._uncertain_credits = 0.0
        self._is_refunded = False

    @property
    def spent(self) -> float:
        """Credits spent, those of requests in flight included."""
        return max(self.charged, self.fallen + self._unread_credits)

    @property
    def is_stale(self) -> bool:
        """True when a new reading of the balance may change the account."""
        return not self._is_observed or bool(self._unread) or self._is_refunded

    def price(self, key: str) -> float:
        """Return the credits to charge for a request: the price list's or the learned ones, whichever are more."""
        return max(self._listed(key), self._learned(key) or 0.0)

    def fits(self, key: str, limit: float) -> bool:
        """Return whether another request keeps within the limit."""
        return self.spent + self.price(key) <= limit + TOLERANCE

    def needs_reading(self, key: str, limit: float) -> bool:
        """Return whether the balance must be read before another request: ever more often near the limit.

        The first request of each operation and model is the only one between two readings.
        """
        if not self._is_observed or not self._unread:
            return not self._is_observed
        keys = {key, *self._unread}
        if not all(self._learned(one) and one not in self._doubtful for one in keys):
            return True
        room = (limit - self.spent) / (max(map(self.price, keys)) * DEARER or 1.0)
        return self._unread.total() + 1 > min(MAX_UNREAD, room)

    def admit(self, key: str) -> float:
        """Count a request that is about to be sent, and return its charge."""
        charge = self.price(key)
        self.charged += charge
        self._unread[key] += 1
        self._unread_credits += charge
        return charge

    def withdraw(self, key: str, charge: float) -> None:
        """Take back the charge of a request that was certainly not accepted."""
        self.charged = max(0.0, self.charged - charge)
        self._unread[key] -= 1
        self._unread += Counter()
        self._unread_credits = max(0.0, self._unread_credits - charge)

    def note_uncertain(self, charge: float) -> None:
        """Note that a request may not have been accepted; its charge stays counted."""
        self._uncertain_credits += charge

    def refund(self, credits: float) -> None:
        """Take back a charge that was refunded; the balance may have shown it already, or show it later."""
        self.charged = max(0.0, self.charged - credits)
        shown = min(self._late, credits)
        self._late -= shown
        self._refunds_due += credits - shown
        self._is_refunded = True

    def read(self, balance: float) -> None:
        """Take a reading of the balance, made while no request was in flight."""
        if self.balance is None:
            # Only the charges show what was spent before the balance was first read.
            self.fallen = max(self.fallen, self.charged)
        else:
            self._compare(self.balance - balance)
        self.balance, self._is_observed = balance, True
        self._clear_interval()

    def _compare(self, fell: float) -> None:
        missing = self._late + self._expected() - fell
        # Where it fell less than was charged, refunds that are due may be why.
        shown = min(self._refunds_due, max(0.0, missing))
        is_disturbed = self._late or self._refunds_due or self._is_refunded or self._uncertain_credits
        is_conclusive = self._is_observed and not is_disturbed
        is_learned = is_conclusive and len(self._unread) == 1 and fell > TOLERANCE and self._learn(fell)
        self._refunds_due -= shown
        is_top_up = fell < -shown - TOLERANCE
        self.fallen = max(0.0, self.fallen + max(fell, -shown))
        if is_learned:
            self._late = 0.0
        elif not is_top_up:
            self._late = missing - shown if missing - shown > TOLERANCE else 0.0

    def _expected(self) -> float:
        """Return the expected drop of the balance since the last reading, without uncertain requests."""
        credits = sum(count * (self._learned(key) or self._listed(key)) for key, count in self._unread.items())
        return max(0.0, credits - self._uncertain_credits)

    def _learn(self, fell: float) -> bool:
        """Learn the price of the one operation that was charged; False where the balance seems to be late."""
        ((key, count),) = self._unread.items()
        price, learned = fell / count, self._learned(key)
        if count > 1 and price < (learned or self._listed(key)) - TOLERANCE:
            return False
        # Either may be caused by another program: by its refund, or its spending.
        is_lower = learned is not None and price < learned - TOLERANCE
        is_doubtful = is_lower or price > DEARER * self._listed(key)
        before = self._doubtful.pop(key, None)
        if not is_doubtful:
            self.prices[key] = price
        elif before is None or (before < (learned or 0.0)) != is_lower:
            self._doubtful[key] = price
        else:
            self.prices[key] = max(before, price)
        return True

    def _listed(self, key: str) -> float:
        listed = self._price_list.get(_operation(key))
        return UNLISTED_PRICE if listed is None else listed

    def _learned(self, key: str) -> float | None:
        # Older journals have learned prices by operation alone.
        return self.prices.get(key, self.prices.get(_operation(key)))

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the account as JSON, for the next run; ``now`` is in seconds since 1970."""
        return {
            "balance": self.balance,
            "charged": self.charged,
            "fallen": self.fallen,
            "prices": self.prices,
            "doubtful": self._doubtful,
            "late": self._late,
            "refunds_due": self._refunds_due,
            "at": now,
        }

    def restore(self, recalled: Mapping[str, Any], now: float) -> None:
        """Restore the account that an earlier run returned from ``to_json``; ``charged`` is set before."""
        self.balance = recalled["balance"]
        self.fallen = recalled["fallen"]
        self.prices = dict(recalled["prices"])
        self._doubtful = dict(recalled["doubtful"])
        # Requests sent after the last reading are not in it.
        late = recalled["late"] + max(0.0, self.charged - recalled["charged"])
        self._late = late if math.fabs(now - recalled["at"]) < LATE else 0.0
        self._refunds_due = recalled["refunds_due"]


def _operation(key: str) -> str:
    return key.partition(" ")[0]
