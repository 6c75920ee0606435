"""The id of a paid task is logged when it is accepted, and named by every error or note that ends a wait for it."""

import asyncio
import logging
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from commands import on_unix, served, until
from scripted import respond, scripted

from musicapi_async import JSON, MusicAPI, Songs, Task, errors, riffusion, sonic
from musicapi_async.sandbox import Sandbox

POLL = "GET /sonic/task/{task_id}"
README = Path(__file__).parents[2] / "README.md"
ACCEPTED = respond(200, {"task_id": "t-1"})
ONE_DONE = respond(
    200,
    {
        "code": 200,
        "data": [
            {"clip_id": "c-1", "state": "succeeded", "audio_url": "https://files.example/c-1.mp3"},
            {"clip_id": "c-2", "state": "running"},
        ],
    },
)

RAW: Final[dict[str, JSON]] = {
    "task_type": "create_music",
    "mv": "sonic-v6",
    "custom_mode": False,
    "gpt_description_prompt": "rain",
}

Leave = Callable[[Task[Songs]], Coroutine[Any, Any, object]]


def of_level(caplog: pytest.LogCaptureFixture, level: int) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno == level)


async def by_wait(task: Task[Songs]) -> None:
    await task.wait()


async def by_updates(task: Task[Songs]) -> None:
    async for _ in task.updates():
        pass


async def by_poll(task: Task[Songs]) -> None:
    while True:
        await task.poll()


LEAVING: dict[str, Leave] = {"wait": by_wait, "updates": by_updates, "poll": by_poll}


async def test_accepted_task_is_logged_with_family_and_id(
    client: MusicAPI, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "musicapi")
    await client.sonic.describe(description="rain")
    await client.sonic.batch(items=[sonic.Describe(description=f"song {n}") for n in range(2)])
    await client.request("POST", "/sonic/create", json=RAW)

    logged = of_level(caplog, logging.INFO)
    assert len(sandbox.tasks) == 4
    assert all(task.task_id in logged for task in sandbox.tasks)
    assert f"sonic task {sandbox.tasks[0].task_id} was accepted" in logged


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
async def test_wait_that_is_cancelled_names_its_task_in_a_note(
    leave: Leave, client: MusicAPI, sandbox: Sandbox
) -> None:
    task = await client.sonic.describe(description="rain")
    waiting = asyncio.create_task(leave(task))
    while not len(sandbox.requests(POLL)):
        await asyncio.sleep(0.001)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await waiting

    (note,) = caught.value.__notes__
    assert f"sonic task {task.id}" in note
    assert task.resumption in note


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
@pytest.mark.parametrize("limit", [asyncio.timeout, anyio.fail_after])
async def test_timeout_around_a_wait_shows_the_task_in_its_traceback(
    leave: Leave, limit: Any, client: MusicAPI
) -> None:
    task = await client.sonic.describe(description="rain")
    with pytest.raises(TimeoutError) as caught:
        await within(limit, leave(task))

    assert task.resumption in "".join(traceback.format_exception(caught.value))


async def within(limit: Any, waiting: Coroutine[Any, Any, object]) -> None:
    if limit is asyncio.timeout:
        async with limit(0.05):
            await waiting
    else:
        with limit(0.05):
            await waiting


async def test_run_that_is_cancelled_names_twenty_tasks_and_counts_the_rest(client: MusicAPI, sandbox: Sandbox) -> None:
    run = client.run((sonic.Describe(description=f"song {n}") for n in range(25)), in_flight=25)
    pending = asyncio.ensure_future(anext(run))
    while len(run.tasks) < 25:
        await asyncio.sleep(0.001)
    pending.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await pending

    (note,) = caught.value.__notes__
    assert sum(task.task_id in note for task in sandbox.tasks) == 20
    assert "25 paid tasks" in note
    assert note.endswith("and 5 more")


async def test_close_with_running_tasks_logs_them(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url) as client:
        song = await client.sonic.describe(description="never waited for")
        stems = await client.riffusion.create(lyrics="rain")
    warned = of_level(caplog, logging.WARNING)

    assert song.resumption in warned
    assert stems.resumption in warned
    assert "still running on the server" in warned


async def test_close_with_many_running_tasks_logs_twenty_per_line(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.account("k").credits = 10_000
    async with MusicAPI("k", base_url=sandbox.base_url) as client:
        tasks = await asyncio.gather(*(client.sonic.describe(description=f"song {n}") for n in range(45)))
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]

    assert [sum(task.id in line for task in tasks) for line in warned] == [20, 20, 5]


async def test_close_after_all_results_were_delivered_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        Sandbox(seconds=0.05) as sandbox,
        MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client,
    ):
        task = await client.sonic.describe(description="rain")
        await task.wait()
        async for _ in client.run([sonic.Describe(description="snow")]):
            pass

    assert of_level(caplog, logging.WARNING) == ""


async def test_exception_leaving_the_client_block_names_the_running_tasks(sandbox: Sandbox) -> None:
    async def fail() -> None:
        async with MusicAPI("k", base_url=sandbox.base_url) as client:
            await client.sonic.describe(description="rain")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await fail()

    (note,) = caught.value.__notes__
    assert sandbox.tasks[0].task_id in note


async def test_task_timeout_error_holds_the_finished_clips() -> None:
    async with (
        scripted(ACCEPTED, ONE_DONE) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client,
    ):
        task = await client.sonic.describe(description="rain")
        with pytest.raises(errors.TaskTimeoutError) as caught:
            await task.wait(timeout=0.2)
        with pytest.raises(errors.TaskTimeoutError) as again:
            await task.wait(timeout=0.01)

    pickled = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    for error in (caught.value, again.value, pickled):
        assert [clip.clip_id for clip in error.clips] == ["c-1"]
        assert error.clips[0].audio_url == "https://files.example/c-1.mp3"
        assert "1 clip of it finished" in str(error)


async def test_task_timeout_error_without_finished_clips_holds_none(client: MusicAPI) -> None:
    task = await client.sonic.describe(description="rain")
    with pytest.raises(errors.TaskTimeoutError) as caught:
        await task.wait(timeout=0.05)

    assert caught.value.clips == ()
    assert "of it finished" not in str(caught.value)


@on_unix
@pytest.mark.parametrize("ways", ["alone", "gathered", "in a group"])
def test_program_stopped_by_ctrl_c_shows_the_task_ids(ways: str, tmp_path: Path) -> None:
    wait = {
        "alone": "await (await describe(0)).wait()",
        "gathered": "await asyncio.gather(*[t.wait() for t in [await describe(n) for n in range(3)]])",
        "in a group": """
                async with asyncio.TaskGroup() as group:
                    for n in range(3):
                        group.create_task((await describe(n)).wait())""",
    }[ways]
    script = f"""
        import asyncio
        from musicapi_async import MusicAPI

        async def main():
            async with MusicAPI() as client:
                describe = lambda n: client.sonic.describe(description=f"song {{n}}")
                {wait}

        asyncio.run(main())
    """
    assert_ids_are_shown(script, tmp_path, 1 if ways == "alone" else 3)


@on_unix
def test_first_readme_example_stopped_by_ctrl_c_shows_the_task_id(tmp_path: Path) -> None:
    example = README.read_text().partition("```python\n")[2].partition("```")[0]
    assert "asyncio.run" in example
    assert_ids_are_shown(example, tmp_path, 1)


def assert_ids_are_shown(script: str, folder: Path, count: int) -> None:
    with served(3600) as sandbox:
        environment = {**os.environ, "MUSICAPI_KEY": "k", "MUSICAPI_BASE_URL": sandbox.base_url}
        command = [sys.executable, "-c", textwrap.dedent(script)]
        more = {"MUSICAPI_POLL_INTERVAL": "0.05"}
        with subprocess.Popen(command, cwd=folder, env=environment | more, stderr=subprocess.PIPE) as process:
            until(lambda: len(sandbox.tasks) == count and len(sandbox.requests(POLL)) >= count)
            process.send_signal(signal.SIGINT)
            shown = process.communicate(timeout=30)[1].decode()

        assert "KeyboardInterrupt" in shown
        assert all(task.task_id in shown for task in sandbox.tasks)


async def test_close_after_an_unknown_task_logs_no_paid_task(caplog: pytest.LogCaptureFixture) -> None:
    async with Sandbox() as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        with pytest.raises(errors.NotFoundError):
            await client.resume(riffusion.Create, "no-such-task").wait()

    assert of_level(caplog, logging.WARNING) == ""


async def test_waits_on_a_failed_task_each_raise_a_new_error() -> None:
    failed = respond(200, {"code": 200, "type": "failed", "error": "no"})
    async with (
        scripted(ACCEPTED, failed) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client,
    ):
        task = await client.sonic.describe(description="rain")
        raised: list[errors.TaskFailedError] = []
        for _ in range(50):
            with pytest.raises(errors.TaskFailedError) as caught:
                await task.wait()
            raised.append(caught.value)

    assert len(set(map(id, raised))) == 50
    assert {str(error) for error in raised} == {str(raised[0])}
    assert len({len(traceback.extract_tb(error.__traceback__)) for error in raised[1:]}) == 1
