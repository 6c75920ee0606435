"""Forks and exits, each in a process of its own."""

import os
import signal

import pytest
from facade.scripts import run_script

from musicapi_async.sandbox import Fault, Sandbox


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork_leaves_parent_and_child_usable(served: Sandbox) -> None:
    done = run_script(
        """
        import os
        from musicapi_sync import MusicAPI

        client = MusicAPI()
        task = client.sonic.describe(description="rain")
        child = os.fork()
        if child == 0:
            print("child", len(task.wait()), client.account.credits().total, flush=True)
            client.close()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        print("parent", status, len(task.wait()), client.account.credits().total)
        client.close()
        """,
        served,
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["child 2 980.0", "parent 0 2 980.0"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork_whose_child_ends_normally_prints_nothing(served: Sandbox) -> None:
    done = run_script(
        """
        import multiprocessing
        from musicapi_sync import MusicAPI

        client = MusicAPI()

        def ask():
            print("child", client.account.credits().total, flush=True)

        if __name__ == "__main__":
            print("parent", client.account.credits().total, flush=True)
            process = multiprocessing.get_context("fork").Process(target=ask)
            process.start()
            process.join()
            print("parent", process.exitcode, client.account.credits().total)
            client.close()
        """,
        served,
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["parent 1000.0", "child 1000.0", "parent 0 1000.0"]


def test_process_that_never_closes_its_client_ends_cleanly(served: Sandbox) -> None:
    done = run_script(
        """
        from musicapi_sync import MusicAPI

        client = MusicAPI()
        print(client.account.credits().total)
        """,
        served,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "1000.0\n", "")


def test_call_during_interpreter_exit_raises_client_closed(served: Sandbox) -> None:
    done = run_script(
        """
        import atexit
        from musicapi_async.errors import ClientClosedError

        def late():
            try:
                client.account.credits()
            except ClientClosedError as error:
                print("late:", error)

        atexit.register(late)  # before the client's own, so it runs after it
        from musicapi_sync import MusicAPI

        client = MusicAPI()
        print(client.account.credits().total)
        """,
        served,
    )

    assert done.stdout.splitlines() == ["1000.0", "late: the client is closed. Make a new client"]
    assert (done.returncode, done.stderr) == (0, "")


def test_client_dropped_unclosed_warns(served: Sandbox) -> None:
    done = run_script(
        """
        from musicapi_sync import MusicAPI

        client = MusicAPI()
        client.account.credits()
        del client
        print("went on")
        """,
        served,
    )

    assert "ResourceWarning: a MusicAPI client was not closed" in done.stderr
    assert "unclosed" not in done.stderr.lower()
    assert done.stdout == "went on\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork_whose_child_uses_the_parents_run_raises(served: Sandbox) -> None:
    done = run_script(
        """
        import os
        from musicapi_sync import MusicAPI, sonic

        client = MusicAPI()
        run = client.run([sonic.Describe(description=f"song {n}") for n in range(3)], in_flight=1)
        next(run)
        task = client.sonic.describe(description="rain")
        updates = task.updates()
        next(updates)
        child = os.fork()
        if child == 0:
            print(len(task.wait()), flush=True)
            for begun in (run, updates):
                try:
                    next(begun)
                except RuntimeError as error:
                    print(error, flush=True)
            print(client.account.credits().total > 0, flush=True)
            client.close()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        print("parent", status, len(list(run)), list(updates)[-1].status)
        client.close()
        """,
        served,
    )

    assert done.stderr == ""
    message = "this was started before the process forked: continue in the parent, or resume the tasks by id"
    assert done.stdout.splitlines() == ["2", message, message, "True", "parent 0 2 finished"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork_during_the_first_call_of_another_thread_works(served: Sandbox) -> None:
    done = run_script(
        """
        import os, threading
        from musicapi_sync import MusicAPI

        client = MusicAPI()
        for _ in range(20):
            client = MusicAPI()
            calling = threading.Thread(target=client.account.credits)
            calling.start()
            child = os.fork()
            if child == 0:
                client.account.credits()
                client.close()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            calling.join()
            client.close()
        print("done")
        """,
        served,
    )

    assert (done.stdout, done.stderr) == ("done\n", "")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="sends itself a signal")
def test_ctrl_c_at_any_moment_of_the_first_call_leaves_no_thread(served: Sandbox) -> None:
    done = run_script(
        """
        import signal, threading, time
        from musicapi_sync import MusicAPI

        def interrupt(*_):
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, interrupt)
        interrupted = 0
        for n in range(40):
            client = MusicAPI()
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0003 * (n + 1))
                client.account.credits()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            client.close()
        until = time.monotonic() + 5
        # One that a signal kept from starting is listed, but not alive.
        while any(threads := [thread.name for thread in threading.enumerate() if thread.is_alive()][1:]):
            if time.monotonic() > until:
                break
            time.sleep(0.01)
        print(interrupted > 0, threads)
        """,
        served,
    )

    assert (done.stdout, done.stderr) == ("True []\n", "")


def test_ctrl_c_while_the_loop_thread_starts_leaves_no_thread(served: Sandbox) -> None:
    done = run_script(
        """
        import sys, threading, time
        from musicapi_sync import MusicAPI

        def interrupt(frame, event, _):
            if frame.f_code.co_name == "wait" and frame.f_back.f_code is threading.Thread.start.__code__:
                sys.settrace(None)
                raise KeyboardInterrupt

        client = MusicAPI()
        sys.settrace(interrupt)
        try:
            client.account.credits()
        except KeyboardInterrupt as error:
            kept = error  # as an interactive interpreter keeps it, with the frames of its traceback
            print("interrupted")
        client.close()
        until = time.monotonic() + 5
        while threading.active_count() > 1 and time.monotonic() < until:
            time.sleep(0.01)
        print([thread.name for thread in threading.enumerate()])
        """,
        served,
    )

    assert (done.stdout, done.stderr) == ("interrupted\n['MainThread']\n", "")


def test_view_keeps_its_client(served: Sandbox) -> None:
    done = run_script(
        """
        import gc
        from musicapi_sync import MusicAPI

        view = MusicAPI().with_options(timeout=5)
        gc.collect()
        print(view.account.credits().total > 0)
        view.account.credits()
        """,
        served,
    )

    assert (done.stdout, done.returncode) == ("True\n", 0)


WITH = """
import sys
from musicapi_sync import MusicAPI, sonic

with MusicAPI() as client:
    for outcome in client.run([sonic.Describe(description=f"song {n}") for n in range(9)], in_flight=4):
        print(outcome.task.id)
        LEAVE
"""
WITHOUT = """
import sys
from musicapi_sync import MusicAPI, sonic

def main():
    for outcome in MusicAPI().run([sonic.Describe(description=f"song {n}") for n in range(9)], in_flight=4):
        print(outcome.task.id)
        LEAVE

main()
"""


@pytest.mark.parametrize("script", [WITH, WITHOUT])
@pytest.mark.parametrize("leave", ["raise KeyboardInterrupt", "raise ValueError", "sys.exit(3)", "break"])
def test_run_left_early_names_the_rest_on_standard_error(served: Sandbox, script: str, leave: str) -> None:
    done = run_script(script.replace("LEAVE", leave), served)

    delivered = done.stdout.strip()
    accepted = {task.task_id for task in served.tasks}
    assert len(accepted) > 1
    assert delivered in accepted
    assert {task_id for task_id in accepted if task_id in done.stderr} == accepted - {delivered}


@pytest.mark.parametrize("ending", ["1 / 0", "raise SystemExit(1)", "client.close()"])
def test_process_that_ends_names_running_tasks_on_standard_error(slow: Sandbox, ending: str) -> None:
    done = run_script(
        f"""
        from musicapi_sync import MusicAPI

        client = MusicAPI()
        task = client.sonic.describe(description="rain")
        {ending}
        """,
        slow,
    )

    (accepted,) = slow.tasks
    assert done.stderr.count(f"client.sonic.task('{accepted.task_id}')") == 1


@pytest.mark.parametrize(
    ("ending", "status"), [("pass", 0), ("await client.aclose()", 0), ("1 / 0", 1), ("raise SystemExit(3)", 3)]
)
def test_asyncio_process_that_ends_names_running_tasks_once_on_standard_error(
    slow: Sandbox, ending: str, status: int
) -> None:
    done = run_script(
        f"""
        import asyncio

        from musicapi_async import MusicAPI


        async def main():
            async with MusicAPI() as client:
                await client.sonic.describe(description="rain")
                {ending}


        asyncio.run(main())
        """,
        slow,
    )

    (accepted,) = slow.tasks
    assert done.returncode == status
    assert done.stderr.count(f"client.sonic.task('{accepted.task_id}')") == 1


def test_asyncio_process_with_logging_names_running_tasks_only_in_the_log(slow: Sandbox) -> None:
    done = run_script(
        """
        import asyncio, logging, sys

        from musicapi_async import MusicAPI

        logging.basicConfig(level=logging.WARNING, stream=sys.stdout)


        async def main():
            async with MusicAPI() as client:
                await client.sonic.describe(description="rain")


        asyncio.run(main())
        """,
        slow,
    )

    (accepted,) = slow.tasks
    assert done.stdout.count(f"client.sonic.task('{accepted.task_id}')") == 1
    assert done.stderr == ""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers on this system")
@pytest.mark.parametrize("leaving", ["client.close()", "raise SystemExit(0)", "pass"])
def test_ctrl_c_pressed_twice_while_a_client_closes_names_what_it_leaves(leaving: str, slow: Sandbox) -> None:
    slow.add_fault("POST /sonic/create", Fault(), Fault(delay=5))
    done = run_script(
        f"""
        import os, signal, threading, time
        from musicapi_sync import MusicAPI

        client = MusicAPI()
        client.sonic.describe(description="rain")
        another = threading.Thread(target=lambda: client.sonic.describe(description="snow"), daemon=True)
        another.start()
        time.sleep(0.5)

        def press():
            for _ in range(2):
                time.sleep(0.3)
                os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=press, daemon=True).start()
        {leaving}
        """,
        slow,
    )

    assert f"client.sonic.task('{slow.tasks[0].task_id}')" in done.stderr
    assert "1 paid request was in flight and may have been accepted" in done.stderr
