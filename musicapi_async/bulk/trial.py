"""A journal for the embedded sandbox of ``musicapi bulk --sandbox``, which begins anew each time."""

import sqlite3
from typing import ClassVar, Final

from musicapi_async.bulk.journal import TRIAL, Journal
from musicapi_async.bulk.lock import Mark
from musicapi_async.bulk.recovery import is_incomplete
from musicapi_async.bulk.running import SERVICE
from musicapi_async.bulk.schema import to_json
from musicapi_async.errors import JournalError

__all__ = ["TrialJournal"]

ELSEWHERE: Final = "give the trial a folder of its own (--out), or remove this journal if nothing in it was paid for"


class TrialJournal(Journal):
    """A journal that is emptied before each trial, and only where all it holds is an embedded sandbox's.

    It is marked as a trial's in the transaction that names its service, before anything is planned. Opening it for
    anything else takes the mark away for good, so that what was paid for is never in a journal that is marked.
    """

    _is_trial: ClassVar[bool] = True

    async def begin(self, service: str) -> None:
        """Empty the journal of the trial before, and mark it as a trial of this service.

        Raises JournalError when it may hold what was paid for; then it is left as it is.
        """

        def begin(connection: sqlite3.Connection) -> None:
            if not _is_marked(connection):
                self._check_empty(connection)
            for table in ("row", "kept", "correction"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
            values = [(name, to_json(service)) for name in (SERVICE, TRIAL)]
            connection.executemany("INSERT INTO kept VALUES (?, ?)", values)
            self._highest = 0

        await self._writer.write(begin)

    def _read_progress(self, connection: sqlite3.Connection) -> tuple[Mark, bool]:
        # What a trial has sent is worth nothing; of any other journal its user is asked, as always.
        own, has_sent = super()._read_progress(connection)
        return own, has_sent and not _is_marked(connection)

    def _check_empty(self, connection: sqlite3.Connection) -> None:
        service = connection.execute("SELECT value FROM kept WHERE name = ?", (SERVICE,)).fetchone()
        if service is not None:
            where = service[0].strip('"')
            raise JournalError(self.name, f"its songs are from {where}, and not a trial's: {ELSEWHERE}")
        if is_incomplete(connection) or connection.execute("SELECT 1 FROM row LIMIT 1").fetchone() is not None:
            raise JournalError(self.name, f"it may hold songs that are no trial's: {ELSEWHERE}")


def _is_marked(connection: sqlite3.Connection) -> bool:
    """Return whether the journal is marked as a trial of the very service that its requests went to."""
    statement = "SELECT count(DISTINCT value), count(*) FROM kept WHERE name IN (?, ?)"
    values, names = connection.execute(statement, (SERVICE, TRIAL)).fetchone()
    return bool(values == 1 and names == len((SERVICE, TRIAL)))
