"""Statements that plan requests in a shared journal. Each function works in the transaction of its caller."""

import json
from collections.abc import Sequence
from typing import Any, Final

from musicapi_async.bulk.keys import canonical
from musicapi_async.bulk.postgres.schema import NOTIFY
from musicapi_async.errors import InvalidRequestError

__all__ = ["Entry", "activate_plan", "add_to_plan", "lock_plans"]

Entry = tuple[str, str, str, int]
"""Key, operation, request as JSON, version of the key."""
COLUMNS: Final = ("key", "operation", "request", "key_version")
IS_KNOWN: Final = """
SELECT EXISTS (SELECT 1 FROM musicapi.record WHERE key = ANY($1::text[]))
    OR EXISTS (SELECT 1 FROM musicapi.record WHERE former_key = ANY($1::text[]))
"""
# A batch is small and the table may be large, which the planner does not know: each key is looked up.
LOOKED_UP: Final = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off
"""
INCOMING: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming (
    position bigint GENERATED ALWAYS AS IDENTITY, key text, operation text, request text, key_version integer
) ON COMMIT DELETE ROWS
"""
# A key of an older format finds its record.
FORMER: Final = """
UPDATE incoming SET key = record.key FROM musicapi.record
WHERE record.former_key = incoming.key AND incoming.key_version = 0
"""
DUPLICATES: Final = """
SELECT incoming.key FROM incoming LEFT JOIN musicapi.record USING (key)
GROUP BY incoming.key, record.plan HAVING record.plan = $1 OR count(*) > 1 LIMIT 1
"""
LAST_ONES: Final = """
DELETE FROM incoming AS earlier USING incoming AS later
WHERE later.key = earlier.key AND later.position > earlier.position
"""
CORRECTIONS: Final = """
INSERT INTO musicapi.correction (plan, number, operation, request)
SELECT $1, number, incoming.operation, incoming.request FROM incoming JOIN musicapi.record USING (key)
WHERE (coalesce(next_operation, record.operation), coalesce(next_request, record.request))
    IS DISTINCT FROM (incoming.operation, incoming.request)
"""
KNOWN: Final = """
UPDATE musicapi.record SET plan = $1, plan_before = CASE WHEN plan <= $2 THEN plan ELSE plan_before END
FROM incoming WHERE record.key = incoming.key
"""
NEW: Final = """
INSERT INTO musicapi.record (key, operation, request, key_version, plan)
SELECT key, operation, request, key_version, $1 FROM incoming
WHERE NOT EXISTS (SELECT 1 FROM musicapi.record WHERE record.key = incoming.key) ORDER BY position
"""
# In place of what was corrected before; nothing where it is the request as it was sent.
CORRECT: Final = """
UPDATE musicapi.record SET
    next_operation = CASE WHEN is_same THEN NULL ELSE compared.operation END,
    next_request = CASE WHEN is_same THEN NULL ELSE compared.request END
FROM (
    SELECT number, correction.operation, correction.request,
        record.operation = correction.operation AND record.request = correction.request AS is_same
    FROM musicapi.correction JOIN musicapi.record USING (number) WHERE correction.plan = $1
) AS compared WHERE compared.number = record.number
"""
REFUSED: Final = """
SELECT record.number, record.operation, record.request,
    correction.operation AS next_operation, correction.request AS next_request
FROM musicapi.record JOIN musicapi.correction USING (number) WHERE correction.plan = $1 AND state = 'refused'
"""
# A worker that has picked the record finds that it was changed, and picks it again.
TAKE_NEXT: Final = """
UPDATE musicapi.record SET operation = coalesce(next_operation, record.operation),
    request = coalesce(next_request, record.request), next_operation = NULL, next_request = NULL, owner = NULL,
    change = musicapi.new_change(),
    state = CASE WHEN record.number = ANY($2::bigint[]) THEN 'planned' ELSE state END,
    reason = CASE WHEN record.number = ANY($2::bigint[]) THEN NULL ELSE reason END
FROM musicapi.correction WHERE correction.plan = $1 AND correction.number = record.number
AND state IN ('planned', 'refused')
"""


async def lock_plans(connection: Any) -> int:
    """Have this transaction alone plan requests; return the number of the active plan."""
    return int(await connection.fetchval("SELECT started FROM musicapi.journal FOR UPDATE"))


async def add_to_plan(connection: Any, entries: Sequence[Entry], plan: int | None) -> int:
    """Add requests to a plan, None for the active one; return how many of them were new.

    Raises InvalidRequestError for a key that is in a new plan already.
    """
    started = await lock_plans(connection)
    number = started if plan is None else plan
    await connection.execute(LOOKED_UP)
    keys = {key for key, *_ in entries}
    if len(keys) < len(entries) or await connection.fetchval(IS_KNOWN, list(keys)):
        added = await _merge(connection, entries, plan, number, started)
    else:
        rows = [(*entry, number) for entry in entries]
        await connection.copy_records_to_table(
            "record", schema_name="musicapi", records=rows, columns=(*COLUMNS, "plan")
        )
        added = len(entries)
    if plan is None:
        await connection.execute(NOTIFY)
    return added


async def _merge(connection: Any, entries: Sequence[Entry], plan: int | None, number: int, started: int) -> int:
    """Add requests of which some may be known, to the plan of this number; return how many were new."""
    await connection.execute(INCOMING)
    await connection.copy_records_to_table("incoming", records=entries, columns=COLUMNS)
    await connection.execute(FORMER)
    if plan is None:
        await connection.execute(LAST_ONES)
    elif (key := await connection.fetchval(DUPLICATES, number)) is not None:
        raise InvalidRequestError(f"key is {key!r}, which another request of the plan has", "key", key, "once")
    await connection.execute(CORRECTIONS, number)
    await connection.execute(KNOWN, number, started)
    if plan is None:
        await _correct(connection, number)
    added = await connection.execute(NEW, number)
    return int(added.rpartition(" ")[2])


async def activate_plan(connection: Any, plan: int) -> None:
    """Make a plan the active one, and give its records the requests that it has for them."""
    await connection.execute("UPDATE musicapi.journal SET started = $1", plan)
    await _correct(connection, plan)
    await connection.execute(NOTIFY)


async def _correct(connection: Any, plan: int) -> None:
    """Give records other requests: at once while they wait to be sent, else for the next time they are sent."""
    refused = await connection.fetch(REFUSED, plan)
    await connection.execute(CORRECT, plan)
    renewed = [one["number"] for one in refused if _differs(one)]
    await connection.execute(TAKE_NEXT, plan, renewed)
    await connection.execute("DELETE FROM musicapi.correction WHERE plan = $1", plan)


def _differs(found: Any) -> bool:
    """Return whether a corrected request means something else; a refused one is then sent again."""
    before, after = (json.loads(found[name]) for name in ("request", "next_request"))
    is_same = found["operation"] == found["next_operation"] and canonical(before) == canonical(after)
    return not is_same
