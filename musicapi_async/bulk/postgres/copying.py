"""A journal in PostgreSQL that a copy is made in."""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from musicapi_async.bulk.copies import COPY, CopiedAttempt, CopiedRecord, refusal_of
from musicapi_async.bulk.journal import OTHER_CHARGES
from musicapi_async.bulk.postgres.journal import PostgresJournal
from musicapi_async.bulk.rows import (
    ATTEMPT_COLUMNS,
    COLUMN_NAMES,
    COLUMNS,
    columns_of,
    correction_of,
    to_json,
)
from musicapi_async.errors import JournalError

__all__ = ["PostgresCopy"]

IS_EMPTY: Final = "SELECT NOT EXISTS (SELECT 1 FROM musicapi.record) AND NOT EXISTS (SELECT 1 FROM musicapi.attempt)"
EMPTY: Final = (
    "TRUNCATE musicapi.record, musicapi.attempt, musicapi.correction, musicapi.kept, musicapi.event",
    "UPDATE musicapi.gate SET charged = 0",
)
# Added once also where the response to the first time was lost.
INSERT_RECORD: Final = f"""
INSERT INTO musicapi.record ({COLUMNS}, plan, next_operation, next_request)
VALUES ({", ".join(f"${index}" for index in range(1, len(COLUMN_NAMES) + 4))}) ON CONFLICT (number) DO NOTHING
"""  # noqa: S608 - names of ours
INSERT_ATTEMPT: Final = f"""
INSERT INTO musicapi.attempt (claim, {ATTEMPT_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (reference) DO NOTHING
"""  # noqa: S608 - names of ours
# A transition of a record finds its attempt by the claim.
JOIN_CLAIMS: Final = """
UPDATE musicapi.record SET claim = attempt.claim FROM musicapi.attempt
WHERE attempt.number = record.number AND attempt.reference = record.reference
"""
ADD_VALUE: Final = "INSERT INTO musicapi.kept VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
SUM: Final = """
UPDATE musicapi.gate SET charged = (SELECT coalesce(sum(charged), 0) FROM musicapi.record)
    + (SELECT coalesce(sum(taken_back), 0) FROM musicapi.attempt WHERE is_extra)
"""
NEXT_NUMBER: Final = """
SELECT setval(pg_get_serial_sequence('musicapi.record', 'number'), greatest(1, max(number))) FROM musicapi.record
"""
END: Final = """
WITH mark AS (DELETE FROM musicapi.kept WHERE name = $1 RETURNING name)
UPDATE musicapi.gate SET charged = charged + coalesce(
    (SELECT value::float8 FROM musicapi.kept WHERE kept.name = $2), 0
) FROM mark
"""
"""Credits that were paid for besides the records count in the gate too."""


class PostgresCopy(PostgresJournal):
    """Journal in a database for ``bulk.copying``: it also opens while it is an unfinished copy."""

    _is_for_copy: ClassVar[bool] = True

    async def begin_copy(self, identity: str, plan: int) -> None:
        """Become an unfinished, empty copy of the journal with this id; ``plan`` is the number of its active plan.

        An unfinished copy of the same journal is emptied first. Raises JournalError when the journal has any other
        contents; they stay as they are.
        """

        async def begin(connection: Any) -> None:
            # No worker can plan or claim meanwhile.
            await connection.execute("SELECT 1 FROM musicapi.journal FOR UPDATE")
            unfinished = await connection.fetchval("SELECT value FROM musicapi.kept WHERE name = $1", COPY)
            of = None if unfinished is None else json.loads(unfinished)
            if reason := refusal_of(of, identity, is_empty=await connection.fetchval(IS_EMPTY)):
                raise JournalError(self.name, reason)
            for statement in EMPTY:
                await connection.execute(statement)
            await connection.execute("UPDATE musicapi.journal SET newest = $1, started = $1", plan)
            await connection.execute(ADD_VALUE, COPY, to_json(identity))

        await self._in_transaction(begin)

    async def add_records(self, records: Sequence[CopiedRecord]) -> None:
        """Insert records under their own numbers."""
        plan = await self._value("SELECT started FROM musicapi.journal")
        rows = [
            (*columns_of(one.record), plan if one.in_current_plan else 0, *correction_of(one.correction))
            for one in records
        ]
        await self._in_transaction(lambda connection: connection.executemany(INSERT_RECORD, rows))

    async def add_attempts(self, attempts: Sequence[CopiedAttempt]) -> None:
        """Insert attempts, in their order."""
        rows = [(secrets.randbits(62), *_attempt_row(one)) for one in attempts]

        async def add(connection: Any) -> None:
            await connection.executemany(INSERT_ATTEMPT, rows)
            await connection.execute(JOIN_CLAIMS)
            await connection.execute(SUM)
            await connection.execute(NEXT_NUMBER)

        await self._in_transaction(add)

    async def add_values(self, values: Mapping[str, Any]) -> None:
        """Store values under their names."""
        rows = [(name, to_json(value)) for name, value in values.items()]
        await self._in_transaction(lambda connection: connection.executemany(ADD_VALUE, rows))

    async def end_copy(self) -> None:
        """Make the copy a journal like any other."""
        await self._in_transaction(lambda connection: connection.execute(END, COPY, OTHER_CHARGES))

    async def _in_transaction(self, work: Callable[[Any], Awaitable[Any]]) -> None:
        async def run(connection: Any) -> None:
            async with connection.transaction():
                await work(connection)

        await self._writing.run(run)


def _attempt_row(copied: CopiedAttempt) -> tuple[object, ...]:
    files = None if copied.files is None else to_json(list(copied.files))
    return (copied.reference, copied.number, copied.task_id, copied.taken_back, copied.is_extra, files)
