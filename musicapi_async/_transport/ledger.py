"""What a client knows of an account without asking: for whoever looks into an uncertain request."""

from datetime import UTC, datetime
from typing import Final

import attrs

from musicapi_async.errors import UncertainSubmissionError
from musicapi_async.results import Evidence

__all__ = ["Ledger"]

MOST: Final = 100_000
"""So many tasks are remembered; of more it is only known that there are some."""


@attrs.define
class Ledger:
    """The balance that was last asked for, what was paid for since, and what may yet give its credits back."""

    balance: float | None = None
    seen_at: datetime | None = None
    accepted: int = 0
    """Paid requests that were accepted since the balance was seen."""
    uncertain: int = 0
    """Those of which nobody can tell."""
    _failed: int = 0
    """Tasks that were seen to fail since then."""
    _unfinished: set[str] = attrs.field(factory=set)
    """Tasks that were not seen to end."""
    _untold: int = 0
    """What was paid for, or may have been, and will not be seen to end."""
    _in_the_air: int = 0
    _moves: int = 0

    def send(self) -> None:
        """Count a paid request that may leave now."""
        self._in_the_air += 1
        self._moves += 1

    def arrive(self) -> None:
        """Count its answer, or that there will be none."""
        self._in_the_air -= 1

    def accept(self) -> None:
        """Count a paid request that was accepted."""
        self.accepted += 1

    def doubt(self) -> None:
        """Count one of which nobody can tell."""
        self.uncertain += 1

    def start(self, *task_ids: str) -> None:
        """Note tasks that may still fail, and give their credits back then."""
        for task_id in task_ids:
            if len(self._unfinished) < MOST:
                self._unfinished.add(task_id)
            elif task_id not in self._unfinished:
                self._untold += 1

    def start_untold(self) -> None:
        """Note what may have started a task whose id nobody knows here."""
        self._untold += 1

    def end(self, task_id: str, *, is_failed: bool) -> None:
        """Note that a task was seen to end."""
        if task_id in self._unfinished:
            self._unfinished.discard(task_id)
            self._failed += is_failed
            self._moves += is_failed

    def mark(self) -> int | None:
        """Return what tells, when a balance has come, whether nothing of this client has moved it meanwhile."""
        return None if self._in_the_air else self._moves

    def see(self, balance: float, mark: int | None) -> None:
        """Take a balance as the one to compare with, unless it was moved while it was asked for."""
        if mark != self._moves:
            return
        self.balance = balance
        self.seen_at = datetime.now(UTC)
        # One that was accepted without our knowing may still fail.
        self._untold += self.uncertain
        self.accepted = self.uncertain = self._failed = 0

    def evidence(self, error: UncertainSubmissionError, balance: float, mark: int | None) -> Evidence:
        """Set a balance against the last one that was seen before an uncertain request."""
        is_known = mark == self._moves and self.seen_at is not None and self.seen_at == error.balance_at
        return Evidence(
            before=error.balance,
            before_at=error.balance_at,
            after=balance,
            accepted=self.accepted if is_known else None,
            uncertain=self.uncertain if is_known else None,
            unfinished=len(self._unfinished) + self._untold + self._failed if is_known else None,
        )
