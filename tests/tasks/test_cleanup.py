"""Clients, runs, waits and updates left early: no task stays behind, no request is sent, no error is lost."""

import asyncio
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress

import pytest
from scripted import Scripted, respond, scripted

from musicapi_async import MusicAPI, Outcome, Songs, TaskRequest, errors, riffusion, sonic
from musicapi_async.sandbox import Fault, Sandbox

CREATE = "POST /sonic/create"
POLL = "GET /sonic/task/{task_id}"
NOT_READY = respond(202, {"type": "not_ready"})


def requests(count: int) -> Iterator[sonic.Describe]:
    return (sonic.Describe(description=f"song {number}") for number in range(count))


def ours(before: set[asyncio.Task[object]]) -> set[asyncio.Task[object]]:
    """Return the tasks that came since; those of servers on this loop are not ours."""
    return {
        task
        for task in asyncio.all_tasks() - before
        if not ("RequestHandler" in repr(task) or "scripted" in repr(task))
    }


@pytest.fixture
async def quick() -> AsyncIterator[Sandbox]:
    async with Sandbox(seconds=0.05, credits=100_000) as sandbox:
        yield sandbox


async def received(server: Scripted, count: int) -> None:
    """Return when the server has read so many requests."""
    async with asyncio.timeout(5):
        while len(server.received) < count:
            await asyncio.sleep(0.001)


async def test_client_closed_after_a_run_leaves_no_asyncio_task(quick: Sandbox) -> None:
    async def source() -> AsyncIterator[sonic.Describe]:
        for request in requests(100):
            yield request

    before = asyncio.all_tasks()
    async with MusicAPI("k", base_url=quick.base_url, poll_interval=0.01) as client:
        async for _ in client.run(source(), in_flight=3):
            break
    await asyncio.sleep(0)

    assert ours(before) == set()


async def test_client_closed_while_the_source_blocks_closes_the_source(quick: Sandbox) -> None:
    closed = False

    async def source() -> AsyncIterator[sonic.Describe]:
        nonlocal closed
        try:
            yield sonic.Describe(description="the only one")
            await asyncio.Event().wait()
        finally:
            closed = True

    before = asyncio.all_tasks()
    async with MusicAPI("k", base_url=quick.base_url, poll_interval=0.01) as client:
        run = client.run(source(), in_flight=3)
        assert (await anext(run)).error is None
        pending = asyncio.create_task(anext(run))
        await asyncio.sleep(0)
    # Closing the client ends the run: a caller waiting for the next outcome gets an error.
    async with asyncio.timeout(3):
        with pytest.raises((errors.ClientClosedError, StopAsyncIteration)):
            await pending
    await asyncio.sleep(0)

    assert ours(before) == set()
    assert closed


@pytest.mark.parametrize("what", ["run", "client"])
async def test_source_that_closes_its_own_run_or_client_ends_cleanly(quick: Sandbox, what: str) -> None:
    ended = False

    async def source() -> AsyncIterator[sonic.Describe]:
        nonlocal ended
        try:
            yield sonic.Describe(description="the first")
            await (run if what == "run" else client).aclose()
            yield sonic.Describe(description="one too many")
        finally:
            ended = True

    before = asyncio.all_tasks()
    client = MusicAPI("k", base_url=quick.base_url, poll_interval=0.01)
    run = client.run(source(), in_flight=2)
    with suppress(errors.ClientClosedError):
        async with asyncio.timeout(5):
            async for _ in run:
                pass
    await client.aclose()

    assert ended
    assert len(quick.requests(CREATE)) == 1
    assert ours(before) == set()


async def test_client_closed_with_undelivered_outcomes_logs_their_tasks(
    quick: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with MusicAPI("k", base_url=quick.base_url, poll_interval=0.01) as client:
        run = client.run(requests(3), in_flight=3)
        claimed = await anext(run)
        left = run.tasks
        await asyncio.gather(*(task.wait(5) for task in left))

    assert claimed.task is not None
    (named,) = [record.getMessage() for record in caplog.records if "their outcome was not returned" in record.message]
    assert len(left) == 2
    assert all(task.resumption in named for task in left)


async def test_run_closed_early_ends_its_waits_but_not_its_tasks(client: MusicAPI, sandbox: Sandbox) -> None:
    before = asyncio.all_tasks()
    run = client.run(requests(10), in_flight=2)
    pending = asyncio.create_task(anext(run))
    while len(run.tasks) < 2:
        await asyncio.sleep(0.001)
    running = run.tasks
    pending.cancel()
    await run.aclose()
    await asyncio.gather(pending, return_exceptions=True)

    assert pending.cancelled()
    assert ours(before) == set()
    assert len(sandbox.tasks) == 2
    sandbox.advance(5000)
    assert [len(await task.wait()) for task in running] == [2, 2]
    with pytest.raises(StopAsyncIteration):
        await anext(run)


async def test_run_in_another_event_loop_raises_the_error(client: MusicAPI, sandbox: Sandbox) -> None:
    """A client that belongs to another event loop: every request fails, and the run must say so."""
    await client.account.credits()

    async def run_elsewhere() -> None:
        async for outcome in client.run(requests(3), in_flight=1):
            raise AssertionError(outcome)

    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(run_elsewhere()))

    assert sandbox.tasks == ()


async def test_submit_cancelled_in_flight_logs_the_uncertain_request(caplog: pytest.LogCaptureFixture) -> None:
    """Its outcome is unknown, and no caller is left to receive an error."""
    never = asyncio.Event()

    async def stall(_: asyncio.StreamWriter) -> bool:
        await never.wait()
        return False

    async with scripted(stall) as server, MusicAPI("k", base_url=server.base_url, timeout=0.3) as client:
        submitting = asyncio.create_task(client.sonic.create(lyrics="never logged"))
        await received(server, 1)
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting

    assert "may have been accepted and charged: no response in time" in caplog.text
    assert "never logged" not in caplog.text


async def test_updates_closed_early_stop_polling(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    async with aclosing(task.updates()) as updates:
        async for state in updates:
            assert state.status == "waiting"
            break
    polls = len(sandbox.requests(POLL))

    for _ in range(20):
        await client.account.credits()

    assert len(sandbox.requests(POLL)) <= polls + 1


async def test_updates_of_a_finished_task_yield_the_final_state_without_a_poll(
    client: MusicAPI, sandbox: Sandbox
) -> None:
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)
    songs = await task.wait()
    polls = len(sandbox.requests(POLL))

    states = [state async for state in task.updates()]

    assert [(state.status, state.result) for state in states] == [("finished", songs)]
    assert await task.wait(timeout=0.001) == songs
    assert len(sandbox.requests(POLL)) == polls


async def test_updates_of_a_failed_task_end_with_the_failed_state(client: MusicAPI, sandbox: Sandbox) -> None:
    sandbox.end_next("failed")
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)

    states = [state async for state in task.updates()]

    assert [state.status for state in states] == ["failed"]
    with pytest.raises(errors.TaskFailedError, match=task.id):
        await task.wait()
    assert (await task.poll()).error is not None


async def test_waits_on_a_failed_task_all_raise(client: MusicAPI, sandbox: Sandbox) -> None:
    sandbox.end_next("failed")
    task = await client.sonic.describe(description="rain")
    waiting = [asyncio.create_task(task.wait()) for _ in range(5)]
    await asyncio.sleep(0)
    sandbox.advance(5000)

    raised = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(one) for one in raised] == [errors.TaskFailedError] * 5


async def test_waits_on_many_tasks_share_few_connections() -> None:
    done = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
    finished = respond(200, {"data": [done, done]})
    async with scripted(*[NOT_READY] * 200, finished) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.01, max_requests=10) as client:
            tasks = [client.sonic.task(f"t-{number}") for number in range(100)]
            found = await asyncio.gather(*(task.wait() for task in tasks))

        assert len(found) == 100
        assert server.connections <= 10
        assert {request.path for request in server.received} == {
            f"/api/v1/sonic/task/t-{number}" for number in range(100)
        }


async def test_poll_after_a_429_waits_for_retry_after() -> None:
    slow_down = respond(429, {"error": "slow down"}, {"Retry-After": "3600"})
    async with scripted(slow_down, NOT_READY) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.001) as client:
            with pytest.raises(errors.TaskTimeoutError):
                await client.sonic.task("t-1").wait(timeout=0.1)

        assert len(server.received) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_poll_after_a_retry_after_of_a_day_comes_after_two_minutes(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
    slow_down = respond(status, {"error": "slow down"}, {"Retry-After": "86400"})
    async with scripted(slow_down, respond(200, {"data": [done, done]})) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.001) as client:
            waiting = asyncio.create_task(client.sonic.task("t-1").wait(timeout=None))
            await received(server, 1)
            await client.sonic.task("t-2").poll()
            assert len(server.received) == 2
            loop = asyncio.get_running_loop()
            now = loop.time
            monkeypatch.setattr(loop, "time", lambda: now() + 121)
            async with asyncio.timeout(5):
                songs = await waiting

        assert len(server.received) == 3
    assert len(songs) == 2


async def test_wait_after_a_poll_that_finished_returns_without_polling(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)
    state = await task.poll()

    assert await task.wait() == state.result
    assert len(sandbox.requests(POLL)) == 1


async def test_run_with_mixed_operations_returns_all_outcomes(quick: Sandbox) -> None:
    mixed: list[TaskRequest[Songs]] = [
        sonic.Describe(description="one"),
        riffusion.Describe(description="two"),
        sonic.Extend(clip="c-1", at=30),
    ]
    quick.add_fault(CREATE, Fault(status=429, body={"error": "slow down"}, headers={"Retry-After": "0"}))
    async with MusicAPI("k", base_url=quick.base_url, poll_interval=0.01) as client:
        outcomes: list[Outcome[Songs]] = [outcome async for outcome in client.run(mixed, in_flight=3)]

    assert {outcome.request for outcome in outcomes} == set(mixed)
    assert {outcome.task.family for outcome in outcomes if outcome.task} == {"sonic", "riffusion"}
    assert [outcome.error for outcome in outcomes] == [None] * 3


async def test_run_of_no_requests_ends_at_once(client: MusicAPI) -> None:
    nothing: list[TaskRequest[Songs]] = []

    assert [outcome async for outcome in client.run(nothing)] == []
    assert [outcome async for outcome in client.run(request for request in requests(0))] == []


async def test_client_dropped_unclosed_warns_only_if_it_was_used(quick: Sandbox) -> None:
    script = """
        import asyncio, gc, sys
        from musicapi_async import MusicAPI

        async def main():
            unused = MusicAPI("k", base_url=sys.argv[1])
            client = MusicAPI("k", base_url=sys.argv[1])
            await client.account.credits()
            del client, unused
            gc.collect()

        asyncio.run(main())
    """
    command = [sys.executable, "-W", "always::ResourceWarning", "-c", textwrap.dedent(script), quick.base_url]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()

    assert process.returncode == 0
    assert said.count(b"ResourceWarning: a MusicAPI client was not closed") == 1
