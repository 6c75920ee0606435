"""The limits of a plan in a database hold over all its workers: credits, the rate of submissions, tasks in flight."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import asyncpg
import pytest
from bulk.runs import songs

from musicapi_async import bulk
from musicapi_async.bulk import Changes, Record
from musicapi_async.bulk.postgres import PostgresJournal
from musicapi_async.errors import BudgetExceededError

PRICE = Changes(charge=20.0)


@pytest.fixture
async def workers(address: str) -> AsyncIterator[tuple[PostgresJournal, PostgresJournal]]:
    """Open the journal of a plan of six requests twice."""
    async with PostgresJournal(address) as one, PostgresJournal(address) as two:
        await bulk.plan_all(one, songs(6))
        yield one, two


def limit(*journals: PostgresJournal, max_credits: float | None = None, create_rate: float | None = None) -> None:
    for journal in journals:
        journal.limit(in_flight=50, max_credits=max_credits, create_rate=create_rate)


async def claim_all(journal: PostgresJournal, count: int) -> list[Record | BaseException | None]:
    """Try to claim so many records at once."""
    records = await journal.claim(count)
    claims = (journal.start_sending(record, PRICE) for record in records)
    return list(await asyncio.gather(*claims, return_exceptions=True))


async def test_credits_of_two_workers_that_claim_at_once_stay_within_the_limit(
    workers: tuple[PostgresJournal, PostgresJournal],
) -> None:
    limit(*workers, max_credits=70)
    found = [one for claims in await asyncio.gather(*(claim_all(one, 3) for one in workers)) for one in claims]

    assert sum(isinstance(one, Record) for one in found) == 3
    refused = [one for one in found if isinstance(one, BudgetExceededError)]
    assert [(one.limit, one.spent) for one in refused] == [(70, 60)] * 3
    assert await workers[0].total_charged() == 60


async def test_credits_of_a_request_that_was_not_sent_are_free_for_another_worker(
    workers: tuple[PostgresJournal, PostgresJournal],
) -> None:
    one, two = workers
    limit(*workers, max_credits=20)
    (claimed,) = await claim_all(one, 1)
    assert isinstance(claimed, Record)
    assert isinstance((await claim_all(two, 1))[0], BudgetExceededError)
    await one.transition(claimed, "planned")

    (record,) = await two.claim(1)
    assert await two.start_sending(record, PRICE) is not None
    assert await two.total_charged() == 20


async def test_credits_of_a_refund_are_free_again(workers: tuple[PostgresJournal, PostgresJournal]) -> None:
    one, two = workers
    limit(*workers, max_credits=20)
    (claimed,) = await claim_all(one, 1)
    assert isinstance(claimed, Record)
    accepted = await one.transition(claimed, "accepted", Changes(task_id="t-1"))
    await one.transition(accepted, "refunded")

    assert await two.total_charged() == 0
    assert isinstance((await claim_all(two, 1))[0], Record)


async def test_rate_of_the_plan_holds_over_all_workers(workers: tuple[PostgresJournal, PostgresJournal]) -> None:
    limit(*workers, create_rate=25)
    sent = []
    for journal in (*workers, *workers):
        (record,) = await journal.claim(1)
        while (claimed := await journal.start_sending(record, PRICE)) is None:
            await journal.turn()
        sent.append(claimed.sent_at or 0.0)

    assert all(after - before >= 0.04 - 1e-6 for before, after in pairwise(sent))


async def test_records_that_are_claimed_together_keep_the_rate(
    workers: tuple[PostgresJournal, PostgresJournal],
) -> None:
    limit(*workers, create_rate=0.1)
    found = await claim_all(workers[0], 4)

    assert sum(isinstance(one, Record) for one in found) == 1
    assert found.count(None) == 3


async def test_claim_that_waited_for_a_transaction_that_was_rolled_back_is_dated_after_it(
    workers: tuple[PostgresJournal, PostgresJournal], address: str
) -> None:
    (record,) = await workers[0].claim(1)
    connection = await asyncpg.connect(address)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT * FROM musicapi.gate FOR UPDATE")
        claiming = asyncio.ensure_future(workers[0].start_sending(record, PRICE))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await connection.fetchval(waiting):
            await asyncio.sleep(0.01)
        released_at = time.time()
        await transaction.rollback()
        claimed = await claiming
    finally:
        await connection.close()

    assert claimed is not None
    assert (claimed.sent_at or 0.0) >= released_at
