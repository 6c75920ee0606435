"""Files that a command writes: those of each clip of a task, and a record of the task until it is complete."""

import asyncio
import errno
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from musicapi_async import Clip, MusicAPI, Songs
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.exits import hide_secrets
from musicapi_async.cli.screen import Screen
from musicapi_async.errors import DownloadError
from musicapi_async.media.caption_formats import CAPTION_FORMATS, CaptionFormat
from musicapi_async.media.names import MAX_ID_BYTES, id_for_name, json_text, slug, title_for_name, write_text
from musicapi_async.media.saving import ClipSaver, SavedClip, SaveOptions, Times
from musicapi_async.media.sidecar import read_sidecar

__all__ = [
    "TaskFile",
    "UnsavedClip",
    "formats_in",
    "make_folder",
    "save_clips",
    "save_options",
    "saved_fields",
    "stems",
    "write_json",
]

SHORT_ID_LENGTH: Final = 8


class UnsavedClip(NamedTuple):
    """A clip whose files are not all written, and why."""

    clip: Clip
    error: DownloadError


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
        return read_sidecar(self.path)

    def remove(self) -> None:
        """Delete the file: the task is complete or has failed."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def formats_in(text: str, option: str) -> tuple[CaptionFormat, ...]:
    """Return the formats of captions in a comma-separated list; raises UsageError for an unknown one."""
    names = [name.strip().lower() for name in text.split(",")]
    known: dict[str, CaptionFormat] = {name: name for name in CAPTION_FORMATS}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{option} has the format {unknown[0]!r}; use one or more of {','.join(CAPTION_FORMATS)}")
    return tuple(dict.fromkeys(known[name] for name in names))


def save_options(*, tags: bool, lyrics_as: str | None) -> SaveOptions:
    """Return the options that are given; raises UsageError, and MissingExtraError for tags without mutagen."""
    return SaveOptions.of(tags=tags, lyrics=() if lyrics_as is None else formats_in(lyrics_as, "--lyrics-as"))


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
    write_text(path, hide_secrets(json_text(value)) + "\n")


async def save_clips(
    client: MusicAPI,
    songs: Songs,
    folder: Path,
    options: SaveOptions,
    task_fields: Mapping[str, object],
    screen: Screen,
    *,
    times: Times | None = None,
) -> list[SavedClip | UnsavedClip]:
    """Write the files of all playable clips; ``task_fields`` go into each clip's JSON file.

    A clip whose files cannot be downloaded or written is returned with its error; the others are written all the same.
    """
    saver = ClipSaver(download=client.download, options=options, redact=hide_secrets)

    async def save(clip: Clip, stem: Path) -> SavedClip | UnsavedClip:
        def show(done: int, total: int | None) -> None:
            screen.progress.download(clip, done, total)

        try:
            saved = await saver.save(clip, stem, task_fields, times=times, on_progress=show)
        except DownloadError as error:
            return UnsavedClip(clip, error)
        screen.progress.saved(clip)
        return saved

    jobs = (save(clip, folder / stem) for clip, stem in zip(songs, stems(songs), strict=True))
    # Every job is awaited to its end, even when one fails or all are cancelled: each still cleans up its files.
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def saved_fields(saved: SavedClip | UnsavedClip) -> dict[str, object]:
    """Return a clip's object in ``--json``."""
    if isinstance(saved, UnsavedClip):
        return saved.clip.to_dict() | {"files": {}, "download_error": str(saved.error)}
    fields = saved.clip.to_dict() | {"files": {name: str(path) for name, path in saved.files.items()}}
    return fields if saved.tag_error is None else fields | {"tag_error": saved.tag_error.reason}


def _stem(title: str | None, suffix: str) -> str:
    return f"{title_for_name(title)}-{slug(suffix) or 'clip'}"
