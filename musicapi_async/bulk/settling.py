"""Rows of which nobody can tell whether they were paid for: the user settles them."""

from collections.abc import AsyncIterator, Collection

from musicapi_async.bulk.states import Facts, Row, Store
from musicapi_async.errors import InvalidRequestError

__all__ = ["drop_uncertain", "found_uncertain", "resend_uncertain"]

PAGE = 1000


async def resend_uncertain(store: Store, keys: Collection[str] | None = None) -> int:
    """Have uncertain rows sent again, all or those of these keys; return how many.

    What the service had accepted all the same is paid for twice then: look into the account before.
    """
    count = 0
    async for row in _uncertain(store, keys):
        await store.move(row, "planned", Facts(reason="sent again, as its user said"))
        count += 1
    return count


async def drop_uncertain(store: Store, keys: Collection[str] | None = None) -> int:
    """Give uncertain rows up, all or those of these keys; return how many."""
    count = 0
    async for row in _uncertain(store, keys):
        await store.move(row, "failed", Facts(reason="given up by its user: nobody knows whether it was accepted"))
        count += 1
    return count


async def found_uncertain(store: Store, key: str, task_id: str) -> None:
    """Note under which id the task of an uncertain row was found; the next run brings it home.

    Raises InvalidRequestError when no row of this key is uncertain.
    """
    async for row in _uncertain(store, {key}):
        await store.move(row, "accepted", Facts(task_id=task_id))
        return
    raise InvalidRequestError(f"key is {key!r}, and no row of that key is uncertain", "key", key, "an uncertain row's")


async def _uncertain(store: Store, keys: Collection[str] | None) -> AsyncIterator[Row]:
    after = 0
    while found := await store.rows("uncertain", after, PAGE):
        for row in found:
            if keys is None or row.key in keys:
                yield row
        after = found[-1].number
