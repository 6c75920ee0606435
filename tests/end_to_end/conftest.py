"""Fixtures of the tests of the command."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.rich_utils  # noqa: F401 - reads FORCE_COLOR once: not that of the first test which asks for help
from commands import LONG, Finished, checked, environment, served
from setproctitle import getproctitle, setproctitle

from musicapi_async.cli import main
from musicapi_async.sandbox import Sandbox


@pytest.fixture
def musicapi(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Finished]]:
    """Run the command in this process, in the test's folder."""
    monkeypatch.chdir(tmp_path)
    title = getproctitle()

    def run(*arguments: str, sandbox: Sandbox | None = None, **env: str) -> Finished:
        monkeypatch.delenv("MUSICAPI_BASE_URL", raising=False)
        for name, value in environment(sandbox, env).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["musicapi", *arguments])
        capfd.readouterr()
        code = main()
        printed = capfd.readouterr()
        return checked(Finished(code, printed.out, printed.err))

    yield run
    setproctitle(title)  # the command hides passwords in the title of its process, which is this one


@pytest.fixture
def slow_sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox whose songs are ready when the test says so."""
    with served(LONG) as slow:
        yield slow
