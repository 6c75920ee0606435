"""Polls that fail: a wait continues until its own timeout, and names its task when it ends."""

import asyncio

import pytest
from clock import Clock
from scripted import Step, cut, hang_up, respond, scripted

from musicapi_async import MusicAPI, errors
from musicapi_async.sandbox import Fault, Sandbox

POLL = "GET /sonic/task/{task_id}"
NOT_READY = respond(202, {"type": "not_ready"})


DONE = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
DOWN: list[Step] = [
    respond(502, b"<html>"),
    cut(),
    hang_up(),
    respond(200, b"<html>"),
    respond(429, {"error": "slow down"}),
]


def down_until(over_at: float, step: Step, then: Step) -> Step:
    async def answer(writer: asyncio.StreamWriter) -> bool:
        return await (step if asyncio.get_running_loop().time() < over_at else then)(writer)

    return answer


@pytest.mark.parametrize("step", DOWN, ids=["502", "cut", "hang up", "no JSON", "429"])
async def test_wait_through_an_outage_of_ten_minutes_returns_the_result(clock: Clock, step: Step) -> None:
    over_at = asyncio.get_running_loop().time() + 600
    async with scripted(down_until(over_at, step, respond(200, {"data": [DONE, DONE]}))) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=1.0, timeout=3600) as client:
            waiting = asyncio.create_task(client.sonic.task("t-1").wait(timeout=700))
            await clock.run(0.5, waiting)

        assert len(await waiting) == 2
        # The longer it lasts, the fewer: every second would be 600.
        assert 10 < len(server.received) < 150


async def test_many_waits_through_an_outage_are_not_ended_by_the_retry_budget(clock: Clock) -> None:
    over_at = asyncio.get_running_loop().time() + 120
    async with (
        scripted(down_until(over_at, cut(), respond(200, {"data": [DONE, DONE]}))) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=5.0, timeout=3600) as client,
    ):
        tasks = [client.sonic.task(f"t-{number}") for number in range(100)]
        waiting = asyncio.gather(*(task.wait(timeout=200) for task in tasks))
        await clock.run(0.5, waiting)

    assert [len(songs) for songs in await waiting] == [2] * 100


async def test_wait_whose_time_is_up_in_an_outage_names_the_task_and_the_failure(clock: Clock) -> None:
    loop = asyncio.get_running_loop()
    async with (
        scripted(respond(502, b"<html>")) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=1.0) as client,
    ):
        began = loop.time()
        waiting = asyncio.create_task(client.sonic.task("t-1").wait(timeout=300))
        await clock.run(0.5, waiting)

    with pytest.raises(errors.TaskTimeoutError, match=r"client\.sonic\.task\('t-1'\)") as caught:
        await waiting
    assert 300 <= loop.time() - began < 305
    assert isinstance(caught.value.__cause__, errors.ServerError)
    assert "status 502" in "".join(caught.value.__notes__)


async def test_wait_without_a_deadline_ends_after_a_quarter_of_an_hour_of_failures(clock: Clock) -> None:
    loop = asyncio.get_running_loop()
    async with (
        scripted(respond(502, b"<html>")) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=1.0) as client,
    ):
        began = loop.time()
        task = client.sonic.task("t-1")
        waiting = asyncio.create_task(task.wait(timeout=None))
        patient = asyncio.create_task(task.wait(timeout=3600))
        await clock.run(1, waiting)

        assert not patient.done()
        patient.cancel()
    with pytest.raises(errors.ServerError, match="GET /sonic/task/t-1") as caught:
        await waiting
    assert 900 <= loop.time() - began < 940
    assert "client.sonic.task('t-1')" in "".join(caught.value.__notes__)


async def test_wait_that_ends_by_a_refusal_names_the_task() -> None:
    async with (
        scripted(respond(401, {"error": "unknown key"})) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client,
    ):
        with pytest.raises(errors.AuthenticationError) as caught:
            await client.sonic.task("t-1").wait()

    assert "client.sonic.task('t-1')" in "".join(caught.value.__notes__)


async def test_wait_with_occasional_poll_failures_is_not_slowed_down() -> None:
    trouble = [*[respond(502, b"<html>")] * 15, NOT_READY]
    async with scripted(*trouble * 3, respond(200, {"data": [DONE, DONE]})) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.001) as client:
            songs = await client.sonic.task("t-1").wait()

        assert len(server.received) == 3 * 16 + 1
    assert len(songs) == 2


async def test_poll_cancelled_from_outside_is_repeated(client: MusicAPI, sandbox: Sandbox) -> None:
    """Code that cancels all other tasks of a loop cancels polls too, but not the waits for them."""
    task = await client.sonic.describe(description="rain")
    sandbox.add_fault(POLL, Fault(delay=60))
    others = asyncio.all_tasks()
    waiting = asyncio.create_task(task.wait(timeout=5))
    async with asyncio.timeout(5):
        while not len(sandbox.requests(POLL)):
            await asyncio.sleep(0.001)
    for poll in asyncio.all_tasks() - others - {waiting}:
        if "RequestHandler" not in repr(poll):
            poll.cancel()
    sandbox.advance(5000)

    assert len(await waiting) == 2
    assert len(sandbox.requests(POLL)) == 2
