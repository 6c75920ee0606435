"""The ``musicapi`` command, run by tests: in this process, or in one of its own."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from typing import IO, Any, Final, NamedTuple, TypeAlias

import pytest
from anyio.from_thread import start_blocking_portal

from musicapi_async.sandbox import Sandbox

KEY: Final = "mk-0123456789-never-shown"
LONG: Final = 60.0
"""Seconds: longer than any test waits."""

HANGUP: Final = getattr(signal, "SIGHUP", signal.SIGTERM)
"""The signal that a command gets when its terminal is closed; tests that send it run on Unix alone."""

on_unix = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals of Unix")


class Finished(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


MusicAPI: TypeAlias = Callable[..., Finished]


@contextmanager
def served(seconds: float) -> Iterator[Sandbox]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Sandbox(seconds=seconds)) as sandbox:
        yield sandbox


def environment(sandbox: Sandbox | None, given: Mapping[str, str]) -> dict[str, str]:
    # FORCE_COLOR is what CI sets; what is piped is no terminal all the same.
    ours = {"MUSICAPI_KEY": KEY, "MUSICAPI_POLL_INTERVAL": "0.05", "FORCE_COLOR": "1"}
    return ours | ({} if sandbox is None else {"MUSICAPI_BASE_URL": sandbox.base_url}) | dict(given)


def checked(finished: Finished) -> Finished:
    everything = finished.out + finished.err
    assert KEY not in everything
    assert "Traceback" not in everything
    assert "Warning" not in everything
    return finished


@contextmanager
def started(
    *arguments: str,
    cwd: Path,
    sandbox: Sandbox | None = None,
    env: Mapping[str, str] | None = None,
    terminal: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    program: tuple[str, ...] = ("-m", "musicapi_async"),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command in a process of its own, which ends with the test at the latest."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MUSICAPI_", "PYTHON"))}
    warnings = {"PYTHONWARNINGS": "error::ResourceWarning"}
    with subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=cwd,
        env=kept | warnings | environment(sandbox, env or {}),
        bufsize=0,  # what is read line by line must not keep more from what is read at the end
        stdin=PIPE if terminal is None else terminal,
        stdout=(PIPE if terminal is None else terminal) if stdout is None else stdout,
        stderr=(PIPE if terminal is None else terminal) if stderr is None else stderr,
    ) as process:
        guard = threading.Timer(LONG, process.kill)
        guard.start()
        try:
            yield process
        finally:
            guard.cancel()
            process.kill()


def finish(process: subprocess.Popen[bytes], given: bytes | None = None) -> Finished:
    out, err = process.communicate(given)
    return checked(Finished(process.returncode, (out or b"").decode(), (err or b"").decode()))


def line_with(text: str, stream: IO[bytes] | None) -> str:
    assert stream is not None
    return next(line for line in map(bytes.decode, stream) if text in line)


def until(happened: Callable[[], object]) -> None:
    limit = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < limit
        time.sleep(0.01)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_until(text: bytes | None, terminal: int) -> bytes:
    """Read what a terminal shows up to a text, or to its end, which Linux reports by an error."""
    shown = b""
    with suppress(OSError):
        while (text is None or text not in shown) and (part := os.read(terminal, 65536)):
            shown += part
    return shown


def resume_in(text: str) -> list[str]:
    """Return the arguments of the command that resumes a task, from a message that quotes it."""
    program, *arguments = shlex.split(text[text.index("musicapi task") :])
    assert program == "musicapi"
    return arguments
