"""Fixtures of the tests of bulk runs."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from object_store import ObjectServer, object_server, serving_objects

from musicapi_async.sandbox import Sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal of a test is."""
    return tmp_path / "journal.db"


@pytest.fixture
async def quick() -> AsyncIterator[Sandbox]:
    """Serve a sandbox whose tasks are finished at once."""
    async with Sandbox(seconds=0.02, credits=100_000) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Serve moto's S3 for all tests that need it."""
    with serving_objects() as endpoint:
        yield endpoint


@pytest.fixture
async def store(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ObjectServer]:
    """Serve an empty bucket, whose address and credentials are in the environment."""
    async with object_server(s3_endpoint) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server
