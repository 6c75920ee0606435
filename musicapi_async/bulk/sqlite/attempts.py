"""Statements on the attempts of a journal's records, by whose references events are matched.

Each function works in the transaction of its caller.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from musicapi_async.bulk.records import Attempt, Changes, Record, was_unpaid
from musicapi_async.bulk.rows import COLUMN_NAMES, record_of, to_json

__all__ = ["attempt_of", "extras_in", "has_task", "open_references", "record_extra", "write_attempt"]

ATTEMPTS: Final = f"""
    SELECT attempt.reference, attempt.task_id, is_extra, extra_files,
        {", ".join(f"row.{name}" for name in COLUMN_NAMES)}
    FROM attempt JOIN row USING (number)
"""  # noqa: S608 - names of ours
OPEN_REFERENCES: Final = """
    SELECT reference FROM row WHERE state = 'uncertain' AND reference IS NOT NULL
    UNION SELECT * FROM (
        SELECT attempt.reference FROM attempt JOIN row USING (number)
        WHERE attempt.task_id IS NULL AND row.reference IS NOT attempt.reference ORDER BY position DESC LIMIT ?
    )
"""
HAS_TASK: Final = """
    SELECT EXISTS (SELECT 1 FROM row WHERE task_id = :task_id AND reference IS NOT :besides)
        OR EXISTS (SELECT 1 FROM attempt WHERE task_id = :task_id AND reference <> :besides)
"""


def write_attempt(connection: sqlite3.Connection, before: Record, after: Record, changes: Changes) -> None:
    """Write what a transition says of the attempt by whose reference the record's events are matched."""
    if after.reference is None:
        return
    if after.state == "sending":
        # A submission that is sent again after a 429 keeps its reference.
        statement = (
            "INSERT INTO attempt (reference, number) VALUES (?, ?) "
            "ON CONFLICT (reference) DO UPDATE SET taken_back = NULL"
        )
        connection.execute(statement, (after.reference, after.number))
    elif after.state == "accepted":
        statement = "UPDATE attempt SET task_id = ? WHERE reference = ?"
        connection.execute(statement, (after.task_id, after.reference))
    elif was_unpaid(before, after.state, changes):
        statement = "UPDATE attempt SET taken_back = ? WHERE reference = ?"
        connection.execute(statement, (before.charge or 0.0, after.reference))


def attempt_of(connection: sqlite3.Connection, reference: str) -> Attempt | None:
    """Return the attempt with a reference; None when there is none."""
    found = connection.execute(f"{ATTEMPTS} WHERE attempt.reference = ?", (reference,)).fetchone()
    return None if found is None else _attempt_in(found)


def open_references(connection: sqlite3.Connection, count: int) -> Sequence[str]:
    """Return the references of uncertain records, and the last ``count`` of earlier attempts without a task."""
    return [reference for (reference,) in connection.execute(OPEN_REFERENCES, (count,))]


def has_task(connection: sqlite3.Connection, task_id: str, besides: str) -> bool:
    """Return whether a task is that of a record, or of an attempt other than the one of reference ``besides``."""
    return bool(connection.execute(HAS_TASK, {"task_id": task_id, "besides": besides}).fetchone()[0])


def extras_in(connection: sqlite3.Connection) -> Sequence[Attempt]:
    """Return the attempts whose songs are paid for besides those of their records."""
    return [_attempt_in(found) for found in connection.execute(f"{ATTEMPTS} WHERE is_extra ORDER BY position")]


def record_extra(connection: sqlite3.Connection, reference: str, task_id: str, files: Sequence[str] | None) -> None:
    """Record the task of an attempt whose song is paid for besides, and its files."""
    statement = "UPDATE attempt SET task_id = ?, is_extra = 1, extra_files = ? WHERE reference = ?"
    connection.execute(statement, (task_id, None if files is None else to_json(files), reference))


def _attempt_in(found: Sequence[Any]) -> Attempt:
    reference, task_id, is_extra, files, *record = found
    return Attempt(
        reference=reference,
        record=record_of(record),
        task_id=task_id,
        is_extra=bool(is_extra),
        files=None if files is None else json.loads(files),
    )
