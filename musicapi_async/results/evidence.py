"""What an account's balance says of a request that may have been paid for."""

from datetime import datetime
from typing import Literal

import attrs

from musicapi_async.results.base import Result

__all__ = ["Evidence"]


@attrs.frozen(kw_only=True)
class Evidence(Result):
    """The balance before and after an uncertain request: ``await client.look_into(error)``.

    - ``before``: the credits this client saw when it was last asked for them before the request, at ``before_at``; None
      when it never was, or only while a paid request was under way. ``after``: the credits now.
    - ``accepted``: paid requests of this client that were accepted since ``before``; ``uncertain``: those of which
      nobody can tell, this one included. ``unfinished``: what may still fail and give back its credits, or has since:
      tasks this client knows of and has not seen to end, older uncertain requests, and what ``client.request`` posted.
      None where the balance was asked for again meanwhile, or a paid request was under way.

    A balance is evidence, no proof: others may use the account, and a failed task gives its credits back.
    """

    before: float | None
    before_at: datetime | None
    after: float
    accepted: int | None
    uncertain: int | None
    unfinished: int | None

    @property
    def spent(self) -> float | None:
        """The credits that have gone since ``before``; None when that is not known."""
        return None if self.before is None else self.before - self.after

    @property
    def verdict(self) -> Literal["charged", "not charged", "unclear"]:
        """What the balance says: only where nothing else can have changed it, as far as this client knows."""
        if self.spent is None or self.accepted != 0 or self.unfinished != 0:
            return "unclear"
        if self.spent == 0:
            return "not charged"
        return "charged" if self.spent > 0 and self.uncertain == 1 else "unclear"
