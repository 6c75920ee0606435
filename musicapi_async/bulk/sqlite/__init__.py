"""The journal in an SQLite file.

- ``journal.py`` the journal, which ``bulk.open`` returns, and the one of a trial; ``snapshot.py`` reads it meanwhile;
  ``copying.py`` moves it into another one
- ``writer.py`` its thread; ``lock.py`` the lock beside the file, with the mark: how far the journal has come
- ``schema.py`` its tables and their migrations, ``statements.py`` the statements on these, ``attempts.py`` those on the
  attempts that events are matched with; ``rows.py`` rows as records
"""
