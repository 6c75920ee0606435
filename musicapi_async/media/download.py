"""A file of the service to a file on disk: streamed, and under its final name only when it is whole."""

import contextlib
import errno
import inspect
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TypeVar

from anyio.to_thread import run_sync

from musicapi_async._arguments import clip_advice, path_argument, wrong_argument
from musicapi_async._settings import Settings
from musicapi_async._transport.caller import logger
from musicapi_async._transport.downloads import Downloads, FileResponse
from musicapi_async._transport.retry import FailureKind, TransportError
from musicapi_async._transport.shielding import complete
from musicapi_async.errors import APIStatusError, DownloadError, InvalidRequestError
from musicapi_async.media.kinds import FIRST_BYTES, KINDS, PICTURES, is_text, is_usual_suffix, kind_of
from musicapi_async.media.saved import Progress, SavedFile
from musicapi_async.results import Clip, DownloadFile

__all__ = ["save"]

T = TypeVar("T")

# One hop to a thread for each batch: small ones cost more in hops than in writing.
BATCH: Final = 1024 * 1024
SHOWN: Final = 60
"""Bytes of an error page that its error quotes."""
AUDIO_SUFFIXES: Final = (".m4a", ".m4b")
# The end of "Mr. Brightside" or "v1.2" is not a suffix.
SUFFIX: Final = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}")


async def save(
    files: Downloads,
    settings: Settings,
    source: Clip | DownloadFile | str,
    path: str | os.PathLike[str],
    on_progress: Progress | None,
) -> SavedFile:
    """Fetch a clip's audio, or a URL, to a path; see ``MusicAPI.download``."""
    url = _url_of(source)
    target = _target_of(path)
    _check_progress(on_progress)
    partial = _PartialFile(url, target, is_song=not isinstance(source, str))
    if isinstance(source, DownloadFile):
        partial.is_audio = f".{source.format}".lower() in AUDIO_SUFFIXES
    try:
        await partial.do(partial.open)
        await _fetch(files, settings, url, partial, on_progress)
        kind = kind_of(partial.start, is_audio=partial.is_audio)
        if kind is None and partial.is_media:
            logger.warning("%s is none of the known media formats by its content", partial.target)
        final = _final_name(partial.target, kind)
        await partial.do(partial.finish, final)
        return SavedFile(path=final, size=partial.size, kind=kind)
    finally:
        # Cancelled or failed, nothing half may stay; after the rename there is nothing left to remove.
        await partial.do(partial.discard)


class _PartialFile:
    """The file while it grows: beside its target, under a name of its own."""

    def __init__(self, url: str, target: Path, *, is_song: bool) -> None:
        self.target = target
        self.url = url
        self._is_song = is_song
        suffix = target.suffix if SUFFIX.fullmatch(target.suffix) else PurePosixPath(_path_of(url)).suffix
        self.is_media = is_song or suffix.lower().lstrip(".") in KINDS
        """Whether a text or an error page would be no file of this name."""
        self.is_audio = False
        """Whether its host, or the service, calls it audio."""
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
        return DownloadError(self.url, str(self.target), reason, status)

    def add(self, chunk: bytes) -> None:
        """Count what came, and look at the first of it as soon as it is there."""
        self.size += len(chunk)
        if len(self.start) < FIRST_BYTES:
            self.start += chunk[: FIRST_BYTES - len(self.start)]
            if len(self.start) == FIRST_BYTES:
                self.check()

    def check(self) -> None:
        """Refuse an error page that came with a 200; a text that is requested by its URL and name is written."""
        if self.is_media and is_text(self.start):
            raise self.error(f"its host sent a text that begins {self.start[:SHOWN]!r}")
        if self._is_song and (kind := kind_of(self.start)) in PICTURES:
            raise self.error(f"its host sent a picture ({kind}) in the place of a song")

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
    files: Downloads, settings: Settings, url: str, partial: _PartialFile, on_progress: Progress | None
) -> None:
    """Copy the body to the file, in several goes when it breaks off."""
    try:
        await files.fetch(settings, url, lambda reply: _copy(reply, partial, on_progress))
    except TransportError as error:
        came = f"; {partial.size} bytes had come" if error.kind in {FailureKind.CUT, FailureKind.TIMEOUT} else ""
        raise partial.error(error.reason + came) from error
    except (APIStatusError, InvalidRequestError) as error:
        raise partial.error(f"its host answered {error.status}", error.status) from error


async def _copy(reply: FileResponse, partial: _PartialFile, on_progress: Progress | None) -> None:
    addresses = (partial.url, reply.address)
    partial.is_audio |= reply.media_type.startswith("audio/") or any(map(_is_audio_path, addresses))
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
    except TransportError:
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
    if not isinstance(source, (Clip, str)):
        raise wrong_argument("source", source, "a Clip, a DownloadFile or a URL", clip_advice(source))
    if isinstance(source, Clip):
        if source.audio_url is None:
            state = source.state or "unknown"
            raise DownloadError(f"clip {source.clip_id}", None, f"it has no finished audio (its state is {state})")
        return source.audio_url
    if not source.lower().startswith(("http://", "https://")):
        reason = "only http:// and https:// addresses can be fetched; of a clip pass the Clip, not its id"
        raise DownloadError(source, None, reason)
    return source


def _target_of(path: str | os.PathLike[str]) -> Path:
    """Return the path to write to; whether it can be written is seen when the file is opened."""
    return path_argument("path", path, 'pass a name for the file: "song.mp3"')


def _check_progress(on_progress: Progress | None) -> None:
    if on_progress is None:
        return
    wanted = "a plain function of two numbers, or None"
    if not callable(on_progress):
        raise wrong_argument("on_progress", on_progress, wanted)
    if inspect.iscoroutinefunction(on_progress):
        raise wrong_argument("on_progress", on_progress, wanted, "a coroutine function would never be awaited")


def _final_name(target: Path, kind: str | None) -> Path:
    """Complete a name without a suffix; keep one with a suffix, and say so when it is another kind of file."""
    if kind is None:
        return target
    if not SUFFIX.fullmatch(target.suffix):
        return target.with_name(f"{target.name}.{kind}")
    if not is_usual_suffix(kind, target.suffix.lower().lstrip(".")):
        logger.warning("%s is a %s file by its content", target, kind)
    return target


def _is_audio_path(address: str) -> bool:
    return _path_of(address).lower().endswith(AUDIO_SUFFIXES)


def _path_of(address: str) -> str:
    return address.partition("#")[0].partition("?")[0]
