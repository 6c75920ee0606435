"""A journal as it is at one moment, for reports: the ``Snapshot`` protocol, and the function that takes one."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from musicapi_async._extras import require
from musicapi_async.bulk.paths import is_database, journal_path
from musicapi_async.bulk.records import Attempt, Record, State
from musicapi_async.bulk.sqlite.snapshot import JournalSnapshot

__all__ = ["Snapshot", "snapshot"]


class Snapshot(Protocol):
    """The contents of a journal at one moment, whatever its workers do meanwhile; for one thread.

    Every method raises JournalError when the journal cannot be read.
    """

    def records(self, states: Collection[State] | None = None) -> Iterator[Record]:
        """Yield the records in these states, or all, in their order; one is in memory at a time."""
        ...

    def states(self, keys: Sequence[str]) -> Mapping[str, State]:
        """Return the state of the record of each of these keys that the journal has, at most a thousand at once."""
        ...

    def counts(self) -> Mapping[State, int]:
        """Return the number of records in each state."""
        ...

    def extras(self) -> Sequence[Attempt]:
        """Return the attempts whose songs are paid for besides those of their records."""
        ...

    def overdue(self) -> int:
        """Return how many accepted records are overdue: not finished within the time limit of a run."""
        ...

    def corrected(self, count: int) -> tuple[int, list[str]]:
        """Return how many records of the active plan were sent with another request, and up to ``count`` of their keys.

        What they made stays; the request they are planned with now is sent only if they are sent again.
        """
        ...

    def has_lost_entries(self) -> bool:
        """Return whether entries are missing, as in a backup: the next run makes what is planned uncertain."""
        ...

    def recall(self, name: str) -> Any:
        """Return the value that is stored under a name, or None."""
        ...

    def holder(self) -> str | None:
        """Return a description of the processes that work on the journal now; None when there is none."""
        ...


def snapshot(journal: str | Path) -> AbstractContextManager[Snapshot]:
    """Return a journal's contents at the moment of entering, for a ``with`` statement.

    Entering raises JournalError when there is no journal, or it is something else, damaged, or of another version.
    """
    if not is_database(journal):
        return JournalSnapshot(journal_path(journal))
    require("asyncpg", "a journal in PostgreSQL", "cluster")
    from musicapi_async.bulk.postgres.snapshot import PostgresSnapshot  # noqa: PLC0415 - takes the extra

    return PostgresSnapshot(journal)
