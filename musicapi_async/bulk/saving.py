"""Saving of a task's result in a folder: the audio, the cover and a ``.json`` of each clip."""

import asyncio
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from string import Formatter
from typing import Any, Final

from musicapi_async._client import MusicAPI
from musicapi_async._logger import logger
from musicapi_async.bulk.journal import Record
from musicapi_async.errors import DownloadError, InvalidRequestError
from musicapi_async.media.formats import FIRST_BYTES, PICTURES, SUFFIXES, format_of, is_usual_suffix
from musicapi_async.media.names import MAX_PART_LENGTH, TITLE_BYTES, id_for_name, json_text, title_for_name, write_text
from musicapi_async.results import Clip, DownloadFile, DownloadFiles, ExtendedSong, ReplacedSection, Stem
from musicapi_async.results.base import Result

__all__ = ["NAMES", "FileSink", "clips_in", "prepare_folder"]


NAMES: Final = "{index:05d}-{title}-{clip_id}.{ext}"
END: Final = ".{ext}"
FIELDS: Final = ("index", "key", "title", "clip_id", "operation", "ext")
MAX_NAME: Final = 240
"""Bytes; file systems take 255, and a cover's name is a little longer."""
MAX_OPERATION: Final = 30
SECRETS: Final = frozenset({"webhook_secret"})
"""Fields of a request that are never written to files, which may be shared."""
STALE: Final = 600.0
"""Seconds after which a partial file counts as abandoned."""
MAX_DOWNLOADS: Final = 8
"""Downloads at once."""
SONGS: Final = SUFFIXES - PICTURES


def prepare_folder(folder: Path) -> None:
    """Make the folder, and remove partial files of killed processes in it; raises DownloadError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for partial in folder.glob(f".{'[0-9a-f]' * 16}.part"):
            # Another program may be writing one now.
            with suppress(OSError):
                if time.time() - partial.stat().st_mtime > STALE:
                    partial.unlink()
    except OSError as error:
        raise DownloadError("", str(folder), error.strerror or str(error)) from error


def clips_in(result: Any) -> Sequence[Clip]:
    """Return the clips of a result to save: of a continuation with its whole song, the song."""
    parts = result if isinstance(result, Sequence) else ()
    return [clip for part in parts if (clip := _clip_of(part)) is not None]


class FileSink:
    """Writes results into a folder, under names of ``index``, ``key``, ``title``, ``clip_id`` and ``operation``."""

    def __init__(self, client: MusicAPI, folder: Path, names: str = NAMES) -> None:
        self._client = client
        self._folder = folder
        self._names = _checked_template(names)
        self._slots = asyncio.Semaphore(MAX_DOWNLOADS)

    async def save(self, record: Record, result: Any) -> Sequence[str]:
        """Download the files that are not there yet, and return the names of all; raises DownloadError.

        Files of a call that was interrupted are used again.
        """
        clips = clips_in(result)
        saved = _files_by_clip(record)
        stem = self._stem(record, Clip(clip_id=record.task_id or "task", title=record.operation))
        saving = [self._save(record, clip, number, saved.get(clip.clip_id)) for number, clip in enumerate(clips, 1)]
        if isinstance(result, DownloadFiles):
            saving = [self._save_file(f"{stem}-{number}", file) for number, file in enumerate(result, 1)]
        if not clips:
            data = result.to_dict() if isinstance(result, Result) else result
            saving.append(self._write(stem, record, {"result": data}))
        # Each is completed even if another fails, so that all received files are kept.
        written = await asyncio.gather(*saving, return_exceptions=True)
        for found in written:
            if isinstance(found, BaseException):
                raise found
        return [name for names in written if not isinstance(names, BaseException) for name in names]

    async def _save(self, record: Record, clip: Clip, number: int, saved: list[str] | None) -> list[str]:
        if saved is not None:
            return saved
        stem = self._stem(record, clip, number)
        names = [await self._fetch(stem, clip)] if clip.audio_url else []
        if clip.image_url:
            names += await self._fetch_cover(f"{stem}-cover", clip.image_url)
        return [*names, *await self._write(stem, record, {"clip": clip.to_dict(), "raw": clip.raw})]

    async def _save_file(self, stem: str, file: DownloadFile) -> list[str]:
        return [await self._fetch(stem, file)]

    async def _fetch_cover(self, stem: str, url: str) -> list[str]:
        """Download the cover image; a song without one still counts as complete."""
        try:
            name = await self._fetch(stem, url, PICTURES)
        except DownloadError as error:
            if isinstance(error.__cause__, OSError):
                raise  # the disk is full or gone: the next run saves it
            logger.warning("no cover for %s: %s", stem, error.reason)
            return []
        # The address may lead to any file; this one is not a picture.
        if Path(name).suffix.removeprefix(".") not in PICTURES:
            logger.warning("no cover for %s: the response is not an image", stem)
            with suppress(OSError):
                await asyncio.to_thread((self._folder / name).unlink)
            return []
        return [name]

    async def _fetch(self, stem: str, source: Clip | DownloadFile | str, formats: AbstractSet[str] = SONGS) -> str:
        """Download a file, unless it exists: it appears under its name only when it is complete."""
        existing = await asyncio.to_thread(self._existing, stem, formats)
        if existing is not None:
            return existing
        async with self._slots:
            return (await self._client.download(source, self._folder / stem)).path.name

    def _existing(self, stem: str, formats: AbstractSet[str]) -> str | None:
        """Return the name of an existing file of one of these formats whose content fits its name."""
        for file_format in sorted(formats):
            with suppress(OSError), (self._folder / f"{stem}.{file_format}").open("rb") as file:
                found = format_of(file.read(FIRST_BYTES))
                if found is not None and is_usual_suffix(found, file_format):
                    return f"{stem}.{file_format}"
        return None

    async def _write(self, stem: str, record: Record, content: dict[str, Any]) -> list[str]:
        path = self._folder / f"{stem}.json"
        request = {name: value for name, value in record.request.items() if name not in SECRETS}
        about = {"key": record.key, "operation": record.operation, "task_id": record.task_id, "request": request}
        try:
            await asyncio.to_thread(write_text, path, json_text(about | content) + "\n")
        except OSError as error:
            raise DownloadError(f"task {record.task_id}", str(path), error.strerror or str(error)) from error
        return [path.name]

    def _stem(self, record: Record, clip: Clip, number: int = 1) -> str:
        return self._names.format(
            index=record.number,
            key=id_for_name(record.key),
            title=title_for_name(clip.title),
            # Two clips of a task must not share a name.
            clip_id=id_for_name(clip.clip_id) or f"clip{number}",
            operation=record.operation.replace(".", "-"),
        )


def _files_by_clip(record: Record) -> dict[str, list[str]]:
    """Return the files of clips that were saved while the rest of their task was not finished, by clip id."""
    if record.state != "accepted":
        return {}  # its clips may be recorded without their files
    groups = zip(record.clips, record.files_by_clip(), strict=False)
    return {str(clip["clip_id"]): names for clip, names in groups if names}


def _checked_template(names: str) -> str:
    """Return the template without its ending; raises InvalidRequestError when it cannot name files."""
    limit = (
        f"the fields {', '.join(FIELDS)}, of which {{clip_id}} is required, with {END} once, at the end; no folders, "
        f"and at most {MAX_NAME} bytes"
    )
    try:
        used = {field for _, field, _, _ in Formatter().parse(names) if field is not None}
        maximal = {"index": 10**8, "key": "k" * MAX_PART_LENGTH, "clip_id": "c" * MAX_PART_LENGTH}
        sample = names.format(**maximal, title="t" * TITLE_BYTES, operation="o" * MAX_OPERATION, ext="jpeg")
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise InvalidRequestError(f"names is {names!r}: {error}; it takes {limit}", "names", names, limit) from error
    is_known = used <= set(FIELDS) and "clip_id" in used and names.count("{ext") == 1 and names.endswith(END)
    if not is_known or Path(sample).name != sample or len(sample.encode()) > MAX_NAME:
        raise InvalidRequestError(f"names is {names!r}; it takes {limit}", "names", names, limit)
    return names.removesuffix(END)


def _clip_of(part: object) -> Clip | None:
    if isinstance(part, Stem):
        return part.clip
    if isinstance(part, ExtendedSong):
        return part.full or part.extended
    if isinstance(part, ReplacedSection):
        return part.full or part.replaced
    return part if isinstance(part, Clip) else None
