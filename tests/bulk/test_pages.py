"""The code blocks of ``docs/machines.md`` and ``docs/storage.md`` run, on a private database and object store."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from code_blocks import page_blocks
from object_store import BUCKET, ObjectServer

from musicapi_async.sandbox import Sandbox

REQUESTS = "".join(f'{{"description": "rain in {month}"}}\n' for month in ("March", "May", "June"))


@pytest.fixture
async def served() -> AsyncIterator[Sandbox]:
    async with Sandbox(seconds=0.1, credits=100_000) as sandbox:
        yield sandbox


async def run(page: str, language: str, folder: Path, sandbox: Sandbox, database: str = "") -> str:
    """Run the blocks of a language, with other places, as one program in a process; return its output."""
    blocks = [block.code for block in page_blocks(page) if block.language == language]
    program = "".join(code for code in blocks if not code.startswith("pip install"))
    for shown, place in {"s3://bucket/": f"s3://{BUCKET}/", "postgresql://songs@db/songs": database}.items():
        program = program.replace(shown, place)
    (folder / "requests.jsonl").write_text(REQUESTS, "utf-8")
    command = ["bash", "-e", "-c", program] if language == "sh" else [sys.executable, "-c", program]
    bin_folder = str(Path(sys.executable).parent)
    env = {**os.environ, **sandbox.environment, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    assert process.returncode == 0, out.decode() + error.decode()
    return out.decode()


async def test_machines_page_commands_make_every_song(
    served: Sandbox, bucket: ObjectServer, address: str, tmp_path: Path
) -> None:
    out = await run("docs/machines.md", "sh", tmp_path, served, database=address)

    assert "3 requests planned, 3 of them new" in out
    assert len(served.tasks) == 3
    assert len([name for name in await bucket.names() if name.endswith(".json")]) == 6
    assert f"s3://{BUCKET}/songs" in (tmp_path / "songs.html").read_text("utf-8")


async def test_machines_page_program_works_off_what_is_planned(
    served: Sandbox, bucket: ObjectServer, address: str, tmp_path: Path
) -> None:
    await run("docs/machines.md", "sh", tmp_path, served, database=address)
    out = await run("docs/machines.md", "python", tmp_path, served, database=address)

    assert out == "", "all is saved already"
    assert await bucket.names()


async def test_storage_page_program_saves_in_the_bucket(served: Sandbox, bucket: ObjectServer, tmp_path: Path) -> None:
    out = await run("docs/storage.md", "python", tmp_path, served)

    assert out.count(" saved ") == 3
    assert len([name for name in await bucket.names() if name.endswith(".json")]) == 6


async def test_storage_page_commands_save_in_the_bucket(served: Sandbox, bucket: ObjectServer, tmp_path: Path) -> None:
    out = await run("docs/storage.md", "sh", tmp_path, served)

    assert out.count(" saved ") >= 3
    assert len([name for name in await bucket.names() if name.endswith(".json")]) == 6
    assert (tmp_path / "songs.html").is_file()
