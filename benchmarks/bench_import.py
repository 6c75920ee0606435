"""What ``import musicapi_async`` costs: CPU time, user and system, of whole fresh processes."""

import resource
import statistics
import subprocess
import sys
from typing import Final

from common import print_table, print_title, ratio, spread, verdict

ROUNDS: Final = 15
MILLISECONDS: Final = 1000.0
TARGET: Final = 60.0
BASELINE: Final = "import aiohttp"
OURS: Final = "import musicapi_async"
# The code to run; the bare interpreter is in every figure.
PROGRAMS: Final = (
    "pass",
    BASELINE,
    OURS,
    "import musicapi_sync",
    "import musicapi",
    "import openai",
)
SHOWN: Final = {"pass": "bare Python", "import musicapi": "import musicapi (musicapi-sdk)"}


def cpu_of(program: str) -> float:
    """Run the program in a new process and return its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)
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
    pairs = zip(seconds[OURS], seconds[BASELINE], strict=True)
    above = spread([(ours - theirs) * MILLISECONDS for ours, theirs in pairs])
    verdict(f"{OURS} takes {above:.0f} ms of CPU above aiohttp's own", above.median, TARGET)


if __name__ == "__main__":
    main()
