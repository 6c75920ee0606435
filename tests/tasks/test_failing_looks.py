"""Looks that fail: borne for a while, told in the end, and never the end of a task that is waited for."""

import asyncio

import pytest
from clock import Clock
from scripted import cut, reply, scripted

from musicapi_async import MusicAPI, errors
from musicapi_async.sandbox import Fault, Sandbox

LOOK = "GET /sonic/task/{task_id}"
NOT_READY = reply(202, {"type": "not_ready"})


@pytest.mark.parametrize(("interval", "least", "most"), [(0.1, 60.0, 63.0), (10.0, 200.0, 220.0)])
async def test_looks_that_only_fail_end_a_wait_by_their_number_and_their_time(
    clock: Clock, interval: float, least: float, most: float
) -> None:
    """A minute of nothing but failures at least, and twenty of them at least."""
    loop = asyncio.get_running_loop()
    down = reply(502, b"<html>")
    async with scripted(down) as server, MusicAPI("k", base_url=server.base_url, poll_interval=interval) as client:
        began = loop.time()
        waiting = asyncio.create_task(client.sonic.task("t-1").wait())
        await clock.run(0.25, waiting)

    with pytest.raises(errors.ServerError, match="GET /sonic/task/t-1"):
        await waiting
    assert least <= loop.time() - began < most
    assert len(server.received) > 20


async def test_an_outage_that_ends_within_a_minute_does_not_end_a_wait(clock: Clock) -> None:
    done = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
    over_at = asyncio.get_running_loop().time() + 50

    async def step(writer: asyncio.StreamWriter) -> bool:
        if asyncio.get_running_loop().time() < over_at:
            return await cut()(writer)
        return await reply(200, {"data": [done, done]})(writer)

    async with scripted(step) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.25, timeout=3600) as client:
            waiting = asyncio.create_task(client.sonic.task("t-1").wait())
            await clock.run(0.2, waiting)

        assert len(server.received) > 40
    assert len(await waiting) == 2


async def test_only_looks_that_fail_in_a_row_are_counted() -> None:
    done = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
    trouble = [*[reply(502, b"<html>")] * 15, NOT_READY]
    async with scripted(*trouble * 3, reply(200, {"data": [done, done]})) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.001) as client:
            songs = await client.sonic.task("t-1").wait()

        assert len(server.received) == 3 * 16 + 1
    assert len(songs) == 2


async def test_a_look_that_somebody_cancels_is_made_again(client: MusicAPI, sandbox: Sandbox) -> None:
    """Whoever ends "all other tasks" of a loop ends our looks too, and not what waits for them."""
    task = await client.sonic.describe(description="rain")
    sandbox.add_fault(LOOK, Fault(delay=60))
    others = asyncio.all_tasks()
    waiting = asyncio.create_task(task.wait(timeout=5))
    async with asyncio.timeout(5):
        while not sandbox.requests[LOOK]:
            await asyncio.sleep(0.001)
    for look in asyncio.all_tasks() - others - {waiting}:
        if "RequestHandler" not in repr(look):
            look.cancel()
    sandbox.advance(5000)

    assert len(await waiting) == 2
    assert sandbox.requests[LOOK] == 2
