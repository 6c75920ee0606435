"""Compares the quick benchmarks with their figures in the README: ``make bench-check``.

Each benchmark says of its targets "...; the target 0.75 is met." The README keeps these sentences as they were last
measured, and is the only source: a sentence is found by its words, its figure is compared. Only ratios and sizes are,
since times depend on the machine. A figure that is more than 10 % worse is measured once more, and the better one
counts. Exits with 1 when a figure is worse, missing from the README, or could not be measured.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

QUICK: Final = ("bench_import.py", "bench_facade.py", "bench_poll.py", "bench_webhooks.py")
TOLERANCE: Final = 1.1
README: Final = Path(__file__).with_name("README.md")
SENTENCE: Final = re.compile(
    r"^(?P<words>.*); the target (?P<target>[\d.]+) is (?P<verdict>met|missed)\.$", re.MULTILINE
)
FIGURE: Final = re.compile(r"(?P<value>\d+\.\d+)(?: \(\S+ to \S+\))?")
"""A figure with its spread: one with decimals, unlike "64 at once"."""
COMPARED: Final = re.compile(r" times | of what |KiB")


class Found(NamedTuple):
    """One sentence: its words without the figure, and the figure."""

    words: str
    value: float
    is_at_least: bool
    """True where more is better."""

    def is_worse_than(self, kept: "Found") -> bool:
        """Return whether this figure is more than the tolerance worse than the one in the README."""
        if kept.is_at_least:
            return self.value * TOLERANCE < kept.value
        return self.value > kept.value * TOLERANCE


def sentences(text: str) -> Iterator[Found]:
    """Yield the sentences that are compared."""
    for sentence in SENTENCE.finditer(text):
        figure = FIGURE.search(sentence["words"])
        if figure is None or not COMPARED.search(sentence["words"]):
            continue
        value, target = float(figure["value"]), float(sentence["target"])
        words = FIGURE.sub("#", sentence["words"])
        yield Found(words, value, (value > target) == (sentence["verdict"] == "met") and value != target)


def kept_of(file: str) -> list[Found]:
    """Return the sentences of a benchmark's section of the README, in their order."""
    sections = README.read_text(encoding="utf-8").split("\n## ")
    return [found for section in sections if f"benchmarks/{file}`" in section for found in sentences(section)]


def measured(file: str) -> list[Found] | None:
    """Run a benchmark; None, with the reason, when it cannot run."""
    command = [sys.executable, Path(__file__).with_name(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return list(sentences(done.stdout))
    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    print(f"{file}: could not run: {reason}", flush=True)
    return None


def compare(file: str, kept: list[Found], found: list[Found]) -> list[str]:
    """Print each figure beside the one of the README; return what is worse or has no counterpart."""
    problems = []
    waiting = list(kept)
    for one in found:
        before = next((other for other in waiting if other.words == one.words), None)
        if before is None:
            problems.append(f"{file}: not in the README: {one.words}")
            continue
        waiting.remove(before)
        is_worse = one.is_worse_than(before)
        print(f"{file}: {one.words}: {one.value:g}, was {before.value:g}{'; WORSE' if is_worse else ''}", flush=True)
        if is_worse:
            problems.append(f"{file}: worse: {one.words}: {one.value:g}, was {before.value:g}")
    return problems + [f"{file}: in the README alone: {other.words}" for other in waiting]


def better(first: list[Found], second: list[Found]) -> list[Found]:
    """Return the better figure of each sentence of two runs."""
    return [
        (max if one.is_at_least else min)(one, other, key=lambda found: found.value)
        for one, other in zip(first, second, strict=True)
    ]


def check(file: str) -> list[str]:
    """Run a benchmark, once more where a figure is worse, and return its problems."""
    kept, found = kept_of(file), measured(file)
    if found is None:
        return [f"{file}: could not run"]
    if any(one.is_worse_than(before) for one in found for before in kept if one.words == before.words):
        again = measured(file)
        found = found if again is None else better(found, again)
    return compare(file, kept, found)


def main() -> int:
    problems = [problem for file in QUICK for problem in check(file)]
    print("\n" + "\n".join(problems or ["no ratio is more than 10 % worse than in the README"]))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
