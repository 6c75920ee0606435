"""Statements on a journal's tables: its plans, the transitions of its records, and its recovery after a crash.

Each function works in the transaction of its caller. A plan changes requests only when it is activated: its
corrections are in ``correction`` until then.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from musicapi_async.bulk.journal import INCOMPLETE, SERVICE
from musicapi_async.bulk.keys import canonical
from musicapi_async.bulk.records import TRANSITIONS, Changes, Planned, Record, State
from musicapi_async.bulk.rows import COLUMNS, given_values, record_of, stored, to_json, transition_values
from musicapi_async.bulk.sqlite.attempts import write_attempt
from musicapi_async.bulk.sqlite.lock import Mark
from musicapi_async.bulk.sqlite.schema import select_value
from musicapi_async.errors import InvalidRequestError

__all__ = [
    "IN_PLAN",
    "TOTAL_CHARGED",
    "TRIAL",
    "activate_plan",
    "add_to_plan",
    "charge_unpriced",
    "count_charged",
    "count_states",
    "is_incomplete",
    "is_trial",
    "read_progress",
    "recall",
    "recover",
    "remember",
    "write_changes",
    "write_transition",
]

TAKE_OVER: Final = (
    "operation = coalesce(next_operation, operation), request = coalesce(next_request, request), "
    "next_operation = NULL, next_request = NULL"
)
"""Assignments of an UPDATE that make the corrected request the one to send."""

TRIAL: Final = "trial"
"""Name of the value that marks the journal of an embedded sandbox."""
# A plan that was never activated does not affect the active one.
IN_PLAN: Final = "(SELECT started FROM planning) IN (plan, plan_before) AND "
PRESENT: Final = (
    "SELECT key, number, plan, coalesce(next_operation, operation), coalesce(next_request, request) FROM row"
)
ADD: Final = """
    INSERT INTO row (key, operation, request, key_version, plan, state, reason) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO NOTHING
"""
ADD_AGAIN: Final = """
    UPDATE row SET
        plan_before = CASE WHEN plan <= (SELECT started FROM planning) THEN plan ELSE plan_before END,
        plan = ?
    WHERE number = ?
"""

MAX_ADDED: Final = 10_000
"""Requests that are added at once: SQLite takes at most 32,766 parameters."""
Entry = tuple[str, str, str, int]
"""Key, operation, request as JSON, version of the key."""
RETRIED: Final[frozenset[State]] = frozenset({"failed", "refunded", "refused"})
"""States from which a record is sent again without a decision of the user."""
KEEP_FOR_LATER: Final = (
    "next_operation = CASE WHEN operation = ? AND request = ? THEN next_operation ELSE operation END, "
    "next_request = CASE WHEN operation = ? AND request = ? THEN next_request ELSE request END, "
    "operation = ?, request = ?"
)
"""Assignments that keep the claimed request, whatever was planned under its key meanwhile."""
LOST_WITH_ITS_PROCESS: Final = "its process ended before the response arrived"
LOST_WITH_THE_DISK: Final = "the journal has lost entries: it may have been sent"
TO_UNCERTAIN: Final = "UPDATE row SET state = 'uncertain', reason = ?"
CHARGED: Final = """
    SELECT operation, sum(count) FROM (
        SELECT operation, attempts + (state IN ('sending', 'uncertain')) - refunds AS count FROM row
        WHERE attempts > 0 OR state IN ('sending', 'uncertain')
        UNION ALL SELECT operation, 1 FROM attempt JOIN row USING (number) WHERE is_extra AND taken_back IS NOT NULL
    ) GROUP BY operation
"""
TOTAL_CHARGED: Final = """
    SELECT (SELECT total(charged) FROM row) + (SELECT total(taken_back) FROM attempt WHERE is_extra)
"""
WAS_SENT_UNPRICED: Final = "charge IS NULL AND (attempts > 0 OR state IN ('sending', 'uncertain'))"
UNPRICED: Final = f"SELECT DISTINCT operation FROM row WHERE {WAS_SENT_UNPRICED}"  # noqa: S608 - names of ours
CHARGE_UNPRICED: Final = f"""
    UPDATE row SET charge = :price,
        charged = charged + :price * max(0, attempts + (state IN ('sending', 'uncertain')) - refunds)
    WHERE operation = :operation AND {WAS_SENT_UNPRICED}
"""  # noqa: S608 - names of ours


def add_to_plan(connection: sqlite3.Connection, requests: Iterable[Planned], plan: int | None) -> int:
    """Add requests to a plan, None for the active one, all or none; return how many of them were new.

    A key that the journal does not know is uncertain where the journal has lost entries. Raises InvalidRequestError for
    a key that is in a new plan already.
    """
    connection.execute("SAVEPOINT adding")
    try:
        return _add_all(connection, requests, plan)
    except BaseException:
        # The transaction is shared with other changes, and goes on.
        connection.execute("ROLLBACK TO adding")
        raise
    finally:
        connection.execute("RELEASE adding")


def _add_all(connection: sqlite3.Connection, requests: Iterable[Planned], plan: int | None) -> int:
    has_former = select_value(connection, "SELECT EXISTS (SELECT 1 FROM row WHERE former_key IS NOT NULL)")
    count, batch = 0, dict[str, Entry]()
    for one in requests:
        entry = (one.key, one.operation, to_json(one.request), one.key_version)
        key = _present_key(connection, entry[0]) if has_former and not entry[3] else entry[0]
        if key in batch and plan is not None:
            raise _planned_twice(entry[0])
        if key in batch or len(batch) == MAX_ADDED:
            count += _add(connection, batch, plan)
            batch = {}
        batch[key] = entry
    return count + _add(connection, batch, plan)


def _add(connection: sqlite3.Connection, batch: Mapping[str, Entry], plan: int | None) -> int:
    """Add the requests of different keys to a plan; return how many of them were new."""
    number = select_value(connection, "SELECT started FROM planning") if plan is None else plan
    last = select_value(connection, "SELECT coalesce(max(number), 0) FROM row")
    new = _state_of_new(connection)
    # Nearly always all of them are new: then the index is searched once, as they are added.
    count = connection.executemany(ADD, [(key, *entry[1:], number, *new) for key, entry in batch.items()]).rowcount
    if count == len(batch):
        return count
    query = f"{PRESENT} WHERE number <= ? AND key IN ({', '.join('?' * len(batch))})"
    found = {key: present for key, *present in connection.execute(query, (last, *batch))}
    for key, (_, planned, *_) in found.items():
        if plan is not None and planned == plan:
            raise _planned_twice(batch[key][0])
    connection.executemany(ADD_AGAIN, [(number, present[0]) for present in found.values()])
    for key, (record, _, *request) in found.items():
        _, operation, given, _ = batch[key]
        if request == [operation, given]:
            continue
        if plan is None:
            _correct(connection, record, operation, given)
        else:
            connection.execute("INSERT INTO correction VALUES (?, ?, ?, ?)", (plan, record, operation, given))
    return count


def _planned_twice(key: str) -> InvalidRequestError:
    return InvalidRequestError(f"key is {key!r}, which another request of the plan has", "key", key, "once")


def activate_plan(connection: sqlite3.Connection, plan: int) -> None:
    """Make a plan the active one, and give its records the requests that it has for them."""
    connection.execute("UPDATE planning SET started = ?", (plan,))
    statement = "SELECT number, operation, request FROM correction WHERE plan = ?"
    for number, operation, request in connection.execute(statement, (plan,)).fetchall():
        _correct(connection, number, operation, request)
    connection.execute("DELETE FROM correction WHERE plan = ?", (plan,))


def _present_key(connection: sqlite3.Connection, key: str) -> str:
    """Return the present key of a record whose automatic key of an older format this is; else the key itself."""
    found = connection.execute("SELECT key FROM row WHERE former_key = ?", (key,)).fetchone()
    return key if found is None else str(found[0])


def _correct(connection: sqlite3.Connection, number: int, operation: str, request: str) -> None:
    """Give a record another request: at once while it waits to be sent, else for the next time it is sent."""
    question = "SELECT state, operation, request FROM row WHERE number = ?"
    state, *sent = connection.execute(question, (number,)).fetchone()
    following: list[str | None] = [None, None] if sent == [operation, request] else [operation, request]
    statement = "UPDATE row SET next_operation = ?, next_request = ? WHERE number = ?"
    connection.execute(statement, (*following, number))
    if state not in {"planned", "refused"}:
        return
    connection.execute(f"UPDATE row SET {TAKE_OVER} WHERE number = ?", (number,))  # noqa: S608 - names of ours
    if state == "refused" and _meaning(*sent) != _meaning(operation, request):
        statement = "UPDATE row SET state = ?, reason = ? WHERE number = ?"
        connection.execute(statement, (*_state_of_new(connection), number))


def _state_of_new(connection: sqlite3.Connection) -> tuple[State, str | None]:
    """Return the state of a request that the journal does not know, and the reason for it."""
    return ("uncertain", LOST_WITH_THE_DISK) if is_incomplete(connection) else ("planned", None)


def _meaning(operation: str, request: str) -> tuple[str, object]:
    return operation, canonical(json.loads(request))


def write_transition(connection: sqlite3.Connection, record: Record, state: State, changes: Changes) -> Record | None:
    """Change a record's state, and return it as it is then; None when it is not in the state it is passed with.

    A record that is to be sent again gets the request its key was last planned with. In a journal that has lost
    entries, one that would be sent again after a failure or a refusal becomes uncertain.
    """
    is_unknown = state == "planned" and record.state in RETRIED and is_incomplete(connection)
    changed = _lost() if is_unknown else transition_values(record, state, changes)
    assignments, values = _assignments(changed)
    # A submission that waits after a 429 keeps its request.
    is_new = state == "planned" and record.state != "sending"
    if is_new:
        assignments.append(TAKE_OVER)
    elif state == "sending":
        assignments.append(KEEP_FOR_LATER)
        values += [record.operation, to_json(record.request)] * 3
    if not _update(connection, record, assignments, values):
        return None
    # Reading a record back takes longer than writing it, and only one that took over another request differs.
    found = _read(connection, record.number) if is_new else attrs.evolve(record, **changed)
    write_attempt(connection, record, found, changes)
    return found


def write_changes(connection: sqlite3.Connection, record: Record, changes: Changes) -> Record | None:
    """Apply changes to a record that stays in its state, and return it; None when it is in another state."""
    is_done = _update(connection, record, *_assignments(given_values(changes)))
    return _read(connection, record.number) if is_done else None


def _update(connection: sqlite3.Connection, record: Record, assignments: list[str], values: list[object]) -> bool:
    """Assign values to a record; return False when it is not in the state it is passed with."""
    # The names in it are columns, and no input.
    statement = f"UPDATE row SET {', '.join(assignments)} WHERE number = ? AND state = ?"  # noqa: S608
    return connection.execute(statement, (*values, record.number, record.state)).rowcount == 1


def _read(connection: sqlite3.Connection, number: int) -> Record:
    # The names in it are columns, and no input.
    query = f"SELECT {COLUMNS} FROM row WHERE number = ?"  # noqa: S608
    return record_of(connection.execute(query, (number,)).fetchone())


def _assignments(changed: Mapping[str, Any]) -> tuple[list[str], list[object]]:
    return [f"{name} = ?" for name in changed], [stored(name, value) for name, value in changed.items()]


def _lost() -> dict[str, Any]:
    # The charge and the reference of the attempt before are not this one's.
    changed = {"state": "uncertain", "reason": LOST_WITH_THE_DISK, "ended_at": time.time()}
    return {**changed, "charge": None, "reference": None}


def recall(connection: sqlite3.Connection, name: str) -> Any:
    """Return the value stored under a name, or None."""
    found = connection.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
    return None if found is None else json.loads(found[0])


def remember(connection: sqlite3.Connection, name: str, value: object) -> None:
    """Store a JSON value under a name."""
    connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, to_json(value)))


def count_states(connection: sqlite3.Connection) -> Mapping[State, int]:
    """Return the number of records in each state."""
    found = dict(connection.execute("SELECT state, count(*) FROM row GROUP BY state"))
    return {state: found.get(state, 0) for state in TRANSITIONS}


def count_charged(connection: sqlite3.Connection) -> Mapping[str, int]:
    """Return how often each operation was paid for, or may have been, refunds left out."""
    return dict(connection.execute(CHARGED))


def charge_unpriced(connection: sqlite3.Connection, prices: Mapping[str, float]) -> None:
    """Charge the attempts of records that have no charge of their own, at these prices by operation."""
    for (operation,) in connection.execute(UNPRICED).fetchall():
        connection.execute(CHARGE_UNPRICED, {"operation": operation, "price": prices.get(operation, 0.0)})


def is_incomplete(connection: sqlite3.Connection) -> bool:
    """Return whether the journal has lost entries, and the user has not resolved them."""
    return recall(connection, INCOMPLETE) is True


def is_trial(connection: sqlite3.Connection) -> bool:
    """Return whether the journal is marked as a trial of the service that its requests were sent to."""
    service = recall(connection, SERVICE)
    return service is not None and service == recall(connection, TRIAL)


def read_progress(connection: sqlite3.Connection) -> tuple[Mark, bool]:
    """Return the journal's own mark, and whether it has ever sent anything."""
    commits, highest, journal_id = connection.execute("SELECT commits, highest, journal_id FROM progress").fetchone()
    statement = "SELECT EXISTS (SELECT 1 FROM row WHERE state > 'planned' OR state < 'planned')"
    has_sent = highest > 0 or bool(select_value(connection, statement))
    return Mark(commits, highest, journal_id), has_sent


def recover(connection: sqlite3.Connection, left: Mark | None, *, is_complete: bool) -> tuple[Mark, int]:
    """Make records uncertain that may have been sent: those being sent, and those waiting where entries are lost.

    Returns the mark to continue from, and how many records have become uncertain.
    """
    own, _ = read_progress(connection)
    mark = own
    if left is not None:
        is_own = left.journal_id in {None, own.journal_id}
        # Keep the highest record sent by another journal: the next one in its place may be an older copy of it.
        mark = Mark(max(left.commits, own.commits) if is_own else own.commits, max(left.highest, own.highest), own[2])
    connection.execute(
        f"UPDATE row INDEXED BY row_to_correct SET {TAKE_OVER} "  # noqa: S608 - names of ours
        "WHERE next_request IS NOT NULL AND state = 'planned'"
    )
    # Corrections of plans that were never activated.
    connection.execute("DELETE FROM correction")
    cut_off = connection.execute(f"{TO_UNCERTAIN} WHERE state = 'sending'", (LOST_WITH_ITS_PROCESS,)).rowcount
    if not is_complete:
        # Numbers are unreliable once lines have moved: each waiting record may have been sent, as may later ones.
        # The charge and the reference of the attempt before are not this one's.
        statement = f"{TO_UNCERTAIN}, charge = NULL, reference = NULL WHERE state IN ('planned', 'refunded')"
        cut_off += connection.execute(statement, (LOST_WITH_THE_DISK,)).rowcount
        remember(connection, INCOMPLETE, value=True)
    return mark, cut_off
