"""Tags of WAV files: an ID3 chunk, and the LIST chunk that ffmpeg prefers to it.

The chunks are written here and not by a library: mutagen fails on a WAV whose sizes are unknown (written to a pipe),
after it has put bytes behind the samples.
"""

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from mutagen import id3

from musicapi_async.media.tags.id3 import ID3Version, read_frames, set_frames
from musicapi_async.media.tags.values import SongTags

__all__ = ["chunks_of", "read_wave", "write_wave"]

MAX_SIZE: Final = 0xFFFFFFFF
BLOCK: Final = 1024 * 1024
HEAD: Final = 8
START: Final = 12
MAX_MEMORY: Final = 64 * 1024 * 1024
"""Bytes of a chunk other than the samples that are read at once."""
INFO: Final = {"title": b"INAM", "artist": b"IART", "album": b"IPRD", "genre": b"IGNR", "date": b"ICRD"}
TRACK: Final = b"ITRK"


class Chunk(NamedTuple):
    """A chunk of a WAV file: the content is ``size`` bytes from ``offset`` on."""

    name: bytes
    offset: int
    size: int


def chunks_of(file: BinaryIO) -> list[Chunk]:
    """Return the chunks; one that claims more than the file holds (its size was unknown) ends with the file.

    Raises ValueError for a file that does not begin so.
    """
    total = file.seek(0, io.SEEK_END)
    file.seek(0)
    if (head := file.read(START))[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise ValueError("a WAV file that does not begin with RIFF cannot be tagged")
    found, at = [], START
    while at + HEAD <= total:
        file.seek(at)
        name, size = struct.unpack("<4sI", file.read(HEAD))
        size = total - at - HEAD if _is_unsized(file, name, size) else min(size, total - at - HEAD)
        found.append(Chunk(name, at + HEAD, size))
        at += HEAD + size + size % 2
    return found


def _is_unsized(file: BinaryIO, name: bytes, size: int) -> bool:
    """Return True for samples with a size of 0 that are there: their writer could not go back to it."""
    following = file.read(4) if name == b"data" and size == 0 else b""
    return bool(following) and not (following.isascii() and following.decode().isprintable())


def read_wave(path: Path) -> SongTags:
    """Return the tags of a WAV file, from its ID3 chunk; without one, from its LIST chunk."""
    with path.open("rb") as file:
        chunks = chunks_of(file)
        if (frames := _frames(file, chunks)) is not None:
            return read_frames(frames)
        held = {name: value.decode("utf-8", "replace") for name, value in _info(file, chunks).items()}
    track = held.get(TRACK, "")
    texts: dict[str, Any] = {name: held[label] for name, label in INFO.items() if label in held}
    return SongTags(**texts, track=int(track) if track.isdecimal() else None)


def write_wave(source: Path, path: Path, tags: SongTags, version: ID3Version) -> None:
    """Copy a WAV file to ``path`` with these tags, and with its true sizes; raises ValueError above 4 GiB."""
    with source.open("rb") as file, path.open("wb") as target:
        chunks = chunks_of(file)
        kept = [chunk for chunk in chunks if not _is_tag(file, chunk)]
        written = _tag_chunks(file, chunks, tags, version)
        size = START - HEAD + len(written) + sum(HEAD + chunk.size + chunk.size % 2 for chunk in kept)
        if size > MAX_SIZE:
            raise ValueError("it would be larger than the 4 GiB that a WAV file can hold")
        target.write(struct.pack("<4sI4s", b"RIFF", size, b"WAVE"))
        for chunk in kept:
            target.write(struct.pack("<4sI", chunk.name, chunk.size))
            file.seek(chunk.offset)
            _copy(file, target, chunk.size)
        target.write(written)


def _tag_chunks(file: BinaryIO, chunks: list[Chunk], tags: SongTags, version: ID3Version) -> bytes:
    """Return the chunks of the tags: LIST if the file has one, and ID3."""
    found = b""
    if info := _info(file, chunks):
        info |= {label: value.encode() for name, label in INFO.items() if (value := getattr(tags, name))}
        info |= {} if tags.track is None else {TRACK: str(tags.track).encode()}
        found = _chunk(b"LIST", b"INFO" + b"".join(_chunk(name, value + b"\0") for name, value in info.items()))
    frames = _frames(file, chunks)
    frames = id3.ID3() if frames is None else frames
    set_frames(frames, tags, version)
    content = io.BytesIO()
    frames.save(content, v2_version=3 if version == "2.3" else 4, padding=lambda _: 0)
    return found + _chunk(b"id3 ", content.getvalue())


def _copy(file: BinaryIO, target: BinaryIO, size: int) -> None:
    left = size
    while left and (part := file.read(min(left, BLOCK))):
        target.write(part)
        left -= len(part)
    target.write(b"\0" * (size % 2))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def _is_tag(file: BinaryIO, chunk: Chunk) -> bool:
    return chunk.name.lower() == b"id3 " or (chunk.name == b"LIST" and _content(file, chunk)[:4] == b"INFO")


def _content(file: BinaryIO, chunk: Chunk) -> bytes:
    file.seek(chunk.offset)
    return file.read(min(chunk.size, MAX_MEMORY))


def _frames(file: BinaryIO, chunks: list[Chunk]) -> Any:
    """Return the frames of the ID3 chunk; None without one."""
    chunk = next((chunk for chunk in chunks if chunk.name.lower() == b"id3 "), None)
    if chunk is None:
        return None
    return id3.ID3(io.BytesIO(_content(file, chunk)))


def _info(file: BinaryIO, chunks: list[Chunk]) -> dict[bytes, bytes]:
    """Return the entries of the LIST chunk with the file's title and the like; empty without one."""
    for chunk in chunks:
        if chunk.name == b"LIST" and (content := _content(file, chunk))[:4] == b"INFO":
            found, at = {}, 4
            while at + HEAD <= len(content):
                name, size = struct.unpack_from("<4sI", content, at)
                found[name] = content[at + HEAD : at + HEAD + size].rstrip(b"\0")
                at += HEAD + size + size % 2
            return found
    return {}
