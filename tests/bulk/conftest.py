"""Fixtures of the tests of bulk runs."""

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from bulk.event_app import App, serving
from object_store import ObjectServer, object_server, serving_objects
from postgres import Postgres, find_binaries, serve

from musicapi_async.sandbox import Sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal of a test is."""
    return tmp_path / "journal.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Serve PostgreSQL for all tests of the session that use it."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    with serve(binaries) as server:
        yield server


@pytest.fixture
def address(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of an empty database."""
    monkeypatch.setenv("MUSICAPI_STATE", str(tmp_path / "state"))
    return postgres.database()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return where the journal of a test is: in a file, then in a database."""
    if request.param == "sqlite":
        return tmp_path / "journal.db"
    return str(request.getfixturevalue("address"))


@pytest.fixture
async def quick() -> AsyncIterator[Sandbox]:
    """Serve a sandbox whose tasks are finished at once."""
    async with Sandbox(seconds=0.02, credits=100_000) as sandbox:
        yield sandbox


@pytest.fixture
async def app(store: Path | str) -> AsyncIterator[App]:
    """Serve an application for the journal of a test, in a file and in a database."""
    async with serving(store) as app:
        yield app


@pytest.fixture
async def file_app(path: Path) -> AsyncIterator[App]:
    """Serve an application for a journal in a file."""
    async with serving(path) as app:
        yield app


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Serve moto's S3 for all tests that need it."""
    with serving_objects() as endpoint:
        yield endpoint


@pytest.fixture
async def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ObjectServer]:
    """Serve an empty bucket, whose address and credentials are in the environment."""
    async with object_server(s3_endpoint) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
