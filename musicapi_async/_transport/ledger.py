"""What a client knows of an account without asking: for whoever looks into an uncertain request."""

from datetime import UTC, datetime

import attrs

__all__ = ["Ledger"]


@attrs.define
class Ledger:
    """The balance that was last asked for, and what was paid for since."""

    balance: float | None = None
    seen_at: datetime | None = None
    accepted: int = 0
    """Paid requests that were accepted since the balance was seen."""
    uncertain: int = 0
    """Those of which nobody can tell."""
    unfinished: int = 0
    """Tasks that were started and not seen to end: one that fails gives its credits back."""
    failed: int = 0
    """Tasks that were seen to fail since the balance was seen."""

    def see(self, balance: float) -> None:
        """Note a balance that the user has asked for."""
        self.balance = balance
        self.seen_at = datetime.now(UTC)
        self.accepted = self.uncertain = self.failed = 0

    def end(self, *, is_failed: bool) -> None:
        """Count a task that was seen to end."""
        self.unfinished -= 1
        self.failed += is_failed
