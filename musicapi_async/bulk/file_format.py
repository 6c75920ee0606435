"""What a file that is no requests file is, recognised by its first line or a byte, for an error. No I/O."""

import re
from typing import Final

from musicapi_async._fields import can_be_sent

__all__ = ["csv_format", "json_format", "not_utf8"]

NOT_UTF8: Final = re.compile("[\udc80-\udcff]")
"""What a byte that is not UTF-8 is read as."""


def csv_format(first: str) -> str | None:
    """Return what is wrong with a whole CSV file, by its first line; None where nothing is."""
    if reason := _encoding(first):
        return reason
    for name, separator in (("semicolons", ";"), ("tabs", "\t")):
        if separator in first and "," not in first:
            return f"the file separates its cells with {name}: save it with commas (CSV UTF-8, comma-delimited)"
    return None


def json_format(first: str) -> str | None:
    """Return what is wrong with a whole JSONL file, by its first line; None where nothing is."""
    if reason := _encoding(first):
        return reason
    text = first.strip()
    advice = "write each request on one line (json.dumps(request)), without commas or brackets around the lines"
    if text == "[" or text.startswith("[{"):
        return f"the file is one JSON array: {advice}"
    return f"the file has an object over several lines: {advice}" if text == "{" else None


def _encoding(first: str) -> str | None:
    if "\0" in first or first.startswith(("\udcff\udcfe", "\udcfe\udcff")):
        return "the file is UTF-16 text, as some editors and shells write it: save it as UTF-8"
    return None


def not_utf8(text: str) -> str | None:
    """Return what is wrong with a text in which a byte is not UTF-8; None where all are."""
    if text.isascii() or can_be_sent(text) or (found := NOT_UTF8.search(text)) is None:
        return None
    byte = found[0].encode("utf-8", "surrogateescape")
    meaning = byte.decode("cp1252", "replace")
    likely = "" if meaning == "\ufffd" else f" (in Windows-1252 it is {meaning!r})"
    return f"it has the byte 0x{byte.hex().upper()}, which is not UTF-8{likely}: save the file as UTF-8"
