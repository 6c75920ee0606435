"""Reading and writing the tags of a file: on a copy that replaces the file when its audio is unchanged."""

import contextlib
import json
import os
import secrets
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
from mutagen import MutagenError

from musicapi_async._logger import logger
from musicapi_async.errors import TagError
from musicapi_async.media.formats import SUFFIXES
from musicapi_async.media.names import json_text, write_text
from musicapi_async.media.tags.audio import has_same_audio, tag_format
from musicapi_async.media.tags.boxes import copy_with_chapters, is_fragmented
from musicapi_async.media.tags.id3 import ID3Version, read_mp3, write_mp3
from musicapi_async.media.tags.mp4 import read_mp4, write_mp4
from musicapi_async.media.tags.values import SongTags
from musicapi_async.media.tags.vorbis import read_flac, read_ogg, write_flac, write_ogg
from musicapi_async.media.tags.wave import read_wave, write_wave
from musicapi_async.results import Clip

__all__ = ["read", "write"]

T = TypeVar("T")

READERS: Mapping[str, Callable[[Path], SongTags]] = {
    "mp3": read_mp3,
    "m4a": read_mp4,
    "flac": read_flac,
    "ogg": read_ogg,
    "wav": read_wave,
}
WRITERS: Mapping[str, Callable[[Path, SongTags], None]] = {"m4a": write_mp4, "flac": write_flac, "ogg": write_ogg}


def read(path: Path) -> SongTags:
    """Return the tags of a file; raises TagError."""
    return _guarded(path, lambda: _read(path))


def write(path: Path, clip: Clip, tags: SongTags, version: ID3Version) -> SongTags:
    """Write tags into a file and the clip beside it, and return all tags that the file now holds; raises TagError."""
    return _guarded(path, lambda: _write(path, clip, tags, version))


def _guarded(path: Path, work: Callable[[], T]) -> T:
    """Run blocking work on a file; raises TagError for what can go wrong with it."""
    try:
        return work()
    # The library meets damaged files with any of these.
    except (OSError, ValueError, LookupError, struct.error, MutagenError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise TagError(str(path), reason) from error


def _read(path: Path) -> SongTags:
    with path.open("rb") as file:
        file_format = tag_format(file)
    return READERS[file_format](path)


def _write(given: Path, clip: Clip, tags: SongTags, version: ID3Version) -> SongTags:
    """Tag a copy of the file, compare its audio, and rename it; a link is kept."""
    path = Path(os.path.realpath(given, strict=True))
    copy = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with path.open("rb") as before:
            file_format = tag_format(before)
            if file_format == "m4a" and is_fragmented(before):
                raise ValueError("it is a fragmented M4A file, whose audio would be cut off by tags; remux it first")
            _create(copy)
            _write_as(file_format, path, copy, tags, version)
            with copy.open("rb+") as after:
                if not has_same_audio(file_format, before, after):
                    raise ValueError("its audio would not be the same afterwards; the file is damaged, or empty")
                written = READERS[file_format](copy)
                os.fsync(after.fileno())
        _keep_owner(path, copy)
        shutil.copymode(path, copy)
        # Before the rename, so that after any error the file is as it was.
        _write_sidecar(_sidecar_of(given), clip, written)
        copy.replace(path)
    finally:
        with contextlib.suppress(OSError):
            copy.unlink(missing_ok=True)
    return written


def _create(copy: Path) -> None:
    """Create the copy, which no other user can read until it has the mode of the file."""
    try:
        copy.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise ValueError(f"no file can be written beside it: {error.strerror}") from error


def _keep_owner(path: Path, copy: Path) -> None:
    """Give the copy to the owner and group of the file, where this user may: root can, for one."""
    held = path.stat()
    if hasattr(os, "chown") and (held.st_uid, held.st_gid) != (copy.stat().st_uid, copy.stat().st_gid):
        with contextlib.suppress(OSError):
            os.chown(copy, held.st_uid, held.st_gid)


def _write_as(file_format: str, path: Path, copy: Path, tags: SongTags, version: ID3Version) -> None:
    if file_format == "mp3":
        write_mp3(path, copy, tags, version)
    elif file_format == "wav":
        write_wave(path, copy, tags, version)
    else:
        if file_format == "m4a" and tags.chapters:
            copy_with_chapters(path, copy, tags.chapters)
        else:
            shutil.copyfile(path, copy)
        WRITERS[file_format](copy, tags)


def _sidecar_of(path: Path) -> Path:
    """Return the path beside a file: of ``harbor.mp3`` it is ``harbor.json``, of ``Mr. B`` ``Mr. B.json``."""
    is_media = path.suffix.lower().lstrip(".") in SUFFIXES
    return path.with_suffix(".json") if is_media else path.with_name(f"{path.name}.json")


def _write_sidecar(path: Path, clip: Clip, tags: SongTags) -> None:
    """Write the clip and its tags beside the file; keep what this package has written there before."""
    held: Any = {}
    if path.exists():
        with contextlib.suppress(ValueError, RecursionError):
            held = json.loads(path.read_bytes())
        if not isinstance(held, dict) or "clip" not in held:
            logger.warning("%s is not of this package: the tags were not written to it", path)
            return
    shown = attrs.asdict(tags, filter=lambda field, _: field.name != "cover")
    write_text(path, json_text(held | {"clip": clip.to_dict(), "tags": shown}) + "\n")
