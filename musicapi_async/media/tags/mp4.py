"""Tags of M4A files."""

from pathlib import Path
from typing import Any, Final

from mutagen import mp4

from musicapi_async.media.tags.boxes import read_chapters
from musicapi_async.media.tags.id3 import OWN
from musicapi_async.media.tags.values import SongTags, lines_of_lrc, lrc_text

__all__ = ["read_mp4", "write_mp4"]

TEXTS: Final = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "genre": "\xa9gen",
    "date": "\xa9day",
    "lyrics": "\xa9lyr",
}
FREE_FORM: Final = "----:com.apple.iTunes:"
SYNCED: Final = f"{FREE_FORM}SYNCEDLYRICS"


def write_mp4(path: Path, tags: SongTags) -> None:
    """Write tags other than chapters into an M4A file that is not fragmented; what they do not hold stays as it is."""
    file: Any = mp4.MP4(path)
    if file.tags is None:
        file.add_tags()
    held: Any = file.tags
    for name, atom in TEXTS.items():
        if (value := getattr(tags, name)) is not None:
            held[atom] = [value]
    for name, label in OWN.items():
        if (value := getattr(tags, name)) is not None:
            held[f"{FREE_FORM}{label}"] = [mp4.MP4FreeForm(value.encode())]
    if tags.track is not None:
        total = next(iter(held.get("trkn", ())), (0, 0))[1]
        held["trkn"] = [(tags.track, total)]
    if tags.synced:
        held[SYNCED] = [mp4.MP4FreeForm(lrc_text(tags.synced).encode())]
    if tags.cover is not None:
        is_png = tags.cover.startswith(b"\x89PNG")
        image_format = mp4.MP4Cover.FORMAT_PNG if is_png else mp4.MP4Cover.FORMAT_JPEG
        held["covr"] = [mp4.MP4Cover(tags.cover, image_format), *held.get("covr", ())[1:]]
    file.save()


def read_mp4(path: Path) -> SongTags:
    """Return the tags of an M4A file."""
    held: Any = mp4.MP4(path).tags or {}
    with path.open("rb") as file:
        chapters = read_chapters(file)
    texts: dict[str, Any] = {name: str(held[atom][0]) for name, atom in TEXTS.items() if held.get(atom)}
    own: dict[str, Any] = {name: _text(held, f"{FREE_FORM}{label}") for name, label in OWN.items()}
    return SongTags(
        **texts,
        **own,
        track=(held.get("trkn") or [(None, 0)])[0][0] or None,
        synced=lines_of_lrc(_text(held, SYNCED) or ""),
        chapters=chapters,
        cover=bytes(held["covr"][0]) if held.get("covr") else None,
    )


def _text(held: Any, name: str) -> str | None:
    return bytes(held[name][0]).decode("utf-8", "replace") if held.get(name) else None
