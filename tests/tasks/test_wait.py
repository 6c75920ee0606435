"""Waits for a task: to its end, with a timeout, cancelled, resumed."""

import asyncio
from typing import Any

import pytest
from clock import Clock
from scripted import Step, cut, respond, scripted

from musicapi_async import MusicAPI, Songs, TaskRequest, errors, producer, sonic, suno
from musicapi_async.sandbox import Fault, Sandbox

POLL = "GET /sonic/task/{task_id}"
NOT_READY = respond(202, {"type": "not_ready", "error": "task not ready, please wait few seconds."})
ONE_CLIP = {"clip_id": "c-1", "state": "succeeded", "audio_url": "https://files/1.mp3"}
ONE = respond(200, {"code": 200, "data": [ONE_CLIP], "message": "success"})
BOTH = respond(200, {"code": 200, "data": [ONE_CLIP, {**ONE_CLIP, "clip_id": "c-2"}], "message": "success"})


async def polled(sandbox: Sandbox, times: int = 1) -> None:
    """Return when the sandbox has been polled so many more times."""
    wanted = len(sandbox.requests(POLL)) + times
    async with asyncio.timeout(5):
        while len(sandbox.requests(POLL)) < wanted:
            await asyncio.sleep(0.001)


async def wait_for_scripted(*steps: Step, timeout: float = 5.0) -> tuple[Songs, int]:
    async with scripted(*steps) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.005) as client:
            songs = await client.sonic.task("t-1").wait(timeout)
        return songs, len(server.received)


async def test_wait_returns_when_every_clip_is_finished(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.create(lyrics="[Verse]\nla", title="Harbor")
    waiting = asyncio.create_task(task.wait())
    await polled(sandbox)
    sandbox.advance(2400)  # clips run
    await polled(sandbox, 2)
    assert not waiting.done()
    sandbox.advance(2400)

    songs = await waiting

    assert [song.title for song in songs] == ["Harbor", "Harbor"]
    assert all(song.audio_url and song.duration == 6.0 and song.stream_url is None for song in songs)
    assert await task.wait() == songs


async def test_updates_yield_every_change(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    seen = []
    async for state in task.updates():
        seen.append((state.status, [clip.state for clip in state.clips]))
        sandbox.advance(1300)

    assert seen[0] == ("waiting", [])
    assert ("running", ["running", "running"]) in seen
    assert seen[-1] == ("finished", ["succeeded", "succeeded"])
    assert len(seen) == len({str(state) for state in seen})


async def test_poll_of_a_running_task_shows_streams_and_no_files(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    sandbox.advance(1800)

    state = await task.poll()

    assert state.status == "running"
    assert all(clip.stream_url and clip.audio_url is None and clip.duration is None for clip in state.clips)
    assert state.result is None


async def test_task_resumed_by_its_id_on_another_client_returns_the_result(client: MusicAPI, sandbox: Sandbox) -> None:
    task_id = (await client.sonic.describe(description="rain")).id
    sandbox.advance(5000)

    async with MusicAPI("test-key", base_url=sandbox.base_url) as other:
        songs = await other.sonic.task(f" {task_id} ").wait()  # at once: no interval before the first poll

    assert len(songs) == 2


async def test_wait_that_times_out_names_the_task_and_leaves_it_running(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")

    with pytest.raises(errors.TaskTimeoutError, match=task.id) as caught:
        await task.wait(timeout=0.05)

    assert caught.value.last_seen == "waiting"
    assert f"client.sonic.task('{task.id}')" in str(caught.value)
    sandbox.advance(5000)
    assert len(await task.wait()) == 2


async def test_wait_that_is_cancelled_stops_polling(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    waiting = asyncio.create_task(task.wait())
    await polled(sandbox)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    polls = len(sandbox.requests(POLL))

    await client.account.credits()
    await asyncio.sleep(0.05)  # five poll intervals

    assert len(sandbox.requests(POLL)) <= polls + 1
    sandbox.advance(5000)
    assert len(await task.wait()) == 2


async def test_waits_on_one_task_share_its_polls(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    first, second = asyncio.create_task(task.wait()), asyncio.create_task(task.wait())
    await polled(sandbox)
    first.cancel()
    sandbox.advance(5000)

    assert len(await second) == 2
    assert first.cancelled()


@pytest.mark.parametrize(
    "failure",
    [
        Fault(status=500, body={"error": "Internal Server Error."}),
        Fault(status=502, body=b"<html>"),
        Fault(status=429, body={"error": "slow"}, headers={"Retry-After": "0"}),
        Fault(status=200, body=b"half a re"),
        Fault(status=408, body={"error": "timeout at the gateway"}),
        Fault(status=400, body={"error": "task not found."}),
        Fault(drop=True),
    ],
)
async def test_wait_with_failing_polls_continues(client: MusicAPI, sandbox: Sandbox, failure: Fault) -> None:
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)
    sandbox.add_fault(POLL, *[failure] * 5)

    assert len(await task.wait()) == 2


@pytest.mark.parametrize("status", [200, 403, 500, 504])
@pytest.mark.parametrize("error_type", ["failed", "timeout", "forbidden", "api_error"])
async def test_wait_on_a_task_reported_failed_raises_at_once(status: int, error_type: str) -> None:
    async with scripted(NOT_READY, respond(status, {"type": error_type, "error": "no luck"})) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.005) as client:
            with pytest.raises(errors.TaskFailedError, match="no luck") as caught:
                await client.sonic.task("t-1").wait()

        assert len(server.received) == 2
    assert (caught.value.task_id, caught.value.type, caught.value.status) == ("t-1", error_type, status)


@pytest.mark.parametrize("ending", ["failed", "timeout", "forbidden", "api_error", "all_failed"])
async def test_wait_on_a_failed_task_raises_and_its_credits_come_back(
    client: MusicAPI, sandbox: Sandbox, ending: str
) -> None:
    sandbox.end_next(ending)  # type: ignore[arg-type]  # one of the endings
    task = await client.sonic.describe(description="rain")
    assert (await client.account.credits()).total == 980
    sandbox.advance(5000)

    with pytest.raises(errors.TaskFailedError):
        await task.wait()

    assert (await client.account.credits()).total == 1000


async def test_wait_with_one_failed_clip_returns_a_partial_result(client: MusicAPI, sandbox: Sandbox) -> None:
    sandbox.end_next("partial")
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)

    songs = await task.wait()

    assert [clip.state for clip in songs] == ["succeeded"]
    assert [clip.error for clip in songs.failed] == ["The generation of this clip failed."]


async def test_wait_for_a_missing_clip_polls_a_few_more_times() -> None:
    songs, polls = await wait_for_scripted(ONE)

    assert [song.clip_id for song in songs] == ["c-1"]
    assert 2 <= polls <= 10


async def test_wait_returns_the_second_clip_too() -> None:
    songs, polls = await wait_for_scripted(ONE, ONE, BOTH)

    assert ([song.clip_id for song in songs], polls) == (["c-1", "c-2"], 3)


@pytest.mark.parametrize(
    ("operation", "resumption"),
    [
        (sonic.Create, "client.sonic.task('t-1')"),
        (sonic.BasicStems, "client.resume(sonic.BasicStems, 't-1')"),
        (suno.MakeLyrics, "client.resume(suno.MakeLyrics, 't-1')"),
        (producer.Download, "client.resume(producer.Download, 't-1')"),
    ],
)
async def test_errors_of_a_wait_say_how_to_resume(operation: type[TaskRequest[Any]], resumption: str) -> None:
    async with scripted(NOT_READY) as server:
        client = MusicAPI("k", base_url=server.base_url, poll_interval=0.01)
        task = client.resume(operation, "t-1")
        with pytest.raises(errors.TaskTimeoutError) as late:
            await task.wait(timeout=0.01)
        waiting = asyncio.create_task(task.wait())
        while len(server.received) < 2:
            await asyncio.sleep(0)
        await client.aclose()
        with pytest.raises(errors.ClientClosedError) as closed:
            await waiting

        assert resumption in str(late.value)
        assert resumption in str(closed.value)
        names = {"client": client, "sonic": sonic, "suno": suno, "producer": producer}
        assert eval(resumption, names).id == "t-1"  # noqa: S307 - what it says can be run


@pytest.mark.parametrize("operation", [sonic.BasicStems, sonic.ReplaceSection, sonic.UploadExtend])
async def test_wait_with_a_failed_part_returns_the_others(operation: type[TaskRequest[Any]]) -> None:
    good = {"clip_id": "c-1", "state": "succeeded", "audio_url": "https://files.example/1.mp3", "title": "Sea (Bass)"}
    bad = {"clip_id": "c-2", "state": "failed", "error_message": "no luck"}
    async with (
        scripted(respond(200, {"data": [good, bad]})) as server,
        MusicAPI("k", base_url=server.base_url) as client,
    ):
        parts = await client.resume(operation, "t-1").wait()

    assert len(parts) == 1
    assert [(clip.clip_id, clip.error) for clip in parts.failed] == [("c-2", "no luck")]


async def test_wait_for_a_song_that_is_never_joined_returns_its_section() -> None:
    part = {"clip_id": "c-1", "state": "succeeded", "audio_url": "https://files.example/1.mp3"}
    async with scripted(respond(200, {"data": [{"replaced": part, "full": None}] * 2})) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=0.001) as client:
            sections = await client.resume(sonic.ReplaceSection, "t-1").wait()

        # Joining takes longer than a file that is late: more polls than for those.
        assert 10 <= len(server.received) <= 20
    assert [(section.replaced.clip_id, section.full) for section in sections] == [("c-1", None)] * 2


async def test_wait_on_a_new_task_that_stays_unknown_raises_after_a_minute(
    client: MusicAPI, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.add_fault(POLL, *[Fault(status=404, body={"error": "task not found."})] * 1000)
    task = await client.sonic.describe(description="rain")
    began = asyncio.get_running_loop().time()
    unknown = asyncio.create_task(task.wait())
    await clock.run(10, unknown)

    with pytest.raises(errors.NotFoundError):
        await unknown
    assert asyncio.get_running_loop().time() - began >= 60


async def test_wait_on_an_unknown_task_raises_at_once() -> None:
    for status in (400, 404):
        with pytest.raises(errors.NotFoundError, match=r"task not found\.") as caught:
            await wait_for_scripted(respond(status, {"error": "task not found."}))
        # Nothing says that a task known only by its id was paid for, or is still running.
        assert not hasattr(caught.value, "__notes__")


async def test_wait_with_a_wrong_key_raises_at_once() -> None:
    with pytest.raises(errors.AuthenticationError):
        await wait_for_scripted(respond(401, {"error": "Invalid API key."}))


async def test_poll_answered_with_a_list_is_unreadable() -> None:
    async with scripted(respond(200, [1, 2])) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidResponseError):
            await client.sonic.task("t-1").poll()


@pytest.mark.parametrize("task_id", ["", "  ", ".", "..", None])
async def test_task_with_an_invalid_id_is_refused(client: MusicAPI, task_id: str) -> None:
    with pytest.raises(errors.InvalidRequestError, match="task_id"):
        client.sonic.task(task_id)


async def test_task_id_with_path_characters_is_escaped() -> None:
    async with scripted(NOT_READY) as server, MusicAPI("k", base_url=server.base_url) as client:
        await client.sonic.task("../get-credits?x=1#y").poll()

        assert server.received[0].path == "/api/v1/sonic/task/..%2Fget-credits%3Fx%3D1%23y"


async def test_client_closed_during_waits_ends_them_and_leaves_no_task(sandbox: Sandbox) -> None:
    before = asyncio.all_tasks()
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.005) as client:
        task = await client.sonic.describe(description="rain")
        waiting = asyncio.create_task(task.wait())
        updates = task.updates()
        await anext(updates)
    with pytest.raises(errors.ClientClosedError, match=task.id):
        await waiting
    with pytest.raises(errors.ClientClosedError, match=task.id):
        await anext(updates)
    with pytest.raises(errors.ClientClosedError, match=task.id):
        await task.wait()
    await asyncio.sleep(0)

    # The sandbox runs on this loop too: only its connection handlers may be there.
    left = {running for running in asyncio.all_tasks() - before if "RequestHandler" not in repr(running)}
    assert left == set()


async def test_task_attached_to_another_client_can_be_waited_for(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    await client.aclose()
    sandbox.advance(5000)

    async with MusicAPI("test-key", base_url=sandbox.base_url) as other:
        assert len(await other.attach(task).wait()) == 2


async def test_poll_on_a_cut_connection_is_repeated() -> None:
    async with scripted(cut(), BOTH) as server, MusicAPI("k", base_url=server.base_url) as client:
        state = await client.sonic.task("t-1").poll()

    assert state.status == "finished"
    assert state.is_done
