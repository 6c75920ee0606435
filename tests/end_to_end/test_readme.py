"""Every code block of the README and of the page on tracing runs, against the sandbox."""

import os
import sys
from pathlib import Path

import anyio
import pytest
from code_blocks import ROOT, page_blocks

from musicapi_async.sandbox import Sandbox

BLOCKS = [*page_blocks("README.md"), *page_blocks("docs/tracing.md")]


def command(language: str, code: str) -> list[str]:
    if language == "python":
        return [sys.executable, "-W", "error", "-c", code]
    return ["sh", "-eu", "-c", code]


def test_readme_blocks_are_all_of_a_language_that_is_run() -> None:
    assert {block.language for block in BLOCKS} == {"python", "sh"}


@pytest.mark.parametrize(
    ("language", "code"), [block[1:] for block in BLOCKS], ids=[block.code.splitlines()[0] for block in BLOCKS]
)
async def test_readme_block_runs(language: str, code: str, tmp_path: Path) -> None:
    is_make = code.startswith("make")
    async with Sandbox(seconds=0.1) as sandbox:
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MUSICAPI_KEY": "readme-key",
            "MUSICAPI_BASE_URL": sandbox.base_url,
            "MUSICAPI_POLL_INTERVAL": "0.05",
            # This suite may itself be run by make: there, only see that the targets exist and what they would do.
            "MAKEFLAGS": "n",
        }
        process = await anyio.run_process(
            command(language, code), env=environment, cwd=ROOT if is_make else tmp_path, check=False
        )

    assert process.returncode == 0, process.stderr.decode()
    assert is_make or language == "sh" or not process.stderr
