"""Resuming a download: the range to request, and what a response holds of it (RFC 9110, 13.1.5 and 14). No I/O."""

import enum
import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import attrs

__all__ = ["Answer", "Part"]

OK: Final = 200
PARTIAL: Final = 206
NO_SUCH_RANGE: Final = 416
STRONG_TAG: Final = re.compile(r'"[\x21\x23-\x7e]*"')
LENGTH: Final = re.compile(r"[0-9]{1,18}")
RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)
SURELY_OLDER: Final = timedelta(seconds=1)
"""A file that changed in the second in which it was sent may have changed twice (RFC 9110, 8.8.2.2)."""


class Answer(enum.Enum):
    """What a host's answer holds."""

    WHOLE = "the file, from its first byte"
    REST = "what is missing of it"
    USELESS = "neither: the file is to be asked for from its first byte"
    REFUSAL = "no file"


@attrs.define
class Part:
    """How much of a file is here, and what its host told of it when it began to send it."""

    came: int = 0
    """The bytes that are here, from the first one."""
    size: int | None = None
    """The bytes of the whole file; None when its host does not tell."""
    validator: str | None = None
    """What names this very version of the file; None when nothing does, or it cannot be gone on with."""

    @property
    def is_whole(self) -> bool:
        """True when as much has come as was announced; never when nothing was."""
        return self.came == self.size

    @property
    def resumes_at(self) -> int:
        """The byte to ask for next.

        The first one when nothing names the version: what comes from the middle then may be of another file.
        """
        return 0 if self.validator is None else self.came

    def ask(self) -> dict[str, str]:
        """Return the headers that ask for what is missing, as long as the file is still the same."""
        if self.validator is None or not self.came:
            return {}
        return {"Range": f"bytes={self.came}-", "If-Range": self.validator}

    def hear(self, status: int, headers: Mapping[str, str]) -> Answer:
        """Tell what the answer to ``ask`` holds, and keep what it says of the file."""
        answer = self._meaning(status, headers)
        if answer is Answer.WHOLE:
            self.came, self.size, self.validator = 0, _size_in(headers), _validator_in(headers)
        elif answer is Answer.REST:
            self.size = _total_in(headers)
        elif answer is Answer.USELESS:
            self.forget()
        return answer

    def forget(self) -> None:
        """Begin with nothing: what is here is no use."""
        self.came, self.size, self.validator = 0, None, None

    def _meaning(self, status: int, headers: Mapping[str, str]) -> Answer:
        if status == OK:
            return Answer.WHOLE
        if status not in {PARTIAL, NO_SUCH_RANGE} or not self.ask():
            return Answer.REFUSAL
        return Answer.REST if status == PARTIAL and self._is_the_rest(headers) else Answer.USELESS

    def _is_the_rest(self, headers: Mapping[str, str]) -> bool:
        """Trust a part only if all it says fits: a wrong one would spoil the file without a trace."""
        found = RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if found is None or "Content-Encoding" in headers:
            return False
        if headers.get("Content-Type", "").lower().startswith("multipart/"):
            return False
        first, last, total = (int(each) for each in found.groups())
        named = headers.get("ETag" if STRONG_TAG.fullmatch(self.validator or "") else "Last-Modified")
        return (
            first == self.came
            and first <= last < total
            and self.size in {None, total}
            and _size_in(headers) in {None, last - first + 1}
            and named in {None, self.validator}
        )


def _size_in(headers: Mapping[str, str]) -> int | None:
    """Read how many bytes are announced; what comes packed all the same is unpacked, and has another size then."""
    found = LENGTH.fullmatch(headers.get("Content-Length", ""))
    return None if found is None or "Content-Encoding" in headers else int(found[0])


def _total_in(headers: Mapping[str, str]) -> int | None:
    found = RANGE.fullmatch(headers.get("Content-Range", "").strip())
    return None if found is None else int(found[3])


def _validator_in(headers: Mapping[str, str]) -> str | None:
    """Read what the rest of this very version can be asked for with: a strong ETag, else a date that is as good."""
    accepted = [unit.strip() for unit in headers.get("Accept-Ranges", "").lower().split(",")]
    # Packed, the bytes that came are not the bytes that are counted.
    if "none" in accepted or "Content-Encoding" in headers:
        return None
    tag = headers.get("ETag")
    if tag is None:
        return _date_in(headers)
    # A weak one names what sounds the same, not the same bytes; and beside one a date must not be used either.
    return tag if STRONG_TAG.fullmatch(tag) else None


def _date_in(headers: Mapping[str, str]) -> str | None:
    modified = headers.get("Last-Modified", "")
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(modified)
    # TypeError: one of the two has no time zone.
    except (TypeError, ValueError, OverflowError):
        return None
    return modified if age >= SURELY_OLDER and modified.isascii() and modified.isprintable() else None
