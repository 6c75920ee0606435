"""The journal in an SQLite file.

- ``journal.py`` the journal, and the one of a trial; ``snapshot.py`` reads it meanwhile
- ``writer.py`` its thread; ``lock.py`` the lock beside the file, with the mark: how far the journal has come
- ``schema.py`` its tables and their migrations, ``statements.py`` the statements on these, ``attempts.py`` those on the
  attempts that events are matched with; ``rows.py`` rows as records
"""

from musicapi_async.bulk.sqlite.journal import SQLiteJournal, TrialJournal
from musicapi_async.bulk.sqlite.snapshot import JournalSnapshot

__all__ = ["JournalSnapshot", "SQLiteJournal", "TrialJournal"]
