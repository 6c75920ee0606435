"""Many short waits on one task: intervals and grace polls carry over from one to the next."""

import asyncio
from itertools import pairwise

from clock import Clock
from scripted import Held, Step, respond, scripted

from musicapi_async import MusicAPI, Songs, Task, errors

NOT_READY = respond(202, {"type": "not_ready"})
ONE_CLIP = {"clip_id": "c-1", "state": "succeeded", "audio_url": "https://files.example/1.mp3"}
ONE = respond(200, {"data": [ONE_CLIP]})


async def in_slices(task: Task[Songs], timeout: float, slices: int) -> Songs | None:
    """Return what the task made; None when it was not returned in so many waits."""
    for _ in range(slices):
        try:
            return await task.wait(timeout)
        except errors.TaskTimeoutError:
            pass
    return None


def noting(times: list[float], answer: Step) -> Step:
    async def step(writer: asyncio.StreamWriter) -> bool:
        times.append(asyncio.get_running_loop().time())
        return await answer(writer)

    return step


async def test_grace_polls_are_counted_across_waits(clock: Clock) -> None:
    times: list[float] = []
    async with (
        scripted(noting(times, ONE)) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=1) as client,
    ):
        waiting = asyncio.create_task(in_slices(client.sonic.task("t-1"), 1.5, 20))
        await clock.run(0.1, waiting)

    songs = await waiting
    assert songs is not None
    assert [song.clip_id for song in songs] == ["c-1"]
    assert len(times) == 5


async def test_poll_interval_is_kept_across_waits(clock: Clock) -> None:
    times: list[float] = []
    async with (
        scripted(noting(times, NOT_READY)) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=2) as client,
    ):
        waiting = asyncio.create_task(in_slices(client.sonic.task("t-1"), 0.3, 60))
        await clock.run(0.1, waiting)

    assert await waiting is None
    assert len(times) >= 5
    assert min(later - before for before, later in pairwise(times)) > 1.9


async def test_poll_in_flight_at_the_end_of_a_wait_serves_the_next_wait() -> None:
    held = Held(respond(200, {"data": [ONE_CLIP, {**ONE_CLIP, "clip_id": "c-2"}]}))
    async with scripted(held) as server, MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client:
        task = client.sonic.task("t-1")
        first = asyncio.create_task(task.wait())
        await held.arrived.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = asyncio.create_task(task.wait())
        await asyncio.sleep(0)
        held.released.set()

        assert len(await second) == 2
        assert len(server.received) == 1
