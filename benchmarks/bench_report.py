"""The report of 20,000 songs in Chromium, against the last release that had an element for each song.

Commit b8af022 writes its page of the same songs (needs git and Chromium). The two pages are opened by turns, each time
in a new tab; a ratio is taken within a round. A jump ends when a row at 70 % of the list is in the window: the old page
lays out its rows in steps of 30, so that its button for more is clicked so often, without a pause. Times are wall time.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from common import print_table, print_title, ratio, verdict

ROOT: Final = Path(__file__).parents[1]
COMMIT: Final = "b8af022"
ROWS: Final = 10_000
LYRICS: Final = "[Verse]\n" + "\n".join(
    f"line {number} of a song about the harbour and the rain" for number in range(40)
)
FILES: Final = [f"{stem}.{suffix}" for stem in ("a", "b") for suffix in ("mp3", "png", "json")]
ROUNDS: Final = 3
TARGETS: Final = {"ready": 0.25, "jump": 0.05}
MAX_NODES: Final = 2000
MEGABYTE: Final = 1e6
NODES: Final = """() => {
    const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
    let count = 1;
    while (walker.nextNode()) count += 1;
    return count;
}"""
"""Script: the number of all nodes of the document, texts included."""
JUMP: Final = """async ([goal, share]) => {
    const heights = Array.from({ length: 15 }, (_, at) => innerHeight * at / 15);
    const isThere = () => heights.some((height) => {
        const row = document.elementFromPoint(innerWidth / 2, height)?.closest(".row");
        return row && Number(row.querySelector(".number").textContent) >= goal;
    });
    const began = performance.now();
    while (!isThere()) {
        for (let laidOut = 30; laidOut < goal + 100; laidOut += 30) document.querySelector("#more button")?.click();
        scrollTo(0, document.documentElement.scrollHeight * share);
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    }
    return performance.now() - began;
}"""
"""Script: jump to a row, and return the milliseconds until it is in the window."""
SEARCH: Final = """async (text) => {
    const [field, shown] = ["search", "shown"].map((id) => document.getElementById(id));
    const began = performance.now();
    field.value = text;
    field.dispatchEvent(new Event("input"));
    while (!/^1 of/.test(shown.textContent)) await new Promise((done) => requestAnimationFrame(done));
    return performance.now() - began;
}"""
"""Script: search for a text that one row has, and return the milliseconds until it is found."""


def write(folder: Path) -> None:
    """Write the page with the package that is imported."""
    report: Any = import_module("musicapi_async.bulk.report")
    try:
        record: Any = import_module("musicapi_async.bulk").Record
    except AttributeError:
        record = import_module("musicapi_async.bulk.states").Row  # its name in the old build
    facts = {"tags": "sea shanty, calm", "lyrics": LYRICS, "model": "sonic-v5", "duration": 105}

    def records() -> Iterator[Any]:
        for number in range(1, ROWS + 1):
            clips = [{"clip_id": letter, "title": f"Harbor {number}{letter}", **facts} for letter in "ab"]
            known = {"key": f"key-{number}", "operation": "sonic.describe", "request": {}, "task_id": f"task-{number}"}
            yield record(number=number, state="saved", files=FILES, clips=clips, attempts=1, **known)

    began = time.process_time()
    report.write_report(folder, records, {"sonic.describe": 10.0})
    print(time.process_time() - began)


def written(source: Path, folder: Path) -> dict[str, float]:
    """Have the package of a folder write the page, and return the CPU seconds and megabytes."""
    folder.mkdir()
    for name in FILES:
        (folder / name).touch()
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, __file__, "write", str(folder)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return {"write": float(done.stdout), "size": (folder / "index.html").stat().st_size / MEGABYTE}


def old_source(folder: Path) -> Path:
    """Return a folder with the package of the commit."""
    folder.mkdir()
    command = ["git", "archive", COMMIT, "musicapi_async"]
    archive = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "x"], cwd=folder, input=archive.stdout, check=True)  # noqa: S607
    return folder


def opened(chromium: Any, folder: Path, share: float) -> dict[str, float]:
    """Open a page, jump and search in it, and return what that took in seconds, with its number of nodes."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    page.goto((folder / "index.html").as_uri())
    # The page's own mark: its songs can be scrolled, searched and played.
    found = {"ready": page.evaluate("performance.getEntriesByName('ready')[0].startTime")}
    nodes = page.evaluate(NODES)
    found["jump"] = page.evaluate(JUMP, [0.69 * ROWS, share])
    nodes = max(nodes, page.evaluate(NODES))
    found["search"] = page.evaluate(SEARCH, f"harbor {ROWS // 2}a")
    page.close()
    return {name: milliseconds / 1000 for name, milliseconds in found.items()} | {"nodes": nodes}


Found = Mapping[str, Sequence[Mapping[str, float]]]


def print_found(found: Found, pages: Mapping[str, Mapping[str, float]]) -> None:
    """Print the table, and whether the targets are met."""
    old, new = ([*found[name]] for name in ("old", "new"))
    rows = []
    for name, label in {"ready": "ready, s", "jump": "a jump to 70 %, s", "search": "the first search, s"}.items():
        taken, baseline = ([one[name] for one in costs] for costs in (new, old))
        rows.append([label, f"{median(baseline):.2f}", f"{median(taken):.2f}", f"{ratio(taken, baseline)}"])
    nodes = [max(one["nodes"] for one in costs) for costs in (old, new)]
    rows.append(["nodes, at most", *(f"{count:,.0f}" for count in nodes), ""])
    for name, label in {"size": "size, MB", "write": "writing it, CPU s"}.items():
        values = [pages[one][name] for one in ("old", "new")]
        rows.append([label, *(f"{value:.1f}" for value in values), f"{values[1] / values[0]:.2f}"])
    print_title("The report of 20,000 songs")
    print_table(["", COMMIT, "now", "ratio"], rows)
    for name, target in TARGETS.items():
        found_ratio = ratio([one[name] for one in new], [one[name] for one in old])
        verdict(f"{name}: {found_ratio} of what it took", found_ratio.median, target)
    verdict(f"the page has {nodes[1]:,.0f} nodes at most", nodes[1], MAX_NODES)


def main() -> None:
    sys.path.append(str(ROOT / "tests"))
    browser: Any = import_module("browser")
    if browser.PROGRAM is None:
        print("\nThe report is not measured: there is no Chromium.")
        return
    with TemporaryDirectory(prefix="musicapi-bench-") as place:
        folders = {name: Path(place, name) for name in ("old", "new")}
        sources = {"old": old_source(Path(place, "source")), "new": ROOT}
        pages = {name: written(sources[name], folder) for name, folder in folders.items()}
        found: dict[str, list[dict[str, float]]] = {"old": [], "new": []}
        with browser.launched() as chromium:
            for _ in range(ROUNDS):
                for name, share in {"old": 1.0, "new": 0.7}.items():
                    found[name].append(opened(chromium, folders[name], share))
        print_found(found, pages)


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write(Path(sys.argv[2]))
    else:
        main()
