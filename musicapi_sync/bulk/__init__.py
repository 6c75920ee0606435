"""Many songs, durably, blocking: the twin of ``musicapi_async.bulk``, with the same names and no ``await``.

``for outcome in bulk.run(client, journal, requests, out="songs/")`` makes them; started again, it goes on.

- ``journal.py`` the journal, which is bound to no client
- ``running.py`` a run, on the loop of its client
- ``settling.py`` what a user says of uncertain rows
"""

from musicapi_async.bulk import BadLine, Outcome, Planned, Row, State, read_requests
from musicapi_sync.bulk.journal import Journal
from musicapi_sync.bulk.running import Run, run
from musicapi_sync.bulk.settling import (
    drop_uncertain,
    found_uncertain,
    resend_uncertain,
    resolve_not_sent,
    retry_failed,
    retry_refused,
)

__all__ = [
    "BadLine",
    "Journal",
    "Outcome",
    "Planned",
    "Row",
    "Run",
    "State",
    "drop_uncertain",
    "found_uncertain",
    "read_requests",
    "resend_uncertain",
    "resolve_not_sent",
    "retry_failed",
    "retry_refused",
    "run",
]
