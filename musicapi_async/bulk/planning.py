"""Requests become rows of a store: each checked, under a key of its own, before anything is paid for."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, Final

from musicapi_async._request import TaskRequest
from musicapi_async.bulk.requests_file import Keys
from musicapi_async.bulk.states import Planned, Store
from musicapi_async.errors import InvalidRequestError

__all__ = ["Requests", "batches_of", "plan_all"]

Requests = Iterable[TaskRequest[Any] | Planned] | AsyncIterable[TaskRequest[Any] | Planned]

TOGETHER: Final = 500
"""Rows that are written at once."""


async def plan_all(store: Store, requests: Requests) -> tuple[int, int]:
    """Have the store's rows be these, and return how many there are, and how many of them are new.

    What was planned before and is not among them is not made, unless it was paid for. Raises InvalidRequestError for
    what is no request; then what was planned before stays the plan.
    """
    plan, rows, new = await store.new_plan(), 0, 0
    async for batch in batches_of(requests):
        new += await store.plan(batch, plan)
        rows += len(batch)
    await store.start(plan)
    return rows, new


async def batches_of(requests: Requests) -> AsyncIterator[list[Planned]]:
    """Make rows of requests, a few hundred at a time."""
    keys, batch = Keys(), list[Planned]()
    async for request in requests if isinstance(requests, AsyncIterable) else _one_by_one(requests):
        batch.append(_row_of(request, keys))
        if len(batch) == TOGETHER:
            yield batch
            batch = []
    if batch:
        yield batch


async def _one_by_one(
    requests: Iterable[TaskRequest[Any] | Planned],
) -> AsyncIterator[TaskRequest[Any] | Planned]:
    for request in requests:
        yield request


def _row_of(request: object, keys: Keys) -> Planned:
    if isinstance(request, Planned):
        if keys.is_new(request.key):
            return request
        raise InvalidRequestError(f"key is {request.key!r} a second time", "key", request.key, "once")
    if not isinstance(request, TaskRequest):
        message = f"a bulk run takes requests that start a task, such as sonic.Create(...), not {request!r}"
        raise InvalidRequestError(message, "requests", request, "TaskRequest")
    operation, wire = request.operation_name(), request.to_wire()
    return Planned(key=keys.key_of(operation, wire), operation=operation, request=wire)
