"""Plans in a journal's tables: which rows are asked for, and the requests that their keys have now.

A plan that is never started changes no request: what it asks for differently waits in ``correction`` until then.
"""

import json
import sqlite3
from collections.abc import Iterable
from typing import Final

from musicapi_async.bulk.keys import canonical
from musicapi_async.bulk.recovery import LOST_WITH_THE_DISK, is_incomplete
from musicapi_async.bulk.schema import TAKE_OVER, ask
from musicapi_async.bulk.states import State
from musicapi_async.errors import InvalidRequestError

__all__ = ["IN_PLAN", "add_rows", "start_plan"]

# A plan that was begun and never started changes nothing of the one that was.
IN_PLAN: Final = "(SELECT started FROM planning) IN (plan, plan_before) AND "
ADD: Final = """
    INSERT INTO row (key, operation, request, key_version, plan, state, reason) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET
        plan_before = CASE WHEN plan <= (SELECT started FROM planning) THEN plan ELSE plan_before END,
        plan = excluded.plan
    WHERE plan <> excluded.plan OR ?
    RETURNING number, coalesce(next_operation, operation), coalesce(next_request, request)
"""

Entry = tuple[str, str, str, int]
"""Key, operation, request as JSON, version of the key."""


def add_rows(connection: sqlite3.Connection, entries: Iterable[Entry], plan: int | None) -> int:
    """Add rows to a plan, None for the one that was started last; return how many were new.

    A key that the journal does not know is uncertain where the journal has lost entries. Raises InvalidRequestError for
    a key that is in a new plan already.
    """
    number = ask(connection, "SELECT started FROM planning") if plan is None else plan
    before = ask(connection, "SELECT coalesce(max(number), 0) FROM row")
    new = _state_of_new(connection)
    has_former = ask(connection, "SELECT EXISTS (SELECT 1 FROM row WHERE former_key IS NOT NULL)")
    for key, operation, request, version in entries:
        known = _key_now(connection, key) if has_former and not version else key
        values = (known, operation, request, version, number, *new, plan is None)
        found = connection.execute(ADD, values).fetchone()
        if found is None:
            raise InvalidRequestError(f"key is {key!r} a second time", "key", key, "once")
        if found[1:] == (operation, request):
            continue
        if plan is None:
            _correct(connection, found[0], operation, request)
        else:
            connection.execute("INSERT INTO correction VALUES (?, ?, ?, ?)", (plan, found[0], operation, request))
    return int(ask(connection, "SELECT coalesce(max(number), 0) FROM row") - before)


def start_plan(connection: sqlite3.Connection, plan: int) -> None:
    """Have the rows of this plan be those that are asked for, with the requests it gives them."""
    connection.execute("UPDATE planning SET started = ?", (plan,))
    statement = "SELECT number, operation, request FROM correction WHERE plan = ?"
    for number, operation, request in connection.execute(statement, (plan,)).fetchall():
        _correct(connection, number, operation, request)
    connection.execute("DELETE FROM correction WHERE plan = ?", (plan,))


def _key_now(connection: sqlite3.Connection, key: str) -> str:
    """Return the key that a row with this automatic key of an older format has now; else the key itself."""
    found = connection.execute("SELECT key FROM row WHERE former_key = ?", (key,)).fetchone()
    return key if found is None else str(found[0])


def _correct(connection: sqlite3.Connection, number: int, operation: str, request: str) -> None:
    """Give a row another request: at once where it waits to be sent, else for the next time it is sent."""
    question = "SELECT state, operation, request FROM row WHERE number = ?"
    state, *sent = connection.execute(question, (number,)).fetchone()
    following: list[str | None] = [None, None] if sent == [operation, request] else [operation, request]
    statement = "UPDATE row SET next_operation = ?, next_request = ? WHERE number = ?"
    connection.execute(statement, (*following, number))
    if state not in {"planned", "refused"}:
        return
    connection.execute(f"UPDATE row SET {TAKE_OVER} WHERE number = ?", (number,))  # noqa: S608 - names of ours
    if state == "refused" and _means(*sent) != _means(operation, request):
        statement = "UPDATE row SET state = ?, reason = ? WHERE number = ?"
        connection.execute(statement, (*_state_of_new(connection), number))


def _state_of_new(connection: sqlite3.Connection) -> tuple[State, str | None]:
    """Return the state of a request that the journal does not know, and the reason for it."""
    return ("uncertain", LOST_WITH_THE_DISK) if is_incomplete(connection) else ("planned", None)


def _means(operation: str, request: str) -> tuple[str, object]:
    return operation, canonical(json.loads(request))
