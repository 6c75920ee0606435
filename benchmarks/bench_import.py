"""What ``import musicapi_async`` costs: CPU time, user and system, of whole fresh processes."""

import os
import resource
import statistics
import subprocess
import sys
from typing import Final

from common import print_table, print_title, ratio, verdict

ROUNDS: Final = 15
TARGETS: Final = {"import musicapi_async": 0.75, "import musicapi_sync": 0.85}
"""At most so many times the import of aiohttp, which is loaded when a client is made."""
BASELINE: Final = "import aiohttp"
# The code to run; the bare interpreter is in every figure.
PROGRAMS: Final = (
    "pass",
    BASELINE,
    *TARGETS,
    "import musicapi",
    "import openai",
)
# Where it is set, our modules would be compiled at each start, as those of an installed package never are.
ENVIRONMENT: Final = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
SHOWN: Final = {"pass": "bare Python", "import musicapi": "import musicapi (musicapi-sdk)"}


def cpu_of(program: str) -> float:
    """Run the program in a new process and return its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    seconds: dict[str, list[float]] = {program: [] for program in PROGRAMS}
    for turn in range(ROUNDS + 1):
        for program in PROGRAMS:
            taken = cpu_of(program)
            # The first round fills the caches of files and bytecode.
            if turn:
                seconds[program].append(taken)
    rows = [
        [SHOWN.get(name, name), f"{statistics.median(taken):.3f}", str(ratio(taken, seconds[BASELINE]))]
        for name, taken in sorted(seconds.items(), key=lambda item: statistics.median(item[1]))
    ]
    print_title("What an import costs")
    print_table(["a fresh process with", "CPU seconds", f"ratio to {BASELINE}"], rows)
    for name, target in TARGETS.items():
        found = ratio(seconds[name], seconds[BASELINE])
        verdict(f"{name} takes {found} times the CPU of {BASELINE}", found.median, target)


if __name__ == "__main__":
    main()
