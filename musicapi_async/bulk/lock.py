"""One run at a time: a lock that dies with its process, and beside it how far the journal had come."""

import json
import os
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from musicapi_async.errors import JournalError

__all__ = ["Lock", "Mark", "holder_of", "lock_of"]

WIDTH: Final = 20
LENGTH: Final = 2 * (WIDTH + 1)
"""Bytes of the mark, which stands before the holder: two numbers of fixed width."""
LOOKS: Final = 5
LOOK_SECONDS: Final = 0.02
"""How often, and how far apart, it is tried again: somebody may only be looking who has it."""

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 1 << 30, os.SEEK_SET)  # beyond what is written: a locked byte cannot be read
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Mark(NamedTuple):
    """How many commits there were, and the highest number of a row that was about to be sent."""

    commits: int = 0
    highest: int = 0


class Lock:
    """Held by whoever works on a journal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self) -> Mark:
        """Take the lock, and return the mark that whoever had it left.

        Raises JournalError, naming the holder, when somebody has it.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _got(file):
            who = _holder_in(_read(file, LENGTH, 1000))
            os.close(file)
            raise JournalError(str(self._path), f"it is in use by {who}")
        self._file = file
        mark = _mark_in(_read(file, 0, LENGTH))
        since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        holder = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        self.write(mark)
        _write(file, LENGTH, json.dumps(holder).encode())
        os.ftruncate(file, os.lseek(file, 0, os.SEEK_CUR))
        return mark

    def write(self, mark: Mark) -> None:
        """Note how far the journal has come; not flushed to the disk: it is to survive the process, not the machine."""
        if self._file is not None:
            _write(self._file, 0, b"".join(b"%0*d\n" % (WIDTH, number) for number in mark))

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def lock_of(journal: Path) -> Path:
    """Return where a journal's lock is."""
    return journal.with_name(f"{journal.name}.lock")


def holder_of(path: Path) -> str | None:
    """Say who has the lock; None when nobody has, or it cannot be told."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        # Whether it is free is known by taking it, which lasts until it is closed below.
        return None if _got(file) else _holder_in(_read(file, LENGTH, 1000))
    finally:
        os.close(file)


def _got(file: int) -> bool:
    for _ in range(LOOKS):
        try:
            _lock(file)
        except OSError:
            time.sleep(LOOK_SECONDS)
        else:
            return True
    return False


def _read(file: int, at: int, count: int) -> bytes:
    os.lseek(file, at, os.SEEK_SET)
    return os.read(file, count)


def _write(file: int, at: int, content: bytes) -> None:
    os.lseek(file, at, os.SEEK_SET)
    os.write(file, content)


def _mark_in(written: bytes) -> Mark:
    try:
        return Mark(*map(int, written.split()))
    except (ValueError, TypeError):
        return Mark()


def _holder_in(written: bytes) -> str:
    try:
        holder = json.loads(written)
        return f"process {holder['process']} on {holder['host']} since {holder['since']} UTC"
    except (ValueError, KeyError, TypeError):
        return "another process"
