"""Durable runs of many requests, recorded in a journal that survives whatever ends the process.

``async for outcome in bulk.run(client, journal, requests, out="songs/")`` makes the songs; started again, it resumes.

- ``records.py`` records, their states and the transitions between these; ``journal.py`` the store of them, a protocol
- ``sqlite_journal.py`` the journal in an SQLite file: ``writer.py`` its thread, ``schema.py`` its tables, ``tables.py``
  the statements on these, ``lock.py`` its lock and mark; ``snapshot.py`` reads it while a run works on it
- ``requests_file.py``, ``keys.py`` a file of requests, and the keys of requests
- ``run.py`` plans requests and runs them: ``runner.py`` has the workers, ``submitting.py`` submits planned records,
  ``budget.py`` keeps the limit of credits; ``collecting.py`` waits for tasks (``waiting.py``) and has their
  results delivered (``saving.py``)
- ``resolving.py`` the user's decisions on uncertain, failed and refused records; ``report.py`` a page about a folder
"""

from musicapi_async.bulk.collecting import Outcome
from musicapi_async.bulk.journal import Journal
from musicapi_async.bulk.records import Changes, Planned, Record, State
from musicapi_async.bulk.requests_file import BadLine, read_requests
from musicapi_async.bulk.resolving import (
    abandon_uncertain,
    resend_uncertain,
    resolve_as_accepted,
    resolve_not_sent,
    retry_failed,
    retry_refused,
)
from musicapi_async.bulk.run import Run, plan_all, run
from musicapi_async.bulk.sqlite_journal import SQLiteJournal, open  # noqa: A004 - bulk.open

__all__ = [
    "BadLine",
    "Changes",
    "Journal",
    "Outcome",
    "Planned",
    "Record",
    "Run",
    "SQLiteJournal",
    "State",
    "abandon_uncertain",
    "open",
    "plan_all",
    "read_requests",
    "resend_uncertain",
    "resolve_as_accepted",
    "resolve_not_sent",
    "retry_failed",
    "retry_refused",
    "run",
]
