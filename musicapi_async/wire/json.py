"""JSON: bytes to values and back.

orjson is used when it is installed (extra ``speed``).
"""

import json
from typing import TypeAlias

from musicapi_async.errors import InvalidRequestError

__all__ = ["JSON", "check_json", "read_json", "write_json"]

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
"""A value that JSON can represent."""

try:
    import orjson
except ImportError:

    def read_json(content: bytes) -> object:
        """Read JSON; raises ValueError."""
        return _read_leniently(content)

    def write_json(value: object) -> bytes:
        """Write compact JSON."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
else:

    def read_json(content: bytes) -> object:
        """Read JSON; raises ValueError."""
        try:
            found: object = orjson.loads(content)
        except ValueError:
            found = _read_leniently(content)
        return found

    def write_json(value: object) -> bytes:
        """Write compact JSON."""
        return orjson.dumps(value)


def _read_leniently(content: bytes) -> object:
    """Read JSON with NaN, lone surrogates, broken UTF-8, or in UTF-16: they must not hide a paid song."""
    # Detecting the encoding takes as long as parsing a small object.
    is_utf8 = content[:1] == b"{" and content[1:2] != b"\0"
    encoding = "utf-8" if is_utf8 else json.detect_encoding(content)
    found: object = json.loads(content.decode(encoding, "replace"))
    return found


def check_json(name: str, value: object) -> None:
    """Raise InvalidRequestError for a value that JSON cannot represent, or not unambiguously."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        write_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{name} cannot be sent as JSON: {error}", name, value, "JSON") from error
