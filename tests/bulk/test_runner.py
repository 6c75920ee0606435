"""A bulk run pays for each record once and saves what it paid for, with failures in between."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from bulk.runs import CREATE, client_of, songs

from musicapi_async import MusicAPI, bulk, errors
from musicapi_async.bulk import Journal, Outcome, Planned
from musicapi_async.sandbox import Fault, Sandbox


async def plan(journal: Journal, count: int) -> None:
    await journal.plan([Planned.of(f"k-{n}", request) for n, request in enumerate(songs(count))])


async def run(client: MusicAPI, journal: Journal, **limits: Any) -> list[Outcome]:
    return [outcome async for outcome in bulk.run(client, journal, **{"in_flight": 10, "timeout": 20.0, **limits})]


def states(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.record.key: outcome.record.state for outcome in outcomes}


@pytest.fixture
async def journal(store: Path | str) -> Any:
    async with bulk.open(store) as journal:
        yield journal


async def test_run_of_many_records_pays_for_each_once_and_saves_it(journal: Journal) -> None:
    await plan(journal, 30)
    async with Sandbox(seconds=0.05) as sandbox, client_of(sandbox.base_url) as client:
        outcomes = await run(client, journal)

        assert len(sandbox.tasks) == 30
    assert set(states(outcomes).values()) == {"saved"}
    assert len({clip["clip_id"] for outcome in outcomes for clip in outcome.record.clips}) == 60
    assert (await journal.counts())["saved"] == 30
    assert all(outcome.record.attempts == 1 and outcome.record.task_id for outcome in outcomes)


async def test_task_accepted_by_an_earlier_run_is_resumed_and_not_paid_again(store: Path | str) -> None:
    path = store
    async with Sandbox(seconds=3600) as sandbox:
        async with bulk.open(path) as journal, client_of(sandbox.base_url) as client:
            await plan(journal, 8)
            runner = bulk.run(client, journal, in_flight=5)
            running = asyncio.ensure_future(anext(runner))
            while (await journal.counts())["accepted"] < 5:
                await asyncio.sleep(0.01)
            await runner.aclose()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert (await journal.counts())["planned"] == 3

        sandbox.advance(4000)
        async with bulk.open(path) as journal, client_of(sandbox.base_url) as client:
            waiting = asyncio.ensure_future(run(client, journal))
            while len(sandbox.tasks) < 8:
                await asyncio.sleep(0.01)
            sandbox.advance(4000)
            outcomes = await waiting

        assert len(sandbox.tasks) == 8
    assert list(states(outcomes).values()) == ["saved"] * 8


async def test_task_that_failed_and_was_refunded_is_sent_again(journal: Journal) -> None:
    await plan(journal, 3)
    async with Sandbox(seconds=0.05) as sandbox, client_of(sandbox.base_url) as client:
        sandbox.end_next("failed", "songs", "songs", "songs")
        outcomes = await run(client, journal, in_flight=1)

        assert len(sandbox.tasks) == 4
    assert set(states(outcomes).values()) == {"saved"}
    assert sorted(outcome.record.attempts for outcome in outcomes) == [1, 1, 2]


async def test_task_that_fails_at_every_attempt_is_given_up(journal: Journal) -> None:
    await plan(journal, 1)
    async with Sandbox(seconds=0.05) as sandbox, client_of(sandbox.base_url) as client:
        sandbox.end_next("failed", "failed", "failed", "failed")
        (outcome,) = await run(client, journal, attempts=2)

        assert len(sandbox.tasks) == 2
    assert isinstance(outcome.error, errors.TaskFailedError)
    assert outcome.record.state == "refunded"


async def test_request_of_unknown_outcome_is_uncertain_and_not_sent_again(journal: Journal) -> None:
    await plan(journal, 4)
    async with Sandbox(seconds=0.05) as sandbox, client_of(sandbox.base_url) as client:
        sandbox.add_fault(CREATE, Fault(drop=True, accepted=True), Fault(drop=True))
        outcomes = await run(client, journal, in_flight=3)  # an uncertain one keeps its place
        again = await run(client, journal)

        assert len(sandbox.requests(CREATE)) == 4
    assert sorted(states(outcomes).values()) == ["saved", "saved", "uncertain", "uncertain"]
    assert again == []


async def test_refusal_of_one_record_leaves_the_others(journal: Journal) -> None:
    await plan(journal, 3)
    async with Sandbox(seconds=0.05) as sandbox, client_of(sandbox.base_url) as client:
        sandbox.add_fault(CREATE, Fault(status=400, body={"error": "no such thing"}))
        outcomes = await run(client, journal, in_flight=1)

    assert sorted(states(outcomes).values()) == ["refused", "saved", "saved"]
    assert "no such thing" in str((await journal.records("refused"))[0].reason)


async def test_run_without_credits_submits_nothing_more_and_the_next_resumes(journal: Journal) -> None:
    await plan(journal, 20)
    async with Sandbox(seconds=0.05, credits=50) as sandbox, client_of(sandbox.base_url) as client:
        with pytest.raises(errors.InsufficientCreditsError):
            await run(client, journal, in_flight=2)
        counts = await journal.counts()
        assert len(sandbox.tasks) == 2
        assert (counts["saved"], counts["planned"]) == (2, 18)

        sandbox.account("k").credits = 1000
        await run(client, journal)

        assert len(sandbox.tasks) == 20
    assert (await journal.counts())["saved"] == 20


async def test_request_that_waits_after_a_429_is_planned(journal: Journal) -> None:
    await plan(journal, 3)
    async with Sandbox(seconds=0.05) as sandbox, client_of(sandbox.base_url) as client:
        busy = Fault(status=429, body={"error": "slow down"}, headers={"Retry-After": "100"})
        sandbox.add_fault(CREATE, busy)
        runner = bulk.run(client, journal, in_flight=3)
        running = asyncio.ensure_future(anext(runner))
        while not len(sandbox.requests(CREATE)):
            await asyncio.sleep(0.001)
        async with asyncio.timeout(5):
            while (await journal.counts())["sending"]:
                await asyncio.sleep(0.01)
        counts = await journal.counts()
        await runner.aclose()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert counts["planned"] >= 1
    assert counts["planned"] + counts["accepted"] + counts["saved"] + counts["finished"] == 3


async def test_client_closed_before_its_journal_leaves_nothing_uncertain(store: Path | str) -> None:
    path = store
    async with Sandbox(seconds=0.05) as sandbox:
        async with bulk.open(path) as journal, client_of(sandbox.base_url) as client:
            await plan(journal, 40)
            await anext(bulk.run(client, journal, in_flight=5))
        async with bulk.open(path) as journal:
            counts = await journal.counts()

        # What was about to be sent is planned again.
        assert counts["uncertain"] == 0
        assert counts["planned"] == 40 - len(sandbox.tasks)
