"""ID3 tags of MP3 files, and of the chunk that holds them in WAV files."""

import io
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from mutagen import id3

from musicapi_async.media.tags.values import Chapter, SongTags, SyncedLine

__all__ = ["ID3_HEAD", "ID3Version", "id3_size", "id3v1_size", "read_frames", "read_mp3", "set_frames", "write_mp3"]

ID3Version = Literal["2.4", "2.3"]
ID3_HEAD: Final = 10
ID3_FOOTER: Final = 0x10
ID3V1: Final = 128
PADDING: Final = 1024
BLOCK: Final = 1024 * 1024
LANGUAGE: Final = "und"
"""The language of lyrics, in three letters as ISO 639-2 writes it: undetermined."""
MILLISECONDS: Final = 2
LYRICS: Final = 1
TEXTS: Final[dict[str, Any]] = {
    "title": id3.TIT2,
    "artist": id3.TPE1,
    "album": id3.TALB,
    "genre": id3.TCON,
    "date": id3.TDRC,
}
OWN: Final = {
    "clip_id": "MUSICAPI_CLIP_ID",
    "task_id": "MUSICAPI_TASK_ID",
    "model": "MUSICAPI_MODEL",
    "description": "MUSICAPI_DESCRIPTION",
}


def write_mp3(source: Path, path: Path, tags: SongTags, version: ID3Version) -> None:
    """Copy an MP3 file to ``path`` with these tags; what they do not hold stays as it is."""
    frames = _load(source)
    set_frames(frames, tags, version)
    options: dict[str, Any] = {"v2_version": 3 if version == "2.3" else 4, "padding": lambda _: PADDING}
    start = io.BytesIO()
    frames.save(start, **options)
    with source.open("rb") as file, path.open("wb") as copy:
        copy.write(start.getvalue())
        file.seek(id3_size(file.read(ID3_HEAD)))
        shutil.copyfileobj(file, copy, BLOCK)
        has_end = bool(id3v1_size(file))
    if has_end:  # to be changed too
        frames.save(path, **options)


def read_mp3(path: Path) -> SongTags:
    """Return the tags of an MP3 file."""
    return read_frames(_load(path))


def id3_size(head: bytes) -> int:
    """Return the size of the ID3v2 tag that begins with this header; 0 without one."""
    if len(head) < ID3_HEAD or head[:3] != b"ID3":
        return 0
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:ID3_HEAD], (21, 14, 7, 0), strict=True))
    return size + ID3_HEAD + (ID3_HEAD if head[5] & ID3_FOOTER else 0)


def id3v1_size(file: BinaryIO) -> int:
    """Return the size of the ID3v1 tag at the end of a file; 0 without one."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - ID3V1))
    content = file.read(ID3V1)
    return ID3V1 if len(content) == ID3V1 and content.startswith(b"TAG") else 0


def _load(path: Path) -> Any:
    try:
        return id3.ID3(path)
    except id3.ID3NoHeaderError:
        return id3.ID3()


def set_frames(frames: Any, tags: SongTags, version: ID3Version) -> None:
    """Replace the frames of the given tags, and keep all others."""
    encoding = id3.Encoding.UTF16 if version == "2.3" else id3.Encoding.UTF8
    _set_texts(frames, tags, encoding)
    if tags.lyrics is not None:
        frames.setall("USLT", [id3.USLT(encoding=encoding, lang=LANGUAGE, desc="", text=tags.lyrics)])
    if tags.synced:
        # Players show each entry as a line of its own, so that the words would stand one below the other.
        lines = [(line.text, round(line.start * 1000)) for line in tags.synced]
        synced = id3.SYLT(encoding=encoding, lang=LANGUAGE, format=MILLISECONDS, type=LYRICS, desc="", text=lines)
        frames.setall("SYLT", [synced])
    if tags.cover is not None:
        media_type = "image/png" if tags.cover.startswith(b"\x89PNG") else "image/jpeg"
        front = id3.PictureType.COVER_FRONT
        cover = id3.APIC(encoding=encoding, mime=media_type, type=front, desc="", data=tags.cover)
        frames.setall("APIC", [cover, *(one for one in frames.getall("APIC") if one.type != front)])
    if tags.chapters:
        _set_chapters(frames, tags.chapters, encoding)
    if version == "2.3":
        frames.update_to_v23()
    else:
        frames.update_to_v24()


def _set_texts(frames: Any, tags: SongTags, encoding: Any) -> None:
    for name, frame in TEXTS.items():
        if (value := getattr(tags, name)) is not None:
            frames.setall(frame.__name__, [frame(encoding=encoding, text=value)])
    for name, label in OWN.items():
        if (value := getattr(tags, name)) is not None:
            frames.setall(f"TXXX:{label}", [id3.TXXX(encoding=encoding, desc=label, text=value)])
    if tags.track is not None:
        frames.setall("TRCK", [id3.TRCK(encoding=encoding, text=str(tags.track))])


def _set_chapters(frames: Any, chapters: tuple[Chapter, ...], encoding: Any) -> None:
    """Replace the chapters.

    The library writes them by the length of their frames, and several readers take them in that order. Ids that fill
    the frames up to one length keep the chapters in the order of their ids.
    """
    charset = "utf-16" if encoding == id3.Encoding.UTF16 else "utf-8"
    sizes = [len(chapter.title.encode(charset)) for chapter in chapters]
    ids = [f"chapter{at:04}".ljust(11 + max(sizes) - size, "-") for at, size in enumerate(sizes)]
    found = [
        id3.CHAP(
            element_id=element_id,
            start_time=round(chapter.start * 1000),
            end_time=round((chapter.end if chapter.end is not None else chapter.start) * 1000),
            start_offset=0xFFFFFFFF,
            end_offset=0xFFFFFFFF,
            sub_frames=[id3.TIT2(encoding=encoding, text=chapter.title)],
        )
        for element_id, chapter in zip(ids, chapters, strict=True)
    ]
    flags = id3.CTOCFlags.TOP_LEVEL | id3.CTOCFlags.ORDERED
    frames.setall("CHAP", found)
    frames.setall("CTOC", [id3.CTOC(element_id="toc", flags=flags, child_element_ids=ids, sub_frames=[])])


def read_frames(frames: Any) -> SongTags:
    """Return the tags that the frames hold."""
    texts: dict[str, Any] = {name: _text(frames, frame.__name__) for name, frame in TEXTS.items()}
    own: dict[str, Any] = {name: _text(frames, f"TXXX:{label}") for name, label in OWN.items()}
    lyrics = frames.getall("USLT")
    # The others count MPEG frames.
    synced = [one for one in frames.getall("SYLT") if one.format == MILLISECONDS]
    covers = sorted(frames.getall("APIC"), key=lambda one: one.type != id3.PictureType.COVER_FRONT)
    chapters = [
        Chapter(_text(one.sub_frames, "TIT2") or "", one.start_time / 1000, one.end_time / 1000)
        for one in frames.getall("CHAP")
    ]
    track = (_text(frames, "TRCK") or "").partition("/")[0]
    return SongTags(
        **texts,
        **own,
        track=int(track) if track.isdecimal() else None,
        lyrics=lyrics[0].text if lyrics else None,
        synced=tuple(SyncedLine(at / 1000, text) for text, at in synced[0].text) if synced else (),
        chapters=tuple(sorted(chapters, key=lambda chapter: chapter.start)),
        cover=covers[0].data if covers else None,
    )


def _text(frames: Any, name: str) -> str | None:
    found = frames.getall(name)
    return str(found[0].text[0]) if found and found[0].text else None
