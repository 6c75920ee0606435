"""``bulk.work``: a run on what is planned, with the options that the plan keeps in the journal."""

import time
from pathlib import Path

import pytest
from bulk.runs import client_of, songs

from musicapi_async import bulk
from musicapi_async.bulk import PlanOptions
from musicapi_async.errors import BudgetExceededError, InvalidRequestError, JournalError
from musicapi_async.sandbox import Sandbox


async def planned(path: Path, count: int, options: PlanOptions) -> None:
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, songs(count))
        await bulk.remember_options(journal, options)


async def test_work_makes_what_is_planned_with_the_options_of_the_plan(
    quick: Sandbox, path: Path, tmp_path: Path
) -> None:
    await planned(path, 3, PlanOptions(in_flight=2, names="{key}-{clip_id}.{ext}", operation="sonic.describe"))
    async with client_of(quick.base_url) as client, bulk.open(path) as journal:
        outcomes = [outcome async for outcome in bulk.work(client, journal, out=tmp_path / "songs")]

    assert [outcome.record.state for outcome in outcomes] == ["saved"] * 3
    for outcome in outcomes:
        assert all(name.startswith(outcome.record.key) for name in outcome.record.files)
    assert len(quick.accepted) == 3


async def test_work_keeps_the_limit_of_credits_of_the_plan(quick: Sandbox, path: Path) -> None:
    await planned(path, 3, PlanOptions(max_credits=40))
    async with client_of(quick.base_url) as client, bulk.open(path) as journal:
        with pytest.raises(BudgetExceededError) as reached:
            _ = [outcome async for outcome in bulk.work(client, journal)]

    assert reached.value.limit == 40
    assert len(quick.accepted) == 2


async def test_work_submits_at_the_rate_of_the_plan(quick: Sandbox, path: Path) -> None:
    await planned(path, 5, PlanOptions(create_rate=20))
    async with client_of(quick.base_url) as client, bulk.open(path) as journal:
        started = time.monotonic()
        outcomes = [outcome async for outcome in bulk.work(client, journal)]
        took = time.monotonic() - started

    assert len(outcomes) == len(quick.accepted) == 5
    assert took >= 4 / 20


async def test_work_on_a_closed_journal_raises(quick: Sandbox, path: Path) -> None:
    async with client_of(quick.base_url) as client:
        async with bulk.open(path) as journal:
            worker = bulk.work(client, journal)
        with pytest.raises(JournalError, match="it is closed"):
            await anext(worker)


async def test_work_stopped_before_it_began_sends_nothing(quick: Sandbox, path: Path) -> None:
    await planned(path, 2, PlanOptions())
    async with client_of(quick.base_url) as client, bulk.open(path) as journal:
        worker = bulk.work(client, journal)
        worker.stop(TimeoutError("enough"))
        with pytest.raises(TimeoutError, match="enough"):
            await anext(worker)
        await worker.aclose()

    assert not quick.accepted


@pytest.mark.parametrize(
    ("options", "field"), [({"stay": True}, "stay"), ({"outage": -1}, "outage"), ({"out": 5}, "out")]
)
async def test_work_with_a_wrong_argument_names_it(
    options: dict[str, object], field: str, quick: Sandbox, path: Path
) -> None:
    async with client_of(quick.base_url) as client, bulk.open(path) as journal:
        with pytest.raises(InvalidRequestError) as refused:
            bulk.work(client, journal, **options)  # type: ignore[arg-type]

    assert refused.value.field == field
