"""Evidence of an account's balance on a request that may have been charged."""

from datetime import datetime
from typing import Literal

import attrs

from musicapi_async.results.base import Result

__all__ = ["Evidence"]


@attrs.frozen(kw_only=True)
class Evidence(Result):
    """The balance before and after an uncertain request: ``await client.look_into(error)``.

    - ``before``: the balance that this client last fetched before the request, at ``before_at``; None when it was never
      fetched, or only while a paid request was in flight. ``after``: the balance now.
    - ``accepted``: paid requests of this client accepted since ``before``; ``uncertain``: those with an unknown
      outcome, including this one. ``unfinished``: requests that may still be refunded, or were since: unfinished tasks
      of this client, older uncertain requests, and POSTs by ``client.request``. All three are None where the balance
      was fetched again meanwhile, or a paid request was in flight.

    A balance is evidence, not proof: other programs may use the account, and a failed task is refunded.
    """

    before: float | None
    before_at: datetime | None
    after: float
    accepted: int | None
    uncertain: int | None
    unfinished: int | None

    @property
    def spent(self) -> float | None:
        """The credits spent since ``before``; None when that is unknown."""
        return None if self.before is None else self.before - self.after

    @property
    def verdict(self) -> Literal["charged", "not charged", "unclear"]:
        """The conclusion from the balance; ``unclear`` where something else may have changed it."""
        if self.spent is None or self.accepted != 0 or self.unfinished != 0:
            return "unclear"
        if self.spent == 0:
            return "not charged"
        return "charged" if self.spent > 0 and self.uncertain == 1 else "unclear"
