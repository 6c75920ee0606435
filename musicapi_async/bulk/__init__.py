"""Many songs, durably: a journal of what was asked for and paid for, which survives whatever ends the process.

``async for outcome in bulk.run(client, journal, requests, out="songs/")`` makes them; started again, it goes on.

- ``states.py`` the states of a row and its moves, and what a store of rows must be able to do
- ``journal.py`` rows in an SQLite file; beside it its lock and mark, its thread and its tables (``schema.py``), and
  what is done in them: ``plans.py``, ``transitions.py``, ``recovery.py`` of lost entries; ``trial.py`` a sandbox's
- ``requests_file.py``, ``keys.py``, ``planning.py`` requests become rows; ``settling.py`` what a user says of them
- ``running.py`` what a user calls; ``runner.py`` has the workers
- ``submitting.py`` pays for records: ``budget.py`` and ``spending.py`` keep the limit of credits, ``outage.py`` pauses
- ``collecting.py`` saves what tasks made: ``waiting.py`` waits for them, ``saving.py`` writes files
"""

from musicapi_async.bulk.collecting import Outcome
from musicapi_async.bulk.journal import Journal
from musicapi_async.bulk.planning import plan_all
from musicapi_async.bulk.requests_file import BadLine, read_requests
from musicapi_async.bulk.running import Run, run
from musicapi_async.bulk.settling import (
    drop_uncertain,
    found_uncertain,
    resend_uncertain,
    resolve_not_sent,
    retry_failed,
    retry_refused,
)
from musicapi_async.bulk.states import Facts, Planned, Row, State, Store

__all__ = [
    "BadLine",
    "Facts",
    "Journal",
    "Outcome",
    "Planned",
    "Row",
    "Run",
    "State",
    "Store",
    "drop_uncertain",
    "found_uncertain",
    "plan_all",
    "read_requests",
    "resend_uncertain",
    "resolve_not_sent",
    "retry_failed",
    "retry_refused",
    "run",
]
