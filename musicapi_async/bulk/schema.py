"""Tables of the journal's file, the migrations from older formats, and the conversion of rows to records."""

import json
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from musicapi_async.bulk.keys import AUTOMATIC_KEY, KEY_VERSION, digest_of, fields_in
from musicapi_async.bulk.records import Record, State
from musicapi_async.errors import JournalError

__all__ = [
    "APPLICATION",
    "COLUMNS",
    "TAKE_OVER",
    "VERSION",
    "prepare",
    "record_of",
    "select_value",
    "to_json",
    "to_text",
]

APPLICATION: Final = 0x4D757341
"""Application id of the file, ``MusA`` as a number."""
COLUMNS: Final = (
    "number, key, operation, request, state, task_id, attempts, reason, sent_at, accepted_at, ended_at, "
    "clips, files, refunds, charge, charged, overdue_at, key_version, former_key"
)
TAKE_OVER: Final = (
    "operation = coalesce(next_operation, operation), request = coalesce(next_request, request), "
    "next_operation = NULL, next_request = NULL"
)
"""Assignments of an UPDATE that make the corrected request the one to send."""

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


def _compute_keys(connection: sqlite3.Connection) -> None:
    """Give the rows with automatic keys of version 1 the keys of version 2, computed from their requests."""
    connection.execute("CREATE TEMP TABLE digest (number INTEGER PRIMARY KEY, value TEXT NOT NULL)")
    for number, key, operation, request in connection.execute("SELECT number, key, operation, request FROM row"):
        if not AUTOMATIC_KEY.fullmatch(key):
            continue
        try:
            sent = json.loads(request)
        except ValueError:
            continue
        if isinstance(sent, dict):
            value = digest_of(operation, fields_in(operation, sent))
            connection.execute("INSERT INTO digest VALUES (?, ?)", (number, value))
    # Of requests that are the same now, those that were paid for come first: a file that holds fewer of them than the
    # journal does asks for those.
    connection.execute(
        """
        UPDATE row SET former_key = row.key, key = computed.key, key_version = ? FROM (
            SELECT number, ? || '-' || value || '-' || row_number() OVER (
                PARTITION BY value ORDER BY state IN ('planned', 'refused') AND attempts = 0, number
            ) AS key FROM digest JOIN row USING (number)
        ) AS computed WHERE computed.number = row.number
        """,
        (KEY_VERSION, KEY_VERSION),
    )
    connection.execute("DROP TABLE digest")


def _name_journal(connection: sqlite3.Connection) -> None:
    """Give the journal an id, by which its lock mark is known."""
    connection.execute("UPDATE progress SET journal_id = ?", (secrets.token_hex(8),))


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
    "CREATE INDEX row_by_former_key ON row (former_key) WHERE former_key IS NOT NULL",
    "CREATE INDEX row_to_correct ON row (number) WHERE next_request IS NOT NULL",
    # Requests that a plan gives to keys that are there already, until it is started.
    """
    CREATE TABLE correction (
        plan INTEGER NOT NULL,
        number INTEGER NOT NULL,
        operation TEXT NOT NULL,
        request TEXT NOT NULL,
        PRIMARY KEY (plan, number)
    ) WITHOUT ROWID
    """,
    "ALTER TABLE progress ADD COLUMN journal_id TEXT",
    _compute_keys,
    _name_journal,
    # A file is checked again by today's rules, and a trial's mark of an older release may stand in a paid journal.
    "DELETE FROM kept WHERE name IN ('planned file', 'trial')",
)
STEPS: Final[Sequence[Sequence[str | Callable[[sqlite3.Connection], None]]]] = (FIRST, SECOND, THIRD)
"""Migrations to each version from the one before; never changed once released."""
VERSION: Final = len(STEPS)


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Make the tables, or bring older ones up to date.

    Raises JournalError when the file is something else, comes from a newer version, or is damaged.
    """
    try:
        version = select_value(connection, "PRAGMA user_version")
        is_ours = select_value(connection, "PRAGMA application_id") == APPLICATION
        if not is_ours and select_value(connection, "SELECT count(*) FROM sqlite_master"):
            raise JournalError(path, "it is another program's database")
        if version > VERSION:
            reason = f"it was written by a newer version of this package (its format {version}, known up to {VERSION})"
            raise JournalError(path, reason)
        if version and (found := select_value(connection, "PRAGMA quick_check(1)")) != "ok":
            raise JournalError(path, f"it is damaged: {found}")
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
        for change in step:
            if isinstance(change, str):
                connection.execute(change)
            else:
                change(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def record_of(found: Sequence[Any]) -> Record:
    """Return the record in a row with the columns ``COLUMNS``."""
    number, key, operation, request, state, task_id, attempts, reason, *rest = found
    sent_at, accepted_at, ended_at, clips, files, refunds, charge, charged, overdue_at, key_version, former_key = rest
    known_state: State = state
    return Record(
        number=number,
        key=key,
        operation=operation,
        request=json.loads(request),
        key_version=key_version,
        former_key=former_key,
        state=known_state,
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


def to_json(value: object) -> str:
    """Return a JSON value as it is stored."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate, as the service's JSON may hold, becomes the escape it came as.
    return text if _is_whole(text) else json.dumps(value, separators=(",", ":"))


def to_text(value: object) -> object:
    """Return a column's value as it is stored."""
    if not isinstance(value, str) or _is_whole(value):
        return value
    return value.encode("utf-8", "backslashreplace").decode()


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def select_value(connection: sqlite3.Connection, query: str) -> Any:
    """Return the first value that a query finds."""
    return connection.execute(query).fetchone()[0]
