"""Names of files, and small files: what a title or an id may be called on every file system."""

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
    "LONGEST_ID",
    "LONGEST_PART",
    "TITLE_BYTES",
    "id_for_name",
    "json_text",
    "slug",
    "title_for_name",
    "write_text",
]

TITLE_BYTES: Final = 60
LONGEST_ID: Final = 40
"""Bytes: the service's ids have 36 letters; a name has at most 255 bytes, and some letters have four."""
LONGEST_PART: Final = LONGEST_ID + len("-01234567")
"""What an id can be as a part of a name, its sum included."""


def slug(text: str) -> str:
    """Keep letters, digits and their accents, of any script; all else, dots included, becomes a dash.

    Without dots nothing looks like a suffix, and with an id behind it nothing is a name Windows reserves.
    """
    kept = ""
    for letter in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(letter)[0]
        if kind in "LN" or (kind == "M" and kept[-1:].strip("-")):
            kept += letter
        elif letter not in "'\N{RIGHT SINGLE QUOTATION MARK}":
            kept += "-"
    # Where file names are ASCII (LANG=C), other letters cannot be written.
    known = os.fsdecode(kept.encode(sys.getfilesystemencoding(), "ignore"))
    return re.sub("-+", "-", known).strip("-")


def title_for_name(title: str | None) -> str:
    """Return what of a title can be a part of a file name."""
    short = slug(title or "").encode()[:TITLE_BYTES].decode(errors="ignore").rstrip("-")
    return short or "song"


def id_for_name(known: str) -> str:
    """Return an id as it is, where it can be a part of a file name; else what is left of it, and a sum of it all."""
    short = slug(known).encode()[:LONGEST_ID].decode(errors="ignore")
    if short == known:
        return short
    return f"{short}-{hashlib.sha256(known.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip("-")


def json_text(value: object, *, ascii_only: bool = False, indent: int | None = 2) -> str:
    """Return a value as JSON for people and programs to read; times as ISO 8601."""
    return json.dumps(value, indent=indent, ensure_ascii=ascii_only, default=_plain)


def write_text(path: Path, text: str) -> None:
    """Write a text so that it is there whole or not at all; raises OSError."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        # A lone surrogate (the service's JSON may hold one) becomes the escape it came as.
        partial.write_bytes(text.encode("utf-8", "backslashreplace"))
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
