"""What a command keeps on disk: names that every file system takes, JSON, and the receipt of a task under way."""

import hashlib
import json
import os
import re
import secrets
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from musicapi_async import Clip
from musicapi_async.cli.exits import hide_key

__all__ = ["Receipt", "json_text", "make_folder", "read_json", "stems", "write_json"]

TITLE_BYTES: Final = 60
ID_LETTERS: Final = 8
LONGEST_ID: Final = 40
"""The service's ids have 36 letters; a name has at most 255 bytes, and some of these letters have four."""


def make_folder(folder: Path) -> None:
    """Make sure that files can be written here, before anything is paid for; raises OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        # Under the folder's name, whatever file or parent was tried.
        raise OSError(error.errno, error.strerror, str(folder)) from error


def stems(clips: Sequence[Clip]) -> list[str]:
    """Return a file name without suffix for each clip: its title and the beginning of its id.

    No two are the same, also where a file system takes capital and small letters for the same.
    """
    short = [_stem(clip.title, clip.clip_id[:ID_LETTERS]) for clip in clips]
    count = Counter(map(str.casefold, short))
    return [
        stem if count[stem.casefold()] == 1 else _stem(clip.title, f"{clip.clip_id[:LONGEST_ID]}-{at}")
        for at, (clip, stem) in enumerate(zip(clips, short, strict=True), 1)
    ]


def json_text(value: object, *, ascii_only: bool = False) -> str:
    """Return a value as JSON for people and programs to read; times as ISO 8601."""
    return json.dumps(value, indent=2, ensure_ascii=ascii_only, default=_plain)


def write_json(path: Path, value: object) -> None:
    """Write JSON so that it is there whole or not at all; raises OSError."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    text = hide_key(json_text(value)) + "\n"
    try:
        # A lone surrogate (the service's JSON may hold one) becomes the escape it came as.
        partial.write_bytes(text.encode("utf-8", "backslashreplace"))
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def read_json(path: Path) -> Mapping[str, object]:
    """Return the object in a JSON file; nothing where there is none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Receipt:
    """A small file beside the songs to come, from the task's acceptance until its songs are there.

    It keeps the id and the request when the terminal, the process or the machine goes away meanwhile.
    """

    def __init__(self, folder: Path, task_id: str) -> None:
        self.path = folder / f"musicapi-task-{_mark(task_id)}.json"

    def write(self, content: Mapping[str, object]) -> None:
        """Keep what is known of the task; raises OSError."""
        write_json(self.path, content)

    def read(self) -> Mapping[str, object]:
        """Return what was kept, if anything."""
        return read_json(self.path)

    def remove(self) -> None:
        """Forget it: the task is over."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _stem(title: str | None, mark: str) -> str:
    short = _slug(title or "").encode()[:TITLE_BYTES].decode(errors="ignore").rstrip("-")
    return f"{short or 'song'}-{_slug(mark) or 'clip'}"


def _mark(task_id: str) -> str:
    """Return an id as it is, where it can be a part of a file name; else what is left of it, and a sum of it all."""
    slug = _slug(task_id)[:LONGEST_ID]
    if slug == task_id:
        return slug
    return f"{slug}-{hashlib.sha256(task_id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip("-")


def _slug(text: str) -> str:
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
