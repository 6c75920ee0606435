"""Plans: requests are planned under keys, and uncertain, failed or refused ones again, as the user decides."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Collection, Generator, Iterable
from contextlib import aclosing, closing
from itertools import islice
from typing import Any, Final

from musicapi_async._request import TaskRequest, checked_item
from musicapi_async._tasks.task import checked_task_id
from musicapi_async.bulk.journal import INCOMPLETE, PAGE_SIZE, Journal, records_in
from musicapi_async.bulk.keys import Keys, checked_key
from musicapi_async.bulk.plan_options import PlanOptions, remember_options
from musicapi_async.bulk.records import NO_CHANGES, TRANSITIONS, Changes, Planned, Record, State
from musicapi_async.bulk.requests_file import BadLine
from musicapi_async.errors import InvalidRequestError

__all__ = [
    "Requests",
    "abandon_uncertain",
    "blocking_batches_of",
    "plan_all",
    "planned_requests",
    "resend_uncertain",
    "resolve_as_accepted",
    "resolve_not_sent",
    "retry_failed",
    "retry_refused",
]

Requests = Iterable[TaskRequest[Any] | Planned | BadLine] | AsyncIterable[TaskRequest[Any] | Planned | BadLine]

BATCH_SIZE: Final = 20_000
"""Requests that are planned at once."""


async def plan_all(journal: Journal, requests: Requests, options: PlanOptions | None = None) -> tuple[int, int]:
    """Plan all requests in place of the previous plan; return their number, and how many are new.

    ``options`` replace those of the previous plan; None leaves them as they are. A request of the previous plan that
    is not among the new ones is not sent, unless it was paid for. Raises InvalidRequestError for an item that is no
    request; the previous plan stays in that case.
    """
    plan, count, new = await journal.new_plan(), 0, 0
    async with aclosing(_batches_of(requests)) as batches:
        async for batch in batches:
            new += await journal.plan(batch, plan)
            count += len(batch)
    if options is not None:
        await remember_options(journal, options)
    await journal.activate_plan(plan)
    return count, new


async def _batches_of(requests: Requests) -> AsyncGenerator[list[Planned], None]:
    """Yield requests with their keys, a batch at a time."""
    batch: list[object] = []
    with closing(Keys()) as keys:
        async for request in requests if isinstance(requests, AsyncIterable) else _one_by_one(requests):
            batch.append(request)
            if len(batch) == BATCH_SIZE:
                yield await asyncio.to_thread(planned_requests, batch, keys)
                batch = []
        if batch:
            yield await asyncio.to_thread(planned_requests, batch, keys)


def blocking_batches_of(requests: Iterable[object]) -> Generator[list[Planned], None, None]:
    """Yield requests with their keys as ``plan_all`` does, in the caller's thread."""
    rest = iter(requests)
    with closing(Keys()) as keys:
        while batch := list(islice(rest, BATCH_SIZE)):
            yield planned_requests(batch, keys)


def planned_requests(requests: Iterable[object], keys: Keys) -> list[Planned]:
    """Return requests with their keys; raises InvalidRequestError for an item that is no request, or a wrong key."""
    return [_planned(request, keys) for request in requests]


async def _one_by_one(requests: Iterable[object]) -> AsyncIterator[object]:
    for request in requests:
        yield request


def _planned(request: object, keys: Keys) -> Planned:
    if isinstance(request, Planned):
        checked_key(request.key)
        return request
    if isinstance(request, BadLine):
        message = f"line {request.number}: {request.reason}"
        raise InvalidRequestError(message, request.field or "requests", request.number, "one request per line")
    return keys.planned(checked_item(request))


async def resend_uncertain(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan uncertain records again, all or those of these keys; return how many.

    A request that the service had accepted is then paid for twice: check the account first, and take the events that
    were kept (``run.recover()``). Raises JournalError when the journal cannot be written.
    """
    return await _transition_all(
        journal, "uncertain", "planned", keys, Changes(reason="sent again, as its user decided")
    )


async def abandon_uncertain(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Mark uncertain records as failed, all or those of these keys; return how many.

    Raises JournalError when the journal cannot be written.
    """
    changes = Changes(reason="abandoned by its user: it may have been accepted")
    return await _transition_all(journal, "uncertain", "failed", keys, changes)


async def retry_refused(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan records again that the service refused, all or those of these keys; return how many.

    Raises JournalError when the journal cannot be written.
    """
    return await _transition_all(journal, "refused", "planned", keys, NO_CHANGES)


async def resolve_not_sent(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan uncertain records again that the service did not accept, all or those of these keys; return how many.

    Their last attempt does not count, and neither does its possible cost. Without ``keys`` it also resolves a journal
    that has lost entries, such as a backup: from then on, keys that it does not know are sent. Raises
    InvalidRequestError for a key of which no record is uncertain; then nothing is changed.
    """
    wanted = {keys} if isinstance(keys, str) else keys
    if wanted is not None:
        uncertain = _with_keys(journal, "uncertain", wanted)
        found = {key async for record in uncertain for key in (record.key, record.former_key)}
        for key in wanted:
            if key not in found:
                raise _not_uncertain(key)
    changes = Changes(reason="not accepted, as its user decided", was_not_accepted=True)
    count = await _transition_all(journal, "uncertain", "planned", wanted, changes)
    if wanted is None:
        await journal.remember(INCOMPLETE, value=False)
    return count


async def retry_failed(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan failed records again, all or those of these keys; return how many.

    Each is paid for again, even if its credits are refunded later; what it has cost so far stays counted. Raises
    JournalError when the journal cannot be written.
    """
    changes = Changes(reason="failed, and sent again as its user decided")
    return await _transition_all(journal, "failed", "planned", keys, changes)


async def resolve_as_accepted(journal: Journal, key: str, task_id: str) -> None:
    """Record the task id of an uncertain request, as found in the account; the next run resumes the task.

    An id that is given later replaces it. Raises InvalidRequestError when no record of this key is uncertain, and for
    an id that is a key of the journal, or the task of another record: two records would share the songs of one task.
    """
    task_id = checked_task_id(task_id)
    await _check_unused(journal, key, task_id)
    async for record in _with_keys(journal, "uncertain", key):
        await journal.transition(record, "accepted", Changes(task_id=task_id))
        return
    async for record in _with_keys(journal, "accepted", key):
        # The id that was given before was wrong.
        await journal.transition(await journal.transition(record, "uncertain"), "accepted", Changes(task_id=task_id))
        return
    raise _not_uncertain(key)


async def _check_unused(journal: Journal, key: str, task_id: str) -> None:
    """Raise InvalidRequestError for a task id that is already in the journal."""
    for state in TRANSITIONS:
        async for record in records_in(journal, state):
            keys = {record.key, record.former_key}
            if task_id in keys:
                message = (
                    f"task_id is {task_id!r}, which is the key of a request; pass the id of the task at the service"
                )
            elif record.task_id == task_id and key not in keys:
                message = f"task_id is {task_id!r}, which is the task of the request {record.key!r} already"
            else:
                continue
            raise InvalidRequestError(message, "task_id", task_id, "the id of a task that no other request has")


def _not_uncertain(key: str) -> InvalidRequestError:
    message = f"key is {key!r}, and no request of that key is uncertain"
    return InvalidRequestError(message, "key", key, "an uncertain request's")


async def _transition_all(
    journal: Journal, before: State, after: State, keys: Collection[str] | str | None, changes: Changes
) -> int:
    """Change the state of records, all or those of these keys, and return their number; each page shares a flush."""
    count = 0
    batch: list[Record] = []
    async for record in _with_keys(journal, before, keys):
        batch.append(record)
        if len(batch) == PAGE_SIZE:
            count += len(await asyncio.gather(*(journal.transition(one, after, changes) for one in batch)))
            batch = []
    return count + len(await asyncio.gather(*(journal.transition(one, after, changes) for one in batch)))


async def _with_keys(journal: Journal, state: State, keys: Collection[str] | str | None) -> AsyncIterator[Record]:
    """Yield the records in a state, all or those of these keys."""
    wanted = {keys} if isinstance(keys, str) else None if keys is None else frozenset(keys)
    async for record in records_in(journal, state):
        if wanted is None or record.key in wanted or record.former_key in wanted:
            yield record
