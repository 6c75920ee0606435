"""Many songs, durably: a journal of what was asked for and paid for, which survives whatever ends the process.

- ``states.py`` the states of a row and its moves, and what a store of rows must be able to do
- ``journal.py`` rows in an SQLite file; beside it its lock, its thread and its tables
"""

from musicapi_async.bulk.journal import Journal
from musicapi_async.bulk.states import Facts, Planned, Row, State, Store

__all__ = ["Facts", "Journal", "Planned", "Row", "State", "Store"]
