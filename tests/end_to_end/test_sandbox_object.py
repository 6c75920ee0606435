"""The sandbox as an object of a user's tests: its clients, its thread, what it has seen, and its arguments."""

import asyncio
import gc
import inspect
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from commands import on_unix

import musicapi_async
import musicapi_sync
import musicapi_sync.sandbox
from musicapi_async import MusicAPI, errors, lyrics, sonic
from musicapi_async.sandbox import Fault, Sandbox


async def test_client_of_a_sandbox_returns_a_song_in_the_time_that_it_takes() -> None:
    async with Sandbox(seconds=1) as sandbox, sandbox.client() as client:
        begun = time.monotonic()
        await client.sonic.describe(description="rain").wait()
        waited = time.monotonic() - begun

    # The schedule of a client of the service would poll after half a minute.
    assert sandbox.tasks[0].takes <= waited < 10


async def test_client_of_a_sandbox_whose_songs_take_no_time_polls_once() -> None:
    async with Sandbox(seconds=0) as sandbox, sandbox.client() as client:
        songs = await client.sonic.describe(description="rain").wait()

    assert len(songs) == 2
    assert len(sandbox.requests("GET /sonic/task/{task_id}")) == 1


async def test_client_of_a_sandbox_takes_the_settings_of_a_client() -> None:
    async with (
        Sandbox(keys=["one", "two"], credits=7) as sandbox,
        sandbox.client(max_attempts=1) as one,
        sandbox.client("two", poll_interval=5) as two,
    ):
        assert (one.settings.max_attempts, two.settings.poll_interval) == (1, 5)
        assert (await one.account.credits()).total == 7
        sandbox.account().credits = 3
        sandbox.account("two").credits = 4
        assert [(await client.account.credits()).total for client in (one, two)] == [3, 4]
    theirs = inspect.signature(MusicAPI).parameters
    for client in (sandbox.client, musicapi_sync.sandbox.Sandbox().client):
        assert inspect.signature(client).parameters == theirs
    with pytest.raises(errors.InvalidRequestError, match="timeout"):
        sandbox.client(timeout=-1)


@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
async def test_environment_makes_a_client_without_arguments_one_of_the_sandbox(
    package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox(keys=["the-key"], seconds=1) as sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        found = package.MusicAPI().settings

        assert (found.base_url, found.poll_interval) == (sandbox.base_url, 0.05)
        assert found.api_key.reveal() == "the-key"


def test_sandbox_of_a_plain_with_serves_both_packages_from_a_thread_that_ends() -> None:
    async def songs_of(sandbox: Sandbox) -> int:
        async with sandbox.client() as client:
            return len(await client.sonic.describe(description="rain").wait())

    before = set(threading.enumerate())
    with Sandbox(seconds=0) as sandbox:
        assert asyncio.run(songs_of(sandbox)) == 2
        assert asyncio.run(songs_of(sandbox)) == 2  # in another event loop
        with musicapi_sync.MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
            assert len(client.sonic.describe(description="snow").wait()) == 2
    gc.collect()

    assert len(sandbox.tasks) == 3
    assert {thread for thread in threading.enumerate() if "musicapi" in thread.name} <= before


def test_blocking_sandbox_has_blocking_clients() -> None:
    with musicapi_sync.sandbox.Sandbox(seconds=0) as sandbox, sandbox.client() as client:
        songs = client.sonic.describe(description="rain").wait()

    assert (len(songs), sandbox.charged) == (2, 20)


def test_sandbox_advanced_from_another_thread_ends_tasks_and_wakes_its_streams() -> None:
    with musicapi_sync.sandbox.Sandbox(seconds=3600) as sandbox, sandbox.client() as client:
        task = client.sonic.describe(description="rain")
        sandbox.advance(0.5 * sandbox.tasks[0].takes)
        clip = task.wait(until="stream")[0]
        stream = client.stream(clip)
        first = next(stream)
        advancing = threading.Thread(target=sandbox.advance, args=[3600])
        advancing.start()
        rest = b"".join(stream)
        advancing.join()

        assert first
        assert rest
        assert len(task.wait()) == 2


def test_sandbox_that_cannot_listen_leaves_no_thread() -> None:
    with Sandbox() as first:
        port = int(first.base_url.split(":")[2].partition("/")[0])
        before = set(threading.enumerate())
        with pytest.raises(OSError, match="address already in use"), Sandbox(port=port):
            pass

        assert set(threading.enumerate()) <= before


@on_unix
def test_sandbox_of_an_interrupted_script_ends() -> None:
    script = """
        import os, signal, threading
        from musicapi_sync.sandbox import Sandbox

        def interrupt():
            while not sandbox.requests("GET /sonic/task/{task_id}"):
                pass
            os.kill(os.getpid(), signal.SIGINT)

        with Sandbox(seconds=3600) as sandbox, sandbox.client() as client:
            task = client.sonic.describe(description="rain")
            threading.Thread(target=interrupt).start()
            task.wait()
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert "\nKeyboardInterrupt\n" in done.stderr
    assert "is paid for and still running on the server" in done.stderr.splitlines()[-1]


async def test_charged_is_what_was_spent_less_the_refunds() -> None:
    async with Sandbox(seconds=60) as sandbox, sandbox.client() as client:
        sandbox.end_next("failed", "songs")
        for description in ("rain", "snow"):
            await client.sonic.describe(description=description)
        await client.lyrics.make(description="rain")
        charged = sandbox.charged
        sandbox.account().credits += 100
        sandbox.advance(100)

        assert (charged, sandbox.charged) == (42, 22)
        assert (await client.account.credits()).total == 1000 + 100 - 22


async def test_requests_of_a_class_are_values_in_order_also_those_with_a_fault() -> None:
    async with Sandbox(seconds=0) as sandbox, sandbox.client() as client:
        sandbox.add_fault("POST /sonic/create", Fault(status=429))
        await client.sonic.describe(description="rain").wait()
        await client.lyrics.make(description="snow")

        described = sandbox.requests(sonic.Describe)
        assert [request.description for request in described] == ["rain", "rain"]
        assert sandbox.requests(lyrics.Make) == (lyrics.Make(description="snow"),)
        assert sandbox.requests(sonic.Create) == ()
        assert [task.request for task in sandbox.tasks] == [sonic.Describe(description="rain")]


async def test_requests_of_a_route_have_their_path_and_json() -> None:
    async with Sandbox(seconds=0) as sandbox, sandbox.client() as client:
        await client.sonic.describe(description="rain").wait()
        with pytest.raises(errors.InvalidRequestError):
            await client.request("POST", "/sonic/create", json={"mv": 7})

        good, bad = sandbox.requests("POST /sonic/create")
        (poll,) = sandbox.requests("GET /sonic/task/{task_id}")
        assert isinstance(good.json, dict)
        assert (good.json["gpt_description_prompt"], bad.json) == ("rain", {"mv": 7})
        assert (poll.path, poll.json) == (f"/sonic/task/{sandbox.tasks[0].task_id}", None)
        assert sandbox.requests() == (good, poll, bad)


async def test_misspelt_route_or_class_is_an_error_that_names_the_right_one() -> None:
    sandbox = Sandbox()
    for use in (sandbox.requests, lambda route: sandbox.add_fault(route, Fault(status=500))):
        with pytest.raises(errors.InvalidRequestError, match="did you mean 'GET /sonic/task/{task_id}'"):
            use("GET /sonic/task/{id}")
    with pytest.raises(errors.InvalidRequestError, match="pass its route: 'GET /get-credits'"):
        sandbox.requests(musicapi_async.account.GetCredits)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seconds": -1}, "seconds is -1; it must be a number of at least 0"),
        ({"seconds": "3"}, "seconds is '3'; it must be a number of at least 0"),
        ({"credits": float("nan")}, "credits is nan; it must be a number of at least 0"),
        ({"keys": "one"}, "keys must be a list of keys, such as ['key-1', 'key-2']"),
        ({"keys": []}, "keys must be a list of keys, such as ['key-1', 'key-2']"),
        ({"endings": {"failed": 2}}, "endings['failed'] is 2; it must be a share from 0 to 1"),
        ({"endings": {"fail": 0.5}}, "endings has 'fail'; an ending is one of failed, timeout,"),
        (
            {"endings": {"failed": 0.6, "partial": 0.6}},
            "the shares of endings are 1.2 together; they must be at most 1",
        ),
        ({"faults": {Fault(drop=True): -0.1}}, "it must be a share from 0 to 1"),
    ],
)
def test_wrong_argument_is_an_error_that_names_it(arguments: Mapping[str, Any], message: str) -> None:
    with pytest.raises(errors.InvalidRequestError) as refused:
        Sandbox(**arguments)
    assert message in str(refused.value)


def test_wrong_ending_and_negative_time_are_errors() -> None:
    with pytest.raises(errors.InvalidRequestError, match="an ending is one of songs, failed"):
        Sandbox().end_next("fails")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidRequestError, match="seconds is -1"):
        Sandbox().advance(-1)


@pytest.mark.parametrize("model", ["sonic-v6-mini", "sonic-v5-5", "sonic-v3-5", "chirp-v5"])
async def test_model_that_the_service_accepts_is_accepted(model: str) -> None:
    async with Sandbox(seconds=0) as sandbox, sandbox.client() as client:
        songs = await client.sonic.describe(description="rain", model=model).wait()

    assert songs[0].model == model


async def test_unknown_model_is_refused_until_it_is_added() -> None:
    async with Sandbox(seconds=0) as sandbox, sandbox.client() as client:
        for model in ("sonic-v9", "sonic", "FUZZ-1.0"):
            with pytest.raises(errors.InvalidRequestError, match="The 'mv' field is invalid. The model should be"):
                await client.sonic.describe(description="rain", model=model)
        with pytest.raises(errors.InvalidRequestError, match="The model should be 'FUZZ-1.1 Pro' or"):
            await client.riffusion.create(lyrics="la", model="FUZZ-9")
        assert sandbox.charged == 0

        sandbox.models["sonic"].add("sonic-v9")
        assert len(await client.sonic.describe(description="rain", model="sonic-v9").wait()) == 2
        assert sandbox.requests(sonic.Describe)[-1].model == "sonic-v9"


async def test_shares_of_faults_and_endings_are_about_met() -> None:
    shares = {Fault(status=500): 0.5}
    async with (
        Sandbox(seconds=0, credits=1e6, faults=shares, endings={"failed": 0.5}) as sandbox,
        sandbox.client(max_attempts=1) as client,
    ):
        described = [sonic.Describe(description=f"song {number}") for number in range(100)]
        outcomes = [type(outcome.error) async for outcome in client.run(described)]

    uncertain, failed = outcomes.count(errors.UncertainSubmissionError), outcomes.count(errors.TaskFailedError)
    assert 30 <= uncertain <= 70
    assert len(sandbox.tasks) == 100 - uncertain
    assert 0.2 * len(sandbox.tasks) <= failed <= 0.8 * len(sandbox.tasks)
