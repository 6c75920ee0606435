"""A journal in an SQLite file that is copied, or that a copy is made in."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from musicapi_async.bulk.copies import COPY, MOVED, CopiedAttempt, CopiedRecord, refusal_of
from musicapi_async.bulk.records import Planned
from musicapi_async.bulk.rows import (
    ATTEMPT_COLUMNS,
    COLUMN_NAMES,
    COLUMNS,
    columns_of,
    correction_of,
    record_of,
    to_json,
)
from musicapi_async.bulk.sqlite.journal import SQLiteJournal
from musicapi_async.bulk.sqlite.schema import CLOSED, UNFINISHED, VERSION, select_value
from musicapi_async.bulk.sqlite.statements import IN_PLAN, recall, remember
from musicapi_async.errors import JournalError

__all__ = ["CopyingJournal"]

EXTRA_COLUMNS: Final = ("plan", "next_operation", "next_request")
SELECT_RECORDS: Final = f"""
    SELECT {COLUMNS}, {IN_PLAN}TRUE, next_operation, next_request FROM row WHERE number > ? ORDER BY number LIMIT ?
"""  # noqa: S608 - names of ours
INSERT_RECORD: Final = f"""
    INSERT INTO row ({COLUMNS}, {", ".join(EXTRA_COLUMNS)})
    VALUES ({", ".join("?" * len(COLUMN_NAMES))}, iif(?, (SELECT started FROM planning), 0), ?, ?)
"""  # noqa: S608 - names of ours
SELECT_ATTEMPTS: Final = f"SELECT {ATTEMPT_COLUMNS} FROM attempt ORDER BY position"  # noqa: S608 - names of ours
INSERT_ATTEMPT: Final = f"INSERT INTO attempt ({ATTEMPT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 - the same


class CopyingJournal(SQLiteJournal):
    """Journal in a file for ``bulk.copying``: it also opens while it is closed for good, or an unfinished copy."""

    _is_for_copy: ClassVar[bool] = True

    async def identity(self) -> str:
        """Return the id of the journal, which no other has."""
        return str(await self._writer.read(select_value, "SELECT journal_id FROM progress"))

    async def copied_records(self, after: int, count: int) -> Sequence[CopiedRecord]:
        """Return records in their order, at most ``count`` with numbers above ``after``."""

        def select(connection: sqlite3.Connection) -> Sequence[CopiedRecord]:
            return [_copied(found) for found in connection.execute(SELECT_RECORDS, (after, count))]

        return await self._writer.read(select)

    async def copied_attempts(self) -> Sequence[CopiedAttempt]:
        """Return all attempts, in their order."""

        def select(connection: sqlite3.Connection) -> Sequence[CopiedAttempt]:
            return [
                CopiedAttempt(
                    reference=reference,
                    number=number,
                    task_id=task_id,
                    taken_back=taken_back,
                    is_extra=bool(is_extra),
                    files=None if files is None else json.loads(files),
                )
                for reference, number, task_id, taken_back, is_extra, files in connection.execute(SELECT_ATTEMPTS)
            ]

        return await self._writer.read(select)

    async def copied_values(self) -> Mapping[str, Any]:
        """Return all values by their names."""

        def select(connection: sqlite3.Connection) -> Mapping[str, Any]:
            return {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM kept")}

        return await self._writer.read(select)

    async def begin_copy(self, identity: str, plan: int) -> None:
        """Become an unfinished, empty copy of the journal with this id; ``plan`` is the number of its active plan.

        An unfinished copy of the same journal is emptied first. Raises JournalError when the journal has any other
        contents; they stay as they are.
        """

        def begin(connection: sqlite3.Connection) -> None:
            unfinished = recall(connection, COPY)
            if reason := refusal_of(unfinished, identity, is_empty=_is_empty(connection)):
                raise JournalError(self.name, reason)
            for table in ("row", "kept", "correction", "attempt"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
            connection.execute("UPDATE planning SET newest = ?, started = ?", (plan, plan))
            remember(connection, COPY, identity)
            connection.execute(f"PRAGMA user_version = {UNFINISHED}")

        await self._writer.write(begin)

    async def add_records(self, records: Sequence[CopiedRecord]) -> None:
        """Insert records under their own numbers."""
        sent = [one.record.number for one in records if one.record.state != "planned" or one.record.attempts]
        # A part of the mark: the next copy of this file that lacks them is recognized as old.
        self._writer.highest = max([self._writer.highest, *sent])
        rows = [(*columns_of(one.record), one.in_current_plan, *correction_of(one.correction)) for one in records]
        await self._writer.write(lambda connection: connection.executemany(INSERT_RECORD, rows))

    async def add_attempts(self, attempts: Sequence[CopiedAttempt]) -> None:
        """Insert attempts, in their order."""
        rows = [_attempt_row(one) for one in attempts]
        await self._writer.write(lambda connection: connection.executemany(INSERT_ATTEMPT, rows))

    async def add_values(self, values: Mapping[str, Any]) -> None:
        """Store values under their names."""

        def add(connection: sqlite3.Connection) -> None:
            for name, value in values.items():
                remember(connection, name, value)

        await self._writer.write(add)

    async def end_copy(self) -> None:
        """Make the copy a journal like any other."""

        def end(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM kept WHERE name = ?", (COPY,))
            connection.execute(f"PRAGMA user_version = {VERSION}")

        await self._writer.write(end)

    async def close_for_good(self, place: str) -> None:
        """Have ``open`` refuse the journal from now on, and say that its records moved to this place."""

        def close(connection: sqlite3.Connection) -> None:
            remember(connection, MOVED, place)
            # Earlier versions of this package refuse it too: a format that they do not know.
            connection.execute(f"PRAGMA user_version = {CLOSED}")

        await self._writer.write(close)


def _is_empty(connection: sqlite3.Connection) -> bool:
    return not any(
        select_value(connection, f"SELECT EXISTS (SELECT 1 FROM {table})")  # noqa: S608 - names of ours
        for table in ("row", "kept", "attempt")
    )


def _copied(found: Sequence[Any]) -> CopiedRecord:
    *columns, in_plan, operation, request = found
    record = record_of(columns)
    correction = None
    if request is not None:
        correction = Planned(
            key=record.key, operation=operation, request=json.loads(request), key_version=record.key_version
        )
    return CopiedRecord(record=record, in_current_plan=bool(in_plan), correction=correction)


def _attempt_row(copied: CopiedAttempt) -> tuple[object, ...]:
    files = None if copied.files is None else to_json(list(copied.files))
    return (copied.reference, copied.number, copied.task_id, copied.taken_back, copied.is_extra, files)
