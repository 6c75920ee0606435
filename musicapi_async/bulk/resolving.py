"""Decisions of the user on records that are uncertain, failed or refused; the next run acts on them."""

import asyncio
from collections.abc import AsyncIterator, Collection

from musicapi_async._tasks.task import checked_task_id
from musicapi_async.bulk.journal import INCOMPLETE, NO_CHANGES, PAGE_SIZE, Journal, records_in
from musicapi_async.bulk.records import TRANSITIONS, Changes, Record, State
from musicapi_async.errors import InvalidRequestError

__all__ = [
    "abandon_uncertain",
    "resend_uncertain",
    "resolve_as_accepted",
    "resolve_not_sent",
    "retry_failed",
    "retry_refused",
]


async def resend_uncertain(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan uncertain records again, all or those of these keys; return how many.

    A request that the service had accepted is then paid for twice: check the account first. Raises JournalError when
    the journal cannot be written.
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
