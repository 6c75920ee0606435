"""Rows whose outcome is unknown, or that were not accepted: the user settles them."""

from collections.abc import Collection

import musicapi_async.bulk
from musicapi_sync.bulk.journal import Journal

__all__ = ["drop_uncertain", "found_uncertain", "resend_uncertain", "resolve_not_sent", "retry_failed", "retry_refused"]


def resend_uncertain(store: Journal, keys: Collection[str] | str | None = None) -> int:
    """Have uncertain rows sent again, all or those of these keys; return how many.

    What the service had accepted all the same is paid for twice then: look into the account before.
    """
    return store._ask(lambda journal: musicapi_async.bulk.resend_uncertain(journal, keys))


def drop_uncertain(store: Journal, keys: Collection[str] | str | None = None) -> int:
    """Give uncertain rows up, all or those of these keys; return how many."""
    return store._ask(lambda journal: musicapi_async.bulk.drop_uncertain(journal, keys))


def retry_refused(store: Journal, keys: Collection[str] | str | None = None) -> int:
    """Have what the service refused tried again by the next run, all or those of these keys; return how many."""
    return store._ask(lambda journal: musicapi_async.bulk.retry_refused(journal, keys))


def retry_failed(store: Journal, keys: Collection[str] | str | None = None) -> int:
    """Have failed records sent again by the next run, all or those of these keys; return how many.

    Each is paid for again, also where its credits are refunded later; what it has cost so far stays counted.
    """
    return store._ask(lambda journal: musicapi_async.bulk.retry_failed(journal, keys))


def resolve_not_sent(store: Journal, keys: Collection[str] | str | None = None) -> int:
    """Plan uncertain rows again that the service did not accept, all or those of these keys; return how many.

    Their last attempt does not count, nor does what it may have cost. Without ``keys`` it also settles a journal that
    has lost entries, such as a backup: from then on, keys that it does not know are sent. Raises InvalidRequestError
    for a key of which no row is uncertain; then nothing is changed.
    """
    return store._ask(lambda journal: musicapi_async.bulk.resolve_not_sent(journal, keys))


def found_uncertain(store: Journal, key: str, task_id: str) -> None:
    """Record the id under which the task of an uncertain row was found; the next run resumes it, and a later id wins.

    Raises InvalidRequestError when no row of this key is uncertain.
    """
    store._ask(lambda journal: musicapi_async.bulk.found_uncertain(journal, key, task_id))
