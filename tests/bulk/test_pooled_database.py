"""A journal behind pgbouncer is refused at once, with what to do: a pooler gives a session to several clients."""

import asyncio

import pytest
from pgbouncer import MODES, find_pgbouncer, pooling

from musicapi_async import bulk
from musicapi_async.bulk.snapshot import snapshot
from musicapi_async.errors import JournalError

ALL_IGNORED = "musicapi.session, statement_timeout, idle_in_transaction_session_timeout"
PROGRAM = find_pgbouncer()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed: apt install pgbouncer")


@pytest.mark.parametrize("ignored", ["", ALL_IGNORED], ids=["refuses settings", "ignores settings"])
async def test_journal_behind_pgbouncer_is_refused(ignored: str, address: str) -> None:
    assert PROGRAM is not None
    await bulk.migrate(address)

    def take_snapshot(pool: str) -> None:
        with snapshot(pool):
            pass

    with pooling(PROGRAM, address, ignored=ignored) as pools:
        for pool in (f"{pools}{mode}" for mode in MODES):
            began = asyncio.get_running_loop().time()
            for attempt in (bulk.open(pool).__aenter__(), bulk.migrate(pool), asyncio.to_thread(take_snapshot, pool)):
                with pytest.raises(
                    JournalError, match="connection pooler such as pgbouncer.* the database itself"
                ) as refused:
                    await attempt
                assert refused.value.__context__ is None
            assert asyncio.get_running_loop().time() - began < 3.0, "it does not wait for a database that is away"
