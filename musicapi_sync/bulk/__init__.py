"""Durable runs of many requests, blocking: the names of ``musicapi_async.bulk``, without ``await``.

``for outcome in bulk.run(client, journal, requests, out="songs/")`` runs the requests; run again, it resumes.

- ``store.py`` the async journal that a blocking one holds
- ``journal.py`` the journal, which is bound to no client, and the user's decisions on its records
- ``run.py`` a run, on the loop of its client
"""

from musicapi_async.bulk import Attempt, BadLine, Outcome, Planned, PlanOptions, Record, State, read_requests
from musicapi_sync.bulk.journal import (
    Journal,
    abandon_uncertain,
    migrate,
    open,  # noqa: A004 - bulk.open
    recall_options,
    receive,
    remember_options,
    resend_uncertain,
    resolve_as_accepted,
    resolve_not_sent,
    retry_failed,
    retry_refused,
)
from musicapi_sync.bulk.run import Run, run, work

__all__ = [
    "Attempt",
    "BadLine",
    "Journal",
    "Outcome",
    "PlanOptions",
    "Planned",
    "Record",
    "Run",
    "State",
    "abandon_uncertain",
    "migrate",
    "open",
    "read_requests",
    "recall_options",
    "receive",
    "remember_options",
    "resend_uncertain",
    "resolve_as_accepted",
    "resolve_not_sent",
    "retry_failed",
    "retry_refused",
    "run",
    "work",
]
