"""Files of a saved song: found by its name, and its audio tagged."""

import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Final

from musicapi_async._logger import logger
from musicapi_async.media.formats import FIRST_BYTES, PICTURES, SUFFIXES, format_of, is_usual_suffix
from musicapi_async.media.saved import SavedFile
from musicapi_async.media.tagging import COVERS, MAX_COVER, read_tags, tag
from musicapi_async.media.tags.values import SongTags, clean
from musicapi_async.media.timeline import Timeline
from musicapi_async.results import Clip

__all__ = ["SONGS", "cover_beside", "existing_file", "write_tags"]

SONGS: Final = SUFFIXES - PICTURES
"""Suffixes of the audio of a clip."""
M4A: Final = (".m4a", ".m4b")


def existing_file(stem: Path, formats: AbstractSet[str]) -> SavedFile | None:
    """Return the file of this name in one of these formats whose content fits its suffix; None where there is none."""
    for suffix in sorted(formats):
        path = stem.with_name(f"{stem.name}.{suffix}")
        with suppress(OSError), path.open("rb") as file:
            found = format_of(file.read(FIRST_BYTES), is_audio=path.suffix in M4A)
            if found is not None and is_usual_suffix(found, suffix):
                return SavedFile(path=path, size=file.seek(0, os.SEEK_END), format=found)
    return None


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

    A file that holds its clip's id, and the cover and lines that it could have, is left as it is, unless ``is_new``.
    ``fields`` are those of its JSON file: the task's id and the description are taken from there. Raises TagError.
    """
    if cover is not None and (cover.format not in COVERS or cover.size > MAX_COVER):
        logger.warning("no cover in the tags of %s: it must be JPEG or PNG, of at most %d bytes", path.name, MAX_COVER)
        cover = None
    lines = timeline.lines if timeline is not None else ()
    held = read_tags(path)
    is_complete = (
        held.clip_id == clean(clip.clip_id) and bool(held.synced or not lines) and bool(held.cover or not cover)
    )
    if is_complete and held.clip_id and not is_new:
        return held, False
    request = fields.get("request")
    description = request.get("gpt_description_prompt") if isinstance(request, Mapping) else None
    written = tag(
        path,
        clip,
        cover=cover,
        timeline=timeline if lines else None,
        task_id=_text_or_none(fields.get("task_id")),
        description=_text_or_none(description),
    )
    return written, True


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
