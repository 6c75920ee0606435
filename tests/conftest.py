"""Shared fixtures: the event loop, a sandbox, a client of it."""

from collections.abc import AsyncIterator, Iterator

import blockbuster
import hypothesis
import pytest
from clock import Clock, driven

import musicapi_async
from musicapi_async import MusicAPI
from musicapi_async.sandbox import Sandbox

pytest_plugins = ["paths"]

hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def never_blocking() -> Iterator[None]:
    """Let a test fail when the package blocks the event loop: on files, sleeps, sockets, locks.

    The sandbox and the command line may: they serve one user, and nothing is paid for there.
    """
    allowed = ["musicapi_async.sandbox", "musicapi_async.cli"]
    with blockbuster.blockbuster_ctx(scanned_modules=musicapi_async, excluded_modules=allowed) as watched:
        for function in watched.functions.values():
            # It writes a receipt through a module that others use as well, from their threads.
            function.can_block_in("musicapi_async/cli/files.py", "write_json")
            # It looks for a password file whenever it connects, in a few microseconds.
            function.can_block_in("asyncpg/connect_utils.py", "_parse_connect_dsn_and_args")
        yield


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Serve a sandbox whose songs take an hour, unless time is moved on with ``advance``."""
    async with Sandbox(seconds=3600) as sandbox:
        yield sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[MusicAPI]:
    async with MusicAPI("test-key", base_url=sandbox.base_url, poll_interval=0.01) as client:
        yield client


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clock]:
    async with driven(monkeypatch) as clock:
        yield clock
