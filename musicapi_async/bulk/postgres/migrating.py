"""The tables of a journal in a database: made, brought up to date, and refused in another version."""

import secrets
from typing import Any, Final

from musicapi_async._version import VERSION as PACKAGE_VERSION
from musicapi_async.bulk.postgres.address import Address
from musicapi_async.bulk.postgres.schema import LIVE_WORKERS, STEPS, VERSION
from musicapi_async.bulk.postgres.session import CONNECT_TIMEOUT, FAILURES, connect
from musicapi_async.errors import JournalError

__all__ = ["check_version", "create_tables", "migrate_tables"]

MISSING: Final = (
    "there is none: 'musicapi bulk plan FILE --journal ...' creates one, and so does 'musicapi bulk migrate'"
)
# Not to_regclass(): a session that has found no table finds none until its transaction ends, also once there is one.
HAS_TABLES: Final = (
    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'musicapi' AND tablename = 'journal')"
)
NO_VERSION: Final = 0
"""The version of a database without the tables."""


async def check_version(connection: Any, name: str) -> None:
    """Raise JournalError unless the tables are there, in the version of this package."""
    version = await _read_version(connection)
    if version == NO_VERSION:
        raise JournalError(name, MISSING)
    if version < VERSION:
        advice = "when no worker of an older version is left on it, run 'musicapi bulk migrate'"
        raise JournalError(name, f"its tables have version {version}, and this package needs {VERSION}: {advice}")
    if version > VERSION:
        raise JournalError(name, await _newer(connection, version))


async def create_tables(connection: Any) -> None:
    """Make the tables in a database that has none."""
    if await _read_version(connection) == NO_VERSION:
        async with connection.transaction():
            await _lock(connection)
            if await _read_version(connection) == NO_VERSION:
                await _upgrade(connection, NO_VERSION)


async def migrate_tables(address: str) -> int | None:
    """Make the tables in a database, or bring those of an older version up to date; return the version before.

    It is 0 where there were none; None where there is nothing to do. Raises JournalError, with the tables as they were,
    for those of a newer version, and while workers of an older one are on them.
    """
    place = Address.of(address)
    try:
        return await _migrate(place)
    except FAILURES as error:
        reason = place.reason_of(error)
    # Outside of the handler: the frames of the error hold the address.
    raise JournalError(place.name, f"the database cannot be used: {reason}")


async def _migrate(place: Address) -> int | None:
    # Large tables may take their time.
    connection = await connect(place, command_timeout=None, limits=False)
    try:
        async with connection.transaction():
            await _lock(connection)
            version = await _read_version(connection)
            if version > VERSION:
                raise JournalError(place.name, await _newer(connection, version))
            if version == VERSION:
                return None
            if version != NO_VERSION and (workers := await connection.fetch(LIVE_WORKERS)):
                names = ", ".join(row["id"] for row in workers)
                raise JournalError(place.name, f"workers of an older version are on it ({names}): stop them first")
            await _upgrade(connection, version)
            return version
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT)


async def _lock(connection: Any) -> None:
    """Have others that make or upgrade the tables wait for the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('musicapi'))")


async def _read_version(connection: Any) -> int:
    if not await connection.fetchval(HAS_TABLES):
        return NO_VERSION
    return int(await connection.fetchval("SELECT version FROM musicapi.journal"))


async def _upgrade(connection: Any, version: int) -> None:
    for step in STEPS[version:]:
        await connection.execute(step)
    if version == NO_VERSION:
        statement = "INSERT INTO musicapi.journal (id, version) VALUES ($1, $2)"
        await connection.execute(statement, secrets.token_hex(8), VERSION)
    await connection.execute("UPDATE musicapi.journal SET version = $1, package = $2", VERSION, PACKAGE_VERSION)


async def _newer(connection: Any, version: int) -> str:
    package = await connection.fetchval("SELECT package FROM musicapi.journal")
    return (
        f"its tables have version {version}, of musicapi-async {package}, and this package ({PACKAGE_VERSION}) works "
        f"with version {VERSION}: install that version of the package on this machine"
    )
