"""Readers of single JSON values: a value of the wrong type becomes None, never an error. No I/O.

The second parameter is the type that cattrs calls a hook with; the function's name says it already.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

__all__ = ["items", "moment", "number", "number_or_zero", "tags", "text", "text_or_empty", "unchanged", "whole"]

T = TypeVar("T")


def number(value: object, _: object = None) -> float | None:
    """Return a finite number, also one written as a string (``"104.88"``); None for anything else."""
    # A song has a thousand floats, and nearly nothing else: they come first.
    if type(value) is float and math.isfinite(value):
        return value
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: object, _: object = None) -> int | None:
    """Return a whole number, a fraction cut off; None for anything else."""
    if type(value) is int:
        return value
    return None if (found := number(value)) is None else int(found)


def text(value: object, _: object = None) -> str | None:
    """Return a string, a number as its text, a lone surrogate as a question mark; None for anything else."""
    # Nearly every value is one of these two.
    if type(value) is str and value.isascii():
        return value
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def number_or_zero(value: object, _: object = None) -> float:
    """Return a finite number; 0 for anything else."""
    return number(value) or 0.0


def text_or_empty(value: object, _: object = None) -> str:
    """Return a string; an empty one for anything else."""
    return value if type(value) is str and value.isascii() else text(value) or ""


def tags(value: object, _: object = None) -> str | None:
    """Return tags as one comma-separated string, also where they come as a list; None for anything else."""
    if type(value) is list:
        return text(", ".join(tag for tag in value if isinstance(tag, str)))
    return text(value)


def moment(value: object, _: object = None) -> datetime | None:
    """Return an ISO 8601 time as an aware datetime, UTC where it names no zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def items(value: object) -> tuple[Mapping[str, object], ...]:
    """Return the objects of a list without its other items; empty for anything but a list."""
    return tuple([item for item in value if isinstance(item, dict)]) if isinstance(value, list) else ()


def unchanged(value: T, _: object = None) -> T:
    """Return the value unchanged."""
    return value
