"""Waits that end before the task does, and updates limited to an interval."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from clock import Clock
from scripted import Scripted, Step, respond, scripted

from musicapi_async import MusicAPI, Songs, TaskRequest, errors, sonic
from musicapi_async.sandbox import Sandbox

POLL = "GET /sonic/task/{task_id}"
NOT_READY = respond(202, {"type": "not_ready", "error": "task not ready, please wait few seconds."})
STREAM = "https://files.example/live.mp3"


def clip(number: int, state: str, url: str | None = None) -> dict[str, object]:
    return {"clip_id": f"c-{number}", "state": state, "audio_url": url, "title": "Sea (Bass)"}


def clips(*found: dict[str, object]) -> Step:
    return respond(200, {"code": 200, "message": "success", "data": list(found)})


def done(number: int) -> dict[str, object]:
    return clip(number, "succeeded", f"https://files.example/{number}.mp3")


RUNNING = clips(clip(1, "running"), clip(2, "running"))
STREAMING = clips(clip(1, "running"), clip(2, "running", STREAM))
FAILED_BESIDE = clips(clip(1, "failed"), clip(2, "running"))
ONE = clips(clip(1, "running", STREAM), done(2))
BOTH = clips(done(1), done(2))


async def wait_until(
    until: Any, *steps: Step, operation: type[TaskRequest[Any]] = sonic.Create
) -> tuple[Any, Scripted]:
    async with scripted(*steps) as server, MusicAPI("k", base_url=server.base_url, poll_interval=0.005) as client:
        return await client.resume(operation, "t-1").wait(5, until), server


async def test_wait_until_first_returns_the_clip_that_is_finished() -> None:
    songs, server = await wait_until("first", NOT_READY, RUNNING, STREAMING, ONE, BOTH)

    assert [song.clip_id for song in songs] == ["c-2"]
    assert isinstance(songs, Songs)
    assert songs[0].audio_url
    assert len(server.received) == 4


async def test_wait_until_stream_returns_the_clips_with_a_stream() -> None:
    songs, server = await wait_until("stream", NOT_READY, RUNNING, STREAMING, ONE, BOTH)

    assert [(song.clip_id, song.stream_url) for song in songs] == [("c-2", STREAM)]
    assert len(server.received) == 3


async def test_wait_until_stream_returns_finished_clips_too() -> None:
    songs, _ = await wait_until("stream", NOT_READY, ONE)

    assert [(song.stream_url, bool(song.audio_url)) for song in songs] == [(STREAM, False), (None, True)]


async def test_wait_until_first_ignores_failed_clips_and_reports_them() -> None:
    songs, server = await wait_until("first", FAILED_BESIDE, clips(clip(1, "failed"), done(2), clip(3, "running")))

    assert [song.clip_id for song in songs] == ["c-2"]
    assert [song.clip_id for song in songs.failed] == ["c-1"]
    assert len(server.received) == 2


@pytest.mark.parametrize("until", ["first", "stream"])
async def test_wait_until_anything_on_a_finished_task_returns_all_clips(until: str) -> None:
    songs, _ = await wait_until(until, BOTH)

    assert len(songs) == 2


@pytest.mark.parametrize("until", ["finished", "first", "stream"])
async def test_wait_until_anything_on_a_failed_task_raises(until: str) -> None:
    with pytest.raises(errors.TaskFailedError, match="no luck"):
        await wait_until(until, NOT_READY, respond(200, {"type": "failed", "error": "no luck"}))


@pytest.mark.parametrize("operation", [sonic.BasicStems, sonic.ReplaceSection, sonic.UploadExtend])
async def test_wait_until_first_returns_the_operations_result_type(operation: type[TaskRequest[Any]]) -> None:
    parts, server = await wait_until("first", RUNNING, ONE, operation=operation)

    assert isinstance(parts, operation.result)
    assert [len(parts), len(parts.failed)] == [1, 0]  # type: ignore[arg-type, attr-defined]  # a sequence of parts
    assert len(server.received) == 2


async def test_wait_until_stream_for_a_result_without_clips_waits_for_the_end() -> None:
    voice = respond(200, {"code": 200, "data": {"persona_id": "p-1"}})
    found, server = await wait_until("stream", NOT_READY, voice, operation=sonic.CreateVoice)

    assert found.persona_id == "p-1"
    assert len(server.received) == 2


async def test_wait_after_an_early_wait_returns_finished_clips(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    sandbox.advance(1800)

    heard = await task.wait(until="stream")
    assert all(song.stream_url and song.audio_url is None for song in heard)
    sandbox.advance(5000)

    assert all(song.audio_url for song in await task.wait())


async def test_submission_wait_until_stream_returns_the_stream(client: MusicAPI, sandbox: Sandbox) -> None:
    waiting = asyncio.create_task(client.sonic.describe(description="rain").wait(until="stream"))
    while not sandbox.tasks:
        await asyncio.sleep(0.001)
    sandbox.advance(1800)

    assert (await waiting)[0].stream_url


async def test_wait_until_stream_polls_at_least_every_ten_seconds(sandbox: Sandbox, clock: Clock) -> None:
    async with MusicAPI("test-key", base_url=sandbox.base_url) as client:
        task = await client.sonic.describe(description="rain")
        for until in ("finished", "stream"):
            before = len(sandbox.requests(POLL))
            waiting = asyncio.create_task(task.wait(30, until))
            await clock.run(0.5, waiting)
            assert isinstance(waiting.exception(), errors.TaskTimeoutError)
            polls = len(sandbox.requests(POLL)) - before
            assert polls <= 2 if until == "finished" else 5 <= polls <= 10


@pytest.mark.parametrize("until", ["Finished", "end", "", None, 5, ["first"]])
async def test_wait_with_an_invalid_until_is_refused_before_anything_is_sent(
    client: MusicAPI, sandbox: Sandbox, until: Any
) -> None:
    with pytest.raises(errors.InvalidRequestError, match="until is .*finished, first, stream") as caught:
        await client.sonic.task("t-1").wait(until=until)
    assert caught.value.field == "until"
    with pytest.raises(errors.InvalidRequestError, match="until is"):
        await client.sonic.describe(description="rain").wait(until=until)

    assert not sandbox.requests()


def changing() -> list[Step]:
    """Return more different states than are taken, and the end."""
    titles = (respond(200, {"data": [{"clip_id": "c-1", "state": "running", "title": str(n)}]}) for n in range(60))
    return [*titles, BOTH]


async def test_updates_with_an_interval_are_no_more_frequent() -> None:
    async with scripted(*changing()) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.005) as client:
            loop = asyncio.get_running_loop()
            times, last = [], None
            async for state in client.sonic.task("t-1").updates(interval=0.1):
                times.append(loop.time())
                last = state

        assert len(server.received) == 61
    assert last is not None
    assert last.status == "finished"
    assert 2 <= len(times) < 30
    # All but the end, which is never held back.
    assert all(later - earlier >= 0.099 for earlier, later in pairwise(times[:-1]))


async def test_updates_without_an_interval_yield_every_change() -> None:
    async with scripted(*changing()) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.005) as client:
            states = [state async for state in client.sonic.task("t-1").updates()]

        assert len(states) == 61


async def test_updates_with_an_interval_yield_the_final_state_at_once() -> None:
    async with (
        scripted(RUNNING, BOTH) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=0.005) as client,
        asyncio.timeout(5),
    ):
        states = [state.status async for state in client.sonic.task("t-1").updates(interval=3600)]

    assert states == ["running", "finished"]


@pytest.mark.parametrize("interval", [-1, float("nan"), "1", None, True])
async def test_updates_with_an_invalid_interval_are_refused(client: MusicAPI, interval: Any) -> None:
    with pytest.raises(errors.InvalidRequestError, match="interval is"):
        await anext(client.sonic.task("t-1").updates(interval=interval))


async def test_updates_with_an_interval_closed_early_stop_polling() -> None:
    async with scripted(*changing()) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.005) as client:
            updates = client.sonic.task("t-1").updates(interval=3600)
            await anext(updates)
            while len(server.received) < 5:
                await asyncio.sleep(0.001)
            await updates.aclose()
        polls = len(server.received)
        await asyncio.sleep(0.05)

        assert len(server.received) == polls
