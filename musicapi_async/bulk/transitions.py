"""A record's transition in a journal's tables: the columns it changes, and the request that is sent next."""

import sqlite3
import time
from collections.abc import Mapping
from typing import Any, Final

import attrs

from musicapi_async.bulk.recovery import LOST_WITH_THE_DISK, is_incomplete
from musicapi_async.bulk.schema import COLUMNS, TAKE_OVER, row_of, to_json, to_text
from musicapi_async.bulk.states import Facts, Row, State, attempts_after, charged_after

__all__ = ["write_changes", "write_transition"]

FACTS: Final = tuple(field.name for field in attrs.fields(Facts) if field.name != "was_not_accepted")
TIMES: Final[Mapping[State, str]] = {"sending": "sent_at", "accepted": "accepted_at"}
RETRIED: Final[frozenset[State]] = frozenset({"failed", "refunded", "refused"})
"""From where a row is sent again because of what the journal says of it."""
KEEP_FOR_LATER: Final = (
    "next_operation = CASE WHEN operation = ? AND request = ? THEN next_operation ELSE operation END, "
    "next_request = CASE WHEN operation = ? AND request = ? THEN next_request ELSE request END, "
    "operation = ?, request = ?"
)
"""What is sent is what was taken to be sent, whatever was planned under its key meanwhile."""


def write_transition(connection: sqlite3.Connection, row: Row, state: State, facts: Facts) -> Row | None:
    """Change a row's state, and return it as it is then; None when it is not in the state it is thought to be in.

    A row that is to be sent again gets the request its key was last planned with. In a journal that has lost entries,
    one that would be sent again after a failure or a refusal becomes uncertain.
    """
    is_unknown = state == "planned" and row.state in RETRIED and is_incomplete(connection)
    changed = _lost() if is_unknown else _changed(row, state, facts)
    changes, values = _assignments(changed)
    # A submission that waits after a 429 is the same one: it keeps its request.
    is_new = state == "planned" and row.state != "sending"
    if is_new:
        changes.append(TAKE_OVER)
    elif state == "sending":
        changes.append(KEEP_FOR_LATER)
        values += [row.operation, to_json(row.request)] * 3
    found = _update(connection, row, changes, values)
    if found is None:
        return None
    return found if is_new else attrs.evolve(row, **changed)


def write_changes(connection: sqlite3.Connection, row: Row, facts: Facts) -> Row | None:
    """Change what is known of a row that stays in its state, and return it; None when it is in another one."""
    return _update(connection, row, *_assignments(_given(facts)))


def _update(connection: sqlite3.Connection, row: Row, changes: list[str], values: list[object]) -> Row | None:
    # Only ours are the names in it.
    where = "WHERE number = ? AND state = ?"
    statement = f"UPDATE row SET {', '.join(changes)} {where} RETURNING {COLUMNS}"  # noqa: S608
    found = connection.execute(statement, (*values, row.number, row.state)).fetchone()
    return None if found is None else row_of(found)


def _assignments(changed: Mapping[str, Any]) -> tuple[list[str], list[object]]:
    values = [to_json(value) if name in {"clips", "files"} else to_text(value) for name, value in changed.items()]
    return [f"{name} = ?" for name in changed], values


def _given(facts: Facts) -> dict[str, Any]:
    return {name: value for name in FACTS if (value := getattr(facts, name)) is not None}


def _changed(row: Row, state: State, facts: Facts) -> dict[str, Any]:
    return {
        "state": state,
        "attempts": attempts_after(row, state, facts),
        "refunds": row.refunds + (state == "refunded"),
        "charged": charged_after(row, state, facts),
        TIMES.get(state, "ended_at"): time.time(),
        **_given(facts),
    }


def _lost() -> dict[str, Any]:
    # It has no charge: the one it has is of an attempt before.
    return {"state": "uncertain", "reason": LOST_WITH_THE_DISK, "charge": None, "ended_at": time.time()}
