"""Entries that an opened journal has lost, by the mark beside it, and the rows that are uncertain because of it."""

import sqlite3
from typing import Final

from musicapi_async.bulk.lock import Mark
from musicapi_async.bulk.schema import TAKE_OVER, ask
from musicapi_async.bulk.states import INCOMPLETE

__all__ = [
    "LOST_WITH_ITS_PROCESS",
    "LOST_WITH_THE_DISK",
    "is_complete_by",
    "is_incomplete",
    "read_progress",
    "recover",
]

LOST_WITH_ITS_PROCESS: Final = "its process ended before the answer came"
LOST_WITH_THE_DISK: Final = "the journal has lost entries: it may have been sent"
TO_UNCERTAIN: Final = "UPDATE row SET state = 'uncertain', reason = ?"


def is_incomplete(connection: sqlite3.Connection) -> bool:
    """Return whether the journal has lost entries, and its user has not settled what became of them."""
    found = connection.execute("SELECT value FROM kept WHERE name = ?", (INCOMPLETE,)).fetchone()
    return found is not None and found[0] == "true"


def read_progress(connection: sqlite3.Connection) -> tuple[Mark, bool]:
    """Return the journal's own mark, and whether it has ever sent anything."""
    commits, highest, journal_id = connection.execute("SELECT commits, highest, journal_id FROM progress").fetchone()
    statement = "SELECT EXISTS (SELECT 1 FROM row WHERE state > 'planned' OR state < 'planned')"
    has_sent = highest > 0 or bool(ask(connection, statement))
    return Mark(commits, highest, journal_id), has_sent


def is_complete_by(left: Mark | None, own: Mark, *, has_sent: bool) -> bool | None:
    """Return whether a journal has all its entries, by the mark that was left beside it; None where that is unknown.

    An older mark is fine: it is not flushed to the disk, so that it is older after every power cut. One that is ahead,
    or another journal's, means that entries are missing, unless neither journal has ever sent anything.
    """
    if left is None:
        return None if has_sent else True
    if left.journal_id is not None and left.journal_id != own.journal_id:
        return not (has_sent or left.highest > 0)
    return not (left.commits > own.commits and left.highest > 0)


def recover(connection: sqlite3.Connection, left: Mark | None, *, is_complete: bool) -> tuple[Mark, int]:
    """Make uncertain what may have been sent: what was being sent, and what waits in a journal that has lost entries.

    Returns the mark to go on from, and how many rows are uncertain now that were not.
    """
    own, _ = read_progress(connection)
    is_own = left is not None and left.journal_id in {None, own.journal_id}
    mark = own
    if left is not None and is_own:
        mark = Mark(max(left.commits, own.commits), max(left.highest, own.highest), own.journal_id)
    connection.execute(
        f"UPDATE row INDEXED BY row_to_correct SET {TAKE_OVER} "  # noqa: S608 - names of ours
        "WHERE next_request IS NOT NULL AND state = 'planned'"
    )
    # Of plans that were never started.
    connection.execute("DELETE FROM correction")
    cut_off = connection.execute(f"{TO_UNCERTAIN} WHERE state = 'sending'", (LOST_WITH_ITS_PROCESS,)).rowcount
    if not is_complete:
        # Numbers say nothing once lines have moved: whatever waits may have been sent, and what is planned later too.
        # It has no charge: the one it has is of an attempt before.
        statement = f"{TO_UNCERTAIN}, charge = NULL WHERE state IN ('planned', 'refunded')"
        cut_off += connection.execute(statement, (LOST_WITH_THE_DISK,)).rowcount
        connection.execute("INSERT OR REPLACE INTO kept VALUES (?, 'true')", (INCOMPLETE,))
    return mark, cut_off
