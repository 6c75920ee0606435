"""What the start of a program and of the command costs: CPU time, user and system, of whole fresh processes."""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from common import print_table, print_title, ratio, verdict

from musicapi_async import bulk, sonic

ROUNDS: Final = 15
BASELINE: Final = "import aiohttp"
TARGETS: Final = {
    "from musicapi_async import MusicAPI": 0.75,
    "from musicapi_sync import MusicAPI": 0.85,
    "musicapi --version": 0.9,
    "musicapi --help": 0.9,
    "musicapi bulk status DIR": 0.9,
}
"""At most so many times the import of aiohttp, which is loaded when a client is made."""
TYPER: Final = """
import sys, typer
app = typer.Typer(add_completion=False)
@app.command()
def command(name: str = "") -> None: ...
sys.argv[1:] = ["--name", "a"]
app()
"""
"""A command of one option that does nothing."""
# The code to run; the bare interpreter is in every figure.
PROGRAMS: Final = (
    "pass",
    BASELINE,
    "import musicapi_async",
    "import musicapi_sync",
    *TARGETS,
    TYPER,
    "from musicapi_async import MusicAPI; MusicAPI('key')",
    "import musicapi",
    "import openai",
)
# Where it is set, our modules would be compiled at each start, as those of an installed package never are.
ENVIRONMENT: Final = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
SHOWN: Final = {
    "pass": "bare Python",
    "import musicapi": "import musicapi (musicapi-sdk)",
    TYPER: "a Typer command of one option that does nothing",
}
COMMAND: Final = "musicapi "


def cpu_of(program: str, folder: str) -> float:
    """Run the program, or the command on a folder, in a new process and return its CPU seconds."""
    arguments = [sys.executable, "-c", program]
    if program.startswith(COMMAND):
        words = program.removeprefix(COMMAND).replace("DIR", folder).split(" ")
        arguments = [str(Path(sys.executable).with_name("musicapi")), *words]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def plan(folder: str) -> None:
    """Plan a run of a hundred songs, for ``status`` to show."""
    async with bulk.open(Path(folder) / "journal.db") as journal:
        await bulk.plan_all(journal, [sonic.Describe(description=f"song {number}") for number in range(100)])


def measure() -> dict[str, list[float]]:
    """Return the CPU seconds of each program in each round."""
    seconds: dict[str, list[float]] = {program: [] for program in PROGRAMS}
    with TemporaryDirectory() as folder:
        asyncio.run(plan(folder))
        for turn in range(ROUNDS + 1):
            for program in PROGRAMS:
                taken = cpu_of(program, folder)
                # The first round fills the caches of files and bytecode.
                if turn:
                    seconds[program].append(taken)
    return seconds


def main() -> None:
    seconds = measure()
    rows = [
        [SHOWN.get(name, name), f"{statistics.median(taken):.3f}", str(ratio(taken, seconds[BASELINE]))]
        for name, taken in sorted(seconds.items(), key=lambda item: statistics.median(item[1]))
    ]
    print_title("What a start costs")
    print_table(["a fresh process with", "CPU seconds", f"ratio to {BASELINE}"], rows)
    for name, target in TARGETS.items():
        found = ratio(seconds[name], seconds[BASELINE])
        verdict(f"{name} takes {found} times the CPU of {BASELINE}", found.median, target)


if __name__ == "__main__":
    main()
