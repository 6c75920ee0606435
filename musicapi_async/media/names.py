"""File names from titles and ids that every file system accepts, and the writing of small files."""

import hashlib
import json
import os
import re
import secrets
import sys
import unicodedata
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

__all__ = [
    "MAX_ID_BYTES",
    "MAX_PART_LENGTH",
    "TITLE_BYTES",
    "id_for_name",
    "json_text",
    "slug",
    "title_for_name",
    "write_bytes",
    "write_text",
]

TITLE_BYTES: Final = 60
MAX_ID_BYTES: Final = 40
"""Bytes: the service's ids have 36 letters; a name has at most 255 bytes, and some letters have four."""
MAX_PART_LENGTH: Final = MAX_ID_BYTES + len("-01234567")
"""Maximum length of an id as a part of a name, including its checksum."""


def slug(text: str) -> str:
    """Keep letters, digits and their accents, of any script; everything else, including dots, becomes a dash.

    Without dots there is no apparent suffix, and with an id after it the name is none that Windows reserves.
    """
    found = ""
    for letter in unicodedata.normalize("NFC", text):
        category = unicodedata.category(letter)[0]
        if category in "LN" or (category == "M" and found[-1:].strip("-")):
            found += letter
        elif letter not in "'\N{RIGHT SINGLE QUOTATION MARK}":
            found += "-"
    # Where file names are ASCII (LANG=C), other letters cannot be written.
    encodable = os.fsdecode(found.encode(sys.getfilesystemencoding(), "ignore"))
    return re.sub("-+", "-", encodable).strip("-")


def title_for_name(title: str | None) -> str:
    """Return the part of a title that can be in a file name."""
    short = slug(title or "").encode()[:TITLE_BYTES].decode(errors="ignore").rstrip("-")
    return short or "song"


def id_for_name(identifier: str) -> str:
    """Return an id that can be in a file name unchanged; of any other, the valid part and a checksum."""
    short = slug(identifier).encode()[:MAX_ID_BYTES].decode(errors="ignore")
    if short == identifier:
        return short
    return f"{short}-{hashlib.sha256(identifier.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip("-")


def json_text(value: object, *, ascii_only: bool = False, indent: int | None = 2) -> str:
    """Return a value as JSON for people and programs to read; times as ISO 8601."""
    return json.dumps(value, indent=indent, ensure_ascii=ascii_only, default=_plain)


def write_text(path: Path, text: str) -> None:
    """Write a text atomically; raises OSError with the name of the file, not of the one that is written first."""
    # A lone surrogate (the service's JSON may hold one) becomes its escape.
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically; raises OSError with its name, not that of the one that is written first."""
    # Not longer than the name itself may be: file systems take 255 bytes.
    partial = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
