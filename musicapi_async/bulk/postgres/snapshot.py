"""A journal in PostgreSQL as it is at one moment, for reports; nothing is locked, no record changed."""

import asyncio
import json
from collections.abc import Awaitable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import asyncpg

from musicapi_async.bulk.copies import COPY, unfinished_reason
from musicapi_async.bulk.postgres import records
from musicapi_async.bulk.postgres.address import Address
from musicapi_async.bulk.postgres.migrating import check_version
from musicapi_async.bulk.postgres.records import attempt_of, shared_record_of
from musicapi_async.bulk.postgres.schema import LIVE_WORKERS
from musicapi_async.bulk.postgres.session import CONNECT_TIMEOUT, FAILURES, connect
from musicapi_async.bulk.records import TRANSITIONS, Attempt, Record, State
from musicapi_async.errors import JournalError

__all__ = ["PostgresSnapshot"]

T = TypeVar("T")

RECORDS_AT_ONCE: Final = 500
FETCH_TIMEOUT: Final = 60.0
OVERDUE: Final = (
    "SELECT count(*) FROM musicapi.record WHERE state = 'accepted' AND overdue_at >= coalesce(accepted_at, 0)"
)
CORRECTED: Final = f"FROM musicapi.record WHERE {records.IN_PLAN} AND next_request IS NOT NULL AND state <> 'planned'"


class PostgresSnapshot:
    """The contents of a journal in a database at one moment: one transaction, with an event loop of its own.

    Entering raises JournalError when the database cannot be reached, or holds no journal of this version.
    """

    def __init__(self, address: str) -> None:
        self._address = Address.of(address)
        self._runner = asyncio.Runner()
        self._connection: Any = None

    def __enter__(self) -> Self:
        """Connect, and begin the transaction."""
        try:
            self._run(self._open())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the transaction, and disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self._runner.run(connection.close(timeout=CONNECT_TIMEOUT))
        self._runner.close()

    async def _open(self) -> None:
        self._connection = await connect(self._address, command_timeout=FETCH_TIMEOUT, limits=False)
        await self._connection.transaction(isolation="repeatable_read", readonly=True).start()
        name = self._address.name
        await check_version(self._connection, name)
        if await self._connection.fetchval("SELECT 1 FROM musicapi.kept WHERE name = $1", COPY):
            raise JournalError(name, unfinished_reason())

    def records(self, states: Collection[State] | None = None) -> Iterator[Record]:
        """Yield the records in these states, or all, in their order; some hundred are in memory at a time."""
        where = "WHERE state = ANY($1::text[]) ORDER BY number"
        query = f"SELECT {records.SHARED} FROM musicapi.record {where}"  # noqa: S608 - names of ours
        cursor = self._run(self._cursor(query, list(TRANSITIONS if states is None else states)))
        while rows := self._run(cursor.fetch(RECORDS_AT_ONCE)):
            yield from map(shared_record_of, rows)

    async def _cursor(self, query: str, *values: object) -> Any:
        return await self._connection.cursor(query, *values)

    def states(self, keys: Sequence[str]) -> Mapping[str, State]:
        """Return the state of the record of each of these keys that the journal has, at most a thousand at once."""
        found: dict[str, State] = {}
        for name in ("former_key", "key"):
            where = f"WHERE {name} = ANY($1::text[])"
            query = f"SELECT {name} AS key, state FROM musicapi.record {where}"  # noqa: S608 - names of ours
            found.update({row["key"]: row["state"] for row in self._rows(query, list(keys))})
        return found

    def counts(self) -> Mapping[State, int]:
        """Return the number of records in each state."""
        rows = self._rows("SELECT state, count(*) AS count FROM musicapi.record GROUP BY state")
        found = {row["state"]: int(row["count"]) for row in rows}
        return {state: found.get(state, 0) for state in TRANSITIONS}

    def extras(self) -> Sequence[Attempt]:
        """Return the attempts whose songs are paid for besides those of their records."""
        return [attempt_of(row) for row in self._rows(f"{records.ATTEMPTS} WHERE is_extra ORDER BY position")]

    def overdue(self) -> int:
        """Return how many accepted records are overdue: not finished within the time limit of a run."""
        return int(self._rows(OVERDUE)[0][0])

    def corrected(self, count: int) -> tuple[int, list[str]]:
        """Return how many records of the active plan were sent with another request, and up to ``count`` of their keys.

        What they made stays; the request they are planned with now is sent only if they are sent again.
        """
        keys = self._rows(f"SELECT key {CORRECTED} ORDER BY number LIMIT $1", count)
        return int(self._rows(f"SELECT count(*) {CORRECTED}")[0][0]), [row["key"] for row in keys]

    def has_lost_entries(self) -> bool:
        """Return False: a database is restored as a whole, by its administrator."""
        return False

    def recall(self, name: str) -> Any:
        """Return the value that is stored under a name, or None."""
        rows = self._rows("SELECT value FROM musicapi.kept WHERE name = $1", name)
        return json.loads(rows[0]["value"]) if rows else None

    def holder(self) -> str | None:
        """Return the workers on the journal now; None when there is none."""
        return ", ".join(row["id"] for row in self._rows(LIVE_WORKERS)) or None

    def _rows(self, query: str, *values: object) -> Sequence[Any]:
        if self._connection is None:
            raise JournalError(self._address.name, "it is not open: use the snapshot in a with statement")
        return self._run(self._fetch(query, *values))

    async def _fetch(self, query: str, *values: object) -> Sequence[Any]:
        return list(await self._connection.fetch(query, *values))

    def _run(self, work: "Awaitable[T]") -> T:
        async def run() -> T:
            return await work

        try:
            return self._runner.run(run())
        except FAILURES as error:
            reason = self._address.reason_of(error)
        # Outside of the handler: the frames of the error hold the address.
        raise JournalError(self._address.name, f"the database cannot be used: {reason}")
