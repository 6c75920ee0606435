"""Moving of a journal into another one, such as from a file into a database: all or nothing, and never both usable."""

import os
from contextlib import AbstractAsyncContextManager
from typing import Final

from musicapi_async._extras import require
from musicapi_async.bulk.copies import COPY, MOVED, CopySource, CopyTarget, moved_reason
from musicapi_async.bulk.inbox import MAX_AGE
from musicapi_async.bulk.journal import INCOMPLETE
from musicapi_async.bulk.paths import is_database
from musicapi_async.bulk.sqlite.copying import CopyingJournal
from musicapi_async.errors import JournalError

__all__ = ["copy_journal", "open_copy", "open_for_copy"]

RECORDS_AT_ONCE: Final = 1000
LOST_ENTRIES: Final = (
    "it has lost entries, so that requests which it does not know may have been sent: state that none was "
    "('musicapi bulk resolve ... --not-sent --all'), then copy it"
)
TOLERANCE: Final = 1e-6
"""Credits: sums of decimal fractions in another order differ by less."""


def open_copy(journal: str | os.PathLike[str]) -> AbstractAsyncContextManager[CopyTarget]:
    """Return a journal to copy into, in a file or a database, which also opens while it is an unfinished copy."""
    if not is_database(journal):
        return open_for_copy(journal)
    require("asyncpg", "a journal in PostgreSQL", "cluster")
    from musicapi_async.bulk.postgres.copying import PostgresCopy  # noqa: PLC0415 - takes the extra

    return PostgresCopy(journal)


def open_for_copy(journal: str | os.PathLike[str], *, is_current: bool | None = None) -> CopyingJournal:
    """Return the journal in a file to copy, which also opens while it is closed or an unfinished copy."""
    return CopyingJournal(journal, is_current=is_current)


async def copy_journal(source: CopySource, target: CopyTarget, place: str) -> int:
    """Move all contents of a journal into an empty one, and return the number of records.

    The target is refused by ``open`` until its copy is complete and the source is closed for good; ``place`` says then
    where the records are. Interrupted at any moment, either the source is usable as before, or calling this again
    completes the copy; at no moment are both usable.

    Raises JournalError when the target has other contents, the source was moved elsewhere or has lost entries, or one
    of them cannot be read or written.
    """
    identity = await source.identity()
    moved_to = await source.recall(MOVED)
    if moved_to is not None:
        # The source is closed after the copy is complete.
        if await target.recall(COPY) != identity:
            raise JournalError(source.name, moved_reason(moved_to))
    else:
        if await source.recall(INCOMPLETE):
            raise JournalError(source.name, LOST_ENTRIES)
        await target.begin_copy(identity, await source.activate_plan())
        await _copy_contents(source, target)
        await _compare(source, target)
        await source.close_for_good(place)
    await target.end_copy()
    return sum((await target.counts()).values())


async def _copy_contents(source: CopySource, target: CopyTarget) -> None:
    await _copy_events(source, target)
    after = 0
    while records := await source.copied_records(after, RECORDS_AT_ONCE):
        await target.add_records(records)
        after = records[-1].record.number
    await target.add_attempts(await source.copied_attempts())
    await target.add_values(await source.copied_values())


async def _copy_events(source: CopySource, target: CopyTarget) -> None:
    """Copy the events that no run has taken yet: one may name the task of an uncertain record."""
    for name in await source.inbox.names(MAX_AGE):
        event = await source.inbox.read(name)
        if event is not None:
            await target.inbox.put(event)


async def _compare(source: CopySource, target: CopyTarget) -> None:
    """Raise JournalError unless both have the same records and the same spending."""
    counts, charged = await source.counts(), await source.total_charged()
    if await target.counts() != counts or abs(await target.total_charged() - charged) > TOLERANCE * max(1.0, charged):
        raise JournalError(target.name, f"its copy of {source.name} differs from it: nothing was moved")
