"""The journal's tables, how older ones become today's, and rows to values and back."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from musicapi_async.bulk.states import Row, State
from musicapi_async.errors import JournalError

__all__ = ["APPLICATION", "COLUMNS", "VERSION", "prepare", "row_of"]

APPLICATION: Final = 0x4D757341
"""What marks the file as ours: ``MusA``."""
COLUMNS: Final = (
    "number, key, operation, request, state, task_id, attempts, reason, sent_at, accepted_at, ended_at, "
    "clips, files, refunds, charge, charged, overdue_at"
)

FIRST: Final = (
    """
    CREATE TABLE row (
        number INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        operation TEXT NOT NULL,
        request TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'planned' CHECK (state IN (
            'planned', 'sending', 'accepted', 'finished', 'saved', 'failed', 'refunded', 'uncertain', 'refused'
        )),
        task_id TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        reason TEXT,
        sent_at REAL,
        accepted_at REAL,
        ended_at REAL,
        clips TEXT,
        files TEXT
    )
    """,
    "CREATE INDEX row_by_state ON row (state, number)",
    "CREATE TABLE kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE progress (commits INTEGER NOT NULL, highest INTEGER NOT NULL)",
    "INSERT INTO progress VALUES (0, 0)",
)
SECOND: Final = (
    "ALTER TABLE row ADD COLUMN refunds INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE row ADD COLUMN plan INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE row ADD COLUMN plan_before INTEGER NOT NULL DEFAULT 0",
    "CREATE TABLE planning (newest INTEGER NOT NULL, started INTEGER NOT NULL)",
    "INSERT INTO planning VALUES (0, 0)",
)
THIRD: Final = (
    # Credits: the price of the last time it was sent, and what all its attempts have cost, refunds left out.
    "ALTER TABLE row ADD COLUMN charge REAL",
    "ALTER TABLE row ADD COLUMN charged REAL NOT NULL DEFAULT 0",
    # When its task passed the time limit of a run without an end.
    "ALTER TABLE row ADD COLUMN overdue_at REAL",
    # The request to send the next time, where its line was corrected after it was sent.
    "ALTER TABLE row ADD COLUMN next_operation TEXT",
    "ALTER TABLE row ADD COLUMN next_request TEXT",
    # 0 for a key given by the user, else the version of the rule that made it; the key under an older rule.
    "ALTER TABLE row ADD COLUMN key_version INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE row ADD COLUMN former_key TEXT",
    "ALTER TABLE progress ADD COLUMN journal_id TEXT",
)
STEPS: Final[Sequence[Sequence[str]]] = (FIRST, SECOND, THIRD)
"""What makes each version of the one before; never changed once released."""
VERSION: Final = len(STEPS)


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Make the tables, or bring older ones up to date.

    Raises JournalError when the file is something else, comes from a newer version, or is damaged.
    """
    try:
        version = _ask(connection, "PRAGMA user_version")
        is_ours = _ask(connection, "PRAGMA application_id") == APPLICATION
        if not is_ours and _ask(connection, "SELECT count(*) FROM sqlite_master"):
            raise JournalError(path, "it is another program's database")
        if version > VERSION:
            reason = f"it was written by a newer version of this package (its format {version}, known up to {VERSION})"
            raise JournalError(path, reason)
        if version and (told := _ask(connection, "PRAGMA quick_check(1)")) != "ok":
            raise JournalError(path, f"it is damaged: {told}")
        # FULL: with less, a commit can be lost when the power is cut. WAL: one flush to the disk for each.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # KiB: keys are in no order, and a million of them are looked up while they are planned.
        connection.execute("PRAGMA cache_size = -32768")
        if version < VERSION:
            _migrate(connection, version)
    except sqlite3.DatabaseError as error:
        raise JournalError(path, f"it cannot be read: {error}") from error


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for step in STEPS[version:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def row_of(found: Sequence[Any]) -> Row:
    """Read a row in the order of ``COLUMNS``."""
    number, key, operation, request, state, task_id, attempts, reason, *rest = found
    sent_at, accepted_at, ended_at, clips, files, refunds, charge, charged, overdue_at = rest
    known: State = state
    return Row(
        number=number,
        key=key,
        operation=operation,
        request=json.loads(request),
        state=known,
        task_id=task_id,
        attempts=attempts,
        refunds=refunds,
        charge=charge,
        charged=charged,
        reason=reason,
        sent_at=sent_at,
        accepted_at=accepted_at,
        ended_at=ended_at,
        overdue_at=overdue_at,
        clips=json.loads(clips) if clips else (),
        files=json.loads(files) if files else (),
    )


def _ask(connection: sqlite3.Connection, question: str) -> Any:
    return connection.execute(question).fetchone()[0]
