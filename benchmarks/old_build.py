"""A build of the commit that benchmarks compare with, in an environment of its own, and processes that work with it."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

__all__ = ["COMMIT", "Worker", "old_build"]

COMMIT: Final = "b8af022"
ROOT: Final = Path(__file__).parents[1]


@contextmanager
def old_build() -> Iterator[Path]:
    """Build the commit, with the same versions of its dependencies, and yield the Python of its environment."""
    with TemporaryDirectory(prefix="musicapi-bench-") as folder:
        source, environment = Path(folder, "source"), Path(folder, "environment")
        source.mkdir()
        archive = subprocess.run(["git", "archive", COMMIT], cwd=ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S607
        subprocess.run(["tar", "x"], cwd=source, input=archive.stdout, check=True)  # noqa: S607
        venv.create(environment)
        python = environment / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(python), "install"]
        subprocess.run([*pip, "--constraint", str(ROOT / "constraints.txt"), str(source), "orjson"], check=True)
        yield python


class Worker:
    """A process with one build: a benchmark's file, which prints a line of JSON for each line it is sent."""

    def __init__(self, python: Path | str, command: Sequence[str], stack: ExitStack) -> None:
        # Without PYTHONPATH: each build is the one that is installed.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._process = stack.enter_context(
            subprocess.Popen(
                [python, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        )
        stack.callback(self._process.stdin.close)  # type: ignore[union-attr]  # a pipe

    def do(self, what: str) -> Mapping[str, float]:
        """Have the process do something, and return the figures that it prints."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: both are pipes
        assert self._process.stdout is not None  # noqa: S101
        print(what, file=self._process.stdin, flush=True)
        figures: dict[str, float] = json.loads(self._process.stdout.readline())
        return figures
