"""A private PostgreSQL server in a temporary folder, for the tests of shared journals."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["Postgres", "find_binaries", "serve"]

USER: Final = "songs"
SETTINGS: Final = {
    "max_connections": "60",
    "shared_buffers": "32MB",
    "log_line_prefix": "%d:",
}


def find_binaries() -> Path | None:
    """Return the folder of the server's programs; None where it is not installed."""
    found = shutil.which("pg_ctl")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return folders[-1].parent if folders else None


class Postgres:
    """A server on a loopback port."""

    def __init__(self, binaries: Path, folder: Path, *, flushes: bool = False) -> None:
        self._binaries = binaries
        self._folder = folder
        self.data: Path = folder / "data"
        # The machine does not stop in tests: a crash of the server loses nothing that was written.
        self._settings = SETTINGS | {"fsync": "on" if flushes else "off"}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._count = 0

    def create(self) -> None:
        """Make the cluster, and start it."""
        if _is_root():
            shutil.chown(self._folder, "postgres", "postgres")
        self._run("initdb", "-D", str(self.data), "-A", "trust", "-U", USER, "--no-sync", "-E", "UTF8")
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = {**self._settings, "port": str(self.port), "unix_socket_directories": str(self._folder)}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; ``immediate`` is a crash."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def database(self) -> str:
        """Create a database, and return its address."""
        self._count += 1
        name = f"songs{self._count}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, name)
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def log_of(self, address: str) -> list[str]:
        """Return the server's messages about a database, such as its statements where ``log_statement`` is set."""
        start = f"{address.rpartition('/')[2]}:"
        text = (self._folder / "log").read_text(encoding="utf-8", errors="replace").replace("\n\t", " ")
        return [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]

    async def crash(self) -> None:
        """Crash the server, and start it again."""
        await asyncio.to_thread(self.stop, "immediate")
        await asyncio.to_thread(self.start)

    def _run(self, program: str, *arguments: str) -> None:
        before = ("runuser", "-u", "postgres", "--") if _is_root() else ()
        command = (*before, str(self._binaries / program), *arguments)
        # The server inherits the output.
        done = subprocess.run(command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")


@contextmanager
def serve(binaries: Path, *, flushes: bool = False) -> Iterator[Postgres]:
    """Serve a new cluster until the block ends; with ``flushes`` each commit is on the disk."""
    # Not the folder of the test: another user must reach it.
    with tempfile.TemporaryDirectory(prefix="musicapi-postgres-", ignore_cleanup_errors=True) as folder:
        server = Postgres(binaries, Path(folder), flushes=flushes)
        server.create()
        try:
            yield server
        finally:
            server.stop("immediate")


def _is_root() -> bool:
    return os.name == "posix" and os.geteuid() == 0
