"""Reading the service's loose values: what is not of the expected kind becomes None, never an error.

The second parameter is the type a converter's hook is called with; it is told by the function's name.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

__all__ = ["items", "moment", "number", "tags", "text"]


def number(value: object, _: object = None) -> float | None:
    """Read a number that may come as a string (``"104.88"``), be absent, or not be finite."""
    # First what nearly every value is: a song has a thousand of them.
    if type(value) is float and math.isfinite(value):
        return value
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def text(value: object, _: object = None) -> str | None:
    """Read a string; a number becomes its text, half a letter (a lone surrogate) a question mark."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def tags(value: object, _: object = None) -> str | None:
    """Read tags that come as one string or as a list of strings."""
    if isinstance(value, list):
        return text(", ".join(tag for tag in value if isinstance(tag, str)))
    return text(value)


def moment(value: object, _: object = None) -> datetime | None:
    """Read an ISO 8601 time as an aware datetime; one without a zone is taken as UTC."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def items(value: object) -> tuple[Mapping[str, object], ...]:
    """Read the objects of a list, leaving out what is not an object."""
    return tuple([item for item in value if isinstance(item, dict)]) if isinstance(value, list) else ()
