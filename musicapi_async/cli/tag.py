"""``musicapi tag``: the tags of songs that were saved earlier, from the JSON files beside them."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from musicapi_async._extras import require
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.screen import Screen
from musicapi_async.errors import TagError
from musicapi_async.media.formats import SUFFIXES
from musicapi_async.media.sidecar import read_saved_song, read_sidecar
from musicapi_async.media.song_files import SONGS, cover_beside, existing_audio, write_tags
from musicapi_async.media.tagging import NEEDED_FOR

__all__ = ["tag_songs"]

Result: TypeAlias = Literal["tagged", "unchanged", "failed", "skipped"]


class _Tagged(NamedTuple):
    """What became of one file."""

    path: Path
    result: Result
    reason: str = ""
    error: TagError | None = None


async def tag_songs(paths: Sequence[Path], screen: Screen) -> None:
    """Tag the songs, and show what became of each file.

    Raises the first TagError after all songs are tagged that can be, UsageError where there is no song.
    """
    require("mutagen", NEEDED_FOR)
    found: list[_Tagged] = []
    for path in await asyncio.to_thread(lambda: list(dict.fromkeys(_songs_in(paths)))):
        done = await asyncio.to_thread(_tag, path)
        found.append(done)
        screen.print(f"{done.result}{done.reason and f', {done.reason}'}: {done.path}")
    screen.emit({"files": [{"path": str(one.path), "result": one.result, "reason": one.reason} for one in found]})
    counts = Counter(one.result for one in found)
    if not counts.total() - counts["skipped"]:
        raise UsageError(f"there is no song that was saved by musicapi in {', '.join(map(str, paths))}")
    screen.print(", ".join(f"{count:,} {result}" for result, count in counts.items()))
    if (error := next((one.error for one in found if one.error is not None), None)) is not None:
        raise error


def _songs_in(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the names without suffix of the songs in folders, and of single songs; raises UsageError."""
    for path in paths:
        if path.is_dir():
            yield from sorted({_stem(file) for file in path.iterdir() if _is_of_song(file)})
        elif path.exists():
            yield _stem(path)
        else:
            raise UsageError(f"there is no {path}; give a folder of saved songs, or a song")


def _is_of_song(file: Path) -> bool:
    suffix = file.suffix.lstrip(".")
    return not file.name.startswith(".") and (suffix in SONGS or suffix == "json")


def _stem(file: Path) -> Path:
    suffix = file.suffix.lower().lstrip(".")
    return file.with_suffix("") if suffix in SUFFIXES or suffix == "json" else file


def _tag(stem: Path) -> _Tagged:
    sidecar = stem.with_name(f"{stem.name}.json")
    fields = read_sidecar(sidecar)
    audio = existing_audio(stem, fields)
    path = sidecar if audio is None else audio.path
    try:
        song = read_saved_song(sidecar)
    except FileNotFoundError:
        return _Tagged(path, "skipped", "no JSON file beside it")
    except (OSError, ValueError):
        return _Tagged(path, "skipped", "not saved by musicapi")
    if audio is None:
        return _Tagged(path, "skipped", "no audio beside it")
    timeline = song.timeline() if song.has_times else None
    try:
        _, is_new = write_tags(path, song.clip, cover_beside(stem), timeline, fields)
    except TagError as error:
        return _Tagged(path, "failed", error.reason, error)
    return _Tagged(path, "tagged" if is_new else "unchanged")
