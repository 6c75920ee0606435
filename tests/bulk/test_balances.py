"""``max_credits`` holds while the balance is topped up, refunded, reported late, or read after a restart."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bulk.runs import client_of, run_on, songs
from service import serving

from musicapi_async import bulk, errors, sonic


async def test_limit_with_a_top_up_in_the_middle_of_the_run_holds(path: Path) -> None:
    async with serving() as service:
        service.on_create = lambda number: service.add_credits(200) if number == 5 else None
        with pytest.raises(errors.BudgetExceededError) as caught:
            await run_on(service.base_url, path, songs(40), max_credits=250)

        assert service.spent == 240
    assert caught.value.spent == 240


async def test_limit_with_refunds_of_another_run_holds(path: Path) -> None:
    async with serving() as service:
        service.on_create = lambda number: service.add_credits(20 * (number % 3))
        with pytest.raises(errors.BudgetExceededError):
            await run_on(service.base_url, path, songs(40), max_credits=250)

        assert service.spent == 240


@pytest.mark.parametrize("in_flight", [1, 50])
async def test_limit_with_a_balance_reported_late_holds(in_flight: int, path: Path) -> None:
    async with serving(lag=5.0) as service:
        with pytest.raises(errors.BudgetExceededError):
            await run_on(service.base_url, path, songs(80), max_credits=1000, in_flight=in_flight)

        assert service.spent == 1000


async def test_limit_with_operations_and_models_of_several_prices_holds(path: Path) -> None:
    def price(body: Mapping[str, Any]) -> float:
        return {"sonic-v6": 15.0, "sonic-v5": 90.0}[body["mv"]] + ("prompt" in body) * 30

    requests: list[sonic.Create | sonic.Describe] = []
    for number in range(30):
        model = ("sonic-v6", "sonic-v5")[number % 2]
        requests += [sonic.Describe(description=f"rain {number}", model=model)]
        requests += [sonic.Create(lyrics=f"rain {number}", model=model)]
    async with serving(price=price) as service:
        with pytest.raises(errors.BudgetExceededError):
            await run_on(service.base_url, path, requests, max_credits=1500)

        assert 1500 - 120 <= service.spent <= 1500


async def test_limit_after_restarts_is_that_of_the_journal(path: Path) -> None:
    async with serving(lag=0.3) as service:
        for limit in (100, 100, 170):
            with pytest.raises(errors.BudgetExceededError):
                await run_on(service.base_url, path, songs(30), max_credits=limit)
            service.add_credits(500)
            assert service.spent == limit // 20 * 20


async def test_limit_of_a_run_closed_in_its_middle_holds_in_the_next(path: Path) -> None:
    async with serving() as service:
        async with client_of(service.base_url) as client, bulk.open(path) as journal:
            running = bulk.run(client, journal, songs(40), max_credits=400)
            for _ in range(3):
                await anext(running)
            await running.aclose()
        service.add_credits(1000)
        with pytest.raises(errors.BudgetExceededError):
            await run_on(service.base_url, path, songs(40), max_credits=400)

        assert service.spent <= 400


async def test_limit_when_the_price_falls_is_kept_by_the_charges_written_before(path: Path) -> None:
    async with serving(price=lambda _: 100.0) as service:
        await run_on(service.base_url, path, songs(2), max_credits=500)
        service.price = lambda _: 20.0
        with pytest.raises(errors.BudgetExceededError):
            await run_on(service.base_url, path, songs(60), max_credits=500)

        # Two requests were charged at 100 before the lower price was believed.
        assert service.spent == 200 + 2 * 20 + 9 * 20


async def test_limit_of_a_journal_from_before_there_were_charges_still_holds(path: Path) -> None:
    async with serving() as service:
        await run_on(service.base_url, path, songs(4))
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE row SET charge = NULL, charged = 0")
        with pytest.raises(errors.BudgetExceededError) as caught:
            await run_on(service.base_url, path, songs(30), max_credits=120)

        assert service.spent == 120
    assert caught.value.spent == 120


async def test_limit_of_a_journal_with_prices_of_an_earlier_version_counts_its_attempts_at_those(path: Path) -> None:
    async with serving() as service:
        await run_on(service.base_url, path, songs(4))
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE row SET charge = NULL, charged = 0")
            kept = [("prices", '{"sonic.describe": 30.0}'), ("spent", '{"credits": 90.0, "charged": {}}')]
            connection.executemany("INSERT INTO kept VALUES (?, ?)", kept)
        with pytest.raises(errors.BudgetExceededError) as caught:
            await run_on(service.base_url, path, songs(30), max_credits=140)

        assert len(service.created) == 4
    assert (caught.value.spent, caught.value.price) == (120, 30)


async def test_record_of_a_request_keeps_the_charge_it_was_sent_with(path: Path) -> None:
    async with serving(price=lambda _: 75.0) as service:
        outcomes = await run_on(service.base_url, path, songs(4), max_credits=400)

    # The first was sent at the list's price, the others at the learned one.
    assert sorted(outcome.record.charge or 0 for outcome in outcomes) == [20, 75, 75, 75]
    assert all(outcome.record.charged == outcome.record.charge for outcome in outcomes)
