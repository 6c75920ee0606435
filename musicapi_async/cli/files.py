"""Files that a command writes: the audio, cover and JSON of each clip, and a record of a task until it is complete."""

import asyncio
import errno
import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from musicapi_async import Clip, MusicAPI, Songs
from musicapi_async.cli.exits import hide_key
from musicapi_async.cli.screen import Screen
from musicapi_async.errors import DownloadError
from musicapi_async.media.formats import PICTURES
from musicapi_async.media.names import MAX_ID_BYTES, id_for_name, json_text, slug, title_for_name, write_text

__all__ = ["SavedClip", "TaskFile", "make_folder", "save_clips", "stems", "write_json"]

SHORT_ID_LENGTH: Final = 8


@attrs.frozen
class SavedClip:
    """A clip and the files that were written for it; without audio, ``error`` says why."""

    clip: Clip
    files: Mapping[str, Path] = attrs.field(factory=dict)
    error: DownloadError | OSError | None = None

    def to_json(self) -> dict[str, object]:
        """Return the clip's object in ``--json``."""
        fields = self.clip.to_dict() | {"files": {name: str(path) for name, path in self.files.items()}}
        return fields if self.error is None else fields | {"download_error": str(self.error)}


class TaskFile:
    """A small JSON file in the output folder that records a task from its acceptance until its songs are saved.

    It keeps the id and the request when the terminal, the process or the machine stops meanwhile.
    """

    def __init__(self, folder: Path, task_id: str) -> None:
        self.path: Path = folder / f"musicapi-task-{id_for_name(task_id)}.json"

    def write(self, content: Mapping[str, object]) -> None:
        """Write the record; raises OSError."""
        write_json(self.path, content)

    def read(self) -> Mapping[str, object]:
        """Return the record; an empty mapping where there is none."""
        return _read_json(self.path)

    def remove(self) -> None:
        """Delete the file: the task is complete or has failed."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make sure that files can be written here, before anything is paid for; raises OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error
    except OSError as error:
        # Named after the folder, whichever file or parent was tried.
        raise OSError(error.errno, error.strerror, str(folder)) from error


def stems(clips: Sequence[Clip]) -> list[str]:
    """Return a file name without suffix for each clip: its title and the beginning of its id.

    The names are distinct, also on a file system that ignores case.
    """
    short = [_stem(clip.title, clip.clip_id[:SHORT_ID_LENGTH]) for clip in clips]
    count = Counter(map(str.casefold, short))
    return [
        stem if count[stem.casefold()] == 1 else _stem(clip.title, f"{clip.clip_id[:MAX_ID_BYTES]}-{index}")
        for index, (clip, stem) in enumerate(zip(clips, short, strict=True), 1)
    ]


def write_json(path: Path, value: object) -> None:
    """Write a JSON file completely or not at all; raises OSError."""
    write_text(path, hide_key(json_text(value)) + "\n")


async def save_clips(
    client: MusicAPI, songs: Songs, folder: Path, task_fields: Mapping[str, object], screen: Screen
) -> list[SavedClip]:
    """Write the files of all playable clips; ``task_fields`` go into each clip's JSON file.

    A clip whose audio cannot be downloaded is returned with its error; the others are written all the same.
    """
    jobs = (
        _save_clip(client, clip, folder / stem, task_fields, screen)
        for clip, stem in zip(songs, stems(songs), strict=True)
    )
    # Every job is awaited to its end, even when one fails or all are cancelled: each still cleans up its files.
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if isinstance(result, SavedClip)]


async def _save_clip(
    client: MusicAPI, clip: Clip, stem: Path, task_fields: Mapping[str, object], screen: Screen
) -> SavedClip:
    files: dict[str, Path] = {}
    try:
        audio = await client.download(
            clip, stem, on_progress=lambda done, total: screen.progress.download(clip, done, total)
        )
        files["audio"] = audio.path
        cover = await _save_cover(client, clip, stem, screen)
        if cover is not None:
            files["cover"] = cover
        files["json"] = stem.with_name(f"{stem.name}.json")
        await asyncio.to_thread(_write_metadata, files, task_fields, clip)
    except (DownloadError, OSError) as error:
        return SavedClip(clip, {name: path for name, path in files.items() if path.exists()}, error)
    screen.progress.saved(clip)
    return SavedClip(clip, files)


async def _save_cover(client: MusicAPI, clip: Clip, stem: Path, screen: Screen) -> Path | None:
    """Download the cover image; a missing one is a warning only."""
    if clip.image_url is None:
        return None
    try:
        saved = await client.download(clip.image_url, stem.with_name(f"{stem.name}-cover"))
    except DownloadError as error:
        screen.warn(f"no cover for {stem.name}: {error.reason}")
        return None
    # A download by address accepts any file format; an error page is not a picture.
    if saved.format not in PICTURES:
        screen.warn(f"no cover for {stem.name}: the response is not an image")
        await asyncio.to_thread(saved.path.unlink, missing_ok=True)
        return None
    return saved.path


def _write_metadata(files: Mapping[str, Path], task_fields: Mapping[str, object], clip: Clip) -> None:
    names = {name: path.name for name, path in files.items()}
    content = dict(task_fields)
    if content.get("request") is None:
        # A task resumed from its id does not report its request; the file of an earlier download has it.
        content["request"] = _read_json(files["json"]).get("request")
    write_json(files["json"], content | {"clip": clip.to_dict(), "files": names, "raw": clip.raw})


def _read_json(path: Path) -> Mapping[str, object]:
    """Return the object in a JSON file; an empty mapping where there is none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _stem(title: str | None, suffix: str) -> str:
    return f"{title_for_name(title)}-{slug(suffix) or 'clip'}"
