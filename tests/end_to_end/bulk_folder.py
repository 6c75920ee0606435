"""Shared by the tests of ``musicapi bulk``: a folder with a file of requests, the command, and a sandbox."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from commands import KEY, served

from musicapi_async.sandbox import Sandbox

__all__ = ["CREATE", "RUN", "made", "quick_sandbox", "write"]

CREATE: Final = "POST /sonic/create"
RUN: Final = ("bulk", "requests.jsonl", "--out", "songs", "--operation", "sonic.describe")


@pytest.fixture(name="sandbox")
def quick_sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox whose songs take a tenth of a second, with credits for thousands."""
    with served(0.1) as quick:
        quick.account(KEY).credits = 100_000
        yield quick


def write(folder: Path, *descriptions: str, lines: tuple[str, ...] = ()) -> None:
    """Write a file of requests with these descriptions, under the keys ``k-0`` and so on, and of more lines."""
    requests = [json.dumps({"description": one, "key": f"k-{number}"}) for number, one in enumerate(descriptions)]
    (folder / "requests.jsonl").write_text("\n".join([*requests, *lines]) + "\n")


def made(sandbox: Sandbox) -> list[object]:
    """Return the descriptions of the requests that a sandbox has accepted."""
    return [task.request.to_wire()["gpt_description_prompt"] for task in sandbox.tasks]
