"""The responses to a webhook request, and the limit on its body. No I/O."""

import logging
from enum import IntEnum
from typing import Final

from musicapi_async._logger import logger

__all__ = ["MAX_BODY", "BoundedBody", "ResponseStatus", "declared_length", "not_kept"]

MAX_BODY: Final = 1024 * 1024
"""Bytes of a body; a larger one is refused."""
MAX_READ: Final = 8 * MAX_BODY
"""Bytes that are read of a larger body before the response: some servers reset the connection of a response that comes
before the whole body was read, and the sender never sees it."""


class ResponseStatus(IntEnum):
    """The status of the response to a webhook request."""

    KEPT = 200
    """The event was verified and kept, is a duplicate, or belongs to no task of this client: it is not sent again."""
    NOT_VERIFIED = 401
    """The event cannot be shown to be the service's."""
    NOT_A_POST = 405
    """The request is no POST."""
    TOO_LARGE = 413
    """The body is larger than 1 MiB."""
    NOT_KEPT = 503
    """The event could not be kept, and should be sent again."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response."""
        return {"Allow": "POST"} if self is ResponseStatus.NOT_A_POST else {}


class BoundedBody:
    """The body of a request, which is dropped as soon as it is too large; ``length`` is the one it declares."""

    __slots__ = ("_chunks", "_read", "is_too_large")

    def __init__(self, length: int | None) -> None:
        self._chunks: list[bytes] = []
        self._read = 0
        self.is_too_large: bool = length is not None and length > MAX_BODY
        """True when the body is larger than it may be."""

    def add(self, chunk: bytes) -> None:
        """Add the next bytes."""
        self._read += len(chunk)
        if self._read > MAX_BODY:
            self.is_too_large = True
        if self.is_too_large:
            self._chunks.clear()
        else:
            self._chunks.append(chunk)

    @property
    def takes_more(self) -> bool:
        """False when so much of it was read that the rest is left."""
        return self._read < MAX_READ

    @property
    def content(self) -> bytes:
        """The whole body."""
        return b"".join(self._chunks)


def declared_length(value: str | bytes | None) -> int | None:
    """Return the number of a Content-Length header; None without a readable one."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None  # noqa: PLR2004 - 64 bits


def not_kept(error: BaseException) -> ResponseStatus:
    """Log an error that prevented an event from being kept, which the sender does not see; return the response."""
    logger.log(logging.ERROR, "a webhook event was not kept, and should be sent again: %r", error, exc_info=error)
    return ResponseStatus.NOT_KEPT
