"""Rows of which nobody can tell whether they were paid for: the user settles them."""

from collections.abc import AsyncIterator, Collection

from musicapi_async.bulk.states import Facts, Row, State, Store, rows_in
from musicapi_async.errors import InvalidRequestError

__all__ = ["drop_uncertain", "found_uncertain", "resend_uncertain", "retry_failed", "retry_refused"]


async def resend_uncertain(store: Store, keys: Collection[str] | str | None = None) -> int:
    """Have uncertain rows sent again, all or those of these keys; return how many.

    What the service had accepted all the same is paid for twice then: look into the account before.
    """
    return await _move_all(store, "uncertain", "planned", keys, "sent again, as its user said")


async def drop_uncertain(store: Store, keys: Collection[str] | str | None = None) -> int:
    """Give uncertain rows up, all or those of these keys; return how many."""
    reason = "given up by its user: nobody knows whether it was accepted"
    return await _move_all(store, "uncertain", "failed", keys, reason)


async def retry_refused(store: Store, keys: Collection[str] | str | None = None) -> int:
    """Have what the service refused tried again by the next run, all or those of these keys; return how many."""
    return await _move_all(store, "refused", "planned", keys)


async def retry_failed(store: Store, keys: Collection[str] | str | None = None) -> int:
    """Have failed records sent again by the next run, all or those of these keys; return how many.

    Each is paid for again, also where its credits are refunded later; what it has cost so far stays counted.
    """
    return await _move_all(store, "failed", "planned", keys, "failed, and sent again as its user said")


async def found_uncertain(store: Store, key: str, task_id: str) -> None:
    """Note under which id the task of an uncertain row was found; the next run brings it home. A wrong id is mended so.

    Raises InvalidRequestError when no row of this key is uncertain.
    """
    async for row in _those("uncertain", store, key):
        await store.move(row, "accepted", Facts(task_id=task_id))
        return
    async for row in _those("accepted", store, key):
        # The id that was given before was a wrong one.
        await store.move(await store.move(row, "uncertain"), "accepted", Facts(task_id=task_id))
        return
    raise InvalidRequestError(f"key is {key!r}, and no row of that key is uncertain", "key", key, "an uncertain row's")


async def _move_all(
    store: Store, before: State, after: State, keys: Collection[str] | str | None, reason: str | None = None
) -> int:
    count = 0
    async for row in _those(before, store, keys):
        await store.move(row, after, Facts(reason=reason))
        count += 1
    return count


async def _those(state: State, store: Store, keys: Collection[str] | str | None) -> AsyncIterator[Row]:
    """Go through the rows in a state, all or those of these keys."""
    wanted = {keys} if isinstance(keys, str) else keys
    async for row in rows_in(store, state):
        if wanted is None or row.key in wanted:
            yield row
