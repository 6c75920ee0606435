"""Rows whose outcome is unknown, or that were not accepted: the user settles them."""

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import get_args

from musicapi_async._tasks.task import checked_task_id
from musicapi_async.bulk.states import INCOMPLETE, PAGE, Facts, Row, State, Store, rows_in
from musicapi_async.errors import InvalidRequestError

__all__ = ["drop_uncertain", "found_uncertain", "resend_uncertain", "resolve_not_sent", "retry_failed", "retry_refused"]


async def resend_uncertain(store: Store, keys: Collection[str] | str | None = None) -> int:
    """Have uncertain rows sent again, all or those of these keys; return how many.

    What the service had accepted all the same is paid for twice then: look into the account before.
    """
    return await _move_all(store, "uncertain", "planned", keys, Facts(reason="sent again, as its user said"))


async def drop_uncertain(store: Store, keys: Collection[str] | str | None = None) -> int:
    """Give uncertain rows up, all or those of these keys; return how many."""
    facts = Facts(reason="given up by its user: it may have been accepted")
    return await _move_all(store, "uncertain", "failed", keys, facts)


async def retry_refused(store: Store, keys: Collection[str] | str | None = None) -> int:
    """Have what the service refused tried again by the next run, all or those of these keys; return how many."""
    return await _move_all(store, "refused", "planned", keys, Facts())


async def resolve_not_sent(store: Store, keys: Collection[str] | str | None = None) -> int:
    """Plan uncertain rows again that the service did not accept, all or those of these keys; return how many.

    Their last attempt does not count, nor does what it may have cost. Without ``keys`` it also settles a journal that
    has lost entries, such as a backup: from then on, keys that it does not know are sent. Raises InvalidRequestError
    for a key of which no row is uncertain; then nothing is changed.
    """
    wanted = {keys} if isinstance(keys, str) else keys
    if wanted is not None:
        found = {key async for row in _those("uncertain", store, wanted) for key in (row.key, row.former_key)}
        for key in wanted:
            if key not in found:
                raise _not_uncertain(key)
    facts = Facts(reason="not accepted, as its user said", was_not_accepted=True)
    count = await _move_all(store, "uncertain", "planned", wanted, facts)
    if wanted is None:
        await store.remember(INCOMPLETE, value=False)
    return count


async def retry_failed(store: Store, keys: Collection[str] | str | None = None) -> int:
    """Have failed records sent again by the next run, all or those of these keys; return how many.

    Each is paid for again, also where its credits are refunded later; what it has cost so far stays counted.
    """
    return await _move_all(store, "failed", "planned", keys, Facts(reason="failed, and sent again as its user said"))


async def found_uncertain(store: Store, key: str, task_id: str) -> None:
    """Record the id under which the task of an uncertain row was found; the next run resumes it, and a later id wins.

    Raises InvalidRequestError when no row of this key is uncertain, and for an id that is a key of the journal, or the
    task of another row: two rows with one task would have one song for two.
    """
    task_id = checked_task_id(task_id)
    await _check_unused(store, key, task_id)
    async for row in _those("uncertain", store, key):
        await store.move(row, "accepted", Facts(task_id=task_id))
        return
    async for row in _those("accepted", store, key):
        # The id that was given before was a wrong one.
        await store.move(await store.move(row, "uncertain"), "accepted", Facts(task_id=task_id))
        return
    raise _not_uncertain(key)


async def _check_unused(store: Store, key: str, task_id: str) -> None:
    """Raise InvalidRequestError for an id that names something else in the journal."""
    for state in get_args(State):
        async for row in rows_in(store, state):
            keys = {row.key, row.former_key}
            if task_id in keys:
                message = (
                    f"task_id is {task_id!r}, which is the key of a request; pass the id of the task at the service"
                )
            elif row.task_id == task_id and key not in keys:
                message = f"task_id is {task_id!r}, which is the task of the request {row.key!r} already"
            else:
                continue
            raise InvalidRequestError(message, "task_id", task_id, "the id of a task that no other request has")


def _not_uncertain(key: str) -> InvalidRequestError:
    return InvalidRequestError(f"key is {key!r}, and no row of that key is uncertain", "key", key, "an uncertain row's")


async def _move_all(store: Store, before: State, after: State, keys: Collection[str] | str | None, facts: Facts) -> int:
    """Move the rows in a state, all or those of these keys, and return how many; many at a time share a flush."""
    count = 0
    batch: list[Row] = []
    async for row in _those(before, store, keys):
        batch.append(row)
        if len(batch) == PAGE:
            count += len(await asyncio.gather(*(store.move(row, after, facts) for row in batch)))
            batch = []
    return count + len(await asyncio.gather(*(store.move(row, after, facts) for row in batch)))


async def _those(state: State, store: Store, keys: Collection[str] | str | None) -> AsyncIterator[Row]:
    """Go through the rows in a state, all or those of these keys."""
    wanted = {keys} if isinstance(keys, str) else None if keys is None else frozenset(keys)
    async for row in rows_in(store, state):
        if wanted is None or row.key in wanted or row.former_key in wanted:
            yield row
