"""What breaks other blocking facades over an event loop, one test each."""

import asyncio
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from musicapi_async.sandbox import Fault, Sandbox
from musicapi_sync import MusicAPI, errors, sonic

CREATE = "POST /sonic/create"
LOOK = "GET /sonic/task/{task_id}"

NEEDS_SIGNALS = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends the signal to one thread")


class Exiting(os.PathLike[str]):
    """A path that is evaluated on the loop's own thread, and ends the program there."""

    def __fspath__(self) -> str:
        raise SystemExit("from the loop")


class Calling(os.PathLike[str]):
    """A path that calls the client on the loop's own thread."""

    def __init__(self, client: MusicAPI) -> None:
        self._client = client

    def __fspath__(self) -> str:
        return repr(self._client.account.credits())


def wait_until_looked_at(sandbox: Sandbox) -> None:
    moment = threading.Event()
    for _ in range(1000):
        if sandbox.requests[LOOK]:
            return
        moment.wait(0.01)
    pytest.fail("the task was never looked at")


@contextmanager
def interrupted_when(is_time: Callable[[], bool]) -> Iterator[pytest.ExceptionInfo[KeyboardInterrupt]]:
    """Press Ctrl-C, as it were, when it is time; and catch what comes of it."""
    main_thread = threading.get_ident()

    def interrupt() -> None:
        moment = threading.Event()
        while not is_time():
            moment.wait(0.005)
        signal.pthread_kill(main_thread, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt, daemon=True)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        yield caught
    interrupting.join()


def test_system_exit_reaches_its_caller_and_nobody_else(client: MusicAPI, tmp_path: Path) -> None:
    songs = client.sonic.describe(description="rain").wait()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.sonic.describe(description="snow").wait)

        with pytest.raises(SystemExit, match="from the loop"):
            client.download(songs[0], Exiting())

        assert len(waiting.result()) == 2
    assert client.download(songs[0], tmp_path / "rain").size > 0


def test_a_call_from_the_loops_own_thread_is_an_error_at_once(client: MusicAPI) -> None:
    songs = client.sonic.describe(description="rain").wait()

    with pytest.raises(RuntimeError, match="own loop thread"):
        client.download(songs[0], Calling(client))


@NEEDS_SIGNALS
def test_ctrl_c_cancels_the_call_names_the_task_and_leaves_the_client_usable(
    waiting_client: MusicAPI, slow: Sandbox
) -> None:
    task = waiting_client.sonic.describe(description="rain")
    with interrupted_when(lambda: slow.requests[LOOK] > 0) as caught:
        task.wait()

    assert task.id in "\n".join(caught.value.__notes__)
    assert f"client.sonic.task('{task.id}')" in caught.value.__notes__[0]
    assert task.poll().status == "waiting"


@NEEDS_SIGNALS
def test_ctrl_c_in_a_run_names_every_task_that_is_alive(waiting_client: MusicAPI, slow: Sandbox) -> None:
    run = waiting_client.run([sonic.Describe(description=f"song {n}") for n in range(9)], in_flight=3)
    with interrupted_when(lambda: slow.requests[LOOK] > 0) as caught:
        next(run)

    accepted = [task.task_id for task in slow.accepted]
    assert len(accepted) == 3
    assert all(task_id in caught.value.__notes__[0] for task_id in accepted)


@NEEDS_SIGNALS
def test_ctrl_c_while_a_create_is_in_the_air_names_the_task(waiting_client: MusicAPI, slow: Sandbox) -> None:
    slow.add_fault(CREATE, Fault(delay=0.5))
    with interrupted_when(lambda: slow.requests[CREATE] > 0) as caught:
        waiting_client.sonic.describe(description="rain")

    (accepted,) = slow.accepted
    assert accepted.task_id in caught.value.__notes__[0]


@NEEDS_SIGNALS
def test_ctrl_c_in_a_run_names_what_is_in_the_air(waiting_client: MusicAPI, slow: Sandbox) -> None:
    for _ in range(3):
        slow.add_fault(CREATE, Fault(delay=0.5))
    run = waiting_client.run([sonic.Describe(description=f"song {n}") for n in range(9)], in_flight=3)
    with interrupted_when(lambda: slow.requests[CREATE] == 3) as caught:
        next(run)

    assert len(slow.accepted) == 3
    assert all(task.task_id in caught.value.__notes__[0] for task in slow.accepted)
    assert {task.id for task in run.tasks} == {task.task_id for task in slow.accepted}


@NEEDS_SIGNALS
def test_ctrl_c_in_a_batch_names_its_tasks(waiting_client: MusicAPI, slow: Sandbox) -> None:
    slow.add_fault("POST /sonic/batch", Fault(delay=0.5))
    with interrupted_when(lambda: slow.requests["POST /sonic/batch"] > 0) as caught:
        waiting_client.sonic.batch(items=[sonic.Describe(description=f"song {n}") for n in range(3)])

    assert len(slow.accepted) == 3
    assert all(task.task_id in caught.value.__notes__[0] for task in slow.accepted)


@NEEDS_SIGNALS
def test_ctrl_c_pressed_twice_leaves_the_task_in_the_log(
    waiting_client: MusicAPI, slow: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    slow.add_fault(CREATE, Fault(delay=1))
    main_thread, moment = threading.get_ident(), threading.Event()

    def interrupt() -> None:
        while not slow.requests[CREATE]:
            moment.wait(0.005)
        for _ in range(2):
            signal.pthread_kill(main_thread, signal.SIGINT)
            moment.wait(0.2)

    interrupting = threading.Thread(target=interrupt, daemon=True)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        waiting_client.sonic.describe(description="rain")
    interrupting.join()
    waiting_client.close()

    (accepted,) = slow.accepted
    assert "in the log" in caught.value.__notes__[0]
    assert f"sonic task {accepted.task_id} is paid for" in caplog.text


@NEEDS_SIGNALS
@pytest.mark.parametrize("use", ["lyrics", "request", "submit"])
def test_ctrl_c_before_an_answer_that_never_comes_says_that_it_may_be_paid(
    waiting_client: MusicAPI, slow: Sandbox, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicapi_sync._call.SETTLE", 0.1)
    route = {"lyrics": "POST /sonic/lyrics", "request": "POST /sonic/lyrics", "submit": CREATE}[use]
    slow.add_fault(route, Fault(delay=60))
    with interrupted_when(lambda: slow.requests[route] > 0) as caught:
        if use == "lyrics":
            waiting_client.lyrics.make(description="rain")
        elif use == "request":
            waiting_client.request("POST", "/sonic/lyrics", json={"description": "rain"})
        else:
            waiting_client.sonic.describe(description="rain")

    assert caught.value.__notes__[0].startswith(route)
    assert "may have been accepted and charged" in caught.value.__notes__[0]


@NEEDS_SIGNALS
def test_ctrl_c_on_an_unanswered_create_reaches_the_hook(slow: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musicapi_sync._call.SETTLE", 0.1)
    slow.add_fault(CREATE, Fault(delay=60))
    heard: list[errors.UncertainSubmissionError] = []
    with MusicAPI("k", base_url=slow.base_url, on_uncertain=heard.append) as client:
        with interrupted_when(lambda: slow.requests[CREATE] > 0):
            client.sonic.describe(description="rain")

        assert client.account.credits().total > 0
    assert [error.request for error in heard] == [sonic.Describe(description="rain")]


def test_the_evidence_is_the_same(served: Sandbox) -> None:
    with MusicAPI("k", base_url=served.base_url) as client:
        client.account.credits()
        served.add_fault(CREATE, Fault(drop=True))
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            client.sonic.describe(description="rain")

        assert client.look_into(caught.value).verdict == "not charged"


@NEEDS_SIGNALS
def test_ctrl_c_before_the_first_byte_says_nothing_of_money(served: Sandbox) -> None:
    served.add_fault(CREATE, Fault(status=429, body={"error": "slow down"}, headers={"Retry-After": "60"}))
    with MusicAPI("key", base_url=served.base_url) as client:
        with interrupted_when(lambda: served.requests[CREATE] > 0) as caught:
            client.sonic.describe(description="rain")

        assert not getattr(caught.value, "__notes__", ())
        assert client.account.credits().total == 1000


def test_the_tasks_of_a_run_are_known_after_the_client_is_closed(slow: Sandbox) -> None:
    client = MusicAPI("key", base_url=slow.base_url, poll_interval=0.02)
    run = client.run([sonic.Describe(description=f"song {n}") for n in range(2)], in_flight=2)
    for n in range(2):
        run.start(sonic.Describe(description=f"song {n}"))
    wait_until_looked_at(slow)
    client.close()

    assert {task.id for task in run.tasks} == {task.task_id for task in slow.accepted}


def test_closing_gives_calls_under_way_our_own_error(slow: Sandbox) -> None:
    client = MusicAPI("key", base_url=slow.base_url, poll_interval=0.02)
    task = client.sonic.describe(description="rain")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(task.wait)
        wait_until_looked_at(slow)
        client.close()

        with pytest.raises(errors.ClientClosedError, match=task.id):
            waiting.result()

    client.close()
    with pytest.raises(errors.ClientClosedError):
        client.account.credits()
    assert "musicapi-loop" not in {thread.name for thread in threading.enumerate()}


def test_closing_while_many_threads_call_gives_answers_or_our_own_error(served: Sandbox) -> None:
    def ask(client: MusicAPI) -> type[BaseException] | None:
        while True:
            try:
                client.account.credits()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what this test is about
                return type(error)

    for _ in range(5):
        client = MusicAPI("key", base_url=served.base_url, max_attempts=1)
        client.account.credits()
        with ThreadPoolExecutor(8) as threads:
            asking = [threads.submit(ask, client) for _ in range(8)]
            client.close()

            assert {each.result() for each in asking} == {errors.ClientClosedError}


def test_a_callback_runs_in_the_callers_thread_and_may_call_the_client(client: MusicAPI, tmp_path: Path) -> None:
    songs = client.sonic.describe(description="rain").wait()
    seen: list[tuple[int, float]] = []

    saved = client.download(
        songs[0],
        tmp_path / "rain",
        on_progress=lambda done, _: seen.append((threading.get_ident(), client.account.credits().total + 0 * done)),
    )

    assert saved.size > 0
    assert seen
    assert {thread for thread, _ in seen} == {threading.get_ident()}


def test_a_callback_that_raises_ends_the_download_and_leaves_no_half_file(client: MusicAPI, tmp_path: Path) -> None:
    songs = client.sonic.describe(description="rain").wait()

    def fail(done: int, total: int | None) -> None:
        raise ZeroDivisionError(done, total)

    with pytest.raises(ZeroDivisionError):
        client.download(songs[0], tmp_path / "rain", on_progress=fail)

    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert client.account.credits().total > 0


def test_a_blocking_call_in_a_coroutine_works_and_warns(client: MusicAPI) -> None:
    async def main() -> float:
        return client.account.credits().total

    with pytest.warns(RuntimeWarning, match="use musicapi_async with await here") as caught:
        assert asyncio.run(main()) == 1000
    assert caught[0].filename == __file__


def test_a_blocking_call_in_a_notebook_cell_is_silent(client: MusicAPI) -> None:
    """A notebook runs each cell inside a loop; its shell is the same class as the one here."""
    shell_module = pytest.importorskip("IPython.core.interactiveshell")
    shell = shell_module.InteractiveShell.instance()
    shell.user_ns["client"] = client

    async def run_cell() -> object:
        cell = "import asyncio; asyncio.get_running_loop(); client.account.credits().total"
        return await shell.run_cell_async(cell, transformed_cell=cell)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            outcome = asyncio.run(run_cell())
    finally:
        shell_module.InteractiveShell.clear_instance()

    assert getattr(outcome, "result", None) == 1000
