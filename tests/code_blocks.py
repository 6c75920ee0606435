"""The code blocks of the documentation: of its pages, and of the docstrings of both packages."""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["ROOT", "Block", "docstring_blocks", "page_blocks"]

ROOT: Final = Path(__file__).parents[1]
BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE_NAME: Final = re.compile(r"# (\w+\.py)\n")
AWAITS: Final = re.compile(r"^(await|async with|async for) |= await ", re.MULTILINE)
DOCUMENTED: Final = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Block(NamedTuple):
    """A code block; the name says where it stands."""

    name: str
    language: str
    code: str

    @property
    def file_name(self) -> str:
        """The file that its first line names, so that other blocks can import it; by default one of its own name."""
        named = FILE_NAME.match(self.code)
        return named[1] if named else f"{self.name}.py"


def page_blocks(page: str) -> Iterator[Block]:
    """Yield the code blocks of a Markdown page; their names hold the line they begin in."""
    text = (ROOT / page).read_text("utf-8")
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start(2)) + 1
        yield Block(f"{Path(page).stem.lower()}_{line}", match[1], match[2])


def docstring_blocks() -> Iterator[Block]:
    """Yield the Python blocks of all docstrings, as programs: a block that awaits is put into a coroutine function."""
    for package in ("musicapi_async", "musicapi_sync"):
        for path in sorted((ROOT / package).rglob("*.py")):
            place = "_".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, DOCUMENTED):
                    for match in BLOCK.finditer(ast.get_docstring(node) or ""):
                        yield Block(f"{place}_{node.lineno}_{node.name}", match[1], _program(match[2]))


def _program(code: str) -> str:
    if not AWAITS.search(code):
        return code
    body = textwrap.indent(code, "    ")
    return f"import asyncio\n\n\nasync def main() -> None:\n{body}\n\nasyncio.run(main())\n"
