"""Leaving early, from whatever is under way: nothing runs on, nothing is asked any more, nothing is swallowed."""

import asyncio
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress

import pytest
from scripted import Scripted, reply, scripted

from musicapi_async import MusicAPI, Outcome, Songs, TaskRequest, errors, riffusion, sonic
from musicapi_async.sandbox import Fault, Sandbox

CREATE = "POST /sonic/create"
LOOK = "GET /sonic/task/{task_id}"
NOT_READY = reply(202, {"type": "not_ready"})


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


async def seen(server: Scripted, count: int) -> None:
    """Return when the server has read so many requests."""
    async with asyncio.timeout(5):
        while len(server.received) < count:
            await asyncio.sleep(0.001)


async def test_a_closed_client_leaves_no_task_of_a_run_behind(quick: Sandbox) -> None:
    async def source() -> AsyncIterator[sonic.Describe]:
        for request in requests(100):
            yield request

    before = asyncio.all_tasks()
    async with MusicAPI("k", base_url=quick.base_url, poll_interval=0.01) as client:
        async for _ in client.run(source(), in_flight=3):
            break
    await asyncio.sleep(0)

    assert ours(before) == set()


async def test_a_closed_client_leaves_a_source_that_never_yields(quick: Sandbox) -> None:
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
        asking = asyncio.create_task(anext(run))
        await asyncio.sleep(0)
    # Closing the client ends the run: whoever asks for more is told, and does not wait for ever.
    async with asyncio.timeout(3):
        with pytest.raises((errors.ClientClosedError, StopAsyncIteration)):
            await asking
    await asyncio.sleep(0)

    assert ours(before) == set()
    assert closed


@pytest.mark.parametrize("what", ["run", "client"])
async def test_a_source_may_close_its_own_run(quick: Sandbox, what: str) -> None:
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
    assert quick.requests[CREATE] == 1
    assert ours(before) == set()


async def test_closing_the_client_names_what_nobody_asked_for(quick: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    async with MusicAPI("k", base_url=quick.base_url, poll_interval=0.01) as client:
        run = client.run(requests(3), in_flight=3)
        claimed = await anext(run)
        left = run.tasks
        await asyncio.gather(*(task.wait(5) for task in left))

    assert claimed.task is not None
    (named,) = [record.getMessage() for record in caplog.records if "their outcome was not returned" in record.message]
    assert len(left) == 2
    assert all(task.resumption in named for task in left)


async def test_closing_a_run_ends_its_waits_and_not_its_tasks(client: MusicAPI, sandbox: Sandbox) -> None:
    before = asyncio.all_tasks()
    run = client.run(requests(10), in_flight=2)
    asking = asyncio.create_task(anext(run))
    while len(run.tasks) < 2:
        await asyncio.sleep(0.001)
    alive = run.tasks
    asking.cancel()
    await run.aclose()
    await asyncio.gather(asking, return_exceptions=True)

    assert asking.cancelled()
    assert ours(before) == set()
    assert len(sandbox.accepted) == 2
    sandbox.advance(5000)
    assert [len(await task.wait()) for task in alive] == [2, 2]
    with pytest.raises(StopAsyncIteration):
        await anext(run)


async def test_an_error_that_is_not_ours_is_not_swallowed_by_a_run(client: MusicAPI, sandbox: Sandbox) -> None:
    """A client that belongs to another event loop: every request fails, and the run must say so."""
    await client.account.credits()

    async def run_elsewhere() -> None:
        async for outcome in client.run(requests(3), in_flight=1):
            raise AssertionError(outcome)

    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(run_elsewhere()))

    assert sandbox.accepted == ()


async def test_a_cancelled_submit_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Its outcome is unknown, and nobody is left to whom an error could be given."""
    never = asyncio.Event()

    async def stall(_: asyncio.StreamWriter) -> bool:
        await never.wait()
        return False

    async with scripted(stall) as server, MusicAPI("k", base_url=server.base_url, timeout=0.3) as client:
        submitting = asyncio.create_task(client.sonic.create(lyrics="never logged"))
        await seen(server, 1)
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting

    assert "may have been accepted and charged: no response in time" in caplog.text
    assert "never logged" not in caplog.text


async def test_updates_that_are_left_stop_looking(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    async with aclosing(task.updates()) as updates:
        async for state in updates:
            assert state.status == "waiting"
            break
    looks = sandbox.requests[LOOK]

    for _ in range(20):
        await client.account.credits()

    assert sandbox.requests[LOOK] <= looks + 1


async def test_updates_of_a_finished_task_tell_its_end_at_once(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)
    songs = await task.wait()
    looks = sandbox.requests[LOOK]

    states = [state async for state in task.updates()]

    assert [(state.status, state.result) for state in states] == [("finished", songs)]
    assert await task.wait(timeout=0.001) == songs
    assert sandbox.requests[LOOK] == looks


async def test_updates_of_a_failed_task_end_with_the_failure_and_do_not_raise(
    client: MusicAPI, sandbox: Sandbox
) -> None:
    sandbox.end_next("failed")
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)

    states = [state async for state in task.updates()]

    assert [state.status for state in states] == ["failed"]
    with pytest.raises(errors.TaskFailedError, match=task.id):
        await task.wait()
    assert (await task.poll()).error is not None


async def test_everyone_who_waits_hears_of_a_failure(client: MusicAPI, sandbox: Sandbox) -> None:
    sandbox.end_next("failed")
    task = await client.sonic.describe(description="rain")
    waiting = [asyncio.create_task(task.wait()) for _ in range(5)]
    await asyncio.sleep(0)
    sandbox.advance(5000)

    told = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(one) for one in told] == [errors.TaskFailedError] * 5


async def test_many_tasks_share_the_clock_and_few_connections() -> None:
    done = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
    finished = reply(200, {"data": [done, done]})
    async with scripted(*[NOT_READY] * 200, finished) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.01, max_requests=10) as client:
            tasks = [client.sonic.task(f"t-{number}") for number in range(100)]
            found = await asyncio.gather(*(task.wait() for task in tasks))

        assert len(found) == 100
        assert server.connections <= 10
        assert {request.path for request in server.received} == {
            f"/api/v1/sonic/task/t-{number}" for number in range(100)
        }


async def test_looks_wait_as_long_as_the_service_asks_for() -> None:
    slow_down = reply(429, {"error": "slow down"}, {"Retry-After": "3600"})
    async with scripted(slow_down, NOT_READY) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.001) as client:
            with pytest.raises(errors.TaskTimeoutError):
                await client.sonic.task("t-1").wait(timeout=0.1)

        assert len(server.received) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_a_service_that_asks_for_a_day_is_looked_at_after_two_minutes(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
    slow_down = reply(status, {"error": "slow down"}, {"Retry-After": "86400"})
    async with scripted(slow_down, reply(200, {"data": [done, done]})) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.001) as client:
            waiting = asyncio.create_task(client.sonic.task("t-1").wait(timeout=None))
            await seen(server, 1)
            await client.sonic.task("t-2").poll()
            assert len(server.received) == 2
            loop = asyncio.get_running_loop()
            now = loop.time
            monkeypatch.setattr(loop, "time", lambda: now() + 121)
            async with asyncio.timeout(5):
                songs = await waiting

        assert len(server.received) == 3
    assert len(songs) == 2


async def test_a_look_of_ones_own_that_finds_the_end_is_the_end(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)
    state = await task.poll()

    assert await task.wait() == state.result
    assert sandbox.requests[LOOK] == 1


async def test_requests_of_several_kinds_share_a_run(quick: Sandbox) -> None:
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


async def test_a_run_of_nothing_is_over_at_once(client: MusicAPI) -> None:
    nothing: list[TaskRequest[Songs]] = []

    assert [outcome async for outcome in client.run(nothing)] == []
    assert [outcome async for outcome in client.run(request for request in requests(0))] == []


async def test_a_client_that_is_dropped_warns_and_one_that_was_never_used_does_not(quick: Sandbox) -> None:
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
