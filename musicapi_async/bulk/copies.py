"""Contents of a journal as they are copied into another one: whole records, attempts and values. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import attrs

from musicapi_async.bulk.inbox import EventInbox
from musicapi_async.bulk.records import Planned, Record, State

__all__ = [
    "COPY",
    "MOVED",
    "CopiedAttempt",
    "CopiedRecord",
    "CopySource",
    "CopyTarget",
    "CopyingStore",
    "moved_reason",
    "refusal_of",
    "unfinished_reason",
]

COPY: Final = "copy"
"""Name of the value that holds the id of the journal that this one is an unfinished copy of."""
MOVED: Final = "moved"
"""Name of the value that says where the records of a journal that is closed for good have moved."""


@attrs.frozen(kw_only=True)
class CopiedRecord:
    """A record with what its journal keeps besides."""

    record: Record
    in_current_plan: bool
    """True if it is in the active plan."""
    correction: Planned | None
    """The request that is sent if it is ever sent again; None where that is its own."""


@attrs.frozen(kw_only=True)
class CopiedAttempt:
    """A submission of a record whose events the service reports."""

    reference: str = attrs.field(repr=False)
    number: int
    """The number of its record."""
    task_id: str | None
    taken_back: float | None
    """The charge that was taken back, since it was not accepted as far as was known; None where none was."""
    is_extra: bool
    files: Sequence[str] | None


class CopyingStore(Protocol):
    """A journal that is copied, or that a copy is made in; it opens also while it is closed or an unfinished copy.

    Every method raises JournalError when the journal cannot be read or written.
    """

    @property
    def name(self) -> str:
        """The name of the journal in error messages, without a password."""
        ...

    @property
    def inbox(self) -> EventInbox:
        """The events of its tasks that were received and not handled yet."""
        ...

    async def counts(self) -> Mapping[State, int]:
        """Return the number of records in each state."""
        ...

    async def total_charged(self) -> float:
        """Return the credits that all records have, or may have, cost, without refunds."""
        ...

    async def recall(self, name: str) -> Any:
        """Return the value stored under a name, or None."""
        ...


class CopySource(CopyingStore, Protocol):
    """A journal that is copied."""

    async def identity(self) -> str:
        """Return the id of the journal, which no other has."""
        ...

    async def activate_plan(self, plan: int | None = None) -> int:
        """Return the number of the active plan."""
        ...

    async def copied_records(self, after: int, count: int) -> Sequence[CopiedRecord]:
        """Return records in their order, at most ``count`` with numbers above ``after``."""
        ...

    async def copied_attempts(self) -> Sequence[CopiedAttempt]:
        """Return all attempts, in their order."""
        ...

    async def copied_values(self) -> Mapping[str, Any]:
        """Return all values by their names."""
        ...

    async def close_for_good(self, place: str) -> None:
        """Have ``open`` refuse the journal from now on, and say that its records moved to this place."""
        ...


class CopyTarget(CopyingStore, Protocol):
    """A journal that a copy is made in; records, attempts and values are added in this order."""

    async def begin_copy(self, identity: str, plan: int) -> None:
        """Become an unfinished, empty copy of the journal with this id; ``plan`` is the number of its active plan.

        From now on ``open`` refuses the journal, until ``end_copy``, and ``recall(COPY)`` returns the id. An unfinished
        copy of the same journal is emptied first. Raises JournalError when the journal has any other contents; they
        stay as they are.
        """
        ...

    async def add_records(self, records: Sequence[CopiedRecord]) -> None:
        """Insert records under their own numbers."""
        ...

    async def add_attempts(self, attempts: Sequence[CopiedAttempt]) -> None:
        """Insert attempts, in their order."""
        ...

    async def add_values(self, values: Mapping[str, Any]) -> None:
        """Store values under their names."""
        ...

    async def end_copy(self) -> None:
        """Make the copy a journal like any other."""
        ...


def refusal_of(unfinished: object, identity: str, *, is_empty: bool) -> str | None:
    """Return why a journal cannot become a copy of the journal with this id; None when it can.

    ``unfinished`` is the id of the journal that it is an unfinished copy of; None when it is no such copy.
    """
    if unfinished is None and not is_empty:
        return "it is not empty: a journal is copied into a new one"
    if unfinished not in {None, identity}:
        return "it is the unfinished copy of another journal: copy into a new one"
    return None


def moved_reason(place: object) -> str:
    """Return why a journal that is closed for good cannot be used."""
    return f"its records were moved to {place}, and it is closed for good: use that one"


def unfinished_reason() -> str:
    """Return why an unfinished copy cannot be used."""
    return (
        "it is the unfinished copy of another journal: run the same 'musicapi bulk copy' again, which completes it, or "
        "keep using the other one, unless that says that it is closed"
    )
