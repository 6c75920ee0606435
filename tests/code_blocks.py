"""The code blocks of the documentation: of the README and its like, of the site, and of the docstrings."""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from reference_pages.examples import example_of

from musicapi_async import operations

__all__ = [
    "NOTEBOOK",
    "ROOT",
    "SITE",
    "Block",
    "docstring_blocks",
    "operations_program",
    "page_blocks",
    "page_programs",
]

ROOT: Final = Path(__file__).parents[1]
SITE: Final = tuple(sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
"""The pages of the site that are not generated."""
RUN_ELSEWHERE: Final = frozenset({"docs/testing.md", "docs/machines.md", "docs/storage.md"}) & set(SITE)
"""Pages whose blocks need more than a sandbox: tests of their own run them."""
NOTEBOOK: Final = "docs/notebook.md"
"""The page whose blocks are cells, each of which continues the one before."""
BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE_NAME: Final = re.compile(r"# (\w+\.py)\n")
AWAITS: Final = re.compile(r"^(await|async with|async for) |= await ", re.MULTILINE)
DOCUMENTED: Final = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


MATERIAL: Final = """\
import asyncio
from musicapi_async import MusicAPI, nuro, sonic


async def main() -> None:
    async with MusicAPI() as client:
        song, other = await client.sonic.describe(description="lofi rain").wait()
        mine = await client.sonic.upload(url="https://example.org/my-melody.mp3")
        voice = await client.sonic.create_voice(url="https://example.org/my-voice.mp3").wait()
        batch = await client.sonic.batch(items=[sonic.Describe(description="lofi rain")])
"""
"""What the examples of the operations name."""


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


def page_programs(page: str) -> Iterator[Block]:
    """Yield the Python blocks of a page; the cells of the notebook as one program."""
    blocks = [block for block in page_blocks(page) if block.language == "python"]
    if page == NOTEBOOK:
        yield blocks[0]._replace(code=_program("".join(block.code for block in blocks)))
    else:
        yield from blocks


def operations_program() -> Block:
    """Return a program that runs the example of every operation in the reference, all at once."""
    names = [operation.operation_name.replace(".", "_") for operation in operations()]
    calls = "".join(
        f"\n        async def {name}() -> None:\n            {example_of(operation)}\n"
        for name, operation in zip(names, operations(), strict=True)
    )
    gather = f"\n        await asyncio.gather({', '.join(f'{name}()' for name in names)})\n"
    return Block("operations", "python", f"{MATERIAL}{calls}{gather}\n\nasyncio.run(main())\n")


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
