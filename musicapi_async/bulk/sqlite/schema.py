"""Tables of the journal's file, and the migrations from older formats."""

import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from musicapi_async.bulk.copies import MOVED, moved_reason, unfinished_reason
from musicapi_async.bulk.keys import KEY_VERSION, digest_of
from musicapi_async.errors import JournalError

__all__ = ["CLOSED", "UNFINISHED", "VERSION", "fields_in", "prepare", "read_version", "select_value"]

APPLICATION: Final = 0x4D757341
"""Application id of the file, ``MusA`` as a number."""
AUTOMATIC_KEY: Final = re.compile(r"[0-9a-f]{24}-[1-9][0-9]*")
"""The form of an automatic key of version 1; a key given by a user may have it too."""
# Sent by the releases whose journals have keys of version 1, and no field of the request: from the class, or following
# from the fields. The task types for an uploaded clip are not among them: two requests may differ in them alone.
_TASK_TYPES: Final[Mapping[str, str]] = {
    "producer.cover": "cover_music",
    "producer.create": "create_music",
    "producer.extend": "extend_music",
    "producer.replace": "replace_music",
    "riffusion.cover": "cover_music",
    "riffusion.create": "create_music",
    "riffusion.describe": "create_music",
    "riffusion.extend": "extend_music",
    "riffusion.replace_section": "replace_music",
    "riffusion.swap_sound": "swap_music_sound",
    "riffusion.swap_vocals": "swap_music_vocals",
    "sonic.add_instrumental": "add_instrumental",
    "sonic.add_vocals": "add_vocals",
    "sonic.concat": "concat_music",
    "sonic.cover": "cover_music",
    "sonic.create": "create_music",
    "sonic.describe": "create_music",
    "sonic.extend": "extend_music",
    "sonic.persona_song": "persona_music",
    "sonic.remaster": "remaster",
    "suno.create": "create_music",
    "suno.describe": "create_music",
}
_ADDED: Final = ("custom_mode", "lyrics_type", "type", "version")


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


def fields_in(operation: str, sent: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of a request that a release with keys of version 1 has stored as it is sent."""
    found = dict(_flat(sent))
    if operation == "studio.extend":
        # Its flag is sent as ``lyrics_type`` alone.
        found["instrumental"] = found.get("lyrics_type") == "instrumental"
    elif operation.startswith("studio."):
        found.pop("config.mode", None)
    if found.get("task_type") == _TASK_TYPES.get(operation):
        found.pop("task_type", None)
    return {name: value for name, value in found.items() if name not in _ADDED}


def _flat(value: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", inner


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
FOURTH: Final = (
    # By which an event is matched: of the latest attempt, and of all.
    "ALTER TABLE row ADD COLUMN reference TEXT",
    """
    CREATE TABLE attempt (
        position INTEGER PRIMARY KEY,
        reference TEXT NOT NULL UNIQUE,
        number INTEGER NOT NULL,
        task_id TEXT,
        -- The charge that was taken back, since it was not accepted as far as was known.
        taken_back REAL,
        is_extra INTEGER NOT NULL DEFAULT 0,
        extra_files TEXT
    )
    """,
)
STEPS: Final[Sequence[Sequence[str | Callable[[sqlite3.Connection], None]]]] = (FIRST, SECOND, THIRD, FOURTH)
"""Migrations to each version from the one before; never changed once released."""
VERSION: Final = len(STEPS)
CLOSED: Final = 2**31 - 1
"""Version of a journal that is closed for good: no release knows it, so that none opens the file."""
UNFINISHED: Final = CLOSED - 1
"""Version of an unfinished copy."""


def read_version(connection: sqlite3.Connection, path: str, *, is_for_copy: bool = False) -> int | None:
    """Return the version of a journal's tables; None when there are none yet.

    Raises JournalError when the file is something else, or comes from a newer version; and, unless it ``is_for_copy``,
    when it is closed for good or an unfinished copy.
    """
    if select_value(connection, "PRAGMA application_id") != APPLICATION:
        if select_value(connection, "SELECT count(*) FROM sqlite_master"):
            raise JournalError(path, "it is another program's database")
        return None
    version = int(select_value(connection, "PRAGMA user_version"))
    if version in {CLOSED, UNFINISHED}:
        if is_for_copy:
            return VERSION
        raise JournalError(path, _closed_reason(connection) if version == CLOSED else unfinished_reason())
    if version > VERSION:
        reason = f"it was written by a newer version of this package (its format {version}, known up to {VERSION})"
        raise JournalError(path, reason)
    return version


def _closed_reason(connection: sqlite3.Connection) -> str:
    (value,) = connection.execute("SELECT value FROM kept WHERE name = ?", (MOVED,)).fetchone()
    return moved_reason(json.loads(value))


def prepare(connection: sqlite3.Connection, path: str, *, is_for_copy: bool = False) -> None:
    """Make the tables, or bring older ones up to date.

    Raises JournalError when the file is something else, comes from a newer version, or is damaged; and, unless it
    ``is_for_copy``, when it is closed for good or an unfinished copy.
    """
    try:
        version = read_version(connection, path, is_for_copy=is_for_copy) or 0
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


def select_value(connection: sqlite3.Connection, query: str) -> Any:
    """Return the first value that a query finds."""
    return connection.execute(query).fetchone()[0]
