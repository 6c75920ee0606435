"""Every example in a docstring runs, against the sandbox, and every class that a user handles has one."""

import os
import sys
from pathlib import Path

import anyio
import pytest
from code_blocks import docstring_blocks

import musicapi_async
import musicapi_sync.bulk
import musicapi_sync.sandbox
from musicapi_async import bulk, errors, media, results
from musicapi_async.results.base import ResultSequence
from musicapi_async.sandbox import Sandbox

# In one process, since a new one for each would take most of the time; each example has a folder of its own.
RUN = """
import os, runpy, sys
for program in sys.argv[1:]:
    print(program, file=sys.stderr)
    folder = program.removesuffix(".py")
    os.mkdir(folder)
    os.chdir(folder)
    runpy.run_path(program, run_name="__main__")
    print("ended", program)
"""
HANDLED = [
    *(getattr(package, name) for package in (musicapi_async, musicapi_sync) for name in ("MusicAPI", "Run", "Task")),
    *(musicapi_async.Submission, musicapi_async.TaskState, musicapi_async.Outcome, musicapi_sync.Outcome),
    *(media.Line, media.Timeline),
    *(musicapi_async.SavedFile, musicapi_async.Settings, Sandbox, musicapi_sync.sandbox.Sandbox),
    *(bulk.run, bulk.open, musicapi_sync.bulk.run, musicapi_sync.bulk.open),
    *(errors.UncertainSubmissionError, errors.TaskTimeoutError, errors.TaskFailedError),
    *(results.Clip, results.Evidence, results.Credits, results.UploadedClip),
    *(cls for cls in vars(results).values() if isinstance(cls, type) and issubclass(cls, ResultSequence)),
]


@pytest.mark.parametrize("documented", HANDLED, ids=lambda one: f"{one.__module__}.{one.__qualname__}")
def test_docstring_of_what_a_user_handles_has_an_example(documented: type) -> None:
    assert "```python" in (documented.__doc__ or "")


async def test_docstring_examples_run(tmp_path: Path) -> None:
    programs = []
    for block in docstring_blocks():
        programs.append(tmp_path / f"{block.name}.py")
        programs[-1].write_text(block.code, "utf-8")
    async with Sandbox(seconds=0.1, credits=1e5) as sandbox:
        environment = {
            **os.environ,
            "MUSICAPI_KEY": "docstring-key",
            "MUSICAPI_BASE_URL": sandbox.base_url,
            "MUSICAPI_POLL_INTERVAL": "0.05",
        }
        process = await anyio.run_process(
            [sys.executable, "-W", "error", "-c", RUN, *map(str, programs)], env=environment, cwd=tmp_path, check=False
        )

    assert len(programs) >= len(HANDLED)
    assert process.returncode == 0, process.stderr.decode()
    ended = [line for line in process.stdout.decode().splitlines() if line.startswith("ended ")]
    assert ended == [f"ended {program}" for program in programs]
