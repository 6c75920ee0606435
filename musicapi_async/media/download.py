"""Download of a file to disk: streamed, and under its final name only when it is complete."""

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
from musicapi_async._logger import logger
from musicapi_async._settings import Settings
from musicapi_async._transport.cancellation import complete
from musicapi_async._transport.downloads import Downloads, FileResponse
from musicapi_async._transport.retry import FailureKind, TransportError
from musicapi_async.errors import APIStatusError, DownloadError, InvalidRequestError
from musicapi_async.media.formats import FIRST_BYTES, PICTURES, SUFFIXES, format_of, is_text, is_usual_suffix
from musicapi_async.media.saved import Progress, SavedFile
from musicapi_async.results import Clip, DownloadFile

__all__ = ["save"]

T = TypeVar("T")

# Each batch is written in a thread: for small ones the switch costs more than the writing.
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
        file_format = format_of(partial.start, is_audio=partial.is_audio)
        if file_format is None and partial.is_media:
            logger.warning("the content of %s is in none of the known media formats", partial.target)
        final = _final_name(partial.target, file_format)
        await partial.do(partial.finish, final)
        return SavedFile(path=final, size=partial.size, format=file_format)
    finally:
        # After a cancellation or an error no partial file may stay; after the rename there is none.
        await partial.do(partial.discard)


class _PartialFile:
    """The file during the download: next to its target, under a temporary name."""

    def __init__(self, url: str, target: Path, *, is_song: bool) -> None:
        self.target = target
        self.url = url
        self._is_song = is_song
        suffix = target.suffix if SUFFIX.fullmatch(target.suffix) else PurePosixPath(_path_of(url)).suffix
        self.is_media = is_song or suffix.lower().lstrip(".") in SUFFIXES
        """True when the name is one of a media file, so that a text or an error page is an error."""
        self.is_audio = False
        """True when its host or the service declares it as audio."""
        self._path = target.parent / f".{secrets.token_hex(8)}.part"
        self._file: BinaryIO | None = None
        self.size = 0
        """The number of bytes received."""
        self.start = b""
        """The first bytes, at most ``FIRST_BYTES``."""

    async def do(self, function: Callable[..., T], *args: object) -> T:
        """Run one of the functions below in a thread, to its end, even if the caller is cancelled."""
        try:
            return await complete(run_sync(function, *args))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self.error(reason) from error

    def error(self, reason: str, status: int | None = None) -> DownloadError:
        """Return the error for this file."""
        return DownloadError(self.url, str(self.target), reason, status)

    def add(self, chunk: bytes) -> None:
        """Count a chunk, and check the first bytes as soon as they are complete."""
        self.size += len(chunk)
        if len(self.start) < FIRST_BYTES:
            self.start += chunk[: FIRST_BYTES - len(self.start)]
            if len(self.start) == FIRST_BYTES:
                self.check()

    def check(self) -> None:
        """Refuse an error page that came with a 200; a text file that was requested by its URL and name is accepted."""
        if self.is_media and is_text(self.start):
            raise self.error(f"its host sent a text that begins {self.start[:SHOWN]!r}")
        if self._is_song and (file_format := format_of(self.start)) in PICTURES:
            raise self.error(f"its host sent a picture ({file_format}) instead of a song")

    def open(self) -> None:
        if self.target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory; name a file in it")
        self._file = self._path.open("xb")

    def truncate(self, size: int) -> None:
        """Truncate the file to ``size`` bytes."""
        self.size, self.start = size, self.start[:size]
        if self._file is not None:
            self._file.seek(size)
            self._file.truncate()

    def write(self, content: bytes) -> None:
        if self._file is not None:
            self._file.write(content)

    def finish(self, final: Path) -> None:
        """Flush the file to the disk, then rename it."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.replace(final)
            self._file = None

    def discard(self) -> None:
        if self._file is not None:
            # A failure to close or remove it (a full disk, a missing folder) must not hide the original error.
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            self._file = None


async def _fetch(
    files: Downloads, settings: Settings, url: str, partial: _PartialFile, on_progress: Progress | None
) -> None:
    """Copy the body to the file, over several attempts if it is cut off."""
    try:
        await files.fetch(settings, url, lambda response: _copy(response, partial, on_progress))
    except TransportError as error:
        received = (
            f"; {partial.size} bytes were received" if error.kind in {FailureKind.CUT, FailureKind.TIMEOUT} else ""
        )
        raise partial.error(error.reason + received) from error
    except (APIStatusError, InvalidRequestError) as error:
        raise partial.error(f"its host responded with status {error.status}", error.status) from error


async def _copy(response: FileResponse, partial: _PartialFile, on_progress: Progress | None) -> None:
    addresses = (partial.url, response.address)
    partial.is_audio |= response.media_type.startswith("audio/") or any(map(_is_audio_path, addresses))
    if partial.size != response.start:
        await partial.do(partial.truncate, response.start)
    batch = bytearray()
    try:
        async for chunk in response.chunks:
            partial.add(chunk)
            batch += chunk
            if len(batch) >= BATCH:
                await partial.do(partial.write, bytes(batch))
                batch.clear()
                if on_progress is not None:
                    on_progress(partial.size, response.size)
    except TransportError:
        # The next attempt may resume after it.
        await partial.do(partial.write, bytes(batch))
        raise
    if not partial.size:
        raise partial.error("the file is empty")
    partial.check()
    await partial.do(partial.write, bytes(batch))
    if on_progress is not None:
        on_progress(partial.size, response.size)


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
        reason = "only http:// and https:// addresses can be fetched; for a clip pass the Clip, not its id"
        raise DownloadError(source, None, reason)
    return source


def _target_of(path: str | os.PathLike[str]) -> Path:
    """Return the path to write to; it is not opened yet."""
    return path_argument("path", path, 'pass a name for the file: "song.mp3"')


def _check_progress(on_progress: Progress | None) -> None:
    if on_progress is None:
        return
    wanted = "a plain function of two numbers, or None"
    if not callable(on_progress):
        raise wrong_argument("on_progress", on_progress, wanted)
    if inspect.iscoroutinefunction(on_progress):
        raise wrong_argument("on_progress", on_progress, wanted, "a coroutine function would never be awaited")


def _final_name(target: Path, file_format: str | None) -> Path:
    """Add the suffix to a name without one; keep any other, and log a warning if the format differs."""
    if file_format is None:
        return target
    if not SUFFIX.fullmatch(target.suffix):
        return target.with_name(f"{target.name}.{file_format}")
    if not is_usual_suffix(file_format, target.suffix.lower().lstrip(".")):
        logger.warning("the content of %s is %s, not what its suffix says", target, file_format)
    return target


def _is_audio_path(address: str) -> bool:
    return _path_of(address).lower().endswith(AUDIO_SUFFIXES)


def _path_of(address: str) -> str:
    return address.partition("#")[0].partition("?")[0]
