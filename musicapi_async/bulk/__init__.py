"""Durable runs of many requests, recorded in a journal that survives whatever ends the process.

``async for outcome in bulk.run(client, journal, requests, out="songs/")`` makes the songs; started again, it resumes.

- ``records.py`` records, their states and transitions; ``journal.py`` the protocol of a journal that stores them
- ``keys.py`` the keys of requests, ``requests_file.py`` a file of requests, ``file_format.py`` what another file is;
  ``planning.py`` plans requests, and again those that the user decides to send again
- ``plan_options.py`` the options of a plan, which its journal keeps; ``working.py`` a worker, with these;
  ``sharing.py`` its queue on a journal that it shares with others
- ``account.py`` the service and the account that a journal is for
- ``running.py`` the run and its workers (``run_arguments.py`` checks what it is given): ``work_queue.py`` returns
  records in their order, ``submitting.py`` submits the planned ones (``rate.py``), ``budget.py`` keeps the limit of
  credits (``spending.py``); ``collecting.py`` waits for tasks (``waiting.py``) and has their results saved
  (``saving.py``)
- ``receiving.py`` keeps events for a run, ``recovery.py`` accepts uncertain records by them
- ``opening.py`` opens a journal: ``sqlite/`` in an SQLite file, ``postgres/`` in a PostgreSQL database
- ``report.py`` a page about a folder
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from musicapi_async.bulk.collecting import Outcome
    from musicapi_async.bulk.journal import Journal
    from musicapi_async.bulk.opening import (
        migrate,
        open,  # noqa: A004 - bulk.open
    )
    from musicapi_async.bulk.plan_options import PlanOptions, recall_options, remember_options
    from musicapi_async.bulk.planning import (
        abandon_uncertain,
        plan_all,
        resend_uncertain,
        resolve_as_accepted,
        resolve_not_sent,
        retry_failed,
        retry_refused,
    )
    from musicapi_async.bulk.receiving import receive
    from musicapi_async.bulk.records import Attempt, Changes, Planned, Record, State
    from musicapi_async.bulk.requests_file import BadLine, read_requests
    from musicapi_async.bulk.running import Run, run
    from musicapi_async.bulk.sqlite.journal import SQLiteJournal
    from musicapi_async.bulk.working import work

__all__ = [
    "Attempt",
    "BadLine",
    "Changes",
    "Journal",
    "Outcome",
    "PlanOptions",
    "Planned",
    "Record",
    "Run",
    "SQLiteJournal",
    "State",
    "abandon_uncertain",
    "migrate",
    "open",
    "plan_all",
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

# Loaded on first access: a command that reads a journal sends nothing.
_MODULES: typing.Final = {
    "Attempt": "records",
    "BadLine": "requests_file",
    "Changes": "records",
    "Journal": "journal",
    "Outcome": "collecting",
    "PlanOptions": "plan_options",
    "Planned": "records",
    "Record": "records",
    "Run": "running",
    "SQLiteJournal": "sqlite.journal",
    "State": "records",
    "abandon_uncertain": "planning",
    "migrate": "opening",
    "open": "opening",
    "plan_all": "planning",
    "read_requests": "requests_file",
    "recall_options": "plan_options",
    "receive": "receiving",
    "remember_options": "plan_options",
    "resend_uncertain": "planning",
    "resolve_as_accepted": "planning",
    "resolve_not_sent": "planning",
    "retry_failed": "planning",
    "retry_refused": "planning",
    "run": "running",
    "work": "working",
}


def __getattr__(name: str) -> object:
    """Load a name on first access."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
