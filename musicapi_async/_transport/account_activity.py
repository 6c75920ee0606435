"""Local record of submissions and balances, used to judge whether an uncertain submission was charged."""

from datetime import UTC, datetime
from typing import Final

import attrs

from musicapi_async.errors import UncertainSubmissionError
from musicapi_async.results import Evidence

__all__ = ["AccountActivity"]

MOST: Final = 100_000
"""So many tasks are remembered; of more it is only known that there are some."""


@attrs.define
class AccountActivity:
    """The last balance that was read, the submissions since then, and the tasks whose credits may yet be refunded."""

    balance: float | None = None
    balance_at: datetime | None = None
    accepted: int = 0
    """Paid requests that were accepted since the balance was seen."""
    uncertain: int = 0
    """Those that may or may not have been accepted."""
    _failed: int = 0
    """Tasks that were seen to fail since then."""
    _unfinished: set[str] = attrs.field(factory=set)
    """Tasks that were not seen to end."""
    _unnamed: int = 0
    """Submissions whose task is not known here, or not remembered: their end will not be seen."""
    _in_flight: int = 0
    _changes: int = 0

    def begin_submission(self) -> None:
        """Count a paid request that may be sent now."""
        self._in_flight += 1
        self._changes += 1

    def end_submission(self) -> None:
        """Count its response, or that there will be none."""
        self._in_flight -= 1

    def record_accepted(self) -> None:
        """Count a paid request that was accepted."""
        self.accepted += 1

    def record_uncertain(self) -> None:
        """Count one that may or may not have been accepted."""
        self.uncertain += 1

    def record_tasks(self, *task_ids: str) -> None:
        """Note tasks that may still fail, and whose credits are refunded then."""
        for task_id in task_ids:
            if len(self._unfinished) < MOST:
                self._unfinished.add(task_id)
            elif task_id not in self._unfinished:
                self._unnamed += 1

    def record_unnamed_task(self) -> None:
        """Note a request that may have started a task whose id is not known here."""
        self._unnamed += 1

    def record_end(self, task_id: str, *, is_failed: bool) -> None:
        """Note that a task was seen to end."""
        if task_id in self._unfinished:
            self._unfinished.discard(task_id)
            self._failed += is_failed
            self._changes += is_failed

    def snapshot(self) -> int | None:
        """Return what ``record_balance`` compares with: whether this client has changed the balance meanwhile."""
        return None if self._in_flight else self._changes

    def record_balance(self, balance: float, snapshot: int | None) -> None:
        """Keep a balance to compare with, unless it was changed while it was read."""
        if snapshot != self._changes:
            return
        self.balance = balance
        self.balance_at = datetime.now(UTC)
        # One that was accepted without our knowing may still fail.
        self._unnamed += self.uncertain
        self.accepted = self.uncertain = self._failed = 0

    def evidence(self, error: UncertainSubmissionError, balance: float, snapshot: int | None) -> Evidence:
        """Compare a balance with the last one that was read before an uncertain submission."""
        is_known = snapshot == self._changes and self.balance_at is not None and self.balance_at == error.balance_at
        return Evidence(
            before=error.balance,
            before_at=error.balance_at,
            after=balance,
            accepted=self.accepted if is_known else None,
            uncertain=self.uncertain if is_known else None,
            unfinished=len(self._unfinished) + self._unnamed + self._failed if is_known else None,
        )
