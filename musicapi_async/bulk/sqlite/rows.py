"""Records as they are stored in a journal's file, and values in their columns."""

import json
from collections.abc import Sequence
from typing import Any, Final

import attrs

from musicapi_async.bulk.journal import Record

__all__ = ["COLUMNS", "COLUMN_NAMES", "JSON_COLUMNS", "record_of", "to_json", "to_text"]

COLUMN_NAMES: Final = tuple(field.name for field in attrs.fields(Record))
COLUMNS: Final = ", ".join(COLUMN_NAMES)
JSON_COLUMNS: Final = ("request", "clips", "files")


def record_of(found: Sequence[Any]) -> Record:
    """Return the record in a row with the columns ``COLUMNS``."""
    values: dict[str, Any] = dict(zip(COLUMN_NAMES, found, strict=True))
    for name in JSON_COLUMNS:
        values[name] = json.loads(values[name]) if values[name] else ()
    return Record(**values)


def to_json(value: object) -> str:
    """Return a JSON value as it is stored."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate, as the service's JSON may hold, becomes the escape it came as.
    return text if _is_whole(text) else json.dumps(value, separators=(",", ":"))


def to_text(value: object) -> object:
    """Return a column's value as it is stored."""
    if not isinstance(value, str) or _is_whole(value):
        return value
    return value.encode("utf-8", "backslashreplace").decode()


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
