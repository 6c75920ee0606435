"""The polling schedule: when polls are made, how they are spread, and timeouts of single waits."""

import asyncio
from itertools import pairwise

import pytest
from clock import Clock
from scripted import Step, respond, scripted

from musicapi_async import MusicAPI, errors
from musicapi_async.sandbox import Sandbox

POLL = "GET /sonic/task/{task_id}"
RUNNING = respond(200, {"data": [{"clip_id": "c", "state": "running"}]})


async def test_first_poll_of_a_task_waits_until_a_finish_is_plausible(clock: Clock) -> None:
    async with Sandbox(seconds=100) as sandbox, MusicAPI("k", base_url=sandbox.base_url, timeout=3600) as client:
        first_polls = []
        for _ in range(15):
            before, began = len(sandbox.requests(POLL)), clock.ahead
            task = await client.sonic.describe(description="rain")
            waiting = asyncio.create_task(task.wait())
            while len(sandbox.requests(POLL)) == before:
                sandbox.advance(0.5)
                clock.ahead += 0.5
                await asyncio.sleep(0.002)
            first_polls.append(clock.ahead - began)
            while not waiting.done():
                sandbox.advance(0.5)
                clock.ahead += 0.5
                await asyncio.sleep(0.002)
            assert len(await waiting) == 2

    # Guessed at first; songs of 85 to 115 seconds, after a few of them.
    assert 20 < first_polls[0] < 50
    assert 55 < first_polls[-1] < 100


async def test_poll_after_one_finished_clip_comes_soon_for_the_other(clock: Clock) -> None:
    """A service whose second clip is there three seconds after the first, at very different times."""
    loop = asyncio.get_running_loop()
    done = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
    accepted_at, takes = 0.0, 60.0
    halves: list[float] = []
    intervals: list[float] = []

    async def step(writer: asyncio.StreamWriter) -> bool:
        nonlocal accepted_at
        if server.received[-1].method == "POST":
            accepted_at = loop.time()
            return await respond(200, {"task_id": "t-1"})(writer)
        age = loop.time() - accepted_at
        if halves:
            intervals.append(loop.time() - halves.pop())
        if age < takes:
            return await respond(202, {"type": "not_ready"})(writer)
        if age < takes + 3:
            halves.append(loop.time())
            return await respond(200, {"data": [done, {"clip_id": "d", "state": "running"}]})(writer)
        return await respond(200, {"data": [done, done]})(writer)

    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url, timeout=3600) as client:
        for number in range(20):
            takes = 40.0 + number * 37 % 120
            halves.clear()
            waiting = asyncio.create_task((await client.sonic.describe(description="rain")).wait())
            await clock.run(1, waiting)

    assert len(intervals) >= 3
    assert max(intervals[-3:]) < 8.5


async def test_waits_with_different_timeouts_each_end_at_their_own(clock: Clock) -> None:
    async with scripted(RUNNING) as server, MusicAPI("k", base_url=server.base_url, timeout=3600) as client:
        task = client.sonic.task("t-1")
        began = asyncio.get_running_loop().time()
        patient, hasty = asyncio.create_task(task.wait(timeout=300)), asyncio.create_task(task.wait(timeout=20))
        await clock.run(0.5, hasty)
        assert 20 <= asyncio.get_running_loop().time() - began < 23
        assert not patient.done()
        await clock.run(0.5, patient)

        assert 300 <= asyncio.get_running_loop().time() - began < 303
    for waiting, limit in ((hasty, 20), (patient, 300)):
        with pytest.raises(errors.TaskTimeoutError, match="last seen running") as caught:
            await waiting
        assert caught.value.waited == pytest.approx(limit, abs=2)


async def test_wait_with_an_unanswered_poll_ends_at_its_timeout(clock: Clock) -> None:
    polled = asyncio.Event()

    async def never(_: asyncio.StreamWriter) -> bool:
        polled.set()
        await asyncio.Event().wait()
        return False

    async with scripted(never) as server, MusicAPI("k", base_url=server.base_url, timeout=3600) as client:
        waiting = asyncio.create_task(client.sonic.task("t-1").wait(timeout=30))
        began = asyncio.get_running_loop().time()
        # While it connects, a slow machine has nothing due for seconds.
        await polled.wait()
        await clock.run(1, waiting)

        assert asyncio.get_running_loop().time() - began < 33
    with pytest.raises(errors.TaskTimeoutError):
        await waiting


def noting(times: list[float], first: Step | None = None) -> Step:
    async def step(writer: asyncio.StreamWriter) -> bool:
        times.append(asyncio.get_running_loop().time())
        if first is not None and len(times) == 1:
            return await first(writer)
        return await RUNNING(writer)

    return step


async def test_first_polls_of_tasks_resumed_together_are_spread(clock: Clock) -> None:
    first: dict[str, float] = {}

    async def step(writer: asyncio.StreamWriter) -> bool:
        first.setdefault(server.received[-1].path, asyncio.get_running_loop().time())
        return await RUNNING(writer)

    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        waits = [asyncio.create_task(client.sonic.task(f"t-{n}").wait(timeout=40)) for n in range(1000)]
        await clock.run(0.2, asyncio.gather(*waits, return_exceptions=True), steadily=True)

    times = sorted(first.values())
    assert len(times) == 1000
    # 200 a second, not all in the first breath.
    assert times[500] - times[0] > 1
    assert times[-1] - times[0] > 3


async def test_polls_resumed_after_a_429_are_spread(clock: Clock) -> None:
    times: list[float] = []
    resumed: dict[str, float] = {}
    slow_down = noting(times, respond(429, {"error": "slow down"}, {"Retry-After": "60"}))

    async def step(writer: asyncio.StreamWriter) -> bool:
        now = asyncio.get_running_loop().time()
        if times and now > times[0] + 2:
            resumed.setdefault(server.received[-1].path, now)
        return await slow_down(writer)

    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        waits = [asyncio.create_task(client.sonic.task(f"t-{n}").wait(timeout=90)) for n in range(400)]
        await clock.run(0.1, asyncio.gather(*waits, return_exceptions=True))

    first = sorted(resumed.values())
    assert first[0] - times[0] >= 59.9
    # 200 a second, beside those that were in flight.
    assert first[len(first) // 2] - first[0] > 0.7
    assert first[-1] - first[0] < 10
    later = sorted(at for at in times if at > times[0] + 2)
    assert max(after - before for before, after in pairwise(later)) < 31


async def test_view_with_a_poll_interval_polls_its_own_tasks_at_it(clock: Clock) -> None:
    loop = asyncio.get_running_loop()
    polled: dict[str, list[float]] = {"own": [], "other": []}

    async def step(writer: asyncio.StreamWriter) -> bool:
        polled[server.received[-1].path.rpartition("/")[2]].append(loop.time())
        return await RUNNING(writer)

    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        view = client.with_options(poll_interval=7)
        waits = [asyncio.create_task(task.wait(71)) for task in (view.sonic.task("own"), client.sonic.task("other"))]
        waiting = asyncio.gather(*waits, return_exceptions=True)
        await clock.run(0.5, waiting)

    intervals = [after - before for before, after in pairwise(polled["own"])]
    # The clock goes in steps.
    assert [interval for interval in intervals[:9] if not 6.9 < interval < 8.1] == []
    assert len(intervals) >= 9
    assert len(polled["other"]) < len(polled["own"])


async def test_view_with_a_small_poll_interval_sees_the_end_at_once() -> None:
    """The client's own schedule has steps of 0.1 seconds; those of the view are shorter."""
    done = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
    finished = respond(200, {"data": [done, {**done, "clip_id": "d"}]})
    loop = asyncio.get_running_loop()
    async with scripted(*[RUNNING] * 20, finished) as server, MusicAPI("k", base_url=server.base_url) as client:
        view = client.with_options(poll_interval=0.004)
        began = loop.time()
        assert len(await view.sonic.task("t-1").wait()) == 2

    assert loop.time() - began < 1.5
    assert len(server.received) == 21
