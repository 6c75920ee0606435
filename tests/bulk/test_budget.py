"""``max_credits`` is kept, whatever the price list says."""

from pathlib import Path
from typing import Any

import pytest
from bulk.runs import CREATE, client_of, run, songs

from musicapi_async import MusicAPI, bulk, errors, producer
from musicapi_async.sandbox import Fault, Sandbox


async def left(client: MusicAPI) -> float:
    return (await client.account.credits()).total


@pytest.mark.parametrize("limit", [0, 19, 20, 100, 119])
async def test_limit_of_any_size_is_never_exceeded(limit: float, tmp_path: Path) -> None:
    async with Sandbox(seconds=0.02, credits=1000) as sandbox, client_of(sandbox.base_url) as client:
        with pytest.raises(errors.BudgetExceededError) as caught:
            await run(client, tmp_path / "journal.db", songs(20), max_credits=limit)

        assert len(sandbox.tasks) == limit // 20
        assert await left(client) == 1000 - limit // 20 * 20
    assert caught.value.limit == limit
    assert caught.value.spent == limit // 20 * 20
    assert caught.value.price == 20
    assert str(limit) in str(caught.value)


async def test_limit_raised_after_a_run_resumes_where_the_lower_one_stopped(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with Sandbox(seconds=0.02, credits=1000) as sandbox, client_of(sandbox.base_url) as client:
        for limit, made in ((60, 3), (60, 3), (100, 5)):
            with pytest.raises(errors.BudgetExceededError):
                await run(client, path, songs(8), max_credits=limit)
            assert len(sandbox.tasks) == made
        await run(client, path, songs(8), max_credits=160)

        assert len(sandbox.tasks) == 8


async def test_price_missing_from_the_list_is_learned_before_many_are_sent(tmp_path: Path) -> None:
    async with Sandbox(seconds=0.02, credits=10_000) as sandbox, client_of(sandbox.base_url) as client:
        sandbox.prices["sonic.describe"] = 75.0
        with pytest.raises(errors.BudgetExceededError) as caught:
            await run(client, tmp_path / "journal.db", songs(40), max_credits=400)

        assert await left(client) >= 10_000 - 400
        assert len(sandbox.tasks) == 5
    assert caught.value.price == 75


async def test_credits_refunded_for_a_failed_task_may_be_spent_again(tmp_path: Path) -> None:
    async with Sandbox(seconds=0.02, credits=1000) as sandbox, client_of(sandbox.base_url) as client:
        sandbox.end_next("failed", "songs", "failed")
        outcomes = await run(client, tmp_path / "journal.db", songs(3), max_credits=60, in_flight=1)

        assert len(sandbox.tasks) == 5
        assert await left(client) == 1000 - 60
    assert {outcome.record.state for outcome in outcomes} == {"saved"}


async def test_uncertain_request_that_was_accepted_counts_as_spent(tmp_path: Path) -> None:
    async with Sandbox(seconds=0.02, credits=1000) as sandbox, client_of(sandbox.base_url) as client:
        sandbox.add_fault(CREATE, Fault(), Fault(drop=True, accepted=True), Fault(drop=True))
        with pytest.raises(errors.BudgetExceededError):
            await run(client, tmp_path / "journal.db", songs(20), max_credits=100, in_flight=1)

        # Uncertain ones count, accepted or not.
        assert len(sandbox.tasks) == 4
        assert await left(client) == 1000 - 80


@pytest.mark.parametrize(("before", "after", "limit"), [(20, 60, 500), (20, 190, 600)])
async def test_price_that_changes_between_two_runs_does_not_exceed_the_limit(
    before: float, after: float, limit: float, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    async with Sandbox(seconds=0.02, credits=10_000) as sandbox, client_of(sandbox.base_url) as client:
        sandbox.prices["sonic.describe"] = before
        await run(client, path, songs(2), max_credits=limit)
        sandbox.prices["sonic.describe"] = after
        for _ in range(3):
            with pytest.raises(errors.BudgetExceededError) as caught:
                await run(client, path, songs(60), max_credits=limit)

        spent = 10_000 - await left(client)
        assert limit - after < spent <= limit
    assert caught.value.spent == spent


@pytest.mark.parametrize("dearer", [2, 5, 9])
async def test_price_that_rises_during_a_run_does_not_exceed_the_limit(dearer: int, tmp_path: Path) -> None:
    async with Sandbox(seconds=0.02, credits=50_000) as sandbox, client_of(sandbox.base_url) as client:
        async with bulk.open(tmp_path / "journal.db") as journal:
            running = bulk.run(client, journal, songs(300), max_credits=3000)
            for _ in range(5):
                await anext(running)
            sandbox.prices["sonic.describe"] = 20.0 * dearer
            with pytest.raises(errors.BudgetExceededError):
                async for _ in running:
                    pass

        assert 50_000 - await left(client) <= 3000


async def test_price_with_credits_refunded_meanwhile_is_not_learned_wrongly(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with Sandbox(seconds=0.3, credits=10_000) as sandbox, client_of(sandbox.base_url) as client:
        sandbox.prices |= {"sonic.describe": 80.0, "producer.create": 100.0}
        sandbox.end_next("failed")
        sandbox.add_fault("POST /producer/create", Fault(delay=0.5))
        # Its credits come back while the first of the others is between two balance checks.
        await client.sonic.describe(description="of another program")
        before = await left(client)
        async with bulk.open(path) as journal:
            requests = [producer.Create(sound=f"choir {number}") for number in range(30)]
            with pytest.raises(errors.BudgetExceededError):
                async for _ in bulk.run(client, journal, requests, max_credits=500):
                    pass

        assert before + 80 - await left(client) <= 500 + 80


async def test_limit_after_a_run_without_one_counts_its_spending(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with Sandbox(seconds=0.02, credits=1000) as sandbox, client_of(sandbox.base_url) as client:
        await run(client, path, songs(4))
        with pytest.raises(errors.BudgetExceededError):
            await run(client, path, songs(10), max_credits=100)

        assert len(sandbox.tasks) == 5


@pytest.mark.parametrize(
    "fault", [Fault(status=200, body=b"<html>"), Fault(status=403, body={"error": "forbidden"}), Fault(status=401)]
)
async def test_balance_that_cannot_be_read_stops_the_run_and_refuses_nothing(fault: Fault, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with Sandbox(seconds=0.02, credits=1000) as sandbox, client_of(sandbox.base_url) as client:
        sandbox.add_fault("GET /get-credits", Fault(), *[fault] * 20)
        with pytest.raises(errors.MusicAPIError):
            await run(client, path, songs(30), max_credits=500)
        async with bulk.open(path) as journal:
            counts = await journal.counts()

        assert len(sandbox.tasks) == 1
    assert {state: count for state, count in counts.items() if count} == {"saved": 1, "planned": 29}


async def test_credits_spent_by_another_program_count_as_spent(tmp_path: Path) -> None:
    async with Sandbox(seconds=0.02, credits=5000) as sandbox, client_of(sandbox.base_url) as client:
        async with bulk.open(tmp_path / "journal.db") as journal:
            run = bulk.run(client, journal, songs(100), max_credits=1500, in_flight=1)
            await anext(run)
            for number in range(10):
                await client.sonic.describe(description=f"of another program {number}")
            with pytest.raises(errors.BudgetExceededError):
                async for _ in run:
                    pass

        assert await left(client) >= 5000 - 1500 - 20


async def test_run_without_a_limit_requests_no_balance(tmp_path: Path) -> None:
    async with Sandbox(seconds=0.02, credits=1000) as sandbox, client_of(sandbox.base_url) as client:
        await run(client, tmp_path / "journal.db", songs(3))

        assert not [received for received in sandbox.requests() if "credits" in received.route]


@pytest.mark.parametrize("limit", [-1, float("nan"), True, "100"])
async def test_limit_that_is_invalid_is_refused(limit: Any, tmp_path: Path) -> None:
    async with MusicAPI("k") as client:
        with pytest.raises(errors.InvalidRequestError, match="max_credits is"):
            bulk.run(client, bulk.open(tmp_path / "journal.db"), songs(1), max_credits=limit)
