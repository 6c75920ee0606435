"""A file of the service to a file on disk: streamed, and under its final name only when it is whole."""

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

import anyio
import attrs
from anyio.to_thread import run_sync

from musicapi_async._transport.caller import logger
from musicapi_async._transport.retry import NoReplyError
from musicapi_async._transport.session import Session
from musicapi_async.errors import DownloadError
from musicapi_async.media.kinds import FIRST_BYTES, is_text, kind_of
from musicapi_async.results import Clip

__all__ = ["Progress", "SavedFile", "save"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes written so far and the bytes in all (None when the host does not tell)."""

# One hop to a thread for each batch: small ones cost more in hops than in writing.
BATCH: Final = 1024 * 1024
# The end of "Mr. Brightside" or "v1.2" is not a suffix.
SUFFIX: Final = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}")
SAME_KIND: Final = {"jpg": "jpeg", "m4a": "mp4"}


@attrs.frozen
class SavedFile(os.PathLike[str]):
    """A file that was written: its path, its size in bytes, and its kind (``mp3``, ``wav``, ...) by its first bytes."""

    path: Path
    size: int
    kind: str | None

    def __fspath__(self) -> str:
        """Return the path, so that ``open(saved)`` works."""
        return str(self.path)


async def save(
    session: Session, source: Clip | str, path: str | os.PathLike[str], on_progress: Progress | None
) -> SavedFile:
    """Fetch a clip's audio, or a URL, to a path; see ``MusicAPI.download``."""
    url = _url_of(source)
    target = Path(path)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    file: BinaryIO | None = None
    try:
        file = await run_sync(_open, target, partial)
        start, size = await _stream(session, url, target, file, on_progress)
        await run_sync(_seal, file)
        kind = kind_of(start)
        final = _final_name(target, kind)
        await run_sync(os.replace, partial, final)
    except OSError as error:
        raise DownloadError(url, str(target), error.strerror or str(error)) from error
    else:
        return SavedFile(path=final, size=size, kind=kind)
    finally:
        # Cancelled or failed, nothing half may stay; after the rename there is nothing left to remove.
        with anyio.CancelScope(shield=True):
            if file is not None:
                await run_sync(_discard, file, partial)


async def _stream(
    session: Session, url: str, target: Path, file: BinaryIO, on_progress: Progress | None
) -> tuple[bytes, int]:
    """Copy the body to the file; return its first bytes and its size."""
    size = 0
    total: int | None = None
    batch = bytearray()
    start = b""
    try:
        async with session.open_file(url) as reply:
            if reply.status != 200:  # noqa: PLR2004
                raise DownloadError(url, str(target), f"its host answered {reply.status}", reply.status)
            total = reply.size
            async for chunk in reply.chunks:
                if len(start) < FIRST_BYTES:
                    start += chunk[: FIRST_BYTES - len(start)]
                    if is_text(start):
                        raise DownloadError(url, str(target), f"its host sent a text that begins {start!r}")
                batch += chunk
                size += len(chunk)
                if len(batch) >= BATCH:
                    await run_sync(file.write, bytes(batch))
                    batch.clear()
                    if on_progress is not None:
                        on_progress(size, total)
    except NoReplyError as error:
        raise DownloadError(url, str(target), f"{error.reason}; {size} bytes had come") from error
    if not size:
        raise DownloadError(url, str(target), "the file is empty")
    await run_sync(file.write, bytes(batch))
    if on_progress is not None:
        on_progress(size, total)
    return start, size


def _url_of(source: Clip | str) -> str:
    if isinstance(source, Clip):
        if source.audio_url is None:
            state = source.state or "unknown"
            raise DownloadError(f"clip {source.clip_id}", None, f"it has no finished audio (its state is {state})")
        return source.audio_url
    if not source.startswith(("http://", "https://")):
        raise DownloadError(source, None, "only http:// and https:// addresses can be fetched")
    return source


def _final_name(target: Path, kind: str | None) -> Path:
    """Complete a name without a suffix; keep one with a suffix, and say so when it is another kind of file."""
    if kind is None:
        return target
    if not SUFFIX.fullmatch(target.suffix):
        return target.with_name(f"{target.name}.{kind}")
    if target.suffix.lower().lstrip(".") not in {kind, SAME_KIND.get(kind)}:
        logger.warning("%s is a %s file by its content", target, kind)
    return target


def _open(target: Path, partial: Path) -> BinaryIO:
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a directory; name a file in it")
    return partial.open("xb")


def _seal(file: BinaryIO) -> None:
    """Make sure that the bytes are on the disk before the name says so."""
    file.flush()
    os.fsync(file.fileno())
    file.close()


def _discard(file: BinaryIO, partial: Path) -> None:
    # What cannot be closed or removed now (a full disk, a vanished folder) must not hide the error that led here.
    with contextlib.suppress(OSError):
        file.close()
    with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)
