"""Limits on how much of a response an error keeps: errors are logged, pickled and written to journals. No I/O."""

import json
import math
from collections.abc import Iterator
from typing import Final

__all__ = [
    "MAX_BODY",
    "MAX_CODE",
    "MAX_MESSAGE",
    "MAX_REASON",
    "bounded_body",
    "bounded_text",
    "shown",
    "without_surrogates",
]

MAX_MESSAGE: Final = 500
"""Characters of the service's sentence."""
MAX_REASON: Final = 1000
"""Characters of a reason, which may contain another error's whole text."""
MAX_CODE: Final = 200
"""Characters of an error type or a request id."""
MAX_BODY: Final = 4000
"""Bytes of a body as ASCII JSON, or of the start of a response that is not JSON."""
MAX_SHOWN: Final = 40
"""Characters of a text that was given where a number was wanted."""
MAX_DEPTH: Final = 20
MAX_ITEMS: Final = 10
MAX_DETAIL: Final = 100
"""Characters of a text under a key that is not INFORMATIVE, in a body that is too large."""
SHORTENED: Final = "..."
INFORMATIVE: Final = (
    *("detail", "error", "message", "msg", "errors", "type", "code", "status", "reason", "loc"),
    *("task_id", "failed_step", "steps", "already_refunded", "refund_processed", "request_id", "clip_id", "data"),
)
"""The keys that are copied first from a body that is too large."""


def bounded_text(text: str, limit: int) -> str:
    """Return the text, shortened to ``limit`` characters; a lone surrogate becomes its escape."""
    whole = without_surrogates(text[: limit + 1])
    return whole if len(whole) <= limit else whole[: limit - len(SHORTENED)] + SHORTENED


def without_surrogates(text: str) -> str:
    """Return the text with each lone surrogate, which no file or terminal accepts, as its escape."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def shown(value: object) -> str:
    """Return a value where a number or a boolean was wanted, for an error: quotes alone do not say that it is text."""
    if isinstance(value, str):
        return f"the text {bounded_text(value, MAX_SHOWN)!r}"
    is_plain = value is None or isinstance(value, (bool, int, float))
    return plain_text(value) if is_plain else f"of type {type(value).__name__}"


def plain_text(value: object) -> str:
    """Return the repr of a number, a boolean or None, and say of NaN where it comes from."""
    is_nan = isinstance(value, float) and math.isnan(value)
    return "nan (an empty cell in pandas; None leaves a field out)" if is_nan else repr(value)


def bounded_body(body: object) -> object:
    """Return a copy of a JSON value that takes at most ``MAX_BODY`` bytes, cut down to its informative part."""
    if isinstance(body, bytes):
        return body[:MAX_BODY]
    copy = _Copy(MAX_BODY, MAX_BODY, MAX_BODY)
    whole = copy.of(body)
    if not copy.is_cut:
        return whole
    return _Copy(MAX_MESSAGE, MAX_DETAIL, MAX_ITEMS).of(body)


class _NoRoomError(Exception):
    """The copy has reached its maximum size."""


class _Copy:
    """A copy of a JSON value, cut at its maximum size."""

    def __init__(self, max_length: int, max_detail: int, max_items: int) -> None:
        self.is_cut = False
        self._room = MAX_BODY
        self._max_length = max_length
        self._max_detail = max_detail
        self._max_items = max_items

    def of(self, value: object) -> object:
        """Return the copy; None when not even its start fits."""
        try:
            return self._copy(value, self._max_length, 0)
        except _NoRoomError:
            return None

    def _copy(self, value: object, max_length: int, depth: int) -> object:
        if isinstance(value, str):
            return self._text(value, max_length)
        if isinstance(value, (dict, list)) and depth == MAX_DEPTH:
            self.is_cut = True
            return self._text(SHORTENED, max_length)
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            return self._list(value, max_length, depth)
        self._take(len(str(value)) + 2)
        return value

    def _object(self, given: dict[object, object], depth: int) -> dict[object, object]:
        self._take(2)
        copied: dict[object, object] = {}
        try:
            for key in _informative_first(given):
                self._check_count(len(copied))
                max_length = self._max_length if key in INFORMATIVE else self._max_detail
                self._take(len(str(key)) + 4 if str(key).isascii() else len(json.dumps(key)) + 2)
                copied[key] = self._copy(given[key], max_length, depth + 1)
        except _NoRoomError:
            self.is_cut = True
        return copied

    def _list(self, given: list[object], max_length: int, depth: int) -> list[object]:
        self._take(2)
        copied: list[object] = []
        try:
            for item in given:
                self._check_count(len(copied))
                self._take(2)
                copied.append(self._copy(item, max_length, depth + 1))
        except _NoRoomError:
            self.is_cut = True
        return copied

    def _text(self, text: str, max_length: int) -> str:
        short = bounded_text(text, max_length)
        if (size := len(json.dumps(short))) > self._room:
            # An escaped character takes up to twelve bytes.
            short = bounded_text(short, max(len(SHORTENED), self._room // 12))
            size = len(json.dumps(short))
        self.is_cut = self.is_cut or len(short) < len(text)
        self._take(size)
        return short

    def _check_count(self, count: int) -> None:
        if count >= self._max_items:
            raise _NoRoomError

    def _take(self, size: int) -> None:
        if size > self._room:
            self.is_cut = True
            raise _NoRoomError
        self._room -= size


def _informative_first(given: dict[object, object]) -> Iterator[object]:
    yield from (key for key in INFORMATIVE if key in given)
    yield from (key for key in given if key not in INFORMATIVE)
