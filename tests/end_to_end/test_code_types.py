"""The Python code blocks of the documentation and of all docstrings pass mypy --strict and pyright."""

import os
import sys
from pathlib import Path

import anyio
import pytest
from code_blocks import docstring_blocks, page_blocks

# The reference page only repeats the blocks of docstrings.
PAGES = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "docs/tracing.md")
CHECKERS = {"mypy": ("mypy", "--strict", "--config-file="), "pyright": ("pyright", "--pythonpath", sys.executable)}


@pytest.mark.parametrize("checker", CHECKERS)
async def test_code_blocks_pass_the_type_checker(checker: str, tmp_path: Path) -> None:
    blocks = [*docstring_blocks(), *(block for page in PAGES for block in page_blocks(page))]
    files = {f"{block.name}.py": block.code for block in blocks if block.language == "python"}
    for name, code in files.items():
        (tmp_path / name).write_text(code, "utf-8")
    bin_folder = Path(sys.executable).parent
    program, *options = CHECKERS[checker]

    checked = await anyio.run_process(
        [str(bin_folder / program), *options, *files],
        env={**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
        cwd=tmp_path,
        check=False,
    )

    assert {"musicapi", "readme"} <= {name.partition("_")[0] for name in files}
    assert checked.returncode == 0, checked.stdout.decode() + checked.stderr.decode()
