"""The timeout of a wait: it polls once at its end, ends in time, and validates its argument."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from clock import Clock
from scripted import Step, respond, scripted

from musicapi_async import MusicAPI, Songs, Task, errors, sonic
from musicapi_async.sandbox import Sandbox

POLL = "GET /sonic/task/{task_id}"
NOT_READY = respond(202, {"type": "not_ready"})
ACCEPTED = respond(200, {"task_id": "t-1"})
CLIP = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
BOTH = respond(200, {"data": [CLIP, CLIP]})


def noting(times: list[float], answer: Step) -> Step:
    async def step(writer: asyncio.StreamWriter) -> bool:
        times.append(asyncio.get_running_loop().time())
        return await answer(writer)

    return step


@pytest.mark.parametrize("timeout", [15.0, 1e-9, 0.0])
async def test_wait_with_a_timeout_before_the_first_poll_polls_once_at_its_end(clock: Clock, timeout: float) -> None:
    async with scripted(ACCEPTED, BOTH) as server, MusicAPI("k", base_url=server.base_url) as client:
        task = await client.sonic.describe(description="rain")
        waiting = asyncio.create_task(task.wait(timeout=timeout))
        await clock.run(0.2, waiting)

    assert len(await waiting) == 2


async def test_wait_at_its_timeout_polls_only_once(clock: Clock) -> None:
    async with scripted(ACCEPTED, NOT_READY) as server, MusicAPI("k", base_url=server.base_url) as client:
        task = await client.sonic.describe(description="rain")
        began = asyncio.get_running_loop().time()
        waiting = asyncio.create_task(task.wait(timeout=15))
        await clock.run(0.2, waiting)
        assert 15 <= asyncio.get_running_loop().time() - began < 17

    with pytest.raises(errors.TaskTimeoutError, match="last seen waiting"):
        await waiting
    assert len(server.received) == 1 + 1


async def test_wait_at_its_timeout_after_a_recent_poll_does_not_poll(clock: Clock) -> None:
    times: list[float] = []
    polls = noting(times, NOT_READY)
    async with scripted(polls) as server, MusicAPI("k", base_url=server.base_url, poll_interval=20) as client:
        waiting = asyncio.create_task(client.sonic.task("t-1").wait(timeout=30))
        await clock.run(0.2, waiting)

    with pytest.raises(errors.TaskTimeoutError):
        await waiting
    assert [round(at - times[0], -1) for at in times] == [0, 20]


async def test_short_waits_in_a_row_keep_the_poll_interval(clock: Clock) -> None:
    times: list[float] = []
    polls = noting(times, NOT_READY)
    async with scripted(ACCEPTED, polls) as server, MusicAPI("k", base_url=server.base_url) as client:
        task = await client.sonic.describe(description="rain")
        for _ in range(60):
            waiting = asyncio.create_task(task.wait(timeout=0.5))
            await clock.run(0.1, waiting)
            assert isinstance(waiting.exception(), errors.TaskTimeoutError)

    assert len(times) >= 4
    assert min(later - before for before, later in pairwise(times)) > 4


async def test_wait_with_timeout_zero_polls_each_time(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    for polls in (1, 2, 3):
        with pytest.raises(errors.TaskTimeoutError, match="last seen waiting"):
            await task.wait(timeout=0)
        assert len(sandbox.requests(POLL)) == polls
    sandbox.advance(5000)

    assert len(await task.wait(timeout=0)) == 2


async def test_wait_at_its_timeout_with_an_unanswered_poll_ends_in_time(clock: Clock) -> None:
    async def never(_: asyncio.StreamWriter) -> bool:
        await asyncio.Event().wait()
        return False

    async with scripted(ACCEPTED, never) as server, MusicAPI("k", base_url=server.base_url) as client:
        task = await client.sonic.describe(description="rain")
        began = asyncio.get_running_loop().time()
        waiting = asyncio.create_task(task.wait(timeout=10))
        await clock.run(0.1, waiting)
        assert 10 < asyncio.get_running_loop().time() - began < 13

    with pytest.raises(errors.TaskTimeoutError):
        await waiting
    assert len(server.received) == 1 + 1


async def test_wait_at_its_timeout_during_retry_after_does_not_poll(clock: Clock) -> None:
    slow_down = respond(429, {"error": "slow down"}, {"Retry-After": "100"})
    async with scripted(slow_down, NOT_READY) as server, MusicAPI("k", base_url=server.base_url) as client:
        first = asyncio.create_task(client.sonic.task("t-1").wait(timeout=50))
        while not server.received:
            await asyncio.sleep(0.001)
        late = asyncio.create_task(client.sonic.task("t-2").wait(timeout=20))
        now = asyncio.create_task(client.sonic.task("t-3").wait(timeout=0))
        await clock.run(0.5, asyncio.gather(first, late, now, return_exceptions=True))

        assert len(server.received) == 1
    for waiting in (first, late, now):
        with pytest.raises(errors.TaskTimeoutError):
            await waiting


async def test_last_poll_of_one_wait_finishes_all_waits(clock: Clock) -> None:
    async with scripted(ACCEPTED, BOTH) as server, MusicAPI("k", base_url=server.base_url) as client:
        task = await client.sonic.describe(description="rain")
        patient = asyncio.create_task(task.wait())
        hasty = asyncio.create_task(task.wait(timeout=5))
        await clock.run(0.2, hasty)

        assert await patient == await hasty
    assert len(server.received) == 1 + 1


@pytest.mark.parametrize("timeout", [1e308, 10**400, math.inf])
async def test_wait_with_an_endless_timeout_does_not_delay_other_waits(
    client: MusicAPI, sandbox: Sandbox, timeout: float
) -> None:
    one, other = await client.sonic.describe(description="one"), await client.sonic.describe(description="other")
    waits = [asyncio.create_task(one.wait(timeout=timeout)), asyncio.create_task(other.wait(timeout=5))]
    await asyncio.sleep(0)
    sandbox.advance(5000)

    assert [len(songs) for songs in await asyncio.gather(*waits)] == [2, 2]


async def test_wait_with_an_endless_poll_interval_keeps_its_timeout(sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=1e308) as client:
        task = await client.sonic.describe(description="rain")
        patient = asyncio.create_task(task.wait(timeout=None))
        with pytest.raises(errors.TaskTimeoutError, match="last seen waiting"):
            await asyncio.wait_for(task.wait(timeout=0), 5)
        sandbox.advance(5000)

        assert await task.wait(timeout=0) == await patient


def wait(client: MusicAPI, timeout: Any) -> Coroutine[Any, Any, Songs]:
    return client.sonic.task("t-1").wait(timeout=timeout)


async def run(client: MusicAPI, timeout: Any) -> Songs | None:
    outcome = await anext(client.run([sonic.Describe(description="never sent")], timeout=timeout))
    return outcome.result


@pytest.mark.parametrize("use", [wait, run])
@pytest.mark.parametrize("timeout", [math.nan, -1, -0.001, "5", True])
async def test_invalid_timeout_is_refused_before_anything_is_sent(
    use: Callable[[MusicAPI, Any], Coroutine[Any, Any, object]], timeout: Any
) -> None:
    async with scripted(NOT_READY) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match=r"timeout is .*; it must be a number") as caught:
            await use(client, timeout)

    assert (caught.value.field, caught.value.limit, caught.value.status) == ("timeout", ">= 0, or None", None)
    assert caught.value.value is timeout
    assert server.received == []


async def test_invalid_timeout_on_a_finished_task_is_refused(client: MusicAPI, sandbox: Sandbox) -> None:
    task: Task[Songs] = await client.sonic.describe(description="rain")
    sandbox.advance(5000)
    await task.wait()

    with pytest.raises(errors.InvalidRequestError, match="timeout"):
        await task.wait(timeout=-1)
