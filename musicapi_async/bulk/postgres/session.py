"""Connections to the database itself: a connection pooler, which shares sessions between clients, is refused."""

import asyncio
import secrets
from typing import Any, Final

import asyncpg

from musicapi_async.bulk.postgres.address import Address
from musicapi_async.errors import JournalError

__all__ = ["CONNECT_TIMEOUT", "FAILURES", "connect"]

CONNECT_TIMEOUT: Final = 5
FAILURES: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError)
"""The errors of a database that cannot be used."""
SETTINGS: Final = {
    "application_name": "musicapi",
    "jit": "off",
    # The plan of a statement does not depend on its values: planning it anew would cost more than running it.
    "plan_cache_mode": "force_generic_plan",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "15s",
}
TOKEN: Final = "musicapi.session"  # noqa: S105 - the name of a setting
"""The setting by which a session is recognized: PostgreSQL takes it, a pooler refuses or ignores it."""
REFUSALS: Final = ("unsupported startup parameter", "pgbouncer", "prepared statement", "statement pooling mode")
"""Words in the errors of poolers: when the connection is made, and when the first statement meets another session."""
POOLED: Final = (
    "it is reached through a connection pooler such as pgbouncer, and a journal needs sessions of its own: give the "
    "address of the database itself"
)


async def connect(address: Address, *, command_timeout: float | None, limits: bool = True) -> Any:
    """Return a new connection; with ``limits`` the server ends its statements and idle transactions too.

    Raises JournalError for one through a pooler, and what asyncpg does, with frames that hold the address.
    """
    token = secrets.token_hex(8)
    settings = SETTINGS if limits else {"application_name": SETTINGS["application_name"]}
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT + 1):
            connection = await asyncpg.connect(
                address.secret.reveal(),
                timeout=CONNECT_TIMEOUT,
                command_timeout=command_timeout,
                server_settings={**settings, TOKEN: token},
            )
            found = await _token_of(connection)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if not any(word in str(error) for word in REFUSALS):
            raise
    else:
        if found == token:
            return connection
        connection.terminate()
    # Outside of the handler: the frames of the error hold the address.
    raise JournalError(address.name, POOLED)


async def _token_of(connection: Any) -> str | None:
    try:
        found: str | None = await connection.fetchval("SELECT current_setting($1, true)", TOKEN)
    except BaseException:
        connection.terminate()
        raise
    return found
