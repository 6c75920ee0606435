"""The Python code blocks of the documentation pass mypy --strict and pyright."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "docs/reference.md")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
CHECKERS = {"mypy": ("mypy", "--strict", "--config-file="), "pyright": ("pyright", "--pythonpath", sys.executable)}


def blocks() -> Iterator[tuple[str, str]]:
    """Yield a module name and the code of every Python block; the name holds the line it begins in."""
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            yield f"{Path(page).stem.lower()}_{line}.py", match[1]


@pytest.mark.parametrize("checker", CHECKERS)
async def test_code_blocks_pass_the_type_checker(checker: str, tmp_path: Path) -> None:
    files = dict(blocks())
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

    assert "readme_" in "".join(files)
    assert checked.returncode == 0, checked.stdout.decode() + checked.stderr.decode()
