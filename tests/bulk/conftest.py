"""Fixtures of the tests of bulk runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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
