"""A file of the service to a file on disk: streamed, and under its final name only when it is whole."""

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from anyio.to_thread import run_sync

from musicapi_async._settings import Settings
from musicapi_async._transport.caller import logger
from musicapi_async._transport.files import FileReply, Files
from musicapi_async._transport.retry import BrokenError, Fault
from musicapi_async._transport.shielding import complete
from musicapi_async.errors import APIStatusError, DownloadError, InvalidRequestError
from musicapi_async.media.kinds import FIRST_BYTES, KINDS, SAME_KIND, is_text, kind_of
from musicapi_async.media.saved import Progress, SavedFile
from musicapi_async.results import Clip, DownloadFile

__all__ = ["save"]

T = TypeVar("T")

# One hop to a thread for each batch: small ones cost more in hops than in writing.
BATCH: Final = 1024 * 1024
# The end of "Mr. Brightside" or "v1.2" is not a suffix.
SUFFIX: Final = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}")


async def save(
    files: Files,
    settings: Settings,
    source: Clip | DownloadFile | str,
    path: str | os.PathLike[str],
    on_progress: Progress | None,
) -> SavedFile:
    """Fetch a clip's audio, or a URL, to a path; see ``MusicAPI.download``."""
    url = _url_of(source)
    partial = _PartialFile(url, Path(path), is_media=not isinstance(source, str))
    try:
        await partial.do(partial.open)
        await _fetch(files, settings, url, partial, on_progress)
        kind = kind_of(partial.start)
        final = _final_name(partial.target, kind)
        await partial.do(partial.finish, final)
        return SavedFile(path=final, size=partial.size, kind=kind)
    finally:
        # Cancelled or failed, nothing half may stay; after the rename there is nothing left to remove.
        await partial.do(partial.discard)


class _PartialFile:
    """The file while it grows: beside its target, under a name of its own."""

    def __init__(self, url: str, target: Path, *, is_media: bool) -> None:
        self.target = target
        self._url = url
        self._is_media = is_media or target.suffix.lower().lstrip(".") in KINDS
        self._path = target.parent / f".{secrets.token_hex(8)}.part"
        self._file: BinaryIO | None = None
        self.size = 0
        """The bytes that came."""
        self.start = b""
        """The first of them."""

    async def do(self, function: Callable[..., T], *args: object) -> T:
        """Run one of the functions below in a thread, to its end: cancelled, the caller ends after it."""
        try:
            return await complete(run_sync(function, *args))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self.error(reason) from error

    def error(self, reason: str, status: int | None = None) -> DownloadError:
        """Make the error that names this file."""
        return DownloadError(self._url, str(self.target), reason, status)

    def add(self, chunk: bytes) -> None:
        """Count what came, and look at the first of it as soon as it is there."""
        self.size += len(chunk)
        if len(self.start) < FIRST_BYTES:
            self.start += chunk[: FIRST_BYTES - len(self.start)]
            if len(self.start) == FIRST_BYTES:
                self.check()

    def check(self) -> None:
        """Refuse an error page that came with a 200; whoever asks for a text by its URL and name gets it."""
        if self._is_media and is_text(self.start):
            raise self.error(f"its host sent a text that begins {self.start!r}")

    def open(self) -> None:
        if self.target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory; name a file in it")
        self._file = self._path.open("xb")

    def keep(self, size: int) -> None:
        """Keep so many bytes of what was written, and forget the others."""
        self.size, self.start = size, self.start[:size]
        if self._file is not None:
            self._file.seek(size)
            self._file.truncate()

    def write(self, content: bytes) -> None:
        if self._file is not None:
            self._file.write(content)

    def finish(self, final: Path) -> None:
        """Make sure that the bytes are on the disk before the name says so."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.replace(final)
            self._file = None

    def discard(self) -> None:
        if self._file is not None:
            # What cannot be closed or removed now (a full disk, a vanished folder) must not hide the error that led
            # here.
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            self._file = None


async def _fetch(
    files: Files, settings: Settings, url: str, partial: _PartialFile, on_progress: Progress | None
) -> None:
    """Copy the body to the file, in several goes when it breaks off."""
    try:
        await files.fetch(settings, url, lambda reply: _copy(reply, partial, on_progress))
    except BrokenError as error:
        came = f"; {partial.size} bytes had come" if error.fault in {Fault.CUT, Fault.TIMEOUT} else ""
        raise partial.error(error.reason + came) from error
    except (APIStatusError, InvalidRequestError) as error:
        raise partial.error(f"its host answered {error.status}", error.status) from error


async def _copy(reply: FileReply, partial: _PartialFile, on_progress: Progress | None) -> None:
    if partial.size != reply.start:
        await partial.do(partial.keep, reply.start)
    batch = bytearray()
    try:
        async for chunk in reply.chunks:
            partial.add(chunk)
            batch += chunk
            if len(batch) >= BATCH:
                await partial.do(partial.write, bytes(batch))
                batch.clear()
                if on_progress is not None:
                    on_progress(partial.size, reply.size)
    except BrokenError:
        # The next try may go on behind it.
        await partial.do(partial.write, bytes(batch))
        raise
    if not partial.size:
        raise partial.error("the file is empty")
    partial.check()
    await partial.do(partial.write, bytes(batch))
    if on_progress is not None:
        on_progress(partial.size, reply.size)


def _url_of(source: Clip | DownloadFile | str) -> str:
    if isinstance(source, DownloadFile):
        source = source.url
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
