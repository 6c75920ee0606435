"""Local record of submissions and balances, used to judge whether an uncertain submission was charged."""

from datetime import UTC, datetime
from typing import Final

import attrs

from musicapi_async.errors import UncertainSubmissionError
from musicapi_async.results import Evidence

__all__ = ["AccountActivity"]

MAX_TASKS: Final = 100_000
"""The number of task ids that are remembered; beyond it tasks are only counted."""


@attrs.define(eq=False)
class AccountActivity:
    """The last balance that was read, the submissions since then, and the tasks whose credits may yet be refunded."""

    balance: float | None = None
    balance_at: datetime | None = None
    accepted: int = 0
    """Paid requests that were accepted since the balance was read."""
    uncertain: int = 0
    """Paid requests since then whose outcome is unknown."""
    _failed: int = 0
    """Tasks that failed since then, as observed by this client."""
    _unfinished: set[str] = attrs.field(factory=set)
    """Tasks whose end this client has not observed."""
    _unnamed: int = 0
    """Submissions whose task id is unknown or no longer remembered: their end cannot be observed."""
    _in_flight: int = 0
    _changes: int = 0

    def begin_submission(self) -> None:
        """Count a paid request that may be sent now."""
        self._in_flight += 1
        self._changes += 1

    def end_submission(self) -> None:
        """Count the response to a paid request, or its failure."""
        self._in_flight -= 1

    def record_accepted(self) -> None:
        """Count a paid request that was accepted."""
        self.accepted += 1

    def record_uncertain(self) -> None:
        """Count a paid request that may or may not have been accepted."""
        self.uncertain += 1

    def record_tasks(self, *task_ids: str) -> None:
        """Record tasks that may still fail; the credits of a failed task are refunded."""
        for task_id in task_ids:
            if len(self._unfinished) < MAX_TASKS:
                self._unfinished.add(task_id)
            elif task_id not in self._unfinished:
                self._unnamed += 1

    def record_unnamed_task(self) -> None:
        """Record a request that may have started a task whose id is unknown."""
        self._unnamed += 1

    def record_end(self, task_id: str, *, is_failed: bool) -> None:
        """Record the end of a task."""
        if task_id in self._unfinished:
            self._unfinished.discard(task_id)
            self._failed += is_failed
            self._changes += is_failed

    def snapshot(self) -> int | None:
        """Return a counter of balance changes for ``record_balance``; None while a paid request is in flight."""
        return None if self._in_flight else self._changes

    def record_balance(self, balance: float, snapshot: int | None) -> None:
        """Record a balance to compare with, unless it may have changed while it was read."""
        if snapshot != self._changes:
            return
        self.balance = balance
        self.balance_at = datetime.now(UTC)
        # An uncertain submission that was accepted may still fail.
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
