"""Evidence from the account's balance about a request that may have been charged."""

from datetime import datetime
from typing import Literal

import attrs

from musicapi_async.results.base import Result

__all__ = ["Evidence"]


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Evidence(Result):
    """The balance before and after an uncertain request, as returned by ``await client.investigate(error)``.

    A balance is evidence, not proof: others may use the account, and the credits of a failed task are refunded.
    The counts are None where the balance was checked again since, or a paid request was in flight during a check.

    ```python
    from musicapi_sync import MusicAPI, errors

    with MusicAPI() as client:
        client.account.credits()  # a balance to compare with
        try:
            task = client.sonic.describe(description="lofi rain")
        except errors.UncertainSubmissionError as error:
            evidence = client.investigate(error)
            print(evidence.verdict, evidence.spent)
    ```
    """

    before: float | None
    """All credits at the last balance check before the request; None when this client had made none, or only while a
    paid request was in flight."""
    before_at: datetime | None
    """Time of that check, in UTC; None together with ``before``."""
    after: float
    """All credits now."""
    accepted: int | None
    """Number of paid requests of this client that were accepted since ``before``."""
    uncertain: int | None
    """Number of paid requests of this client since ``before`` that may or may not have been accepted, this one
    included."""
    unfinished: int | None
    """Number of possible refunds: tasks this client knows of and has not seen end, tasks that have failed since
    ``before``, older uncertain requests, and requests posted by ``client.request``."""

    @property
    def spent(self) -> float | None:
        """Credits that have been spent since ``before``; negative if the balance has risen, None without ``before``."""
        return None if self.before is None else self.before - self.after

    @property
    def verdict(self) -> Literal["charged", "not charged", "unclear"]:
        """``charged`` or ``not charged`` where nothing else can have changed the balance, as far as this client knows.

        ``unclear`` in all other cases.
        """
        if self.spent is None or self.accepted != 0 or self.unfinished != 0:
            return "unclear"
        if self.spent == 0:
            return "not charged"
        return "charged" if self.spent > 0 and self.uncertain == 1 else "unclear"
