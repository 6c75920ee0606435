"""A service that cannot be reached pauses a run, and ends it only after a limit."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from bulk.runs import client_of, counts, run, songs
from service import RUNNING, clip, done, serving

from musicapi_async import MusicAPI, bulk, errors
from musicapi_async.bulk import Outcome


async def run_songs(base_url: str, path: Path, count: int, **options: Any) -> list[Outcome]:
    async with client_of(base_url, max_attempts=1) as client:
        return await run(client, path, songs(count), **options)


def paused(caplog: pytest.LogCaptureFixture) -> int:
    return sum("submissions are paused" in record.getMessage() for record in caplog.records)


async def test_run_whose_connections_are_refused_pauses_and_continues(
    port: int, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = asyncio.ensure_future(run_songs(f"http://127.0.0.1:{port}/api/v1", path, 20))
    async with asyncio.timeout(20):
        while not paused(caplog):
            await asyncio.sleep(0.01)
        async with serving(port) as service:
            outcomes = await running
            assert len(service.created) == 20

    assert {outcome.record.state for outcome in outcomes} == {"saved"}
    assert paused(caplog) == 1
    assert "the service can be reached again" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_run_whose_connections_are_refused_in_its_middle_pauses_and_continues(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as service:
        async with client_of(service.base_url, max_attempts=1) as client, bulk.open(path) as journal:
            running = bulk.run(client, journal, songs(200), in_flight=4, max_credits=10_000)
            outcomes = [await anext(running)]

            async def rest() -> None:
                async for outcome in running:
                    outcomes.append(outcome)  # noqa: PERF401 - it may end with an error

            waiting = asyncio.ensure_future(rest())
            async with asyncio.timeout(30):
                service.script.refuse()
                while not paused(caplog):
                    await asyncio.sleep(0.01)
                await service.script.listen()
                await waiting
        assert len(service.created) == 200
    assert {outcome.record.state for outcome in outcomes} == {"saved"}


async def test_run_without_connections_for_longer_than_the_limit_ends_with_everything_planned(
    port: int, path: Path
) -> None:
    began = time.monotonic()
    with pytest.raises(errors.ConnectionFailedError):
        await run_songs(f"http://127.0.0.1:{port}/api/v1", path, 20, outage=2.0)

    assert 1.9 <= time.monotonic() - began < 6
    assert await counts(path) == {"planned": 20}


async def test_run_closed_during_a_pause_ends_at_once(port: int, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with client_of(f"http://127.0.0.1:{port}/api/v1", max_attempts=1) as client, bulk.open(path) as journal:
        running = bulk.run(client, journal, songs(20))
        waiting = asyncio.ensure_future(anext(running))
        while not paused(caplog):
            await asyncio.sleep(0.01)
        began = time.monotonic()
        await running.aclose()
        assert time.monotonic() - began < 0.5
        with pytest.raises(errors.JournalError):
            await waiting
    assert await counts(path) == {"planned": 20}


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_balance_that_cannot_be_read_for_a_while_pauses_the_run(
    status: int, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [status] * 2
    async with serving(credits_status=lambda: answers.pop() if answers else 200) as service:
        outcomes = await run_songs(service.base_url, path, 5, max_credits=100)

        assert len(service.created) == 5
    assert {outcome.record.state for outcome in outcomes} == {"saved"}
    assert paused(caplog) == 1


async def test_time_in_which_polls_are_not_answered_does_not_count(path: Path) -> None:
    began = time.monotonic()

    def poll(number: int) -> tuple[int, object]:
        if number == 0:
            return RUNNING
        if time.monotonic() - began < 1.5:
            return 502, {"error": "bad gateway"}
        return done(clip(2 * number), clip(2 * number + 1))

    async with serving(poll=poll) as service:
        outcomes = await run_songs(service.base_url, path, 2, timeout=0.5)

    # One was answered all the time and is overdue, the other was not.
    found = {outcome.record.task_id: (outcome.record.state, outcome.record.is_overdue) for outcome in outcomes}
    assert found == {"t-0": ("accepted", True), "t-1": ("saved", False)}


async def test_task_whose_polls_alone_fail_is_overdue_and_stops_nothing(path: Path) -> None:
    def poll(number: int) -> tuple[int, object]:
        return (500, {"error": "trouble"}) if number == 0 else done(clip(2 * number), clip(2 * number + 1))

    async with serving(poll=poll) as service:
        outcomes = await run_songs(service.base_url, path, 8, in_flight=2, timeout=0.3, outage=1.0)

        assert len(service.created) == 8
    found = {outcome.record.task_id: outcome for outcome in outcomes}
    assert isinstance(found["t-0"].error, errors.ServerError)
    assert found["t-0"].record.is_overdue
    assert {outcome.record.state for name, outcome in found.items() if name != "t-0"} == {"saved"}


async def test_service_gone_while_all_tasks_are_waited_for_ends_the_run_with_its_error(path: Path) -> None:
    async with serving(poll=lambda _: RUNNING) as service:
        began: list[float] = []

        async def leave() -> None:
            while len(service.created) < 2:
                await asyncio.sleep(0.01)
            service.script.refuse()
            service.poll = lambda _: (204, b"")
            began.append(time.monotonic())

        leaving = asyncio.create_task(leave())
        with pytest.raises(errors.MusicAPIError) as caught:
            await run_songs(service.base_url, path, 2, in_flight=2, timeout=600.0, outage=1.0)
        await leaving

    assert isinstance(caught.value, (errors.ConnectionFailedError, errors.InvalidResponseError))
    assert "/sonic/task/t-" in str(caught.value)
    assert time.monotonic() - began[0] < 20
    assert await counts(path) == {"accepted": 2}


async def test_polls_that_all_fail_for_longer_than_the_limit_end_the_run_with_everything_accepted(path: Path) -> None:
    async with serving(poll=lambda _: (500, {"error": "trouble"})) as service:
        with pytest.raises(errors.MusicAPIError):
            await run_songs(service.base_url, path, 9, in_flight=3, timeout=0.3, outage=1.0)

        assert len(service.created) == 3
        assert await counts(path) == {"accepted": 3, "planned": 6}
        service.poll = lambda number: done(clip(2 * number), clip(2 * number + 1))
        outcomes = await run_songs(service.base_url, path, 9, timeout=600.0)
        assert len(service.created) == 9
    assert {outcome.record.state for outcome in outcomes} == {"saved"}


@pytest.mark.parametrize("outage", [-1, float("nan"), True, "10", None])
async def test_outage_limit_that_is_invalid_is_refused(outage: Any, path: Path) -> None:
    async with MusicAPI("k") as client:
        with pytest.raises(errors.InvalidRequestError, match="outage is"):
            bulk.run(client, bulk.open(path), songs(1), outage=outage)
