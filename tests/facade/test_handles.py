"""Clients, tasks and runs of the blocking package: first calls, dropped runs, repeated waits."""

import asyncio
import copy
import gc
import json
import logging
import pickle
import traceback
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from facade.interrupting import NEEDS_SIGNALS
from facade.scripts import run_script

from musicapi_async.sandbox import Sandbox
from musicapi_sync import MusicAPI, Run, Songs, errors, sonic

HANDLER = """
    import json, signal, sys, threading
    from musicapi_sync import MusicAPI, errors

    client = MusicAPI()
    ended = []

    def handle(*_):
        try:
            ended.append(repr({call}))
        except errors.MusicAPIError as error:
            ended.append(type(error).__name__)

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, {after})
    try:
        client.account.credits()
    except errors.MusicAPIError as error:
        ended.append(type(error).__name__)
    while not ended:
        signal.pause()
    signal.setitimer(signal.ITIMER_REAL, 0)
    client.close()
    print(json.dumps(ended))
"""


@NEEDS_SIGNALS
@pytest.mark.parametrize(
    "call", ["client.close()", "client.account.credits()", "client.sonic.describe(description='x')"]
)
@pytest.mark.parametrize("after", [0.0001, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05])
def test_signal_handler_during_the_first_call_does_not_deadlock(call: str, after: float, served: Sandbox) -> None:
    done = run_script(HANDLER.replace("{call}", call).replace("{after}", str(after)), served)

    assert done.returncode == 0, done.stderr
    allowed = {"None", "ClientClosedError"}
    for word in json.loads(done.stdout):
        assert word in allowed or word.startswith(("Credits", "Task")), word


@NEEDS_SIGNALS
@pytest.mark.parametrize("use", ["client.close()", "client.account.credits()"])
def test_signal_handler_at_any_line_of_the_first_call_leaves_no_thread(use: str, served: Sandbox) -> None:
    """Each line where a handler may run, one after the other: what it closes stays closed, what it starts is shared."""
    script = """
        import itertools, sys, threading
        from musicapi_sync import MusicAPI, errors

        # A wait for the start has lines of its own, between what it reads and what it waits for.
        MODULES = ("musicapi_sync._loop_thread", "musicapi_sync._portal", "concurrent.futures._base")

        def handling_at(step, client, handled):
            lines = itertools.count(1)
            def trace(frame, event, _):
                if event == "line" and next(lines) == step:
                    handled.append(USE)
                return trace if frame.f_globals.get("__name__") in MODULES else None
            return trace

        for step in itertools.count(1):
            client, handled = MusicAPI(), []
            sys.settrace(handling_at(step, client, handled))
            try:
                client.account.credits()
            except errors.ClientClosedError:
                pass
            finally:
                sys.settrace(None)
            client.close()
            if not handled:
                break
        left = [thread for thread in threading.enumerate() if thread.name.startswith("musicapi")]
        for thread in left:
            thread.join(5)
        print(step, [thread.name for thread in left if thread.is_alive()])
    """
    done = run_script(script.replace("USE", use), served)

    assert (done.returncode, done.stderr) == (0, "")
    steps, running = done.stdout.split(" ", 1)
    assert int(steps) > 10
    assert running.strip() == "[]"


def test_first_call_from_many_threads_works(served: Sandbox) -> None:
    for _ in range(5):
        with MusicAPI("k", base_url=served.base_url) as client, ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: client.account.credits().total, range(8)))

        assert found == [1000.0] * 8


def test_waits_on_a_failed_task_do_not_grow_memory() -> None:
    with Failing() as base_url, MusicAPI("k", base_url=base_url, poll_interval=0.01) as client:
        task = client.sonic.describe(description="rain")
        lengths = set()
        for turn in count():
            with pytest.raises(errors.TaskFailedError) as caught:
                task.wait()
            if turn == 50:
                gc.collect()
                tracemalloc.start()
            if turn > 50:
                lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
            if turn == 1050:
                break
        del caught
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert len(lengths) == 1
    assert grown < 200_000


class Failing:
    """A sandbox whose tasks fail."""

    def __enter__(self) -> str:
        from anyio.from_thread import start_blocking_portal  # noqa: PLC0415

        self._portal_opening = start_blocking_portal()
        portal = self._portal_opening.__enter__()
        self._sandbox_opening = portal.wrap_async_context_manager(Sandbox(seconds=0.01, endings={"failed": 1}))
        return self._sandbox_opening.__enter__().base_url

    def __exit__(self, *_: object) -> None:
        self._sandbox_opening.__exit__(None, None, None)
        self._portal_opening.__exit__(None, None, None)


def test_runs_left_early_are_released_and_logged_at_close(slow: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    client = MusicAPI("k", base_url=slow.base_url)
    slow.account("k").credits = 100_000
    left: list[weakref.ref[Run[Songs]]] = []
    for number in range(300):
        run: Run[Songs] = client.run((), in_flight=1)
        run.start(sonic.Describe(description=f"song {number}"))
        left.append(weakref.ref(run))
        del run
    # A call goes through the loop behind all that was begun before it.
    while len(slow.tasks) < 300:
        client.account.credits()
    gc.collect()

    assert not [one for one in left if one() is not None]
    with caplog.at_level(logging.WARNING, "musicapi"):
        client.close()
    assert all(task.task_id in caplog.text for task in slow.tasks)


def test_runs_left_early_keep_only_their_ids(slow: Sandbox) -> None:
    slow.account("k").credits = 100_000
    with MusicAPI("k", base_url=slow.base_url) as client:

        def leave(many: int) -> None:
            before = len(slow.tasks)
            for number in range(many):
                run: Run[Songs] = client.run((), in_flight=1)
                run.start(sonic.Describe(description=f"song {number}"))
            while len(slow.tasks) < before + many:
                client.account.credits()
            for _ in range(20):
                client.account.credits()
            gc.collect()

        leave(50)

        def of_runs() -> int:
            return sum(type(one).__name__ in {"Run", "RequestSource", "Task"} for one in gc.get_objects())

        before = of_runs()
        leave(200)
        # Those whose responses have just come may still be ending.
        assert of_runs() - before < 100


def test_client_in_a_second_event_loop_raises_event_loop_error(served: Sandbox) -> None:
    import musicapi_async  # noqa: PLC0415

    client = musicapi_async.MusicAPI("k", base_url=served.base_url)

    async def credits() -> float:
        return (await client.account.credits()).total

    async def close() -> None:
        await client.aclose()

    with asyncio.Runner() as first:
        assert first.run(credits()) == 1000
        with pytest.raises(errors.EventLoopError, match="another event loop") as caught:
            asyncio.run(credits())
        first.run(close())

    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, errors.MusicAPIError)


def test_run_start_after_close_raises_run_closed_error(client: MusicAPI) -> None:
    run: Run[Songs] = client.run((), in_flight=1)
    run.close()
    with pytest.raises(errors.RunClosedError) as caught:
        run.start(sonic.Describe(description="rain"))

    assert isinstance(caught.value, RuntimeError)


def test_pickled_task_is_equal_and_raises_until_it_is_attached(client: MusicAPI) -> None:
    task = client.sonic.describe(description="rain")

    arrived = pickle.loads(pickle.dumps(task))  # noqa: S301 - made here

    assert arrived == task == client.sonic.task(task.id)
    assert len({arrived, task}) == 1
    assert copy.copy(task) is task
    for use in (arrived.wait, arrived.poll, lambda: next(arrived.updates())):
        with pytest.raises(errors.UnattachedTaskError, match=r"client\.attach\(task\)"):
            use()
    assert len(client.attach(arrived).wait()) == 2


def test_wait_until_stream_or_first_returns_early(client: MusicAPI) -> None:
    task = client.sonic.describe(description="rain")

    assert task.wait(until="stream")[0].title
    assert task.wait(until="first")[0].audio_url
    with pytest.raises(errors.InvalidRequestError, match="until is"):
        task.wait(until="end")  # type: ignore[arg-type]  # that is the point


def test_updates_with_an_interval_are_no_more_frequent(client: MusicAPI) -> None:
    states = [state.status for state in client.sonic.describe(description="rain").updates(interval=3600)]

    assert states[-1] == "finished"
    assert len(states) <= 2
    with pytest.raises(errors.InvalidRequestError, match="interval is"):
        next(client.sonic.task("t-1").updates(interval=-1))
