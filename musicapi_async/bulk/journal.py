"""The ``Journal`` protocol: a durable store of records, which a run works on."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final, Protocol

from musicapi_async.bulk.records import Changes, Planned, Record, State

__all__ = ["INCOMPLETE", "NO_CHANGES", "PAGE_SIZE", "SERVICE", "Closable", "Journal", "records_in"]

PAGE_SIZE: Final = 200
"""Records that are read at once."""
NO_CHANGES: Final = Changes()
INCOMPLETE: Final = "incomplete"
"""Name of the value that is true in a journal that has lost entries: what it does not know may have been sent."""
SERVICE: Final = "service"
"""Name of the value that holds the host of the service that the journal's tasks run on."""


class Closable(Protocol):
    """A run on a journal, which is closed before the journal is."""

    async def aclose(self) -> None:
        """Stop the run at once."""
        ...


class Journal(Protocol):
    """Durable store of records. A transition that was awaited survives everything after it, a power cut included."""

    @property
    def name(self) -> str:
        """The name of the journal in error messages."""
        ...

    @property
    def runs(self) -> "set[Closable]":
        """The runs to close before the journal is closed."""
        ...

    async def new_plan(self) -> int:
        """Return the number of a new plan."""
        ...

    async def plan(self, requests: Sequence[Planned], plan: int | None = None) -> int:
        """Add requests to a plan, by default the active one; return how many of them were new.

        A key that the journal has already is not added again. Once the plan is active, the record's request is the one
        given now; a record that was sent keeps the request as it was sent, and the one given now is used if it is ever
        sent again. Raises InvalidRequestError for a key that is in a new plan already.
        """
        ...

    async def activate_plan(self, plan: int | None = None) -> int:
        """Have ``claim`` begin again with the records of this plan alone, or of the last one; return its number."""
        ...

    async def claim(self, count: int) -> Sequence[Record]:
        """Return the next planned records that were not claimed yet, at most ``count``."""
        ...

    async def transition(self, record: Record, state: State, changes: Changes = ...) -> Record:
        """Change the state of a record, with further changes, and return it as it is now.

        Raises JournalError when the transition is not allowed, or the record is not in the state it is passed with.
        """
        ...

    async def update(self, record: Record, changes: Changes) -> Record:
        """Apply changes to a record that stays in its state, and return it as it is now."""
        ...

    async def records(
        self, state: State, after: int = 0, count: int = 1000, *, in_current_plan: bool = False
    ) -> Sequence[Record]:
        """Return records in a state, in their order, at most ``count`` with numbers above ``after``.

        With ``in_current_plan`` only those that the active plan asks for.
        """
        ...

    async def counts(self) -> Mapping[State, int]:
        """Return the number of records in each state."""
        ...

    async def charged(self) -> Mapping[str, int]:
        """Return how often each operation was, or may have been, paid for, without refunds."""
        ...

    async def charge_unpriced(self, prices: Mapping[str, float]) -> None:
        """Charge the attempts of records that have no charge of their own, at these prices by operation."""
        ...

    async def total_charged(self) -> float:
        """Return the credits that all records have, or may have, cost, without refunds."""
        ...

    async def remember(self, name: str, value: object) -> None:
        """Store a JSON value under a name, for later runs."""
        ...

    async def recall(self, name: str) -> Any:
        """Return the value stored under a name, or None."""
        ...


async def records_in(journal: Journal, state: State, *, in_current_plan: bool = False) -> AsyncGenerator[Record, None]:
    """Yield a journal's records in a state, in their order; only those of the active plan if ``in_current_plan``."""
    after = 0
    while found := await journal.records(state, after, PAGE_SIZE, in_current_plan=in_current_plan):
        for record in found:
            yield record
        after = found[-1].number
