"""Files of a saved song: found by its name, and its audio tagged."""

import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, Final

import attrs

from musicapi_async._logger import logger
from musicapi_async.media.formats import FIRST_BYTES, PICTURES, SUFFIXES, format_of, is_usual_suffix
from musicapi_async.media.saved import SavedFile
from musicapi_async.media.tagging import COVERS, MAX_COVER, read_tags, tags_of_clip, write_song_tags
from musicapi_async.media.tags.values import SongTags, clean
from musicapi_async.media.timeline import Timeline
from musicapi_async.results import Clip

__all__ = ["SONGS", "cover_beside", "existing_audio", "existing_file", "write_tags"]

SONGS: Final = SUFFIXES - PICTURES
"""Suffixes of the files that a song can be downloaded as."""
AUDIO: Final = tuple(
    sorted(
        SONGS - {"mid", "midi"}, key=lambda suffix: (suffix in {"mp4", "m4v", "mkv", "webm"}, suffix != "mp3", suffix)
    )
)
"""Suffixes of the audio of a clip; last those that are mostly of videos, which a user may keep beside it."""
M4A: Final = (".m4a", ".m4b")
TEXTS: Final = ("title", "genre", "date", "lyrics")
"""The tags from a clip that a user may have changed since."""


def existing_file(stem: Path, formats: AbstractSet[str]) -> SavedFile | None:
    """Return the file of this name in one of these formats whose content fits its suffix; None where there is none."""
    return next((file for suffix in sorted(formats) if (file := _file_of(stem, suffix)) is not None), None)


def existing_audio(stem: Path, fields: Mapping[str, object]) -> SavedFile | None:
    """Return the audio of a saved song; None where there is none.

    It is the file with the suffix that its JSON file (with these ``fields``) names, else one of the other formats: a
    user may keep a video, notes or another copy of a song under its name.
    """
    files = fields.get("files")
    named = files.get("audio") if isinstance(files, Mapping) else None
    suffix = PurePath(named).suffix.lstrip(".") if isinstance(named, str) else ""
    first = (suffix,) if suffix in SONGS else ()
    return next((file for suffix in (*first, *AUDIO) if (file := _file_of(stem, suffix)) is not None), None)


def cover_beside(stem: Path) -> SavedFile | None:
    """Return the cover that was saved with a song; None where there is none."""
    return existing_file(stem.with_name(f"{stem.name}-cover"), PICTURES)


def write_tags(
    path: Path,
    clip: Clip,
    cover: SavedFile | None,
    timeline: Timeline | None,
    fields: Mapping[str, object],
    *,
    is_new: bool = False,
) -> tuple[SongTags, bool]:
    """Return the tags of a saved song, and True when they were written just now.

    A file that holds its clip's id, and the cover and lines that it could have, is left as it is, unless the timeline
    ``is_new``. What it lacks is added, and its other tags, which the user may have changed, stay. ``fields`` are those
    of its JSON file: the task's id and the description are taken from there. Raises TagError.
    """
    if cover is not None and (cover.format not in COVERS or cover.size > MAX_COVER):
        logger.warning("no cover in the tags of %s: it must be JPEG or PNG, of at most %d bytes", path.name, MAX_COVER)
        cover = None
    lines = timeline.lines if timeline is not None else ()
    held = read_tags(path)
    is_own = held.clip_id is not None and held.clip_id == clean(clip.clip_id)
    if is_own and (held.synced or not lines) and (held.cover or not cover) and not is_new:
        return held, False
    request = fields.get("request")
    description = request.get("gpt_description_prompt") if isinstance(request, Mapping) else None
    tags = tags_of_clip(
        clip,
        cover=cover,
        timeline=timeline if lines else None,
        task_id=_text_or_none(fields.get("task_id")),
        description=_text_or_none(description),
    )
    if is_own:
        kept: dict[str, Any] = {name: None for name in TEXTS if getattr(held, name)}
        tags = attrs.evolve(tags, **kept, cover=None if held.cover else tags.cover)
    return write_song_tags(path, clip, tags), True


def _file_of(stem: Path, suffix: str) -> SavedFile | None:
    """Return the file with this suffix, if its content fits it."""
    path = stem.with_name(f"{stem.name}.{suffix}")
    if not path.is_file():  # a pipe would be waited for
        return None
    with suppress(OSError), path.open("rb") as file:
        found = format_of(file.read(FIRST_BYTES), is_audio=path.suffix in M4A)
        if found is not None and is_usual_suffix(found, suffix):
            return SavedFile(path=path, size=file.seek(0, os.SEEK_END), format=found)
    return None


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
