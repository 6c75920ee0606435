"""A sandbox on a thread of its own, and blocking clients of it."""

from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal

from musicapi_async.sandbox import Sandbox
from musicapi_sync import MusicAPI

KEY = "facade-key"


@pytest.fixture
def served() -> Iterator[Sandbox]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Sandbox(seconds=0.2)) as sandbox:
        yield sandbox


@pytest.fixture
def slow() -> Iterator[Sandbox]:
    """Serve a sandbox whose songs are never finished within a test."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Sandbox(seconds=3600)) as sandbox:
        yield sandbox


@pytest.fixture
def client(served: Sandbox) -> Iterator[MusicAPI]:
    with MusicAPI(KEY, base_url=served.base_url, poll_interval=0.02) as client:
        yield client


@pytest.fixture
def waiting_client(slow: Sandbox) -> Iterator[MusicAPI]:
    with MusicAPI(KEY, base_url=slow.base_url, poll_interval=0.02) as client:
        yield client
