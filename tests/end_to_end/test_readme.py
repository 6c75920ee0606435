"""Every code block of the README runs, against the sandbox."""

import os
import re
import sys
import tomllib
from pathlib import Path

import anyio
import pytest
from code_blocks import ROOT, page_blocks

from musicapi_async.sandbox import Sandbox

BLOCKS = list(page_blocks("README.md"))


def command(language: str, code: str) -> list[str]:
    if language == "python":
        return [sys.executable, "-W", "error", "-c", code]
    return ["sh", "-eu", "-c", code]


def test_readme_blocks_are_all_of_a_language_that_is_run() -> None:
    assert {block.language for block in BLOCKS} == {"python", "sh"}


def test_readme_links_lead_to_the_addresses_of_the_project_alone() -> None:
    # It is also shown on the page of a registry, where a link to a file of the repository leads nowhere.
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"].values()
    page = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)]*)\)|<(?:img|a)[^>]*", page)

    assert links
    assert [link for link in links if link not in urls] == []


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
