"""A task is money: whatever is left early, the id of what was accepted can be found."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from scripted import Scripted, reply, scripted

from musicapi_async import MusicAPI, Outcome, Run, Songs, errors, sonic
from musicapi_async.sandbox import Sandbox

NOT_READY = reply(202, {"type": "not_ready"})


class Slow:
    """Answers a create when it is told to, and looks never."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.accepted: list[str] = []

    async def __call__(self, writer: asyncio.StreamWriter) -> bool:
        await self.answer.wait()
        self.accepted.append(f"t-{len(self.accepted) + 1}")
        return await reply(200, {"message": "success", "task_id": self.accepted[-1]})(writer)


def requests(count: int) -> Iterator[sonic.Describe]:
    return (sonic.Describe(description=f"song {number}") for number in range(count))


async def received(server: Scripted, count: int) -> None:
    """Return when the server has read so many requests."""
    async with asyncio.timeout(5):
        while len(server.received) < count:
            await asyncio.sleep(0.001)


async def alive(sandbox: Sandbox, run: Run[Songs], count: int) -> None:
    async with asyncio.timeout(5):
        while len(run.tasks) < count:
            await asyncio.sleep(0.001)
    assert len(sandbox.accepted) == count


async def rest_of(run: Run[Songs]) -> list[Outcome[Songs]]:
    """Return what a run of a closed client still hands over before it says that it is closed."""
    outcomes = []
    try:
        while True:
            outcomes.append(await anext(run))
    except errors.ClientClosedError:
        return outcomes


async def test_a_closed_run_still_names_the_tasks_that_live_on(client: MusicAPI, sandbox: Sandbox) -> None:
    run = client.run(requests(10), in_flight=2)
    asking = asyncio.create_task(anext(run))
    await alive(sandbox, run, 2)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    await run.aclose()

    assert {task.id for task in run.tasks} == {task.task_id for task in sandbox.accepted}


async def test_a_run_that_was_left_names_its_tasks_after_the_client_is_closed(sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        run = client.run(requests(10), in_flight=2)
        asking = asyncio.create_task(anext(run))
        await alive(sandbox, run, 2)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    left = await rest_of(run)
    assert {outcome.task.id for outcome in left if outcome.task} == {task.task_id for task in sandbox.accepted}


async def test_closing_a_run_gets_the_answer_to_what_is_being_paid() -> None:
    slow = Slow()
    async with scripted(slow) as server, MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client:
        run = client.run(requests(10), in_flight=1)
        asking = asyncio.create_task(anext(run))
        await received(server, 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        closing = asyncio.create_task(run.aclose())
        await asyncio.sleep(0)
        slow.answer.set()
        await closing

        assert slow.accepted == ["t-1"]
        assert [task.id for task in run.tasks] == ["t-1"]


async def test_closing_the_client_gets_the_answer_to_what_a_run_is_paying() -> None:
    slow = Slow()
    async with scripted(slow) as server:
        client = MusicAPI("k", base_url=server.base_url, poll_interval=0.01)
        run = client.run(requests(10), in_flight=3)
        asking = asyncio.create_task(anext(run))
        await received(server, 3)
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        slow.answer.set()
        await closing
        outcomes = [await asking, *await rest_of(run)]

    assert {outcome.task.id for outcome in outcomes if outcome.task} == set(slow.accepted)
    assert len(slow.accepted) == len(outcomes) == 3
    assert all(isinstance(outcome.error, errors.ClientClosedError) for outcome in outcomes)


async def test_an_id_is_told_by_every_error_of_a_wait(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    with pytest.raises(errors.TaskTimeoutError) as late:
        await task.wait(timeout=0.02)
    waiting = asyncio.create_task(task.wait())
    await asyncio.sleep(0)
    await client.aclose()
    with pytest.raises(errors.ClientClosedError) as closed:
        await waiting

    for error in (late.value, closed.value):
        assert (error.family, error.task_id) == ("sonic", sandbox.accepted[0].task_id)
        assert f"client.sonic.task('{task.id}')" in str(error)


async def test_what_was_paid_for_is_in_the_log(client: MusicAPI, caplog: pytest.LogCaptureFixture) -> None:
    """The last resort of whoever lost the id: DEBUG tells every exchange, and holds neither key nor lyrics."""
    caplog.set_level(logging.DEBUG, logger="musicapi")
    await client.sonic.create(lyrics="not for the log", title="nor this")

    assert "POST /sonic/create: 200" in caplog.text
    assert not [word for word in ("test-key", "not for the log", "nor this") if word in caplog.text]


async def test_nothing_is_paid_for_after_a_run_was_closed() -> None:
    """A create that was told to come back later is not sent: nobody asked for it any more."""
    later = reply(429, {"error": "slow down"}, {"Retry-After": "1"})
    async with scripted(later, reply(200, {"task_id": "t-1"})) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client:
            run = client.run(requests(10), in_flight=1)
            asking = asyncio.create_task(anext(run))
            await received(server, 1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            async with asyncio.timeout(30):
                await run.aclose()

        assert len(server.received) == 1
    assert run.tasks == ()


async def test_closing_a_run_does_not_sit_out_a_long_wait_of_the_service() -> None:
    later = reply(429, {"error": "slow down"}, {"Retry-After": "100"})
    async with scripted(later) as server, MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client:
        run = client.run(requests(10), in_flight=1)
        asking = asyncio.create_task(anext(run))
        await received(server, 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

        async with asyncio.timeout(2):
            await run.aclose()
