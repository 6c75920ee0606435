"""An object store, reached by fsspec: whole objects are listed, read and written, with retries and a time limit.

fsspec's coroutines run on fsspec's own event loop, in its thread: opening a connection to S3 reads files for half a
second, during which no other loop may stand still. Its caches of instances and listings are off, and so are the retries
of the libraries below, of which there are up to 50 for one object.
"""

import asyncio
import base64
import hashlib
import random
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar

import attrs
from anyio.to_thread import run_sync

from musicapi_async._logger import logger
from musicapi_async._transport.cancellation import complete
from musicapi_async.bulk.output.address import S3, Address
from musicapi_async.errors import InvalidRequestError

__all__ = ["ObjectStore", "StoreError", "StoreLimits", "content_type"]

T = TypeVar("T")

BLOCK: Final = 8 * 1024 * 1024
"""Bytes that are read at once."""
MIN_RATE: Final = 50_000
"""Bytes a second that an object is given the time for, besides the time of a request."""
FIRST_DELAY: Final = 0.5
MAX_DELAY: Final = 30.0
"""Seconds between two attempts."""
CHECK_PATIENCE: Final = 10.0
"""Seconds for which failures are retried while an address is checked, before anything is paid for."""
CHECKED: Final = b"Written to check that songs can be saved here; it may be removed.\n"
FINAL: Final = (PermissionError, FileNotFoundError, NotImplementedError, TypeError, ValueError)
"""Errors that another attempt would meet too."""
FINAL_NAMES: Final = frozenset({"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"})
"""The names of such errors of botocore, which are subclasses of no built-in error."""
DIGEST_ERRORS: Final = ("digest", "checksum", "sha256")
CONTENT_TYPES: Final = {
    "aac": "audio/aac",
    "aif": "audio/aiff",
    "aiff": "audio/aiff",
    "ass": "text/x-ssa; charset=utf-8",
    "avif": "image/avif",
    "flac": "audio/flac",
    "gif": "image/gif",
    "heic": "image/heic",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "lrc": "text/plain; charset=utf-8",
    "m4a": "audio/mp4",
    "mid": "audio/midi",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "png": "image/png",
    "srt": "application/x-subrip; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "wav": "audio/wav",
    "webm": "audio/webm",
    "webp": "image/webp",
}


class StoreError(OSError):
    """The store does not take or return an object; the message has no credentials."""


@attrs.frozen(kw_only=True)
class StoreLimits:
    """Time limits in seconds: of a connection, of a request, and of the retries of one operation."""

    connect: float
    request: float
    retries: float


class ObjectStore:
    """The objects under an address. Every method raises StoreError."""

    def __init__(self, address: Address, limits: StoreLimits) -> None:
        self._address = address
        self._limits = limits
        self._files: Any = None
        """The file system of fsspec, which has no types; None before ``open``."""
        self._folder = ""
        """The address as a path of the file system."""
        self._patience = min(CHECK_PATIENCE, limits.retries)
        """Seconds for which an operation is tried again."""
        self._checks_digest = False
        """True when the store refuses an object that does not have the SHA-256 it is sent with."""

    async def open(self) -> None:
        """Connect, and write and remove a small object: without credentials or rights nothing may be paid for.

        Raises InvalidRequestError for an address that no installed package reaches.
        """
        if self._files is None:
            self._files, self._folder = await complete(run_sync(self._connect))
        name = f".musicapi-{secrets.token_hex(8)}.txt"
        self._checks_digest = await self._refuses_wrong_digest(name)
        try:
            await self._retrying("write", lambda: self._put(name, CHECKED), len(CHECKED))
            if not await self.holds(name, CHECKED) or name not in await self.names(name):
                raise StoreError("an object that was just written is not there")
        finally:
            with suppress(Exception):  # some keys may write and not remove
                await self._on_loop(self._files._rm_file(self._path(name)), self._limits.request)
        self._patience = self._limits.retries

    async def names(self, prefix: str) -> dict[str, int]:
        """Return the objects whose names begin with ``prefix``, with their sizes; those in folders are left out."""

        async def find() -> dict[str, int]:
            found = await self._files._find(self._folder, prefix=prefix, detail=True)
            names = {path.removeprefix(f"{self._folder}/"): int(info["size"]) for path, info in found.items()}
            # Not every file system knows the argument.
            return {name: size for name, size in names.items() if name.startswith(prefix) and "/" not in name}

        return await self._retrying(f"list {prefix}", find)

    async def holds(self, name: str, content: bytes) -> bool:
        """Return whether an object has this content, by reading it."""
        return await self._retrying(f"read {name}", lambda: self._is_equal(name, content), len(content))

    async def read(self, name: str, size: int) -> bytes:
        """Return the content of an object of about this size; one that is replaced while it is read is read again."""

        async def read() -> bytes:
            before = await self._files._info(self._path(name))
            content = b"".join([block async for _, block in self._blocks(name, before["size"])])
            if await self._files._info(self._path(name)) != before or len(content) != before["size"]:
                raise StoreError("it was replaced while it was read")
            return content

        return await self._retrying(f"read {name}", read, size)

    async def write(self, name: str, content: bytes) -> None:
        """Write an object in one request; it is there when the store is known to have exactly this content."""

        async def put() -> None:
            await self._put(name, content)
            if not self._checks_digest and not await self._is_equal(name, content):
                raise StoreError("the store has another content than was sent")

        await self._retrying(f"write {name}", put, len(content))

    async def aclose(self) -> None:
        """Close the connections."""
        files, self._files = self._files, None
        if files is not None and self._address.protocol in S3:

            async def close() -> None:
                await (await files.set_session()).close()

            with suppress(Exception):
                await self._on_loop(close(), self._limits.request, files)

    def _connect(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

        is_s3 = self._address.protocol in S3
        limits = {"connect_timeout": self._limits.connect, "read_timeout": self._limits.request}
        options = {"config_kwargs": {**limits, "retries": {"max_attempts": 0}}} if is_s3 else {}
        credentials = {name: secret.reveal() for name, secret in self._address.credentials.items()}
        try:
            files, folder = url_to_fs(
                self._address.url.reveal(), skip_instance_cache=True, use_listings_cache=False, **options, **credentials
            )
        except (ImportError, ValueError) as error:
            message = f"out is {self._address.shown}: {self._address.redact(str(error))}"
            raise InvalidRequestError(message, "out", self._address.shown) from None
        if is_s3:
            files.retries = 1
            try:
                files.connect()
            except Exception as error:  # noqa: BLE001 - such as one of a file with credentials
                raise StoreError(f"cannot connect: {self._address.redact(str(error))}") from None
        return files if files.async_impl else AsyncFileSystemWrapper(files, asynchronous=False), folder

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    async def _is_equal(self, name: str, content: bytes) -> bool:
        try:
            if (await self._files._info(self._path(name)))["size"] != len(content):
                return False
            async for start, block in self._blocks(name, len(content)):
                if block != content[start : start + BLOCK]:
                    return False
        except FileNotFoundError:
            return False
        return True

    async def _blocks(self, name: str, size: int) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the content of an object in blocks, each with its offset."""
        for start in range(0, size, BLOCK):
            yield start, await self._files._cat_file(self._path(name), start=start, end=min(start + BLOCK, size))

    async def _put(self, name: str, content: bytes, digest: bytes | None = None) -> None:
        """Write an object; in S3 with its type, and its SHA-256 for the store to check."""
        if self._address.protocol not in S3:
            await self._files._pipe_file(self._path(name), content)
            return
        checksum = base64.b64encode(digest or hashlib.sha256(content).digest()).decode()
        await self._files._pipe_file(
            self._path(name),
            content,
            chunksize=len(content) + 1,  # in one request, which is atomic
            ContentType=content_type(name),
            ChecksumSHA256=checksum,
        )

    async def _refuses_wrong_digest(self, name: str) -> bool:
        """Return whether the store checks the SHA-256 of what it is sent; where it does not, objects are read back."""
        if self._address.protocol not in S3:
            return False
        try:
            await self._on_loop(self._put(name, CHECKED, bytes(32)), self._limits.request)
        except OSError as error:
            return any(word in str(error).lower() for word in DIGEST_ERRORS)
        except Exception:  # noqa: BLE001 - the next request meets it again, and is retried
            return False
        return False

    async def _retrying(self, doing: str, work: Callable[[], Coroutine[Any, Any, T]], size: int = 0) -> T:
        """Do something until it succeeds, the time is up, or the error would be met again."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        limit, delay = self._limits.request + size / MIN_RATE, FIRST_DELAY
        while True:
            try:
                return await self._on_loop(work(), limit)
            except Exception as error:  # noqa: BLE001 - the libraries below raise errors of their own
                wait = random.uniform(delay / 2, delay)  # noqa: S311 - jitter needs no secrecy
                reason = self._reason_of(error, limit)
                if _is_final(error) or loop.time() + wait > deadline:
                    raise StoreError(f"cannot {doing}: {reason}") from None
                logger.info("%s: cannot %s (%s): retrying in %.1f s", self._address.shown, doing, reason, wait)
            await asyncio.sleep(wait)
            delay = min(2 * delay, MAX_DELAY)

    async def _on_loop(self, work: Coroutine[Any, Any, T], limit: float, files: Any = None) -> T:
        """Run a coroutine on fsspec's loop; when its time is up, or the caller is cancelled, it is cancelled there."""
        loop = (files or self._files).loop
        async with asyncio.timeout(limit):
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    def _reason_of(self, error: Exception, limit: float) -> str:
        if isinstance(error, TimeoutError) and not str(error):
            return f"no response within {limit:g} s"
        return self._address.redact(str(error)) or type(error).__name__


def content_type(name: str) -> str:
    """Return the type of a file by its suffix, as players and browsers expect it."""
    return CONTENT_TYPES.get(PurePosixPath(name).suffix.lower().lstrip("."), "application/octet-stream")


def _is_final(error: Exception) -> bool:
    # An object that is not there is an error of the caller, and a missing bucket one of the address.
    return isinstance(error, FINAL) or type(error).__name__ in FINAL_NAMES
