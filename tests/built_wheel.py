"""Try the wheel in ``dist/`` on every Python from 3.11 to 3.14: ``make release``.

For each, an empty environment gets the wheel alone and makes a first song in both packages, then the extra ``cli`` and
makes one on the command line: against the sandbox, in a folder of its own.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
FIRST_SONGS: Final = """
import asyncio
from pathlib import Path
import musicapi_async, musicapi_sync
from musicapi_async.sandbox import Sandbox

def blocking(base_url):
    with musicapi_sync.MusicAPI("k", base_url=base_url, poll_interval=0.05) as client:
        client.download(client.sonic.describe(description="lofi rain").wait()[0], "blocking")

async def main():
    async with (
        Sandbox(seconds=0.1) as sandbox,
        musicapi_async.MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.05) as client,
    ):
        songs = await client.sonic.describe(description="lofi rain").wait()
        await client.download(songs[0], "async")
        await asyncio.to_thread(blocking, sandbox.base_url)

asyncio.run(main())
assert len(list(Path().glob("*.wav"))) == 2
print(musicapi_async.__file__)
"""


def main() -> int:
    """Try the wheel on each interpreter, print a line for each version; return the exit code."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    (wheel,) = (ROOT / "dist").glob("*.whl")
    pythons = {version: python for version in VERSIONS if (python := python_of(version))}
    failures = {version: tried(python, wheel) for version, python in pythons.items()}
    for version in VERSIONS:
        outcome = failures[version] or "ok" if version in failures else "no such Python here"
        sys.stdout.write(f"{wheel.name} on {version}: {outcome}\n")
    return 0 if failures and not any(failures.values()) else 1


def python_of(version: str) -> str | None:
    """Return the newest interpreter of a version in pyenv's folder, or the one on the PATH; None without one."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = (root / "versions").glob(f"{version}.*/bin/python")
    newest = max(
        found, key=lambda path: [int(part) for part in path.parts[-3].split(".") if part.isdigit()], default=None
    )
    python = str(newest) if newest else shutil.which(f"python{version}")
    # A shim of pyenv is on the PATH also where the version is not installed.
    works = python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    return python if works else None


def tried(python: str, wheel: Path) -> str:
    """Install and use the wheel in an empty environment; return the failure, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        bin_folder = home / "env" / ("Scripts" if sys.platform == "win32" else "bin")
        pip = (
            str(bin_folder / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            f"--constraint={ROOT / 'constraints.txt'}",
        )
        # Neither this checkout nor what the user has installed may be imported.
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MUSICAPI_"))}
        steps: Sequence[Sequence[str]] = (
            (python, "-m", "venv", str(home / "env")),
            (*pip, str(wheel)),
            (str(bin_folder / "python"), "-I", "-W", "error", "-c", FIRST_SONGS),
            (*pip, f"{wheel}[cli]"),
            (str(bin_folder / "musicapi"), "generate", "lofi rain", "--sandbox", "--out", "songs"),
        )
        return next(filter(None, (failure_of(step, home, clean) for step in steps)), "")


def failure_of(step: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command in a folder; return what it printed if it failed, or nothing."""
    ended = subprocess.run(step, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else f"{' '.join(step[:4])} failed\n{ended.stdout}{ended.stderr}"


if __name__ == "__main__":
    sys.exit(main())
