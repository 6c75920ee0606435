"""The command stopped by signals, or cut off from its output: it names its task, and loses no song."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from commands import (
    HANGUP,
    LONG,
    MusicAPI,
    finish,
    line_with,
    names_in,
    on_unix,
    resume_in,
    served,
    started,
    until,
)

from musicapi_async.sandbox import Fault, Sandbox

IDEA: Final = "a calm sea shanty"
CREATE: Final = "POST /sonic/create"
FILE: Final = "GET /files/{name}"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox that is quick."""
    with served(0.1) as quick:
        yield quick


@on_unix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (HANGUP, 129)])
def test_generate_stopped_by_a_signal_names_the_task(
    slow_sandbox: Sandbox, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with started("generate", IDEA, "--out", "my songs", cwd=tmp_path, sandbox=slow_sandbox) as process:
        line_with("accepted", process.stdout)
        process.send_signal(number)
        done = finish(process)
    assert done.code == code
    assert done.err.count("\n") == 1
    task_id = slow_sandbox.tasks[0].task_id
    assert resume_in(done.err) == ["task", task_id, "--family", "sonic", "--wait", "--download", "my songs"]


@on_unix
def test_generate_stopped_while_submitting_waits_for_the_task_id(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.add_fault(CREATE, Fault(delay=0.5))
    with started("generate", IDEA, "--json", cwd=tmp_path, sandbox=sandbox) as process:
        until(lambda: len(sandbox.requests(CREATE)))
        process.send_signal(signal.SIGINT)
        done = finish(process)
    assert done.code == done.json["error"]["code"] == 130
    assert done.json["error"]["type"] == "Stopped"
    assert done.json["error"]["task_id"] == sandbox.tasks[0].task_id


@on_unix
def test_generate_stopped_twice_exits_at_once_and_reports_the_uncertain_request(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.add_fault(CREATE, Fault(delay=LONG))
    with started("generate", IDEA, cwd=tmp_path, sandbox=sandbox) as process:
        until(lambda: len(sandbox.requests(CREATE)))
        process.send_signal(signal.SIGINT)
        line_with("stopping", process.stderr)
        process.send_signal(signal.SIGINT)
        done = finish(process)
    assert done.code == 130
    assert "may have been accepted" in done.err


@on_unix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, HANGUP])
def test_generate_stopped_before_a_retry_sends_nothing_more(
    sandbox: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    sandbox.add_fault(CREATE, Fault(status=429, body={"error": "slow down"}, headers={"Retry-After": "20"}))
    with started("generate", IDEA, "--json", cwd=tmp_path, sandbox=sandbox) as process:
        line_with("retrying in", process.stderr)
        asked = time.monotonic()
        process.send_signal(number)
        done = finish(process)
    assert time.monotonic() - asked < 8
    assert done.json["error"] == {"code": 128 + number, "type": "Stopped", "message": "stopped"}
    assert done.err.count("\n") == 1
    assert (len(sandbox.requests(CREATE)), len(sandbox.tasks)) == (1, 0)


@on_unix
def test_generate_stopped_while_a_response_breaks_off_reports_the_uncertain_request(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.add_fault(CREATE, Fault(delay=0.5, drop=True, accepted=True))
    with started("generate", IDEA, "--json", cwd=tmp_path, sandbox=sandbox) as process:
        until(lambda: len(sandbox.requests(CREATE)))
        process.send_signal(signal.SIGINT)
        done = finish(process)
    assert done.json["error"]["type"] == "UncertainSubmissionError"
    assert (done.code, done.err.count("may have been accepted")) == (130, 1)


@on_unix
def test_generate_stopped_many_times_names_the_task(slow_sandbox: Sandbox, tmp_path: Path) -> None:
    for _ in range(3):
        with started("generate", IDEA, "--json", cwd=tmp_path, sandbox=slow_sandbox) as process:
            line_with("accepted", process.stderr)
            while process.poll() is None:
                process.send_signal(signal.SIGTERM)
                time.sleep(0.001)
            done = finish(process)
        task_id = slow_sandbox.tasks[-1].task_id
        assert resume_in(done.json["error"]["resume"])[:2] == resume_in(done.err)[:2] == ["task", task_id]


@on_unix
def test_generate_stopped_while_downloading_leaves_no_partial_file(sandbox: Sandbox, tmp_path: Path) -> None:
    for number in range(4):
        folder = tmp_path / str(number)
        with started("generate", IDEA, "--out", str(folder), cwd=tmp_path, sandbox=sandbox) as process:
            # Until then, requests of the process before may still arrive.
            until(lambda: len(sandbox.tasks) > number)  # noqa: B023 - called before the next turn
            fetched = len(sandbox.requests(FILE))
            until(lambda: len(sandbox.requests(FILE)) > fetched)  # noqa: B023 - called before the next turn
            process.send_signal(signal.SIGINT)
            done = finish(process)
        assert done.code in {0, 130}
        assert not [name for name in names_in(folder) if name.startswith(".")]
        if done.code:
            assert resume_in(done.err)[1] == sandbox.tasks[-1].task_id


@on_unix
def test_generate_with_a_closed_pipe_saves_the_songs(sandbox: Sandbox, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with started("generate", IDEA, cwd=tmp_path, sandbox=sandbox, stdout=writing) as process:
        os.close(writing)
        assert os.read(reading, 1)
        os.close(reading)
        done = finish(process)
    assert (done.code, done.err) == (0, "")
    assert len(names_in(tmp_path)) == 6


def test_generate_with_closed_stdout_saves_the_songs(
    musicapi: MusicAPI, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert musicapi("generate", IDEA, sandbox=sandbox).code == 0
    assert len(names_in(tmp_path)) == 6


@on_unix
@pytest.mark.parametrize("module", ["musicapi_async.cli.app", "musicapi_async.cli.task"])
def test_command_interrupted_while_it_loads_ends_quietly(tmp_path: Path, module: str) -> None:
    program = f"""
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from musicapi_async.cli import main
sys.exit(main())
"""
    with started("generate", "x", "--sandbox", cwd=tmp_path, program=("-c", program)) as process:
        done = finish(process)

    assert done == (130, "", "")
