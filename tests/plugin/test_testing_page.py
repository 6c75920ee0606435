"""Every code block of ``docs/testing.md`` runs: its tests in pytest, beside the bot that they test."""

import os
import re
import subprocess
import sys
from pathlib import Path

from code_blocks import page_blocks

PAGE = "docs/testing.md"
BLOCKS = [block for block in page_blocks(PAGE) if block.language == "python"]
# pytest-asyncio's own, about a setting that a project should make.
WARNINGS = ("-W", "error", "-W", "ignore:The configuration option")


def test_tests_of_the_page_pass(tmp_path: Path) -> None:
    tests = [block for block in BLOCKS if "def test_" in block.code]
    for block in BLOCKS:
        (tmp_path / block.file_name).write_text(block.code, "utf-8")
    command = [sys.executable, "-m", "pytest", *WARNINGS, "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    count = sum(len(re.findall(r"def test_", block.code)) for block in tests)
    assert all(re.fullmatch(r"test_\w+\.py", block.file_name) for block in tests)
    assert count >= 9
    assert f"{count} passed in" in done.stdout, done.stdout


def test_programs_of_the_page_run(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSICAPI_")}
    programs = [block for block in BLOCKS if "def " not in block.code]
    for block in programs:
        command = [sys.executable, "-W", "error", "-c", block.code]
        subprocess.run(command, cwd=tmp_path, env=environment, timeout=60, check=True)

    assert programs


def test_blocks_of_the_page_are_all_python() -> None:
    assert {block.language for block in page_blocks(PAGE)} == {"python"}
