"""The lifetime of a blocking client's loop thread, errors and runs."""

import gc
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from commands import on_unix, served, until

import musicapi_async
from musicapi_async.sandbox import Sandbox
from musicapi_sync import MusicAPI, Songs, Task, errors, sonic

REQUEST = sonic.Describe(description="rain")


@contextmanager
def handled(number: signal.Signals, handler: Callable[[int, Any], None]) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.fixture
def quick() -> Iterator[Sandbox]:
    with served(0.01) as sandbox:
        yield sandbox


def client_of(sandbox: Sandbox) -> MusicAPI:
    return MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01, create_rate=10_000.0)


@on_unix
@pytest.mark.parametrize("delay", [0.0, 0.002, 0.01, 0.03])
@pytest.mark.parametrize("use", ["close", "call"])
def test_signal_handler_that_uses_a_client_while_it_starts_does_not_deadlock(
    use: str, delay: float, quick: Sandbox
) -> None:
    client = client_of(quick)
    seen: list[object] = []

    def handler(*_: object) -> None:
        if use == "close":
            client.close()
        seen.append(None if use == "close" else client.account.credits())

    with handled(signal.SIGUSR1, handler):
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        try:
            seen.append(client.account.credits())
        except errors.ClientClosedError as error:
            seen.append(error)
        timer.join()
    client.close()

    assert len(seen) == 2
    if use == "call":
        assert seen[0] == seen[1]
    assert not [thread for thread in threading.enumerate() if thread.name == "musicapi-loop"]


def test_client_used_first_by_many_threads_at_once_has_one_loop(quick: Sandbox) -> None:
    client, start = client_of(quick), threading.Barrier(16)
    found: list[object] = []

    def use() -> None:
        start.wait()
        found.append(client.account.credits())

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 16
    assert len([thread for thread in threading.enumerate() if thread.name == "musicapi-loop"]) == 1
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "musicapi-loop"]


def test_wait_on_a_failed_task_raises_a_new_error_each_time() -> None:
    with served(0.01) as sandbox, client_of(sandbox) as client:
        sandbox.end_next("failed")
        task = client.submit(REQUEST)
        seen = []
        for _ in range(5):
            with pytest.raises(errors.TaskFailedError) as caught:
                task.wait()
            seen.append(caught.value)

    assert len({id(error) for error in seen}) == 5
    assert len({error.args[:3] for error in seen}) == 1
    assert len({len(traceback.extract_tb(error.__traceback__)) for error in seen[1:]}) == 1


def test_runs_left_by_break_are_released_and_logged_at_close(quick: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    def leave_one() -> str:
        run = client.run([REQUEST, REQUEST])
        outcome = next(run)
        assert outcome.task is not None
        return outcome.task.id

    with client_of(quick) as client:
        delivered = {leave_one() for _ in range(15)}
        client.account.credits()
        for _ in range(200):
            gc.collect()
            if not any(type(one) is musicapi_async.Run for one in gc.get_objects()):
                break
            client.account.credits()
        left = [one for one in gc.get_objects() if type(one) is musicapi_async.Run]
        assert left == []
    accepted = {task.task_id for task in quick.tasks}

    assert len(accepted) == 30
    for task_id in accepted - delivered:
        assert task_id in caplog.text


def test_client_used_on_its_own_loop_thread_raises_event_loop_error(quick: Sandbox) -> None:
    caught: list[BaseException] = []

    def use(error: errors.UncertainSubmissionError) -> None:
        del error
        try:
            client.account.credits()
        except errors.EventLoopError as own:
            caught.append(own)

    quick.add_fault("POST /sonic/create", musicapi_async.sandbox.Fault(status=500, body={}))
    with (
        MusicAPI("k", base_url=quick.base_url, on_uncertain=use) as client,
        pytest.raises(errors.UncertainSubmissionError),
    ):
        client.submit(REQUEST)

    (error,) = caught
    assert isinstance(error, RuntimeError)
    assert isinstance(error, errors.MusicAPIError)


def test_client_that_was_dropped_unclosed_ends_its_thread(quick: Sandbox) -> None:
    before = set(threading.enumerate())

    def use() -> None:
        MusicAPI("k", base_url=quick.base_url).account.credits()

    with pytest.warns(ResourceWarning, match="not closed"):
        use()

    until(lambda: not set(threading.enumerate()) - before)


def test_task_of_a_dropped_client_can_still_be_waited_for(quick: Sandbox) -> None:
    def submit() -> Task[Songs]:
        return MusicAPI("k", base_url=quick.base_url, poll_interval=0.02).sonic.describe(description="rain")

    with pytest.warns(ResourceWarning, match="not closed"):
        task = submit()

    assert len(task.wait()) == 2
