"""The loop thread behind the blocking client: calls, callbacks, close and garbage collection around it."""

import asyncio
import gc
import os
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from scripted import respond, scripted

from musicapi_async.sandbox import Fault, Sandbox
from musicapi_sync import MusicAPI, Run, Songs, errors, sonic

CREATE = "POST /sonic/create"
POLL = "GET /sonic/task/{task_id}"


class Exiting(os.PathLike[str]):
    """A path that is evaluated on the loop's own thread, and ends the program there."""

    def __fspath__(self) -> str:
        raise SystemExit("from the loop")


class Collecting(os.PathLike[str]):
    """A path that has garbage collected on the loop's own thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        gc.collect()
        return str(self._path)


class Calling(os.PathLike[str]):
    """A path that calls the client on the loop's own thread."""

    def __init__(self, client: MusicAPI) -> None:
        self._client = client

    def __fspath__(self) -> str:
        return repr(self._client.account.credits())


def wait_until_polled(sandbox: Sandbox) -> None:
    moment = threading.Event()
    for _ in range(1000):
        if len(sandbox.requests(POLL)):
            return
        moment.wait(0.01)
    pytest.fail("the task was never polled")


def test_calls_from_any_thread_share_one_loop_and_its_connection() -> None:
    credits = scripted(respond(200, {"credits": 7, "extra_credits": 0}))
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(credits) as script,
        MusicAPI("k", base_url=script.base_url) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        found = {client.account.credits().total, threads.submit(client.account.credits).result().total}

    assert found == {7.0}
    assert script.connections == 1


def test_system_exit_in_the_loop_reaches_only_its_caller(client: MusicAPI, tmp_path: Path) -> None:
    songs = client.sonic.describe(description="rain").wait()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.sonic.describe(description="snow").wait)

        with pytest.raises(SystemExit, match="from the loop"):
            client.download(songs[0], Exiting())

        assert len(waiting.result()) == 2
    assert client.download(songs[0], tmp_path / "rain").size > 0


def test_call_from_the_loop_thread_raises_at_once(client: MusicAPI) -> None:
    songs = client.sonic.describe(description="rain").wait()

    with pytest.raises(RuntimeError, match="own loop thread"):
        client.download(songs[0], Calling(client))


def test_investigation_returns_the_cores_evidence(served: Sandbox) -> None:
    with MusicAPI("k", base_url=served.base_url) as client:
        client.account.credits()
        served.add_fault(CREATE, Fault(drop=True))
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            client.sonic.describe(description="rain")

        assert client.investigate(caught.value).verdict == "not charged"


def test_run_lists_its_tasks_after_close(slow: Sandbox) -> None:
    client = MusicAPI("key", base_url=slow.base_url, poll_interval=0.02)
    run = client.run([sonic.Describe(description=f"song {n}") for n in range(2)], in_flight=2)
    for n in range(2):
        run.start(sonic.Describe(description=f"song {n}"))
    wait_until_polled(slow)
    client.close()

    assert {task.id for task in run.tasks} == {task.task_id for task in slow.tasks}


def test_close_during_a_wait_raises_client_closed_in_it(slow: Sandbox) -> None:
    client = MusicAPI("key", base_url=slow.base_url, poll_interval=0.02)
    task = client.sonic.describe(description="rain")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(task.wait)
        wait_until_polled(slow)
        client.close()

        with pytest.raises(errors.ClientClosedError, match=task.id):
            waiting.result()

    client.close()
    with pytest.raises(errors.ClientClosedError):
        client.account.credits()
    assert "musicapi-loop" not in {thread.name for thread in threading.enumerate()}


def test_close_during_calls_of_many_threads_raises_client_closed(served: Sandbox) -> None:
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
            pending = [threads.submit(ask, client) for _ in range(8)]
            client.close()

            assert {each.result() for each in pending} == {errors.ClientClosedError}


def test_callback_runs_in_the_callers_thread_and_may_call_the_client(client: MusicAPI, tmp_path: Path) -> None:
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


def test_callback_that_raises_ends_the_download_and_leaves_no_partial_file(client: MusicAPI, tmp_path: Path) -> None:
    songs = client.sonic.describe(description="rain").wait()

    def fail(done: int, total: int | None) -> None:
        raise ZeroDivisionError(done, total)

    with pytest.raises(ZeroDivisionError):
        client.download(songs[0], tmp_path / "rain", on_progress=fail)

    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert client.account.credits().total > 0


def test_blocking_call_in_a_coroutine_works_and_warns(client: MusicAPI) -> None:
    async def main() -> float:
        return client.account.credits().total

    with pytest.warns(RuntimeWarning, match="use musicapi_async with await here") as caught:
        assert asyncio.run(main()) == 1000
    assert caught[0].filename == __file__


def test_blocking_call_in_a_notebook_cell_does_not_warn(client: MusicAPI) -> None:
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


def test_run_lists_its_tasks_as_soon_as_calls_raise_client_closed(slow: Sandbox) -> None:
    client = MusicAPI("k", base_url=slow.base_url)
    slow.add_fault(CREATE, *[Fault(delay=0.5)] * 4)
    run: Run[Songs] = client.run((), in_flight=4)
    for n in range(4):
        run.start(sonic.Describe(description=f"song {n}"))
    moment = threading.Event()
    while len(slow.requests(CREATE)) < 4:
        moment.wait(0.005)
    closing = threading.Thread(target=client.close)
    closing.start()
    while True:
        try:
            client.account.credits()
        except errors.ClientClosedError:
            break
    found = {task.id for task in run.tasks}
    closing.join()

    assert len(found) == 4
    assert found == {task.task_id for task in slow.tasks}


def test_close_on_the_loop_thread_is_refused_and_the_client_stays_usable(
    served: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    client = MusicAPI("k", base_url=served.base_url, on_uncertain=lambda _: client.close())
    served.add_fault(CREATE, Fault(drop=True))
    with pytest.raises(errors.UncertainSubmissionError):
        client.sonic.describe(description="rain")

    assert "own loop thread" in caplog.text
    assert client.account.credits().total > 0
    client.close()
    assert "musicapi-loop" not in {thread.name for thread in threading.enumerate()}


def test_updates_left_early_may_be_closed_after_their_client(slow: Sandbox) -> None:
    with MusicAPI("k", base_url=slow.base_url, poll_interval=0.02) as client:
        updates = client.sonic.describe(description="rain").updates()
        assert next(updates).status == "waiting"

    updates.close()

    assert list(updates) == []


def test_updates_collected_on_the_loop_thread_stop_polling(
    waiting_client: MusicAPI, slow: Sandbox, tmp_path: Path
) -> None:
    task = waiting_client.sonic.describe(description="rain")
    slow.advance(7200)
    songs = task.wait()
    updates = waiting_client.sonic.describe(description="snow").updates()
    next(updates)
    left = weakref.ref(updates)
    gc.disable()
    try:
        cycle: list[object] = [updates]
        cycle.append(cycle)
        del cycle, updates
        assert left() is not None
        waiting_client.download(songs[0], Collecting(tmp_path / "rain"))
        assert left() is None
    finally:
        gc.enable()
    polls = len(slow.requests(POLL))
    # Ten times the interval between polls.
    threading.Event().wait(0.2)

    assert len(slow.requests(POLL)) <= polls + 1
