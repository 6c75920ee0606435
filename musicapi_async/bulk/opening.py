"""``bulk.open``: the journal in a file, or in a PostgreSQL database."""

import os
from typing import TYPE_CHECKING, overload

from musicapi_async._arguments import wrong_argument
from musicapi_async._extras import require
from musicapi_async.bulk.paths import is_database, journal_path
from musicapi_async.bulk.sqlite.journal import SQLiteJournal

if TYPE_CHECKING:
    from musicapi_async.bulk.postgres import PostgresJournal

__all__ = ["migrate", "open"]


@overload
def open(path: str, *, is_current: bool | None = None, create: bool = True) -> "SQLiteJournal | PostgresJournal": ...
@overload
def open(path: os.PathLike[str], *, is_current: bool | None = None, create: bool = True) -> SQLiteJournal: ...
def open(
    path: str | os.PathLike[str], *, is_current: bool | None = None, create: bool = True
) -> "SQLiteJournal | PostgresJournal":
    """Return the journal in this file or database: ``async with bulk.open(path) as journal``.

    ``path`` is a file, or the address of a database, ``postgresql://user@host/database``, for workers on several
    machines; that takes the extra ``cluster``.

    ``is_current`` is for a journal in a file that has sent requests and has lost its mark: True states that no run has
    used a newer copy, False that this one may be older, such as a backup, so that its planned records become uncertain.
    False has this effect even where the mark is present. True has no effect where the mark shows that entries are
    missing.

    A journal is created if there is none; with ``create=False`` that is an error, as for a worker on a journal that is
    planned elsewhere. A file of an older version is converted; a database is not, see ``bulk.migrate``.

    ```python
    from musicapi_async import bulk

    async with bulk.open("songs/journal.db") as journal:
        print(await journal.counts())
    ```

    Raises InvalidRequestError for a wrong path, MissingExtraError for a database without the extra. Entering raises
    JournalError when the file is in use, damaged, from a newer version, or not a journal, for a lost mark while
    ``is_current`` is None, and when the database cannot be used, is reached through a connection pooler, or has a
    journal of another version.
    """
    if not is_database(path):
        return SQLiteJournal(path, is_current=is_current, create=create)
    if is_current is not None:
        raise wrong_argument("is_current", is_current, "None for a database", "only a file can be an older copy")
    require("asyncpg", "a journal in PostgreSQL", "cluster")
    from musicapi_async.bulk.postgres import PostgresJournal  # noqa: PLC0415 - takes the extra

    return PostgresJournal(path, create=create)


async def migrate(path: str | os.PathLike[str]) -> int | None:
    """Make the tables of a journal in a database, or bring them up to date; return the version that they had.

    It is 0 where there were none, None where there is nothing to do: for tables of this version, and for a journal in a
    file, which is brought up to date when it is opened. All or nothing; it may take minutes for millions of requests.

    ```python
    from musicapi_async import bulk

    await bulk.migrate("songs/journal.db")
    ```

    Raises JournalError for tables of a newer version, while workers of an older one are on the journal, and when the
    database cannot be used; MissingExtraError without the extra ``cluster``.
    """
    if not is_database(path):
        journal_path(path)  # raises for a wrong one
        return None
    require("asyncpg", "a journal in PostgreSQL", "cluster")
    from musicapi_async.bulk.postgres.migrating import migrate_tables  # noqa: PLC0415 - takes the extra

    return await migrate_tables(path)
