"""Tags of FLAC and Ogg files (Vorbis, Opus): Vorbis comments."""

import base64
import binascii
import re
from pathlib import Path
from typing import Any, Final

from mutagen import MutagenError, flac, oggopus, oggvorbis

from musicapi_async.media.tags.id3 import OWN
from musicapi_async.media.tags.values import Chapter, SongTags, lines_of_lrc, lrc_text

__all__ = ["read_flac", "read_ogg", "write_flac", "write_ogg"]

TEXTS: Final = {
    "title": "TITLE",
    "artist": "ARTIST",
    "album": "ALBUM",
    "genre": "GENRE",
    "date": "DATE",
    "lyrics": "LYRICS",
}
FRONT_COVER: Final = 3
PICTURE: Final = "METADATA_BLOCK_PICTURE"
MAX_CHAPTERS: Final = 999
CLOCK: Final = re.compile(r"(\d{1,4}):(\d\d?):(\d\d?(?:\.\d{1,9})?)", re.ASCII)


def write_flac(path: Path, tags: SongTags) -> None:
    """Write tags into a FLAC file; what they do not hold stays as it is."""
    file: Any = flac.FLAC(path)
    if file.tags is None:
        file.add_tags()
    _set_comments(file.tags, tags)
    if tags.cover is not None:
        others = [one for one in file.pictures if one.type != FRONT_COVER]
        file.clear_pictures()
        for picture in (_picture(tags.cover), *others):
            file.add_picture(picture)
    file.save()


def read_flac(path: Path) -> SongTags:
    """Return the tags of a FLAC file."""
    file: Any = flac.FLAC(path)
    return _tags_of(file.tags or {}, file.pictures)


def write_ogg(path: Path, tags: SongTags) -> None:
    """Write tags into an Ogg file; what they do not hold stays as it is."""
    file = _open_ogg(path)
    _set_comments(file.tags, tags)
    if tags.cover is not None:
        others = [one for one in _pictures(file.tags) if one.type != FRONT_COVER]
        pictures = [_picture(tags.cover), *others]
        file.tags[PICTURE] = [base64.b64encode(one.write()).decode() for one in pictures]
    file.save()


def read_ogg(path: Path) -> SongTags:
    """Return the tags of an Ogg file."""
    held = _open_ogg(path).tags
    return _tags_of(held, _pictures(held))


def _open_ogg(path: Path) -> Any:
    try:
        return oggopus.OggOpus(path)
    except oggopus.OggOpusHeaderError:
        return oggvorbis.OggVorbis(path)


def _set_comments(held: Any, tags: SongTags) -> None:
    for name, label in (TEXTS | OWN).items():
        if (value := getattr(tags, name)) is not None:
            held[label] = [value]
    if tags.track is not None:
        held["TRACKNUMBER"] = [str(tags.track)]
    if tags.synced:
        held["SYNCEDLYRICS"] = [lrc_text(tags.synced)]
    if tags.chapters:
        for label in [label for label in dict(held) if label.upper().startswith("CHAPTER")]:
            del held[label]
        for at, chapter in enumerate(tags.chapters[:MAX_CHAPTERS], 1):
            held[f"CHAPTER{at:03}"] = [_clock(chapter.start)]
            held[f"CHAPTER{at:03}NAME"] = [chapter.title]


def _tags_of(held: Any, pictures: list[Any]) -> SongTags:
    texts: dict[str, Any] = {name: str(held[label][0]) for name, label in (TEXTS | OWN).items() if held.get(label)}
    track = str(next(iter(held.get("TRACKNUMBER") or ()), "")).partition("/")[0]
    covers = sorted(pictures, key=lambda one: one.type != FRONT_COVER)
    return SongTags(
        **texts,
        track=int(track) if track.isdecimal() else None,
        synced=lines_of_lrc(str(held["SYNCEDLYRICS"][0])) if held.get("SYNCEDLYRICS") else (),
        chapters=_chapters_of(held),
        cover=covers[0].data if covers else None,
    )


def _chapters_of(held: Any) -> tuple[Chapter, ...]:
    found = []
    for at in range(1, MAX_CHAPTERS + 1):
        if not (start := held.get(f"CHAPTER{at:03}")):
            break
        name = next(iter(held.get(f"CHAPTER{at:03}NAME") or ()), "")
        if clock := CLOCK.fullmatch(str(start[0])):  # else another program's, and damaged
            hours, minutes, seconds = (float(part) for part in clock.groups())
            found.append(Chapter(str(name), hours * 3600 + minutes * 60 + seconds))
    return tuple(found)


def _clock(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"


def _picture(cover: bytes) -> Any:
    picture: Any = flac.Picture()
    picture.type, picture.data = FRONT_COVER, cover
    picture.mime = "image/png" if cover.startswith(b"\x89PNG") else "image/jpeg"
    return picture


def _pictures(held: Any) -> list[Any]:
    found = []
    for text in held.get(PICTURE) or ():
        try:
            found.append(flac.Picture(base64.b64decode(text)))
        except (binascii.Error, MutagenError):
            continue  # another program's, and damaged
    return found
