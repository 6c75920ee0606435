"""Download of a file to disk: streamed, and under its final name only when it is complete."""

import asyncio
import contextlib
import errno
import inspect
import os
import secrets
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from anyio.to_thread import run_sync

from musicapi_async._arguments import path_argument, wrong_argument
from musicapi_async._logger import logger
from musicapi_async._settings import Settings
from musicapi_async._transport.cancellation import ShieldedTask, complete
from musicapi_async._transport.downloads import Downloads, FileResponse
from musicapi_async._transport.retry import TransportError
from musicapi_async.errors import APIStatusError, InvalidRequestError
from musicapi_async.media.content import SUFFIX, Content, address_path, url_of
from musicapi_async.media.formats import format_of, is_usual_suffix
from musicapi_async.media.saved import Progress, SavedFile
from musicapi_async.results import Clip, DownloadFile

__all__ = ["save"]

T = TypeVar("T")

BATCH: Final = 1024 * 1024
"""Bytes that are written at once, in a thread, while the next ones arrive: for few the switch takes longer."""
AUDIO_SUFFIXES: Final = (".m4a", ".m4b")
SEPARATORS: Final = tuple(separator for separator in (os.sep, os.altsep) if separator)


async def save(
    files: Downloads,
    settings: Settings,
    source: Clip | DownloadFile | str,
    path: str | os.PathLike[str],
    on_progress: Progress | None,
) -> SavedFile:
    """Fetch a clip's audio, or a URL, to a path; see ``MusicAPI.download``."""
    url = url_of(source)
    target = _target_of(path)
    _check_progress(on_progress)
    partial = _PartialFile(source, url, target)
    try:
        await partial.do(partial.open)
        await _fetch(files, settings, url, partial, on_progress)
        content = partial.content
        file_format = format_of(content.start, is_audio=partial.is_audio)
        if file_format is None and content.is_media:
            logger.warning("the content of %s is in none of the known media formats", partial.target)
        final = _final_name(partial.target, file_format)
        await partial.do(partial.finish, final)
        return SavedFile(path=final, size=content.size, format=file_format)
    finally:
        # After a cancellation or an error no partial file may stay; after the rename there is none.
        await complete(partial.close())


class _PartialFile:
    """The file during the download: next to its target, under a temporary name."""

    def __init__(self, source: Clip | DownloadFile | str, url: str, target: Path) -> None:
        self.target = target
        self.content = Content(source, url, str(target))
        is_audio = isinstance(source, DownloadFile) and f".{source.format}".lower() in AUDIO_SUFFIXES
        self.is_audio = is_audio
        """True when its host or the service declares it as audio."""
        self._path = target.parent / f".{secrets.token_hex(8)}.part"
        self._file: BinaryIO | None = None
        self._writing: ShieldedTask[None] | None = None

    async def do(self, function: Callable[..., T], *args: object) -> T:
        """Run one of the functions below in a thread, to its end, even if the caller is cancelled."""

        async def run() -> T:
            await self._written()
            return await run_sync(function, *args)

        return await self._complete(run())

    async def write(self, chunks: Sequence[bytes]) -> None:
        """Begin to write chunks to the end of the file, once the chunks before are written.

        The next call of any method raises the error of the writing.
        """
        await self._complete(self._written())
        writing = run_sync(self._append, chunks)
        self._writing = ShieldedTask(writing, loop=asyncio.get_running_loop())

    async def close(self) -> None:
        """Remove the file, if it has not got its name."""
        # The error that ended the download was raised, or is that of a cancellation.
        with contextlib.suppress(OSError, ValueError):
            await self._written()
        await run_sync(self._discard)

    async def _complete(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await complete(work)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self.content.error(reason) from error

    async def _written(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    def open(self) -> None:
        if self.target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory; name a file in it")
        self._file = self._path.open("xb")

    def truncate(self, size: int) -> None:
        """Truncate the file to ``size`` bytes."""
        self.content.restart(size)
        if self._file is not None:
            self._file.seek(size)
            self._file.truncate()

    def _append(self, chunks: Sequence[bytes]) -> None:
        if self._file is None:
            return
        self._file.writelines(chunks)
        self._file.flush()
        _begin_writeback(self._file)

    def finish(self, final: Path) -> None:
        """Flush the file to the disk, then rename it."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.replace(final)
            self._file = None

    def _discard(self) -> None:
        if self._file is not None:
            # A failure to close or remove it (a full disk, a missing folder) must not hide the original error.
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            self._file = None


def _begin_writeback(file: BinaryIO) -> None:
    """Have the system write a file to the disk while more of it arrives: the sync then has less to do.

    It drops what is written from its cache: a song is seldom read at once.
    """
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):  # not on every file system; the sync does without
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


async def _fetch(
    files: Downloads, settings: Settings, url: str, partial: _PartialFile, on_progress: Progress | None
) -> None:
    """Copy the body to the file, over several attempts if it is cut off."""
    try:
        await files.fetch(settings, url, lambda response: _copy(response, partial, on_progress))
    except (TransportError, APIStatusError, InvalidRequestError) as error:
        raise partial.content.error_of(error) from error


async def _copy(response: FileResponse, partial: _PartialFile, on_progress: Progress | None) -> None:
    content = partial.content
    addresses = (content.url, response.address)
    partial.is_audio |= response.media_type.startswith("audio/") or any(map(_is_audio_path, addresses))
    if content.size != response.start:
        await partial.do(partial.truncate, response.start)
    batch: list[bytes] = []
    length = 0
    try:
        async for chunk in response.chunks:
            content.add(chunk)
            batch.append(chunk)
            length += len(chunk)
            if length >= BATCH:
                await partial.write(batch)
                batch, length = [], 0
                if on_progress is not None:
                    on_progress(content.size, response.size)
    except TransportError:
        # The next attempt may resume after it.
        await partial.write(batch)
        raise
    content.end()
    await partial.write(batch)
    if on_progress is not None:
        on_progress(content.size, response.size)


def _target_of(path: str | os.PathLike[str]) -> Path:
    """Return the path to write to; it is not opened yet."""
    target = path_argument("path", path, 'pass a name for the file: "song.mp3"')
    # A Path has no slash at its end: the file would get the name of the folder. The root is refused as a directory.
    if target.name and os.fspath(path).endswith(SEPARATORS):
        message = f'path names a folder; name a file in it ("{target.name}/song.mp3"), or use client.save'
        raise InvalidRequestError(message, "path", str(path), "the name of a file")
    return target


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
    return address_path(address).lower().endswith(AUDIO_SUFFIXES)
