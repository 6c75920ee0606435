"""The boxes of MP4 files: where the audio stands, and the chapters, which mutagen does not write."""

import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from musicapi_async.media.tags.values import Chapter

__all__ = ["boxes_of", "chunk_offsets", "copy_with_chapters", "is_fragmented", "read_chapters"]

HEAD: Final = 8
LONG_HEAD: Final = 16
CONTAINERS: Final = frozenset({b"trak", b"mdia", b"minf", b"stbl"})
OFFSETS: Final = {b"stco": "I", b"co64": "Q"}
MAX_CHAPTERS: Final = 255
MAX_TITLE: Final = 255
"""Bytes; there is one byte for the length."""
UNITS: Final = 10_000_000
"""A second in the times of the chapters."""
VERSION: Final = b"\1\0\0\0\0\0\0\0"


class Box(NamedTuple):
    """A box: its content is what lies between ``start`` and ``end``; its header begins at ``at``."""

    name: bytes
    at: int
    start: int
    end: int


def boxes_of(file: BinaryIO) -> Iterator[Box]:
    """Yield the boxes at the top of a file."""
    total = file.seek(0, os.SEEK_END)
    at = 0
    while at + HEAD <= total:
        file.seek(at)
        head = file.read(LONG_HEAD)
        size, name = struct.unpack_from(">I4s", head)
        start = at + HEAD
        if size == 1 and len(head) == LONG_HEAD:
            (size,), start = struct.unpack_from(">Q", head, HEAD), at + LONG_HEAD
        if size == 0:  # to the end of the file
            size = total - at
        if size < start - at:
            return
        yield Box(name, at, start, min(at + size, total))
        at += size


def is_fragmented(file: BinaryIO) -> bool:
    """Return whether an MP4 file is fragmented: its offsets may be absolute, and tags would move them."""
    return any(box.name == b"moof" for box in boxes_of(file))


def chunk_offsets(file: BinaryIO) -> list[int]:
    """Return the offsets in the file at which the chunks of audio begin; raises ValueError for a damaged index."""
    found: list[int] = []
    _, moov = _moov_of(file)
    for at, code, count in _tables(moov, 0, len(moov)):
        found += struct.unpack_from(f">{count}{code}", moov, at)
    return found


def read_chapters(file: BinaryIO) -> tuple[Chapter, ...]:
    """Return the chapters of a file."""
    _, moov = _moov_of(file)
    found = []
    for box in (inner for udta in _named(moov, b"udta", 0, len(moov)) for inner in _named(moov, b"chpl", *udta[2:])):
        at = box.start + (len(VERSION) if moov[box.start] else 4) + 1
        while at + 9 <= box.end:
            start, size = struct.unpack_from(">QB", moov, at)
            found.append(Chapter(moov[at + 9 : at + 9 + size].decode("utf-8", "replace"), start / UNITS))
            at += 9 + size
    return tuple(found)


def copy_with_chapters(source: Path, target: Path, chapters: Sequence[Chapter]) -> None:
    """Copy a file that is not fragmented with these chapters instead of its own.

    The index grows, and if it stands in front of the audio, the offsets in it grow with it.
    """
    with source.open("rb") as file, target.open("wb") as copy:
        box, moov = _moov_of(file)
        content = bytearray(_with_chapters(moov, _chapter_box(chapters)))
        moved = len(content) - len(moov)
        for at, code, count in _tables(content, 0, len(content)):
            table = struct.Struct(f">{count}{code}")
            offsets = table.unpack_from(content, at)
            table.pack_into(content, at, *(offset + moved if offset >= box.end else offset for offset in offsets))
        file.seek(0)
        copy.write(file.read(box.at))
        copy.write(struct.pack(">I4s", HEAD + len(content), b"moov") + content)
        file.seek(box.end)
        shutil.copyfileobj(file, copy)


def _moov_of(file: BinaryIO) -> tuple[Box, bytes]:
    """Return the index of a file, and its content."""
    box = next((box for box in boxes_of(file) if box.name == b"moov"), None)
    if box is None:
        raise ValueError("it is an M4A file without an index")
    file.seek(box.start)
    return box, file.read(box.end - box.start)


def _inner(content: bytes | bytearray, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes inside another; raises ValueError where one is longer than that."""
    while start + HEAD <= end:
        size, name = struct.unpack_from(">I4s", content, start)
        if not HEAD <= size <= end - start:
            raise ValueError("its index is damaged")
        yield Box(name, start, start + HEAD, start + size)
        start += size


def _named(content: bytes, name: bytes, start: int, end: int) -> list[Box]:
    return [box for box in _inner(content, start, end) if box.name == name]


def _tables(content: bytes | bytearray, start: int, end: int) -> Iterator[tuple[int, str, int]]:
    """Yield where the offsets of chunks stand, their format and their number."""
    for box in _inner(content, start, end):
        if box.name in CONTAINERS:
            yield from _tables(content, box.start, box.end)
        elif code := OFFSETS.get(box.name):
            (count,) = struct.unpack_from(">I", content, box.start + 4)
            if count * struct.calcsize(f">{code}") > box.end - box.start - HEAD:
                raise ValueError("its index is damaged")
            yield box.start + HEAD, code, count


def _with_chapters(moov: bytes, chapters: bytes) -> bytes:
    """Return the index with the chapters in front of the other user data."""
    for udta in _named(moov, b"udta", 0, len(moov)):
        kept = moov[udta.start : udta.end]
        for old in reversed(_named(moov, b"chpl", udta.start, udta.end)):
            kept = kept[: old.at - udta.start] + kept[old.end - udta.start :]
        return moov[: udta.at] + _box(b"udta", chapters + kept) + moov[udta.end :]
    return moov + _box(b"udta", chapters)


def _chapter_box(chapters: Sequence[Chapter]) -> bytes:
    shown = chapters[:MAX_CHAPTERS]
    content = VERSION + bytes([len(shown)])
    for chapter in shown:
        title = chapter.title.encode()[:MAX_TITLE].decode(errors="ignore").encode()
        content += struct.pack(">QB", round(chapter.start * UNITS), len(title)) + title
    return _box(b"chpl", content)


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", HEAD + len(content), name) + content
