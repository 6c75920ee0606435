"""Records of a shared journal, and the statements on them. No I/O."""

import json
import secrets
from collections.abc import Sequence
from typing import Any, Final

import attrs

from musicapi_async.bulk.postgres.schema import IN_FLIGHT, NOW
from musicapi_async.bulk.records import NO_CHANGES, Attempt, Changes, Record, State, was_unpaid
from musicapi_async.bulk.rows import COLUMN_NAMES, COLUMNS, record_of, stored

__all__ = [
    "ADD_EXTRA",
    "ATTEMPTS",
    "BEAT",
    "CHARGED",
    "CHARGE_BESIDES",
    "CLAIM",
    "HAS_TASK",
    "IN_PLAN",
    "IS_LEFT",
    "OPEN_REFERENCES",
    "PICK",
    "REMEMBER_ONCE",
    "SHARED",
    "SHORTEN_HOLDS",
    "TRANSITION",
    "SharedRecord",
    "attempt_of",
    "new_change",
    "shared_record_of",
    "transition_arguments",
]


@attrs.frozen(kw_only=True)
class SharedRecord(Record):
    """A record with the numbers by which its changes are known."""

    change: int
    """The number of its last change."""
    claim: int | None = None
    """The number of the change that claimed it last; None before."""
    owner: str | None = None
    """The worker that has it; None without one."""


SHARED: Final = f"{COLUMNS}, change, claim, owner"
_SET: Final = [name for name in COLUMN_NAMES if name not in {"number", "key", "key_version", "former_key"}]
"""The columns that a transition or an update writes; ``operation`` and ``request`` only as they are."""
_WRITTEN: Final = [name for name in _SET if name not in {"operation", "request"}]
_ASSIGNED: Final = ", ".join(f"{name} = ${index}" for index, name in enumerate(_WRITTEN, 8))
TRANSITION: Final = f"""
WITH changed AS (
    UPDATE musicapi.record SET change = $3, owner = $4, {_ASSIGNED},
        operation = CASE WHEN $5::boolean THEN coalesce(next_operation, operation) ELSE operation END,
        request = CASE WHEN $5::boolean THEN coalesce(next_request, request) ELSE request END,
        next_operation = CASE WHEN $5::boolean THEN NULL ELSE next_operation END,
        next_request = CASE WHEN $5::boolean THEN NULL ELSE next_request END
    WHERE number = $1 AND change = $2 RETURNING {SHARED}
), noted AS (
    UPDATE musicapi.attempt SET taken_back = coalesce($6::float8, taken_back),
        task_id = CASE WHEN changed.state = 'accepted' THEN changed.task_id ELSE attempt.task_id END
    FROM changed WHERE attempt.claim = changed.claim AND (changed.state = 'accepted' OR $6::float8 IS NOT NULL)
), refunded AS (
    UPDATE musicapi.gate SET charged = greatest(0, gate.charged - $7::float8) FROM changed WHERE $7::float8 <> 0
)
SELECT change AS after, {SHARED} FROM changed
"""
"""Parameters: number, change before, change after, owner, whether the next request is taken over, charge taken back,
credits that it costs less, then the columns."""
CLAIM: Final = "SELECT * FROM musicapi.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
"""Parameters: worker; of each record number, change before, change after, charge, reference, seconds it lasts; in
flight, credits, seconds between two claims."""
SHORTEN_HOLDS: Final = f"""
UPDATE musicapi.record SET holds_until = sent_at + $2::float8
WHERE state = 'uncertain' AND operation = $1 AND holds_until > greatest({NOW}, sent_at + $2::float8)
"""
"""Parameters: operation, the seconds its tasks last."""
IN_PLAN: Final = "(SELECT started FROM musicapi.journal) IN (plan, plan_before)"
_TAKES_NEXT: Final = """
    operation = coalesce(next_operation, operation), request = coalesce(next_request, request),
    next_operation = NULL, next_request = NULL
"""
# As a subquery of the condition it could be run once for each record, and pick more.
PICK: Final = f"""
WITH picked AS MATERIALIZED (
    SELECT number AS picked_number FROM musicapi.record
    WHERE state = 'planned' AND {IN_PLAN} AND (owner IS NULL OR owner = $1) AND NOT number = ANY($2::bigint[])
    ORDER BY number LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE musicapi.record SET owner = $1, change = musicapi.new_change(), {_TAKES_NEXT}
FROM picked WHERE number = picked_number AND state = 'planned' RETURNING {SHARED}
"""
"""Parameters: worker, the numbers it has picked before, how many more."""
BEAT: Final = """
SELECT (SELECT value FROM musicapi.kept WHERE name = $4) AS kept, taken.* FROM (VALUES (1)) AS one
LEFT JOIN musicapi.beat($1, $2, $3) AS taken ON true
"""
"""Parameters: worker, the numbers of the records whose tasks it collects, how many more, the name of a value."""
IS_LEFT: Final = f"""
SELECT EXISTS (SELECT 1 FROM musicapi.record WHERE state = 'planned' AND {IN_PLAN}) OR EXISTS (
    SELECT 1 FROM musicapi.record WHERE state IN ('sending', 'accepted', 'finished')
    AND (state <> 'accepted' OR {IN_FLIGHT})
)
"""
"""True while there is something to send or to collect, by any worker; an overdue task is not waited for."""
ATTEMPTS: Final = f"""
SELECT attempt.reference AS attempt_reference, attempt.task_id AS attempt_task_id, is_extra, extra_files,
    {", ".join(f"record.{name.strip()}" for name in SHARED.split(","))}
FROM musicapi.attempt JOIN musicapi.record USING (number)
"""
OPEN_REFERENCES: Final = """
SELECT reference FROM musicapi.record WHERE state = 'uncertain' AND reference IS NOT NULL
UNION SELECT * FROM (
    SELECT attempt.reference FROM musicapi.attempt JOIN musicapi.record USING (number)
    WHERE attempt.task_id IS NULL AND attempt.reference <> attempt.claim::text
    AND record.reference IS DISTINCT FROM attempt.reference ORDER BY position DESC LIMIT $1
) AS earlier
"""
# The update that changes nothing waits for another worker's value, and returns it.
REMEMBER_ONCE: Final = """
INSERT INTO musicapi.kept VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = kept.value RETURNING value
"""
HAS_TASK: Final = """
SELECT EXISTS (SELECT 1 FROM musicapi.record WHERE task_id = $1 AND reference IS DISTINCT FROM $2)
    OR EXISTS (SELECT 1 FROM musicapi.attempt WHERE task_id = $1 AND reference <> $2)
"""
ADD_EXTRA: Final = """
WITH before AS (SELECT position, is_extra FROM musicapi.attempt WHERE reference = $1 OR claim::text = $1 FOR UPDATE),
extra AS (
    UPDATE musicapi.attempt SET task_id = $2, is_extra = true, extra_files = $3
    FROM before WHERE attempt.position = before.position RETURNING attempt.taken_back, before.is_extra AS was_extra
)
UPDATE musicapi.gate SET charged = charged + coalesce(taken_back, 0) FROM extra WHERE NOT was_extra
"""
CHARGE_BESIDES: Final = """
UPDATE musicapi.gate SET charged = greatest(0, charged + $1::float8) WHERE charged + $1::float8 <= $2::float8 + 1e-6
RETURNING true
"""
CHARGED: Final = """
SELECT operation, sum(count)::bigint AS count FROM (
    SELECT operation, attempts + (state IN ('sending', 'uncertain'))::integer - refunds AS count FROM musicapi.record
    WHERE attempts > 0 OR state IN ('sending', 'uncertain')
    UNION ALL SELECT operation, 1 FROM musicapi.attempt JOIN musicapi.record USING (number)
    WHERE is_extra AND taken_back IS NOT NULL
) AS charged GROUP BY operation
"""


def new_change() -> int:
    """Return a number for a change."""
    return secrets.randbits(62)


def shared_record_of(row: Any) -> SharedRecord:
    """Return the record in a row with the columns ``SHARED``."""
    plain = record_of([row[name] for name in COLUMN_NAMES])
    values = {name: getattr(plain, name) for name in COLUMN_NAMES}
    return SharedRecord(**values, change=row["change"], claim=row["claim"], owner=row["owner"])


def transition_arguments(
    record: SharedRecord, after: SharedRecord, state: State | None, changes: Changes = NO_CHANGES
) -> Sequence[object]:
    """Return the arguments of ``TRANSITION``; ``state`` is None for an update that leaves the state as it is."""
    takes_next = state == "planned" and record.state != "sending"
    is_taken_back = state is not None and was_unpaid(record, state, changes)
    return (
        record.number,
        record.change,
        after.change,
        after.owner,
        takes_next,
        (record.charge or 0.0) if is_taken_back else None,
        record.charged - after.charged,
        *(None if (value := getattr(after, name)) == () else stored(name, value) for name in _WRITTEN),
    )


def attempt_of(row: Any) -> Attempt:
    """Return the attempt in a row of ``ATTEMPTS``."""
    return Attempt(
        reference=row["attempt_reference"],
        record=shared_record_of(row),
        task_id=row["attempt_task_id"],
        is_extra=row["is_extra"],
        files=None if row["extra_files"] is None else json.loads(row["extra_files"]),
    )
