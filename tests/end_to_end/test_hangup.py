"""A terminal that is closed, or an ssh connection that breaks, stops a command properly."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any, Final

import pytest
from commands import HANGUP, KEY, LONG, finish, line_with, on_unix, served, started, until

from musicapi_async.sandbox import Fault, Sandbox

pytestmark = on_unix

CREATE: Final = "POST /sonic/create"
BULK: Final = ("bulk", "requests.jsonl", "--out", "songs", "--operation", "sonic.describe", "--in-flight", "8")
# A session of its own, whose terminal is standard input: closing the terminal then sends SIGHUP, as it does to a shell.
ON_A_TERMINAL: Final = """
import fcntl, sys, termios
from musicapi_async.cli import main
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.exit(main())
"""
IGNORING: Final = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from musicapi_async.cli import main
sys.exit(main())
"""


def write(folder: Path, count: int) -> None:
    lines = (json.dumps({"description": f"rain {number}"}) for number in range(count))
    (folder / "requests.jsonl").write_text("\n".join(lines) + "\n")


@contextmanager
def on_a_terminal(*arguments: str, cwd: Path, sandbox: Sandbox) -> Iterator[tuple["Popen[bytes]", int]]:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    env = {"TERM": "xterm", "FORCE_COLOR": ""}
    program = ("-c", "import os; os.setsid()" + ON_A_TERMINAL)
    with started(*arguments, cwd=cwd, sandbox=sandbox, env=env, terminal=slave, program=program) as process:
        os.close(slave)
        yield process, master


def status(folder: Path, sandbox: Sandbox) -> dict[str, Any]:
    with started("bulk", "status", "songs", "--json", cwd=folder, sandbox=sandbox) as process:
        counts: dict[str, Any] = finish(process).json["counts"]
    return counts


def test_bulk_with_its_terminal_closed_gets_the_responses_in_flight(tmp_path: Path) -> None:
    with served(LONG) as sandbox:
        sandbox.account(KEY).credits = 100_000
        sandbox.add_fault(CREATE, *[Fault(delay=1)] * 8)
        write(tmp_path, 20)
        with on_a_terminal(*BULK, cwd=tmp_path, sandbox=sandbox) as (process, master):
            until(lambda: len(sandbox.requests(CREATE)) == 8)
            os.close(master)
            assert process.wait() == 128 + HANGUP

        assert len(sandbox.tasks) == 8
        counts = status(tmp_path, sandbox)
    assert (counts["accepted"], counts["uncertain"], counts["planned"]) == (8, 0, 12)


@pytest.mark.parametrize("again", [HANGUP, signal.SIGTERM])
def test_bulk_hung_up_more_than_once_still_waits_for_the_responses(again: signal.Signals, tmp_path: Path) -> None:
    with served(LONG) as sandbox:
        sandbox.account(KEY).credits = 100_000
        sandbox.add_fault(CREATE, *[Fault(delay=1)] * 8)
        write(tmp_path, 20)
        with started(*BULK, cwd=tmp_path, sandbox=sandbox) as process:
            until(lambda: len(sandbox.requests(CREATE)) == 8)
            process.send_signal(HANGUP)
            line_with("stopping", process.stderr)
            process.send_signal(again)
            done = finish(process)

        assert done.code == 128 + HANGUP
        assert "8 paid for" in done.out
        assert len(sandbox.tasks) == 8


def test_generate_with_its_terminal_closed_keeps_the_id(tmp_path: Path) -> None:
    with served(LONG) as sandbox:
        sandbox.add_fault(CREATE, Fault(delay=1))
        with on_a_terminal("generate", "rain", "--out", "songs", cwd=tmp_path, sandbox=sandbox) as (process, master):
            until(lambda: len(sandbox.requests(CREATE)))
            os.close(master)
            assert process.wait() == 128 + HANGUP

        (accepted,) = sandbox.tasks
        kept = "".join(path.read_text() for path in (tmp_path / "songs").iterdir())
    assert accepted.task_id in kept


def test_generate_under_nohup_is_not_stopped_by_a_hangup(tmp_path: Path) -> None:
    with served(LONG) as sandbox:
        arguments = ("generate", "rain", "--out", "songs")
        with started(*arguments, cwd=tmp_path, sandbox=sandbox, program=("-c", IGNORING), stdout=DEVNULL) as process:
            until(lambda: sandbox.tasks)
            process.send_signal(HANGUP)
            sandbox.advance(2 * LONG)
            assert process.wait() == 0
