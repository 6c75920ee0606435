"""Resuming a download: the range to request, and the content of the response (RFC 9110, 13.1.5 and 14). No I/O."""

import enum
import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import attrs

__all__ = ["Part", "RangeContent"]

OK: Final = 200
PARTIAL: Final = 206
NO_SUCH_RANGE: Final = 416
STRONG_TAG: Final = re.compile(r'"[\x21\x23-\x7e]*"')
LENGTH: Final = re.compile(r"[0-9]{1,18}")
RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)
SURELY_OLDER: Final = timedelta(seconds=1)
"""A file that changed in the second in which it was sent may have changed twice (RFC 9110, 8.8.2.2)."""


class RangeContent(enum.Enum):
    """The content of a response to a range request."""

    WHOLE = "the file, from its first byte"
    REST = "the missing rest of it"
    UNUSABLE = "neither: the file must be requested again from its first byte"
    REFUSAL = "no file"


@attrs.define
class Part:
    """The received part of a file, with the size and the validator that its host announced."""

    status: int | None = attrs.field(default=None, eq=False)
    """The status of the last response; None before the first."""
    received: int = 0
    """The number of bytes received, from the first one."""
    size: int | None = None
    """The size of the whole file in bytes; None when the host does not announce it."""
    validator: str | None = None
    """The strong ETag or date of this version of the file; None when there is none, or it cannot be resumed."""

    @property
    def is_whole(self) -> bool:
        """True when all announced bytes were received; never without an announced size."""
        return self.received == self.size

    @property
    def resumes_at(self) -> int:
        """The offset of the next byte to request.

        0 without a validator: a range could then be of another version of the file.
        """
        return 0 if self.validator is None else self.received

    def headers(self) -> dict[str, str]:
        """Return the headers that request the missing part, on condition that the file is unchanged."""
        if self.validator is None or not self.received:
            return {}
        return {"Range": f"bytes={self.received}-", "If-Range": self.validator}

    def accept(self, status: int, headers: Mapping[str, str]) -> RangeContent:
        """Return the content of the response, and keep the size and the validator in its headers."""
        self.status = status
        content = self._content_of(status, headers)
        if content is RangeContent.WHOLE:
            self.received, self.size, self.validator = 0, _size_in(headers), _validator_in(headers)
        elif content is RangeContent.REST:
            self.size = _total_in(headers)
        elif content is RangeContent.UNUSABLE:
            self.forget()
        return content

    def forget(self) -> None:
        """Discard the received part."""
        self.received, self.size, self.validator = 0, None, None

    def _content_of(self, status: int, headers: Mapping[str, str]) -> RangeContent:
        if status == OK:
            return RangeContent.WHOLE
        if status not in {PARTIAL, NO_SUCH_RANGE} or not self.headers():
            return RangeContent.REFUSAL
        return RangeContent.REST if status == PARTIAL and self._is_rest(headers) else RangeContent.UNUSABLE

    def _is_rest(self, headers: Mapping[str, str]) -> bool:
        """Return whether a partial response fits in every respect: a wrong one would corrupt the file silently."""
        found = RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if found is None or "Content-Encoding" in headers:
            return False
        if headers.get("Content-Type", "").lower().startswith("multipart/"):
            return False
        first, last, total = (int(each) for each in found.groups())
        named = headers.get("ETag" if STRONG_TAG.fullmatch(self.validator or "") else "Last-Modified")
        return (
            first == self.received
            and first <= last < total
            and self.size in {None, total}
            and _size_in(headers) in {None, last - first + 1}
            and named in {None, self.validator}
        )


def _size_in(headers: Mapping[str, str]) -> int | None:
    """Return the announced size; None for a compressed response, whose size after decompression is unknown."""
    found = LENGTH.fullmatch(headers.get("Content-Length", ""))
    return None if found is None or "Content-Encoding" in headers else int(found[0])


def _total_in(headers: Mapping[str, str]) -> int | None:
    found = RANGE.fullmatch(headers.get("Content-Range", "").strip())
    return None if found is None else int(found[3])


def _validator_in(headers: Mapping[str, str]) -> str | None:
    """Return the validator for requesting the rest: a strong ETag, else a date that is equally reliable."""
    accepted = [unit.strip() for unit in headers.get("Accept-Ranges", "").lower().split(",")]
    # With compression, the bytes received are not those that a range counts.
    if "none" in accepted or "Content-Encoding" in headers:
        return None
    tag = headers.get("ETag")
    if tag is None:
        return _date_in(headers)
    # A weak ETag does not guarantee the same bytes; and next to one a date must not be used either.
    return tag if STRONG_TAG.fullmatch(tag) else None


def _date_in(headers: Mapping[str, str]) -> str | None:
    modified = headers.get("Last-Modified", "")
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(modified)
    # TypeError: one of the two has no time zone.
    except (TypeError, ValueError, OverflowError):
        return None
    return modified if age >= SURELY_OLDER and modified.isascii() and modified.isprintable() else None
