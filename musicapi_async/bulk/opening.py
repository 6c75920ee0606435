"""``bulk.open``: the journal in a file, or in a PostgreSQL database."""

import os
from typing import TYPE_CHECKING, overload

from musicapi_async._arguments import wrong_argument
from musicapi_async._extras import require
from musicapi_async.bulk.paths import is_database
from musicapi_async.bulk.sqlite.journal import SQLiteJournal

if TYPE_CHECKING:
    from musicapi_async.bulk.postgres import PostgresJournal

__all__ = ["open"]


@overload
def open(path: str, *, is_current: bool | None = None) -> "SQLiteJournal | PostgresJournal": ...
@overload
def open(path: os.PathLike[str], *, is_current: bool | None = None) -> SQLiteJournal: ...
def open(path: str | os.PathLike[str], *, is_current: bool | None = None) -> "SQLiteJournal | PostgresJournal":
    """Return the journal in this file or database, created if there is none: ``async with bulk.open(path) as journal``.

    ``path`` is a file, or the address of a database, ``postgresql://user@host/database``, for workers on several
    machines; that takes the extra ``cluster``.

    ``is_current`` is for a journal in a file that has sent requests and has lost its mark: True states that no run has
    used a newer copy, False that this one may be older, such as a backup, so that its planned records become uncertain.
    False has this effect even where the mark is present. True has no effect where the mark shows that entries are
    missing.

    ```python
    from musicapi_async import bulk

    async with bulk.open("songs/journal.db") as journal:
        print(await journal.counts())
    ```

    Raises InvalidRequestError for a wrong path, MissingExtraError for a database without the extra. Entering raises
    JournalError when the file is in use, damaged, from a newer version, or not a journal, for a lost mark while
    ``is_current`` is None, and when the database cannot be used.
    """
    if not is_database(path):
        return SQLiteJournal(path, is_current=is_current)
    if is_current is not None:
        raise wrong_argument("is_current", is_current, "None for a database", "only a file can be an older copy")
    require("asyncpg", "a journal in PostgreSQL", "cluster")
    from musicapi_async.bulk.postgres import PostgresJournal  # noqa: PLC0415 - takes the extra

    return PostgresJournal(path)
