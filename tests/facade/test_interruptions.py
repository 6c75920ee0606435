"""Ctrl-C and other exceptions: calls end at once, and paid tasks without a result are named."""

import logging
import math
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from facade.interrupting import NEEDS_SIGNALS, interrupted_when

from musicapi_async.sandbox import Fault, Sandbox
from musicapi_sync import MusicAPI, Run, Songs, errors, sonic

if TYPE_CHECKING:
    from _typeshed import TraceFunction

CREATE = "POST /sonic/create"
POLL = "GET /sonic/task/{task_id}"


def describe(number: int) -> list[sonic.Describe]:
    return [sonic.Describe(description=f"song {n}") for n in range(number)]


def wait_for_creates(sandbox: Sandbox, number: int) -> None:
    moment = threading.Event()
    while len(sandbox.requests(CREATE)) < number:
        moment.wait(0.005)


@contextmanager
def interrupted_at(step: int) -> Iterator[None]:
    """Raise KeyboardInterrupt before the n-th line of where a call is waited for, as Ctrl-C there would."""
    lines = count(1)

    def trace(frame: FrameType, event: str, _: object) -> "TraceFunction | None":
        if event == "line" and next(lines) == step:
            raise KeyboardInterrupt
        return trace if frame.f_globals["__name__"] == "musicapi_sync._portal" else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def test_ctrl_c_at_any_line_of_waiting_ends_the_call_at_once(client: MusicAPI) -> None:
    client.account.credits()
    step = 0
    for step in count(1):
        began = time.monotonic()
        try:
            with interrupted_at(step):
                client.account.credits()
        except KeyboardInterrupt:
            assert time.monotonic() - began < 3
            assert client.account.credits().total == 1000
        else:
            break

    assert step > 5


@NEEDS_SIGNALS
def test_ctrl_c_cancels_the_call_names_the_task_and_leaves_the_client_usable(
    waiting_client: MusicAPI, slow: Sandbox
) -> None:
    task = waiting_client.sonic.describe(description="rain")
    with interrupted_when(lambda: len(slow.requests(POLL)) > 0) as caught:
        task.wait()

    assert task.id in "\n".join(caught.value.__notes__)
    assert f"client.sonic.task('{task.id}')" in caught.value.__notes__[0]
    assert task.poll().status == "waiting"


@NEEDS_SIGNALS
def test_ctrl_c_in_a_run_names_every_running_task(waiting_client: MusicAPI, slow: Sandbox) -> None:
    run = waiting_client.run([sonic.Describe(description=f"song {n}") for n in range(9)], in_flight=3)
    with interrupted_when(lambda: len(slow.requests(POLL)) > 0) as caught:
        next(run)

    accepted = [task.task_id for task in slow.tasks]
    assert len(accepted) == 3
    assert all(task_id in caught.value.__notes__[0] for task_id in accepted)


@NEEDS_SIGNALS
def test_ctrl_c_while_a_submission_is_in_flight_names_the_task(waiting_client: MusicAPI, slow: Sandbox) -> None:
    slow.add_fault(CREATE, Fault(delay=0.5))
    with interrupted_when(lambda: len(slow.requests(CREATE)) > 0) as caught:
        waiting_client.sonic.describe(description="rain")

    (accepted,) = slow.tasks
    assert accepted.task_id in caught.value.__notes__[0]


@NEEDS_SIGNALS
def test_ctrl_c_in_a_run_names_submissions_in_flight(waiting_client: MusicAPI, slow: Sandbox) -> None:
    for _ in range(3):
        slow.add_fault(CREATE, Fault(delay=0.5))
    run = waiting_client.run([sonic.Describe(description=f"song {n}") for n in range(9)], in_flight=3)
    with interrupted_when(lambda: len(slow.requests(CREATE)) == 3) as caught:
        next(run)

    assert len(slow.tasks) == 3
    assert all(task.task_id in caught.value.__notes__[0] for task in slow.tasks)
    assert {task.id for task in run.tasks} == {task.task_id for task in slow.tasks}


@NEEDS_SIGNALS
def test_ctrl_c_in_a_batch_names_its_tasks(waiting_client: MusicAPI, slow: Sandbox) -> None:
    slow.add_fault("POST /sonic/batch", Fault(delay=0.5))
    with interrupted_when(lambda: len(slow.requests("POST /sonic/batch")) > 0) as caught:
        waiting_client.sonic.batch(items=[sonic.Describe(description=f"song {n}") for n in range(3)])

    assert len(slow.tasks) == 3
    assert all(task.task_id in caught.value.__notes__[0] for task in slow.tasks)


@NEEDS_SIGNALS
def test_ctrl_c_pressed_twice_leaves_the_task_in_the_log(
    waiting_client: MusicAPI, slow: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    slow.add_fault(CREATE, Fault(delay=1))
    with interrupted_when(lambda: len(slow.requests(CREATE)), times=2) as caught:
        waiting_client.sonic.describe(description="rain")
    waiting_client.close()

    (accepted,) = slow.tasks
    assert "in the log" in caught.value.__notes__[0]
    assert f"sonic task {accepted.task_id} is paid for" in caplog.text


@NEEDS_SIGNALS
@pytest.mark.parametrize("use", ["lyrics", "request", "submit"])
def test_ctrl_c_on_an_unanswered_request_notes_that_it_may_be_charged(
    waiting_client: MusicAPI, slow: Sandbox, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicapi_sync._portal.INTERRUPT_GRACE", 0.1)
    route = {"lyrics": "POST /sonic/lyrics", "request": "POST /sonic/lyrics", "submit": CREATE}[use]
    slow.add_fault(route, Fault(delay=60))
    with interrupted_when(lambda: len(slow.requests(route)) > 0) as caught:
        if use == "lyrics":
            waiting_client.lyrics.make(description="rain")
        elif use == "request":
            waiting_client.request("POST", "/sonic/lyrics", json={"description": "rain"})
        else:
            waiting_client.sonic.describe(description="rain")

    assert caught.value.__notes__[0].startswith(route)
    assert "may have been accepted and charged" in caught.value.__notes__[0]


@NEEDS_SIGNALS
def test_ctrl_c_on_an_unanswered_submission_calls_the_hook(slow: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musicapi_sync._portal.INTERRUPT_GRACE", 0.1)
    slow.add_fault(CREATE, Fault(delay=60))
    reported: list[errors.UncertainSubmissionError] = []
    with MusicAPI("k", base_url=slow.base_url, on_uncertain=reported.append) as client:
        with interrupted_when(lambda: len(slow.requests(CREATE)) > 0):
            client.sonic.describe(description="rain")

        assert client.account.credits().total > 0
    assert [error.request for error in reported] == [sonic.Describe(description="rain")]


@NEEDS_SIGNALS
def test_ctrl_c_before_the_request_is_sent_adds_no_note(served: Sandbox) -> None:
    served.add_fault(CREATE, Fault(status=429, body={"error": "slow down"}, headers={"Retry-After": "60"}))
    with MusicAPI("key", base_url=served.base_url) as client:
        with interrupted_when(lambda: len(served.requests(CREATE)) > 0) as caught:
            client.sonic.describe(description="rain")

        assert not getattr(caught.value, "__notes__", ())
        assert client.account.credits().total == 1000


def test_exception_during_a_run_gets_a_note_of_its_tasks(slow: Sandbox) -> None:
    def fail() -> None:
        with MusicAPI("k", base_url=slow.base_url) as client:
            run: Run[Songs] = client.run((), in_flight=3)
            for request in describe(3):
                run.start(request)
            wait_for_creates(slow, 3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        fail()

    (note,) = caught.value.__notes__
    assert len(slow.tasks) == 3
    assert all(task.task_id in note for task in slow.tasks)


def test_exception_leaving_the_client_block_names_the_running_task(slow: Sandbox) -> None:
    def fail() -> None:
        with MusicAPI("k", base_url=slow.base_url) as client:
            client.sonic.describe(description="rain")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        fail()

    (note,) = caught.value.__notes__
    (accepted,) = slow.tasks
    assert f"client.sonic.task('{accepted.task_id}')" in note


def test_exception_that_names_the_task_gets_no_second_note(slow: Sandbox) -> None:
    def wait() -> None:
        with MusicAPI("k", base_url=slow.base_url) as client:
            client.sonic.describe(description="rain").wait(timeout=0)

    with pytest.raises(errors.TaskTimeoutError) as caught:
        wait()

    assert not hasattr(caught.value, "__notes__")


def test_close_after_a_finished_run_logs_nothing(client: MusicAPI, caplog: pytest.LogCaptureFixture) -> None:
    assert len(list(client.run(describe(3)))) == 3
    client.close()

    assert "paid for" not in caplog.text


def test_close_after_a_delivered_timeout_names_the_task_once(
    waiting_client: MusicAPI, caplog: pytest.LogCaptureFixture
) -> None:
    (outcome,) = waiting_client.run(describe(1), timeout=0.05)
    waiting_client.close()

    assert isinstance(outcome.error, errors.TaskTimeoutError)
    assert "not delivered" not in caplog.text
    # It is still running all the same, and closing says so once.
    assert caplog.text.count(outcome.error.task_id) == 1


def test_ctrl_c_in_the_source_of_a_run_names_the_started_tasks(waiting_client: MusicAPI, slow: Sandbox) -> None:
    def source() -> Iterator[sonic.Describe]:
        yield from describe(3)
        wait_for_creates(slow, 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        next(waiting_client.run(source()))

    (note,) = caught.value.__notes__
    assert len(slow.tasks) == 3
    assert all(task.task_id in note for task in slow.tasks)


@NEEDS_SIGNALS
def test_ctrl_c_pressed_twice_in_a_run_logs_every_task(
    waiting_client: MusicAPI, slow: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    slow.add_fault(CREATE, Fault(delay=1))
    run = waiting_client.run(describe(4), in_flight=4)
    with interrupted_when(lambda: len(slow.tasks) >= 3 and len(slow.requests(CREATE)) == 4, times=2) as caught:
        next(run)
    waiting_client.close()

    assert caught.value.__notes__
    assert len(slow.tasks) == 4
    assert all(task.task_id in caplog.text for task in slow.tasks)


@NEEDS_SIGNALS
def test_ctrl_c_during_a_submission_logs_the_task(
    waiting_client: MusicAPI, slow: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    slow.add_fault(CREATE, Fault(delay=0.5))
    with interrupted_when(lambda: len(slow.requests(CREATE)) > 0):
        waiting_client.sonic.describe(description="rain")

    (accepted,) = slow.tasks
    assert f"sonic task {accepted.task_id} is paid for and still running on the server" in caplog.text


@NEEDS_SIGNALS
def test_ctrl_c_during_close_names_running_tasks_on_standard_error(
    waiting_client: MusicAPI, slow: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As where logging is not set up.
    monkeypatch.setattr(logging.getLogger("musicapi"), "propagate", False)
    waiting_client.sonic.describe(description="rain")
    slow.add_fault(CREATE, Fault(delay=1))
    closing_since = math.inf
    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(waiting_client.sonic.describe, description="snow")
        wait_for_creates(slow, 2)
        with interrupted_when(lambda: time.monotonic() > closing_since + 0.2):
            closing_since = time.monotonic()
            waiting_client.close()
        sending.result()

    written = capsys.readouterr().err
    assert len(slow.tasks) == 2
    assert all(task.task_id in written for task in slow.tasks)
