"""Journals of an older release, half run: how they are made, and the requests in them.

``python tests/bulk/old_journals.py`` builds a wheel from a commit of this repository, installs it in a virtual
environment of its own, has it plan and run each journal against its own sandbox, and writes it as SQL text beside this
file. The tests read these texts; the script is run again only for another commit.
"""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Mapping, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any, Final

__all__ = ["BEGUN", "FORMS", "LINES", "NOT_BEGUN", "TEXTS", "objects", "write_csv"]

COMMIT: Final = "b8af022"
TEXTS: Final = Path(__file__).with_name("journals")
FORMS: Final = ("jsonl", "csv", "objects")
CREATE: Final = "POST /sonic/create"
LYRICS: Final = "[Verse]\nThe harbour sleeps\n\n[Chorus]\nOh rain"
LINES: Final[Sequence[Mapping[str, Any]]] = (
    {"operation": "sonic.create", "lyrics": LYRICS, "title": "Harbour", "tags": "sea shanty"},
    {"operation": "sonic.describe", "description": "rain"},
    {"operation": "sonic.describe", "description": "snow", "style_weight": 0.5},
    {"operation": "sonic.describe", "description": "hail"},
    {"operation": "sonic.describe", "description": "hail"},
    {"operation": "sonic.create", "lyrics": LYRICS, "model": "sonic-v6", "instrumental": False},
    {"operation": "sonic.extend", "clip": "c-1", "at": 30.0, "lyrics": LYRICS},
    {"operation": "sonic.describe", "description": "hail"},
    {"operation": "riffusion.create", "lyrics": LYRICS, "sound": "folk"},
    {"operation": "studio.extend", "clip": "c-2", "tags": "folk", "instrumental": True},
    {
        "operation": "nuro.instrumental_v2",
        "description": "calm",
        "segments": [{"name": "intro", "duration": 10}, {"name": "verse", "duration": 20}],
    },
)
"""The planned requests. The first are begun: saved, refused, uncertain, failed, accepted; the rest is only planned."""
BEGUN: Final = {"saved": 1, "refused": 1, "uncertain": 1, "failed": 1, "accepted": 1}
NOT_BEGUN: Final = len(LINES) - len(BEGUN)


def write_csv(path: Path, lines: Sequence[Mapping[str, Any]], end: str = "\n") -> None:
    """Write requests as a spreadsheet does; ``end`` is also the end of lines in quoted cells."""
    names = sorted({name for line in lines for name in line})
    rows = [names, *([_cell(line.get(name)) for name in names] for line in lines)]
    quoted = (",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' if cell else "" for cell in row) for row in rows)
    path.write_bytes("".join(f"{row}\n" for row in quoted).replace("\n", end).encode())


def _cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def objects(lines: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Make request values of the lines, with the package that is installed."""
    from musicapi_async import operations  # noqa: PLC0415 - of the older release, where the script runs itself

    classes = {request_class.operation_name: request_class for request_class in operations()}
    fields = [{name: value for name, value in line.items() if name != "operation"} for line in lines]
    return [classes[line["operation"]](**given) for line, given in zip(lines, fields, strict=True)]


async def run_half(folder: Path, form: str) -> None:
    """Plan the journal and run its first records; in the environment of the older release."""
    from musicapi_async import MusicAPI, bulk  # noqa: PLC0415
    from musicapi_async.sandbox import Fault, Sandbox  # noqa: PLC0415

    (folder / "requests.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in LINES))
    write_csv(folder / "requests.csv", LINES)
    requests = objects(LINES) if form == "objects" else bulk.read_requests(folder / f"requests.{form}")
    async with Sandbox(seconds=3600, credits=100_000) as sandbox:
        sandbox.add_fault(
            CREATE, Fault(), Fault(status=400, body={"error": "not now"}), Fault(drop=True, accepted=True)
        )
        sandbox.end_next("songs", "songs", "all_failed")
        client = MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01, create_rate=1000.0)
        opened = bulk.Journal.open(folder / "journal.db")  # type: ignore[attr-defined] # the older release's name
        async with client, opened as journal:
            run = bulk.run(client, journal, requests, in_flight=1)
            running = asyncio.ensure_future(_drain(run))
            while (counts := await journal.counts())["failed"] < 1 or counts["accepted"] < 1:
                if counts["accepted"]:
                    sandbox.advance(4000)
                await asyncio.sleep(0.02)
            await run.aclose()
            running.cancel()
    with closing(sqlite3.connect(folder / "journal.db")) as connection:
        text = "\n".join(connection.iterdump())
        pragmas = [
            f"PRAGMA {name} = {connection.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", "\n".join([text, *pragmas]))
    (TEXTS / f"{form}.sql").write_text(f"{text}\n", encoding="utf-8")


async def _drain(run: Any) -> None:
    async for _ in run:
        pass


def make() -> None:
    """Build the older release and make its journals."""
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = subprocess.run(["git", "archive", COMMIT], cwd=root, check=True, capture_output=True).stdout  # noqa: S607
        with tarfile.open(fileobj=BytesIO(archive)) as source:
            source.extractall(folder / "source", filter="data")
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        pip = [str(python), "-m", "pip", "--quiet"]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, folder / "source"], check=True)
        subprocess.run([*pip, "install", *folder.glob("*.whl")], check=True)
        for form in FORMS:
            (folder / form).mkdir()
            subprocess.run([python, "-I", __file__, folder / form, form], check=True, cwd=folder)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(run_half(Path(sys.argv[1]), sys.argv[2]))
    else:
        make()
