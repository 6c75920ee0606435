"""Structuring against the last release with hand-written readers: responses to results, requests to JSON.

Commit b8af022 is built into a virtual environment of its own, with the same versions of its dependencies (needs git and
a package index). A process for each build does the same work by turns, in interleaved rounds; a ratio is taken within a
round. Several pairs of processes do so one after the other, since each process is some percent faster or slower.
What is measured is what a poll does with the bytes of its response, and what a submission does with its request
before that is written as JSON.
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from common import MICROSECONDS, RESPONSES, print_table, print_title, ratio, spread, verdict
from long_response import CLIPS, RESPONSE, TASK_ID, WORDS
from old_build import COMMIT, Worker, old_build

TARGETS: Final = "targets"
"""Line to which a process prints the names of its jobs, and their targets."""
PAIRS: Final = 6
ROUNDS: Final = 10


class Job(NamedTuple):
    """A piece of work, how often a turn repeats it, and the ratio that is the target."""

    target: float
    repeats: int
    run: Callable[[], object]


def jobs() -> Mapping[str, Job]:
    """Return the work, by the names of the build and the JSON parser of this process."""
    from musicapi_async import riffusion, sonic  # noqa: PLC0415 - after orjson is hidden
    from musicapi_async._tasks.state import TaskRule, read_state  # noqa: PLC0415

    try:
        response: Any = import_module("musicapi_async._responses.response").Response
    except ModuleNotFoundError:
        response = import_module("musicapi_async._transport.replies").Reply  # its name in the old build

    rule, attempted = TaskRule.of(riffusion.Create), f"GET /riffusion/task/{TASK_ID}"
    running, finished = (RESPONSES[name].partition(b"\r\n\r\n")[2] for name in (b"running", b"finished"))
    request = sonic.Create(lyrics="[Verse]\nla", title="Harbor", tags="sea shanty, calm")

    def read(content: bytes, *, is_finished: bool = True) -> Any:
        state: Any = read_state(TASK_ID, rule, attempted, response(200, {}, content))
        if (state.status == "finished") is not is_finished:
            raise RuntimeError(f"the response is read as {state.status}")
        return state

    def read_words() -> None:
        if sum(len(clip.words) for clip in read(RESPONSE).clips) != CLIPS * WORDS:
            raise RuntimeError("words are missing")

    kilobytes = f"{len(RESPONSE) / 1000:.0f} kB"
    return {
        "a poll of a running task": Job(1.05, 1000, lambda: read(running, is_finished=False)),
        "a finished response without words": Job(1.15, 300, lambda: read(finished)),
        f"a finished response of {kilobytes}, words not touched": Job(1.15, 15, lambda: read(RESPONSE)),
        f"a finished response of {kilobytes}, words touched": Job(1.1, 5, read_words),
        "a request to the wire": Job(0.5, 3000, request.to_wire),
    }


def work(parser: str) -> None:
    """Do the job that each line of standard input names, and print the CPU µs it took."""
    if parser == "json":
        sys.modules["orjson"] = None  # type: ignore[assignment]  # as if it were not installed
    known = jobs()
    for line in sys.stdin:
        if (name := line.strip()) == TARGETS:
            print(json.dumps({name: job.target for name, job in known.items()}), flush=True)
            continue
        job = known[name]
        gc.collect()
        began = time.process_time()
        for _ in range(job.repeats):
            job.run()
        print(json.dumps({"cost": (time.process_time() - began) / job.repeats * MICROSECONDS}), flush=True)


def measure(old_python: Path, parser: str, costs: dict[str, tuple[list[float], list[float]]]) -> Mapping[str, float]:
    """Add what each job costs with both builds, in one pair of processes; return the targets."""
    with ExitStack() as stack:
        old, new = (Worker(python, [__file__, parser], stack) for python in (old_python, sys.executable))
        targets = new.do(TARGETS)
        for turn in range(ROUNDS + 1):
            for name in targets:
                before, after = costs.setdefault(name, ([], []))
                pairs = [(old, before), (new, after)]
                for build, found in reversed(pairs) if turn % 2 else pairs:
                    cost = build.do(name)["cost"]
                    if turn:
                        found.append(cost)
        return targets


def compare(old_python: Path, parser: str) -> None:
    """Print what each job costs with both builds, and whether its target is met."""
    costs: dict[str, tuple[list[float], list[float]]] = {}
    for _ in range(PAIRS):
        targets = measure(old_python, parser, costs)
    print_title(f"Structuring, {parser}")
    rows = [
        [name, f"{median(before):.2f}", f"{spread(after):.2f}", f"{ratio(after, before)}"]
        for name, (before, after) in costs.items()
    ]
    print_table(["what", f"CPU µs, {COMMIT}", "CPU µs, now", "ratio"], rows)
    for name, (before, after) in costs.items():
        found = ratio(after, before)
        verdict(f"{name}: {found}", found.median, targets[name])


def main() -> None:
    if len(sys.argv) > 1:
        work(sys.argv[1])
        return
    with old_build() as old_python:
        for parser in ("orjson", "json"):
            compare(old_python, parser)


if __name__ == "__main__":
    main()
