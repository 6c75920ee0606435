"""Decisions of the user on records that are uncertain, failed or refused; the next run acts on them."""

from collections.abc import Collection

import musicapi_async.bulk
from musicapi_sync.bulk.journal import Journal

__all__ = [
    "abandon_uncertain",
    "resend_uncertain",
    "resolve_as_accepted",
    "resolve_not_sent",
    "retry_failed",
    "retry_refused",
]


def resend_uncertain(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan uncertain records again, all or those of these keys; return how many.

    A request that the service had accepted is then paid for twice: check the account first. Raises JournalError when
    the journal cannot be written.
    """
    return journal._call(lambda journal: musicapi_async.bulk.resend_uncertain(journal, keys))


def abandon_uncertain(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Mark uncertain records as failed, all or those of these keys; return how many.

    Raises JournalError when the journal cannot be written.
    """
    return journal._call(lambda journal: musicapi_async.bulk.abandon_uncertain(journal, keys))


def retry_refused(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan records again that the service refused, all or those of these keys; return how many.

    Raises JournalError when the journal cannot be written.
    """
    return journal._call(lambda journal: musicapi_async.bulk.retry_refused(journal, keys))


def retry_failed(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan failed records again, all or those of these keys; return how many.

    Each is paid for again, even if its credits are refunded later; what it has cost so far stays counted. Raises
    JournalError when the journal cannot be written.
    """
    return journal._call(lambda journal: musicapi_async.bulk.retry_failed(journal, keys))


def resolve_not_sent(journal: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan uncertain records again that the service did not accept, all or those of these keys; return how many.

    Their last attempt does not count, and neither does its possible cost. Without ``keys`` it also resolves a journal
    that has lost entries, such as a backup: from then on, keys that it does not know are sent. Raises
    InvalidRequestError for a key of which no record is uncertain; then nothing is changed.
    """
    return journal._call(lambda journal: musicapi_async.bulk.resolve_not_sent(journal, keys))


def resolve_as_accepted(journal: Journal, key: str, task_id: str) -> None:
    """Record the task id of an uncertain request, as found in the account; the next run resumes the task.

    An id that is given later replaces it. Raises InvalidRequestError when no record of this key is uncertain, and for
    an id that is a key of the journal, or the task of another record: two records would share the songs of one task.
    """
    journal._call(lambda journal: musicapi_async.bulk.resolve_as_accepted(journal, key, task_id))
