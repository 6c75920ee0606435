"""Every code block of the documentation site runs, against the sandbox."""

import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest
from code_blocks import NOTEBOOK, ROOT, RUN_ELSEWHERE, SITE, Block, operations_program, page_blocks

from musicapi_async.sandbox import Sandbox

# In one process for each page, since a new one for each block would take most of the time.
RUN = """
import json, os, sys
for name, code in json.load(sys.stdin):
    os.makedirs(name)
    os.chdir(name)
    exec(compile(code, name, "exec"), {"__name__": "__main__"})
    os.chdir("..")
    print("ended", name, file=sys.stderr)
"""
RUN_CELLS = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for name, code in json.load(sys.stdin):
    shell.run_cell(code).raise_error()
    print("ended", name, file=sys.stderr)
"""
PAGES = [page for page in SITE if page not in RUN_ELSEWHERE]
PYTHON = {page: [block for block in page_blocks(page) if block.language == "python"] for page in PAGES}
SHELL = [block for page in PAGES for block in page_blocks(page) if block.language == "sh"]
VENDOR = "docs/from-musicapi-sdk.md"
INSTALL = re.compile(r"pip install '?musicapi-async(?:\[(\w+)\])?'?")
USED = {
    "fastapi": """
import asyncio
import httpx

async def use() -> None:
    transport = httpx.ASGITransport(app=app)
    async with lifespan(app), httpx.AsyncClient(transport=transport, base_url="http://app.example") as web:
        task_id = (await web.post("/songs", params={"description": "lofi rain"})).json()
        while not (urls := (await web.get(f"/songs/{task_id}")).json()) or None in urls:
            await asyncio.sleep(0.02)

asyncio.run(use())
""",
    "flask": """
assert len(client.sonic.task(app.test_client().post("/songs/lofi rain").text).wait()) == 2
client.close()
""",
}
"""What a user of the page's web applications does, by framework."""


def environment(sandbox: Sandbox) -> Mapping[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MUSICAPI_KEY": "site-key",
        "MUSICAPI_BASE_URL": sandbox.base_url,
        "MUSICAPI_POLL_INTERVAL": "0.05",
        # This suite may itself be run by make: there, only see that the targets exist and what they would do.
        "MAKEFLAGS": "n",
    }


async def run(blocks: list[Block], folder: Path, script: str = RUN, seconds: float = 0.1) -> None:
    programs = [(block.name, block.code) for block in blocks]
    async with Sandbox(seconds=seconds, credits=100_000) as sandbox:
        process = await anyio.run_process(
            [sys.executable, "-W", "error", "-c", script],
            input=json.dumps(programs).encode(),
            env=environment(sandbox),
            cwd=folder,
            check=False,
        )

    assert process.returncode == 0, process.stderr.decode()
    ended = [line for line in process.stderr.decode().splitlines() if line.startswith("ended ")]
    assert ended == [f"ended {name}" for name, _ in programs]


def test_site_blocks_are_all_of_a_language_that_is_run() -> None:
    assert {block.language for page in PAGES for block in page_blocks(page)} == {"python", "sh"}


def test_page_whose_blocks_are_run_elsewhere_has_a_test_that_names_it() -> None:
    tests = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]

    assert [page for page in RUN_ELSEWHERE if not any(page in text or Path(page).name in text for text in tests)] == []


@pytest.mark.parametrize("page", [page for page, blocks in PYTHON.items() if blocks and page != NOTEBOOK])
async def test_site_python_blocks_run(page: str, tmp_path: Path) -> None:
    # The vendor's client polls every five seconds: its songs are finished at the first poll.
    await run(PYTHON[page], tmp_path, seconds=0.001 if page == VENDOR else 0.1)


@pytest.mark.parametrize("framework", USED)
async def test_web_application_of_the_site_makes_songs(framework: str, tmp_path: Path) -> None:
    (block,) = [block for block in PYTHON["docs/web.md"] if f"from {framework} import" in block.code]

    await run([block._replace(code=block.code + USED[framework])], tmp_path)


async def test_notebook_cells_run_in_ipython(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    await run(PYTHON[NOTEBOOK], tmp_path, RUN_CELLS)


@pytest.mark.parametrize("block", SHELL, ids=[block.name for block in SHELL])
async def test_site_shell_block_runs(block: Block, tmp_path: Path) -> None:
    if block.code.startswith("pip install"):
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        for line in block.code.splitlines():
            assert (found := INSTALL.fullmatch(line)), line
            assert found[1] is None or found[1] in extras
        return
    async with Sandbox(seconds=0.1) as sandbox:
        process = await anyio.run_process(
            ["sh", "-eu", "-c", block.code],
            env=environment(sandbox),
            cwd=ROOT if block.code.startswith("make") else tmp_path,
            check=False,
        )

    assert process.returncode == 0, process.stderr.decode()


async def test_example_of_every_operation_runs(tmp_path: Path) -> None:
    await run([operations_program()], tmp_path)
