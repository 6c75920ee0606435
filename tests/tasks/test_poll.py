"""Single polls and waits that end from outside: by another event loop, by close, by cancellation."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from scripted import respond, scripted

from musicapi_async import MusicAPI, Songs, Task, errors
from musicapi_async.sandbox import Sandbox

POLL = "GET /sonic/task/{task_id}"


async def next_of(task: Task[Songs]) -> object:
    return await anext(task.updates())


async def wait_for(task: Task[Songs]) -> object:
    return await task.wait(timeout=1)


async def poll(task: Task[Songs]) -> object:
    return await task.poll()


@pytest.mark.parametrize(
    ("use", "is_left_waiting"), [(wait_for, True), (poll, True), (next_of, True), (wait_for, False), (poll, False)]
)
async def test_task_in_another_event_loop_is_refused(
    sandbox: Sandbox,
    use: Callable[[Task[Songs]], Awaitable[object]],
    is_left_waiting: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    client = MusicAPI("k", base_url=sandbox.base_url, poll_interval=3600)

    async def first() -> Task[Songs]:
        task = await client.sonic.describe(description="rain")
        if is_left_waiting:
            waiting = asyncio.create_task(task.wait())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        return task

    async def second(task: Task[Songs]) -> None:
        async with asyncio.timeout(5):
            await use(task)

    task = await asyncio.to_thread(lambda: asyncio.run(first()))
    with pytest.raises(RuntimeError, match="this client was first used in another event loop: make one client"):
        await asyncio.to_thread(lambda: asyncio.run(second(task)))

    assert len(sandbox.requests(POLL)) == 0
    await asyncio.to_thread(lambda: asyncio.run(client.aclose()))


async def test_poll_during_close_raises_client_closed() -> None:
    slow_down = respond(429, {"error": "slow down"}, {"Retry-After": "100"})
    async with scripted(slow_down) as server:
        client = MusicAPI("k", base_url=server.base_url)
        polling = asyncio.create_task(client.sonic.task("t-1").poll())
        while not server.received:
            await asyncio.sleep(0.001)
        await client.aclose()
        async with asyncio.timeout(3):
            with pytest.raises(errors.ClientClosedError, match=r"client\.sonic\.task\('t-1'\)"):
                await polling
        with pytest.raises(errors.ClientClosedError, match=r"client\.sonic\.task\('t-1'\)"):
            await client.sonic.task("t-1").poll()

        assert len(server.received) == 1


async def test_poll_that_is_cancelled_leaves_no_task() -> None:
    never = asyncio.Event()

    async def stall(_: asyncio.StreamWriter) -> bool:
        await never.wait()
        return False

    async with scripted(stall) as server, MusicAPI("k", base_url=server.base_url) as client:
        before = asyncio.all_tasks()
        polling = asyncio.create_task(client.sonic.task("t-1").poll())
        while not server.received:
            await asyncio.sleep(0.001)
        polling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await polling

        assert not [task for task in asyncio.all_tasks() - before if "fetch_state" in repr(task)]
    assert polling.cancelled()
