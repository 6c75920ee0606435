"""A room: a process with a small disk of its own, where the machine allows user namespaces."""

import asyncio
import shutil
import subprocess
from typing import Final

import pytest

__all__ = ["IN_A_ROOM", "require_rooms"]

IN_A_ROOM: Final = ("unshare", "--user", "--map-root-user", "--mount")


async def require_rooms() -> None:
    """Skip the test where there are no rooms."""
    if not await asyncio.to_thread(_has_rooms):
        pytest.skip("a small disk needs user namespaces, which this machine does not allow")


def _has_rooms() -> bool:
    if shutil.which(IN_A_ROOM[0]) is None:
        return False
    return subprocess.run([*IN_A_ROOM, "true"], check=False, capture_output=True).returncode == 0
