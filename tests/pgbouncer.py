"""pgbouncer before a database, for the tests of journals that are reached through it."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

__all__ = ["MODES", "find_pgbouncer", "pooling"]

MODES: Final = ("session", "transaction", "statement")


def find_pgbouncer() -> str | None:
    """Return the program; None where it is not installed."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")


@contextmanager
def pooling(program: str, database: str, *, ignored: str = "") -> Iterator[str]:
    """Serve a database through pools, one for each mode; yield their address, which lacks the mode at its end.

    Settings that are ``ignored`` may be asked for, in vain; pgbouncer refuses a connection that asks for others.
    """
    place = urlsplit(database)
    name = place.path.removeprefix("/")
    pools = [
        f"{mode} = host={place.hostname} port={place.port} dbname={name} user={place.username} pool_mode={mode}"
        for mode in MODES
    ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "ignore_startup_parameters": ignored,
    }
    lines = ["[databases]", *pools, "[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items())]
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="musicapi-pgbouncer-") as folder:
        file = Path(folder, "pgbouncer.ini")
        file.write_text("\n".join(lines), "utf-8")
        if is_root:
            shutil.chown(folder, "postgres")  # it does not run as root
        user = "postgres" if is_root else None
        with subprocess.Popen([program, str(file)], user=user, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                log: list[str] = []
                while "process up" not in (line := process.stderr.readline()):
                    assert line, f"pgbouncer has ended: {''.join(log)}"
                    log.append(line)
                yield f"postgresql://{place.username}@127.0.0.1:{port}/"
            finally:
                process.terminate()
