"""The ``Journal`` protocol, which stores records durably, and the names of the values beside them. No I/O."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeGuard

from musicapi_async.bulk.inbox import EventInbox
from musicapi_async.bulk.records import Attempt, Changes, Planned, Record, State
from musicapi_async.errors import JournalError

__all__ = [
    "INCOMPLETE",
    "OTHER_CHARGES",
    "OUT",
    "OUTPUT",
    "PAGE_SIZE",
    "PLAN",
    "SERVICE",
    "ClaimExpiredError",
    "Closable",
    "Journal",
    "RecordTakenError",
    "SharedJournal",
    "is_shared",
    "records_in",
]

PAGE_SIZE: Final = 200
"""Records that are read at once."""
INCOMPLETE: Final = "incomplete"
"""Name of the value that is true in a journal that has lost entries: what it does not know may have been sent."""
OTHER_CHARGES: Final = "other charges"
"""Name of the value that holds the credits charged for requests that have no record."""
OUT: Final = "out"
"""Name of the value that holds the folder of the last run, or its address, where a report finds the songs."""
PLAN: Final = "plan"
"""Name of the value that holds the options of the plan."""
SERVICE: Final = "service"
"""Name of the value that holds the host of the service that the journal's tasks run on."""

OUTPUT: Final = "output"
"""Name of the value that holds the address where the files of the last run are; None where they are in a folder."""


class RecordTakenError(JournalError):
    """A record was changed by another worker, or by the user, and is not this worker's any more."""


class ClaimExpiredError(JournalError):
    """A claimed record was not sent in time, and may not be sent on this claim: another worker may have it."""


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
    def inbox(self) -> EventInbox:
        """The events of its tasks that were received and not handled yet."""
        ...

    @property
    def work_folder(self) -> Path:
        """The local folder in which files are completed before they are uploaded; it need not exist."""
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

    async def turn(self) -> None:
        """Wait until it may be a submission's turn within the limits that the journal keeps for all its workers."""
        ...

    async def start_sending(self, record: Record, changes: Changes) -> Record | None:
        """Claim a planned record: change its state to ``sending``, and return it as it is now.

        None while a limit of the plan is reached: ``turn`` comes first again. Raises RecordTakenError when the record
        is not planned any more.
        """
        ...

    def check_claim(self, record: Record) -> None:
        """Raise ClaimExpiredError when a claimed record may not be sent any more, right before its first byte."""
        ...

    async def slow_down(self, seconds: float) -> None:
        """Have no record sent for so many seconds: the service has refused one by a 429."""
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

    async def attempt(self, reference: str) -> Attempt | None:
        """Return the attempt with a reference; None when the journal has none."""
        ...

    async def open_references(self, count: int) -> Sequence[str]:
        """Return the references of uncertain records, and the last ``count`` of earlier attempts without a task."""
        ...

    async def has_task(self, task_id: str, besides: str) -> bool:
        """Return whether a task is that of a record, or of an attempt other than the one of reference ``besides``."""
        ...

    async def extras(self) -> Sequence[Attempt]:
        """Return the attempts whose songs are paid for besides those of their records."""
        ...

    async def record_extra(self, reference: str, task_id: str, files: Sequence[str] | None = None) -> None:
        """Record the task of an attempt whose song is paid for besides, and its files when they are saved."""
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

    async def remember_once(self, name: str, value: object) -> Any:
        """Store a JSON value under a name that has none, and return the stored one: the same for all workers."""
        ...

    async def recall(self, name: str) -> Any:
        """Return the value stored under a name, or None."""
        ...


class SharedJournal(Journal, Protocol):
    """Journal that several workers use at once; a run joins it as one of them."""

    async def join(self, on_change: Callable[[], object] | None = None) -> None:
        """Register as a worker, and record the ids that an earlier one could not record.

        ``on_change`` is called when there may be something to claim, or nothing left; a hint, which may be missed.
        """
        ...

    async def beat(self, name: str) -> tuple[Sequence[Record], Any]:
        """Send a heartbeat; return records whose tasks this worker has to collect now, and the value under a name.

        The worker of these records has stopped, or has given them back.
        """
        ...

    def hurry(self) -> None:
        """Wait for a lost database no longer than a few seconds from now: the worker ends."""
        ...

    async def leave(self) -> None:
        """Give back what this worker has, for others to resume."""
        ...

    async def is_left(self) -> bool:
        """Return whether there is something to send or to collect, by any worker."""
        ...

    async def charge_besides(self, credits: float) -> None:
        """Count the credits of a paid request that has no record; raises BudgetExceededError above the limit."""
        ...

    def limit(self, *, in_flight: int, max_credits: float | None, create_rate: float | None) -> None:
        """Set the limits of the plan, which hold over all workers."""
        ...


def is_shared(journal: Journal) -> TypeGuard[SharedJournal]:
    """Return whether several workers may use a journal at once."""
    return hasattr(journal, "beat")


async def records_in(journal: Journal, state: State, *, in_current_plan: bool = False) -> AsyncGenerator[Record, None]:
    """Yield a journal's records in a state, in their order; only those of the active plan if ``in_current_plan``."""
    after = 0
    while found := await journal.records(state, after, PAGE_SIZE, in_current_plan=in_current_plan):
        for record in found:
            yield record
        after = found[-1].number
