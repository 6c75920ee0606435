"""The journal in a PostgreSQL database, shared by workers on any number of machines; it takes the extra ``cluster``.

- ``journal.py`` the journal, which ``bulk.open`` returns for an address
- ``claims.py`` the claims of a worker, within the limits of the plan; ``transitions.py`` what becomes of them,
  ``late_ids.py`` ids that could not be recorded, ``inbox.py`` events that were received;
  ``leftovers.py`` files of workers that have stopped
- ``connection.py`` connections that are made again, and statements that share a commit
- ``address.py`` the address, ``session.py`` a connection to the database itself
- ``migrating.py`` makes the tables, and brings them up to date
- ``schema.py`` the tables and functions, ``records.py`` the statements on records, ``planning.py`` those on plans
"""

from musicapi_async.bulk.postgres.journal import PostgresJournal

__all__ = ["PostgresJournal"]
