"""Lock of a journal, which ends with its process; its file holds the mark: how far the journal had come."""

import json
import os
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from musicapi_async.errors import JournalError

__all__ = ["Lock", "Mark", "holder_of", "is_complete_by", "lock_of", "mark_of"]

WIDTH: Final = 20
LENGTH: Final = 2 * (WIDTH + 1)
"""Bytes of the mark's numbers, of fixed width; behind them, as JSON, the holder and the journal's id."""
REST: Final = 1000
"""Bytes of that JSON at most."""
ATTEMPTS: Final = 5
ATTEMPT_DELAY: Final = 0.02
"""Seconds between attempts: another process may have the lock only to find out whether it is free."""

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
    """Progress of a journal: number of commits, highest number of a record about to be sent, and the journal's id."""

    commits: int = 0
    highest: int = 0
    journal_id: str | None = None
    """None in a mark of an older release."""


def is_complete_by(left: Mark | None, own: Mark, *, has_sent: bool) -> bool | None:
    """Return whether a journal has all its entries, by the mark that was left beside it; None where that is unknown.

    An older mark is fine: it is not flushed to the disk, so that it is older after every power cut. One that is ahead,
    or another journal's, means that entries are missing, unless neither journal has ever sent anything. One that knows
    of a later record that was sent is ahead, however few commits it counts: it is another copy's.
    """
    if left is None:
        return None if has_sent else True
    if left.journal_id is not None and left.journal_id != own.journal_id:
        return not (has_sent or left.highest > 0)
    is_ahead = left.commits > own.commits and left.highest > 0
    return not (is_ahead or left.highest > own.highest)


class Lock:
    """Lock of a journal; its file holds the mark."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._journal_id: str | None = None

    def acquire(self) -> Mark | None:
        """Take the lock, and return the mark that its last holder left; None when there is none.

        The mark stays as it is until the first ``write``: a journal that is refused because of it is refused again.
        Raises JournalError, naming the holder, when the lock is taken.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _try_lock(file):
            who = _holder_in(_read(file, LENGTH, REST))
            os.close(file)
            raise JournalError(str(self._path), f"it is in use by {who}")
        self._file = file
        numbers, self._journal_id = _read(file, 0, LENGTH), _journal_id_in(_read(file, LENGTH, REST))
        if len(numbers) < LENGTH:
            _write(file, 0, b" " * LENGTH)
        self._write_holder()
        return _mark_in(numbers, self._journal_id)

    def write(self, mark: Mark) -> None:
        """Write how far the journal has come; not flushed to the disk: it is to survive the process, not the machine.

        Only the first mark of a journal is flushed: without any, a journal after a power cut would be one of a copy.
        """
        if self._file is None:
            return
        _write(self._file, 0, b"".join(b"%0*d\n" % (WIDTH, number) for number in mark[:2]))
        if mark.journal_id != self._journal_id:
            self._journal_id = mark.journal_id
            self._write_holder()
            os.fsync(self._file)

    def _write_holder(self) -> None:
        assert self._file is not None  # noqa: S101 - for the type checker: it is held
        since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        holder = {"process": os.getpid(), "host": socket.gethostname(), "since": since, "journal": self._journal_id}
        _write(self._file, LENGTH, json.dumps(holder).encode())
        os.ftruncate(self._file, os.lseek(self._file, 0, os.SEEK_CUR))

    def release(self) -> None:
        """Release the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def lock_of(journal: Path) -> Path:
    """Return the path of a journal's lock."""
    return journal.with_name(f"{journal.name}.lock")


def holder_of(path: Path) -> str | None:
    """Return a description of the process that has the lock; None when it is free, or cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        # Only taking it shows whether it is free; closing the file releases it.
        return None if _try_lock(file) else _holder_in(_read(file, LENGTH, REST))
    finally:
        os.close(file)


def mark_of(path: Path) -> Mark | None:
    """Return the mark in a lock's file, also while it is held; None when there is none, or it cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return _mark_in(_read(file, 0, LENGTH), _journal_id_in(_read(file, LENGTH, REST)))
    finally:
        os.close(file)


def _try_lock(file: int) -> bool:
    for _ in range(ATTEMPTS):
        try:
            _lock(file)
        except OSError:
            time.sleep(ATTEMPT_DELAY)
        else:
            return True
    return False


def _read(file: int, at: int, count: int) -> bytes:
    os.lseek(file, at, os.SEEK_SET)
    return os.read(file, count)


def _write(file: int, at: int, content: bytes) -> None:
    os.lseek(file, at, os.SEEK_SET)
    os.write(file, content)


def _mark_in(numbers: bytes, journal_id: str | None) -> Mark | None:
    try:
        commits, highest = map(int, numbers.split())
    except ValueError:
        return None
    return Mark(commits, highest, journal_id)


def _journal_id_in(written: bytes) -> str | None:
    try:
        found = json.loads(written)["journal"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _holder_in(written: bytes) -> str:
    try:
        holder = json.loads(written)
        return f"process {holder['process']} on {holder['host']} since {holder['since']} UTC"
    except (ValueError, KeyError, TypeError):
        return "another process"
