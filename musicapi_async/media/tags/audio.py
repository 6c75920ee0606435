"""Where the encoded audio stands in a file, to compare it before and after a change of the tags."""

import os
from collections.abc import Iterator
from typing import BinaryIO, Final

from musicapi_async.media.formats import FIRST_BYTES, format_of
from musicapi_async.media.tags.boxes import boxes_of, chunk_offsets
from musicapi_async.media.tags.id3 import ID3_HEAD, id3_size, id3v1_size
from musicapi_async.media.tags.wave import chunks_of

__all__ = ["has_same_audio", "tag_format"]

BLOCK: Final = 1024 * 1024
CHUNK_START: Final = 16
OGG_HEAD: Final = 27
LAST_BLOCK: Final = 0x80
FULL_SEGMENT: Final = 255
TAGGED_FORMATS: Final = frozenset({"mp3", "m4a", "flac", "ogg", "wav"})

Region = tuple[int, int]
"""Offset and size, in bytes."""


def tag_format(file: BinaryIO) -> str:
    """Return the format of an audio file whose tags can be written; raises ValueError for any other."""
    file.seek(0)
    start = file.read(FIRST_BYTES)
    found = format_of(start, is_audio=True)
    if found == "mp3" and (size := id3_size(start)):
        # FLAC and AAC files can begin with an ID3 tag too.
        file.seek(size)
        after = format_of(file.read(FIRST_BYTES))
        found = after if after in {"flac", "aac"} else found
    if found not in TAGGED_FORMATS:
        held = f"its content is {found}" if found else "its content is in none of the known formats"
        raise ValueError(f"{held}; tags can be written to mp3, m4a, flac, ogg (Vorbis, Opus) and wav files")
    return found


def has_same_audio(file_format: str, before: BinaryIO, after: BinaryIO) -> bool:
    """Return whether two files hold the same encoded audio, byte for byte."""
    regions = REGIONS[file_format]
    old, new = _Reader(before, regions(before)), _Reader(after, regions(after))
    while content := old.read(BLOCK):
        if content != new.read(BLOCK):
            return False
    return old.size > 0 and not new.read(1)


class _Reader:
    """Reads regions of a file as if they were one."""

    def __init__(self, file: BinaryIO, regions: Iterator[Region]) -> None:
        self._file = file
        self._regions = regions
        self._left = 0
        self._offset = 0
        self.size = 0
        """Number of bytes read."""

    def read(self, size: int) -> bytes:
        parts = []
        while size:
            if not self._left:
                self._offset, self._left = next(self._regions, (0, 0))
                if not self._left:
                    break
            self._file.seek(self._offset)
            part = self._file.read(min(size, self._left))
            if not part:
                break
            self._offset += len(part)
            self._left -= len(part)
            size -= len(part)
            parts.append(part)
        content = b"".join(parts)
        self.size += len(content)
        return content


def _mpeg_regions(file: BinaryIO) -> Iterator[Region]:
    end = file.seek(0, os.SEEK_END) - id3v1_size(file)
    start = 0
    file.seek(0)
    while size := id3_size(file.read(ID3_HEAD)):
        start += size
        file.seek(start)
    yield start, max(0, end - start)


def _mdat_regions(file: BinaryIO) -> Iterator[Region]:
    """Yield the audio, and the beginning of each of its chunks, where the index says that it is."""
    for box in boxes_of(file):
        if box.name == b"mdat" and box.end > box.start:
            yield box.start, box.end - box.start
    for offset in chunk_offsets(file):
        yield offset, CHUNK_START


def _flac_regions(file: BinaryIO) -> Iterator[Region]:
    file.seek(0)
    start = id3_size(file.read(ID3_HEAD)) + 4
    is_last = False
    while not is_last:
        file.seek(start)
        head = file.read(4)
        if len(head) < 4:  # noqa: PLR2004 - as many as were requested
            return
        is_last = bool(head[0] & LAST_BLOCK)
        start += 4 + int.from_bytes(head[1:], "big")
    yield start, max(0, file.seek(0, os.SEEK_END) - start)


def _ogg_regions(file: BinaryIO) -> Iterator[Region]:
    """Yield the pages behind those with the headers, without their number and checksum.

    Tags change the number of the pages in front of them.
    """
    at, headers = 0, 0
    while True:
        file.seek(at)
        head = file.read(OGG_HEAD)
        if len(head) < OGG_HEAD or head[:4] != b"OggS":
            return
        segments = file.read(head[26])
        size = sum(segments)
        if at == 0:
            headers = 2 if file.read(8) == b"OpusHead" else 3
        if headers > 0:
            headers -= sum(segment < FULL_SEGMENT for segment in segments)
        else:
            yield at + 4, 14
            yield at + OGG_HEAD - 1, 1 + len(segments) + size
        at += OGG_HEAD + len(segments) + size


def _data_regions(file: BinaryIO) -> Iterator[Region]:
    return ((chunk.offset, chunk.size) for chunk in chunks_of(file) if chunk.name == b"data" and chunk.size)


REGIONS: Final = {
    "mp3": _mpeg_regions,
    "m4a": _mdat_regions,
    "flac": _flac_regions,
    "ogg": _ogg_regions,
    "wav": _data_regions,
}
