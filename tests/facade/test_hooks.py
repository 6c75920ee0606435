"""Hooks of the blocking client: the same values, in the thread of its event loop."""

import contextvars
import threading

import pytest

from musicapi_async.sandbox import Sandbox
from musicapi_sync import AcceptedTask, MusicAPI, TaskState

CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="none")


def test_hooks_get_the_task_and_its_polls_in_the_loops_thread(served: Sandbox) -> None:
    accepted: list[tuple[AcceptedTask, str]] = []
    polled: list[tuple[TaskState[object], str]] = []
    names: set[str] = set()

    def note_accepted(task: AcceptedTask) -> None:
        names.add(threading.current_thread().name)
        accepted.append((task, CALLER.get()))

    def note_poll(state: TaskState[object]) -> None:
        polled.append((state, CALLER.get()))

    settings = {"on_accepted": note_accepted, "on_poll": note_poll}
    with MusicAPI("k", base_url=served.base_url, poll_interval=0.02, **settings) as client:  # type: ignore[arg-type]
        CALLER.set("this test")
        task = client.sonic.describe(description="rain")
        (known,) = accepted
        task.wait()

    assert known[0].task_id == task.id
    assert known[0].resumption == task.resumption
    assert names == {"musicapi-loop"}
    assert (polled[-1][0].task_id, polled[-1][0].status) == (task.id, "finished")
    assert {known[1], *(caller for _, caller in polled)} == {"this test"}


@pytest.mark.parametrize("error", [ValueError("a bug in the hook"), SystemExit(3)])
def test_on_poll_that_raises_ends_neither_the_wait_nor_the_loop(served: Sandbox, error: BaseException) -> None:
    def fail(_: object) -> None:
        raise error

    with MusicAPI("k", base_url=served.base_url, poll_interval=0.02, on_poll=fail) as client:
        songs = client.sonic.describe(description="rain").wait(timeout=20)
        client.account.credits()

    assert len(songs) == 2
