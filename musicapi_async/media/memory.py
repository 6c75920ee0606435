"""Downloads to memory: a whole file as bytes, or its chunks as they arrive."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from typing import Final

from musicapi_async._arguments import wrong_argument
from musicapi_async._settings import Settings
from musicapi_async._transport.cancellation import ActiveCalls, wait_shielded
from musicapi_async._transport.downloads import Downloads, FileResponse
from musicapi_async._transport.retry import TransportError
from musicapi_async.errors import APIStatusError, InvalidRequestError
from musicapi_async.media.content import Content, url_of
from musicapi_async.media.formats import FIRST_BYTES
from musicapi_async.results import Clip, DownloadFile

__all__ = ["read", "stream"]

CHUNKS_AHEAD: Final = 2
"""Chunks that are received before the consumer takes them; one has at most 256 KiB."""


async def read(files: Downloads, settings: Settings, source: Clip | DownloadFile | str, max_size: int | None) -> bytes:
    """Fetch a file and return its bytes; see ``MusicAPI.read``."""
    content = Content(source, url_of(source))
    limit = settings.max_file_size if max_size is None else _checked_size(max_size)
    body = bytearray()

    def check(size: int | None, how: str) -> None:
        if size is not None and size > limit:
            name = "max_file_size" if max_size is None else "max_size"
            raise content.error(f"it is larger than {name}, {limit} bytes: {size} {how}")

    async def take(response: FileResponse) -> None:
        check(response.size, "are announced")
        content.restart(response.start)
        del body[response.start :]
        async for chunk in response.chunks:
            content.add(chunk)
            check(content.size, "were received")
            body.extend(chunk)
        content.end()

    try:
        await files.fetch(settings, content.url, take)
    except (TransportError, APIStatusError, InvalidRequestError) as error:
        raise content.error_of(error) from error
    return bytes(body)


def stream(
    files: Downloads, settings: Settings, calls: ActiveCalls, source: Clip | DownloadFile | str
) -> AsyncGenerator[bytes, None]:
    """Return a generator of a file's chunks; see ``MusicAPI.stream``."""
    content = Content(source, url_of(source, may_run=True))
    return _chunks(files, settings, calls, _Relay(content))


class _Relay:
    """Passes chunks from the task that receives them to the consumer."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        """The chunks that were not taken yet; None is the end."""
        self.room = asyncio.Semaphore(CHUNKS_AHEAD)
        self._version: tuple[str | None, int | None] = None, None
        """The validator of the file and its size, from its first response."""
        self._digest = hashlib.blake2b()
        """Of all bytes received, if there is no validator: a host that cannot resume sends them again, and they must be
        the same."""
        self._held = b""
        """The beginning, until it is long enough to be distinguished from an error page."""

    async def fetch(self, files: Downloads, settings: Settings) -> None:
        """Receive the whole file, over several attempts if it is cut off; raises DownloadError."""
        try:
            await files.fetch(settings, self.content.url, self._take)
        except (TransportError, APIStatusError, InvalidRequestError) as error:
            raise self.content.error_of(error) from error
        self.content.end()
        await self._put(self._held)

    async def _take(self, response: FileResponse) -> None:
        missing, digest = self.content.size - response.start, hashlib.blake2b()
        version = response.validator, response.size
        if not self.content.size:
            self._version = version
        elif missing and self._is_named and self._version != version:
            raise self._changed()
        async for chunk in response.chunks:
            new = chunk
            if missing > 0:
                again, new = chunk[:missing], chunk[missing:]
                missing -= len(again)
                if not self._is_named:
                    digest.update(again)
                    if missing == 0 and digest.digest() != self._digest.digest():
                        raise self._changed()
            if new:
                await self._add(new)
        if missing > 0:
            raise self._changed()

    @property
    def _is_named(self) -> bool:
        """True when the host names the version of the file; the digest would double the CPU time of a large one."""
        return self._version[0] is not None

    async def _add(self, chunk: bytes) -> None:
        if not self._is_named:
            self._digest.update(chunk)
        self.content.add(chunk)
        self._held += chunk
        if self.content.size >= FIRST_BYTES:
            chunk, self._held = self._held, b""
            await self._put(chunk)

    async def _put(self, chunk: bytes) -> None:
        if chunk:
            await self.room.acquire()
            self.chunks.put_nowait(chunk)

    def _changed(self) -> Exception:
        size = self.content.size
        return self.content.error(f"the connection broke after {size} bytes, and the file has changed since")


async def _chunks(
    files: Downloads, settings: Settings, calls: ActiveCalls, relay: _Relay
) -> AsyncGenerator[bytes, None]:
    """Yield the chunks that a task receives: a retry cannot be part of a generator that is left at a ``yield``."""

    def end(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # so that asyncio does not report it, if the consumer never comes back for it
        relay.chunks.put_nowait(None)

    receiving = asyncio.create_task(calls.track(relay.fetch(files, settings)))
    receiving.add_done_callback(end)
    try:
        while (chunk := await relay.chunks.get()) is not None:
            relay.room.release()
            yield chunk
        receiving.result()
    finally:
        # Also when the generator is left early: the task releases its slot and its connection.
        receiving.cancel()
        cancellation = await wait_shielded(receiving)
        if cancellation is not None:
            raise cancellation


def _checked_size(size: object) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise wrong_argument("max_size", size, "an integer of at least 1, or None")
    return size
