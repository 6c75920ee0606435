"""The id of an accepted task can be found, however a wait, a run or a client is left."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from scripted import Scripted, respond, scripted

from musicapi_async import MusicAPI, Outcome, Run, Songs, errors, sonic
from musicapi_async.sandbox import Sandbox

NOT_READY = respond(202, {"type": "not_ready"})


class Slow:
    """Answers a submission when the test allows it, and polls never."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.accepted: list[str] = []

    async def __call__(self, writer: asyncio.StreamWriter) -> bool:
        await self.answer.wait()
        self.accepted.append(f"t-{len(self.accepted) + 1}")
        return await respond(200, {"message": "success", "task_id": self.accepted[-1]})(writer)


def requests(count: int) -> Iterator[sonic.Describe]:
    return (sonic.Describe(description=f"song {number}") for number in range(count))


async def received(server: Scripted, count: int) -> None:
    """Return when the server has read so many requests."""
    async with asyncio.timeout(5):
        while len(server.received) < count:
            await asyncio.sleep(0.001)


async def accepted(sandbox: Sandbox, run: Run[Songs], count: int) -> None:
    async with asyncio.timeout(5):
        while len(run.tasks) < count:
            await asyncio.sleep(0.001)
    assert len(sandbox.tasks) == count


async def rest_of(run: Run[Songs]) -> list[Outcome[Songs]]:
    """Return what a run of a closed client still returns before it raises that it is closed."""
    outcomes = []
    try:
        while True:
            outcomes.append(await anext(run))
    except errors.ClientClosedError:
        return outcomes


async def test_run_that_was_closed_lists_the_tasks_still_running(client: MusicAPI, sandbox: Sandbox) -> None:
    run = client.run(requests(10), in_flight=2)
    pending = asyncio.create_task(anext(run))
    await accepted(sandbox, run, 2)
    pending.cancel()
    await asyncio.gather(pending, return_exceptions=True)

    await run.aclose()

    assert {task.id for task in run.tasks} == {task.task_id for task in sandbox.tasks}


async def test_run_left_early_returns_its_tasks_after_the_client_closed(sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        run = client.run(requests(10), in_flight=2)
        pending = asyncio.create_task(anext(run))
        await accepted(sandbox, run, 2)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)

    left = await rest_of(run)
    assert {outcome.task.id for outcome in left if outcome.task} == {task.task_id for task in sandbox.tasks}


async def test_run_closed_during_a_submission_waits_for_its_task_id() -> None:
    slow = Slow()
    async with scripted(slow) as server, MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client:
        run = client.run(requests(10), in_flight=1)
        pending = asyncio.create_task(anext(run))
        await received(server, 1)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        closing = asyncio.create_task(run.aclose())
        await asyncio.sleep(0)
        slow.answer.set()
        await closing

        assert slow.accepted == ["t-1"]
        assert [task.id for task in run.tasks] == ["t-1"]


async def test_client_closed_during_submissions_of_a_run_waits_for_their_task_ids() -> None:
    slow = Slow()
    async with scripted(slow) as server:
        client = MusicAPI("k", base_url=server.base_url, poll_interval=0.01)
        run = client.run(requests(10), in_flight=3)
        pending = asyncio.create_task(anext(run))
        await received(server, 3)
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        slow.answer.set()
        await closing
        outcomes = [await pending, *await rest_of(run)]

    assert {outcome.task.id for outcome in outcomes if outcome.task} == set(slow.accepted)
    assert len(slow.accepted) == len(outcomes) == 3
    assert all(isinstance(outcome.error, errors.ClientClosedError) for outcome in outcomes)


async def test_errors_of_a_wait_all_hold_the_task_id(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    with pytest.raises(errors.TaskTimeoutError) as late:
        await task.wait(timeout=0.02)
    waiting = asyncio.create_task(task.wait())
    await asyncio.sleep(0)
    await client.aclose()
    with pytest.raises(errors.ClientClosedError) as closed:
        await waiting

    for error in (late.value, closed.value):
        assert (error.family, error.task_id) == ("sonic", sandbox.tasks[0].task_id)
        assert f"client.sonic.task('{task.id}')" in str(error)


async def test_submission_is_logged_without_key_or_lyrics(client: MusicAPI, caplog: pytest.LogCaptureFixture) -> None:
    """The last resort for a lost id: the DEBUG log has every request, without key and lyrics."""
    caplog.set_level(logging.DEBUG, logger="musicapi")
    await client.sonic.create(lyrics="not for the log", title="nor this")

    assert "POST /sonic/create: 200" in caplog.text
    assert not [word for word in ("test-key", "not for the log", "nor this") if word in caplog.text]


async def test_run_closed_before_a_retry_sends_nothing_more() -> None:
    """A submission that waits after a 429 is not sent: no caller waits for it any more."""
    later = respond(429, {"error": "slow down"}, {"Retry-After": "1"})
    async with scripted(later, respond(200, {"task_id": "t-1"})) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client:
            run = client.run(requests(10), in_flight=1)
            pending = asyncio.create_task(anext(run))
            await received(server, 1)
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
            async with asyncio.timeout(30):
                await run.aclose()

        assert len(server.received) == 1
    assert run.tasks == ()


async def test_run_closed_during_retry_after_ends_at_once() -> None:
    later = respond(429, {"error": "slow down"}, {"Retry-After": "100"})
    async with scripted(later) as server, MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client:
        run = client.run(requests(10), in_flight=1)
        pending = asyncio.create_task(anext(run))
        await received(server, 1)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)

        async with asyncio.timeout(2):
            await run.aclose()
