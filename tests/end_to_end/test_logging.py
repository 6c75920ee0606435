"""``MUSICAPI_LOG`` and ``musicapi --verbose``: what the client does, on standard error."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from commands import KEY, MusicAPI, served

from musicapi_async.sandbox import Sandbox

SCRIPT = """
from musicapi_sync import MusicAPI

with MusicAPI() as client:
    client.account.credits()
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(0.1) as quick:
        yield quick


def errors_of(sandbox: Sandbox, level: str, *options: str) -> str:
    env = {**os.environ, "MUSICAPI_KEY": KEY, "MUSICAPI_BASE_URL": sandbox.base_url, "MUSICAPI_LOG": level}
    command = [sys.executable, *options, "-c", SCRIPT]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert KEY not in done.stderr
    return done.stderr


def test_log_level_of_the_environment_shows_each_request(sandbox: Sandbox) -> None:
    assert "musicapi DEBUG GET /get-credits: 200 in" in errors_of(sandbox, "debug")


@pytest.mark.parametrize("level", ["", "info", "WARNING"])
def test_log_level_above_debug_shows_no_request(sandbox: Sandbox, level: str) -> None:
    assert errors_of(sandbox, level) == ""


def test_log_level_that_is_unknown_is_warned_of(sandbox: Sandbox) -> None:
    text = errors_of(sandbox, "loud")

    assert "RuntimeWarning: MUSICAPI_LOG is 'loud'; it must be one of debug, info, warning" in text


def test_command_with_verbose_shows_each_request(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    verbose, quiet = (musicapi(*options, "credits", sandbox=sandbox) for options in (("--verbose",), ()))

    assert verbose.code == quiet.code == 0
    assert "GET /get-credits: 200 in" in verbose.err
    assert quiet.err == ""
    assert verbose.out == quiet.out
