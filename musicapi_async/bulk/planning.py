"""Requests become rows of a store: each checked, under a key of its own, before anything is paid for."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable
from contextlib import aclosing, closing
from itertools import islice
from typing import Any, Final

from musicapi_async._arguments import wrong_argument
from musicapi_async._request import TaskRequest, checked_item
from musicapi_async.bulk.requests_file import BadLine, Keys, checked_key
from musicapi_async.bulk.states import Planned, Store
from musicapi_async.errors import InvalidRequestError

__all__ = ["Requests", "batches_of", "blocking_batches_of", "check_arguments", "plan_all", "rows_of"]

Requests = Iterable[TaskRequest[Any] | Planned | BadLine] | AsyncIterable[TaskRequest[Any] | Planned | BadLine]

TOGETHER: Final = 1000
"""Rows that are written at once."""


def check_arguments(*, is_client: bool, client: object, is_journal: bool, journal: object, requests: object) -> None:
    """Raise InvalidRequestError for what is no client, no journal, or nothing to take requests from."""
    if not is_client:
        raise wrong_argument("client", client, "a MusicAPI of the same package")
    if not is_journal:
        raise wrong_argument("journal", journal, "a Journal of the same package", "Journal.open(path) opens one")
    if requests is not None and not isinstance(requests, (Iterable, AsyncIterable)):
        advice = "pass a list: [request]" if isinstance(requests, TaskRequest) else ""
        raise wrong_argument("requests", requests, "an iterable of requests", advice)


async def plan_all(store: Store, requests: Requests) -> tuple[int, int]:
    """Have the store's rows be these, and return how many there are, and how many of them are new.

    What was planned before and is not among them is not made, unless it was paid for. Raises InvalidRequestError for
    what is no request; then what was planned before stays the plan.
    """
    plan, rows, new = await store.new_plan(), 0, 0
    async with aclosing(batches_of(requests)) as batches:
        async for batch in batches:
            new += await store.plan(batch, plan)
            rows += len(batch)
    await store.start(plan)
    return rows, new


async def batches_of(requests: Requests) -> AsyncGenerator[list[Planned], None]:
    """Make rows of requests, a few hundred at a time."""
    batch: list[object] = []
    with closing(Keys()) as keys:
        async for request in requests if isinstance(requests, AsyncIterable) else _one_by_one(requests):
            batch.append(request)
            if len(batch) == TOGETHER:
                yield await asyncio.to_thread(rows_of, batch, keys)
                batch = []
        if batch:
            yield await asyncio.to_thread(rows_of, batch, keys)


def blocking_batches_of(requests: Iterable[object]) -> Generator[list[Planned], None, None]:
    """Make rows of requests as ``batches_of`` does, in the thread of whoever asks for them."""
    rest = iter(requests)
    with closing(Keys()) as keys:
        while batch := list(islice(rest, TOGETHER)):
            yield rows_of(batch, keys)


def rows_of(requests: Iterable[object], keys: Keys) -> list[Planned]:
    """Make a row of each request; raises InvalidRequestError for what is none, or has the key of another."""
    return [_row_of(request, keys) for request in requests]


async def _one_by_one(requests: Iterable[object]) -> AsyncIterator[object]:
    for request in requests:
        yield request


def _row_of(request: object, keys: Keys) -> Planned:
    if isinstance(request, Planned):
        checked_key(request.key)
        return request
    if isinstance(request, BadLine):
        message = f"line {request.number}: {request.reason}"
        raise InvalidRequestError(message, request.field or "requests", request.number, "a request a line")
    return keys.planned(checked_item(request))
