"""Saving of a task's result in a folder: the names of its files, and what is written with each clip."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from string import Formatter
from typing import Any, Final

from musicapi_async._client import MusicAPI
from musicapi_async._logger import logger
from musicapi_async._request import TaskRequest
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.output import Output
from musicapi_async.bulk.records import Record
from musicapi_async.bulk.requests_file import class_of
from musicapi_async.errors import (
    ClientClosedError,
    ConnectionFailedError,
    GatewayError,
    InvalidRequestError,
    InvalidResponseError,
    JournalError,
    MusicAPIError,
    NotReadyError,
    RateLimitError,
    ServerError,
    UncertainSubmissionError,
)
from musicapi_async.media.names import MAX_PART_LENGTH, TITLE_BYTES, id_for_name, title_for_name
from musicapi_async.media.saved import Progress, SavedFile
from musicapi_async.media.saving import ClipSaver, SaveOptions, Times, names_for
from musicapi_async.media.song_files import SONGS
from musicapi_async.requests.sonic import AlignLyrics
from musicapi_async.results import (
    AlignedLyrics,
    Clip,
    DownloadFile,
    DownloadFiles,
    ExtendedSong,
    ReplacedSection,
    Stem,
    Stems,
)
from musicapi_async.results.base import Result

__all__ = ["FileSink", "checked_template", "clips_in", "timed_clips"]


END: Final = ".{ext}"
FIELDS: Final = ("index", "key", "title", "clip_id", "operation", "ext")
MAX_NAME: Final = 240
"""Bytes; file systems take 255, and a cover's name is a little longer."""
MAX_OPERATION: Final = 30
MAX_DOWNLOADS: Final = 8
"""Downloads at once."""
PASSING: Final = (
    ConnectionFailedError,
    GatewayError,
    InvalidResponseError,
    NotReadyError,
    RateLimitError,
    ServerError,
    UncertainSubmissionError,
)
"""Errors of a request for times that may be over in the next run; further requests for the same clip are free."""


def clips_in(result: Any) -> Sequence[Clip]:
    """Return the clips of a result to save: of a continuation with its whole song, the song."""
    parts = result if isinstance(result, Sequence) else ()
    return [clip for part in parts if (clip := _clip_of(part)) is not None]


def timed_clips(operation: type[TaskRequest[Any]]) -> int:
    """Return how many clips an operation makes whose words the service finds the times of."""
    # A stem has no lyrics of its own.
    has_times = operation.family == AlignLyrics.family and operation.result is not Stems
    return operation.expected_clips if has_times else 0


class FileSink:
    """Saves results in an output, under names of ``index``, ``key``, ``title``, ``clip_id`` and ``operation``.

    With captions among the ``options``, the times of the words of sonic songs are fetched, which are paid for within
    the ``budget``.
    """

    def __init__(self, client: MusicAPI, output: Output, names: str, options: SaveOptions, budget: Budget) -> None:
        self._client = client
        self._output = output
        self._folder = output.folder
        self._names = checked_template(names)
        self._budget = budget
        self._saver = ClipSaver(download=self._download, options=options)
        self._slots = asyncio.Semaphore(MAX_DOWNLOADS)

    async def save(self, record: Record, result: Any, *, is_extra: bool = False) -> Sequence[str]:
        """Write the files that are not there yet, and return the names of all.

        Files of a call that was interrupted are used again. For a song that is paid for besides (``is_extra``) no times
        are bought. Raises DownloadError, and the errors of fetching times that another run may fetch.
        """
        clips = clips_in(result)
        saved = _files_by_clip(record)
        stem = self._stem(record, Clip(clip_id=record.task_id or "task", title=record.operation))
        has_times = not is_extra and timed_clips(class_of(record.operation)) > 0
        times = partial(self._times_of, record) if has_times else None
        saving = [
            self._save(record, clip, number, saved.get(clip.clip_id), times) for number, clip in enumerate(clips, 1)
        ]
        if isinstance(result, DownloadFiles):
            saving = [self._save_file(f"{stem}-{number}", file) for number, file in enumerate(result, 1)]
        if not clips:
            data = result.to_dict() if isinstance(result, Result) else result
            writing = partial(self._write, stem, {**_about(record), "result": data})
            saving.append(self._output.save([stem], writing))
        # Each is completed even if another fails, so that all received files are kept.
        written = await asyncio.gather(*saving, return_exceptions=True)
        for found in written:
            if isinstance(found, BaseException):
                raise found
        return [name for names in written if not isinstance(names, BaseException) for name in names]

    async def _save(
        self, record: Record, clip: Clip, number: int, saved: list[str] | None, times: Times | None
    ) -> list[str]:
        if saved is not None:
            return saved
        stem = self._stem(record, clip, number)
        return await self._output.save(names_for(stem, clip), partial(self._write_clip, record, clip, stem, times))

    async def _write_clip(self, record: Record, clip: Clip, stem: str, times: Times | None) -> list[str]:
        if not clip.audio_url:
            cover = await self._saver.cover(clip, self._folder / stem)
            names = [] if cover is None else [cover.path.name]
            return [*names, *await self._write(stem, {**_about(record), "clip": clip.to_dict(), "raw": clip.raw})]
        found = await self._saver.save(clip, self._folder / stem, _about(record), times=times)
        return [path.name for path in found.files.values()]

    async def _times_of(self, record: Record, clip: Clip) -> AlignedLyrics | None:
        """Return the times of a clip's words; None where they cannot be had, which never holds a song back.

        Raises an error after which another run may get them; in that run, it is the last.
        """
        try:
            async with self._budget.paying_for(AlignLyrics.operation_name):
                return await self._client.call(AlignLyrics(clip=clip))
        except (ClientClosedError, JournalError):
            raise
        except MusicAPIError as error:
            if record.state == "accepted" and isinstance(error, PASSING):
                raise
            logger.warning("no times for %s of %s: %s", clip.clip_id, record.key, error)
            return None

    async def _save_file(self, stem: str, file: DownloadFile) -> list[str]:
        async def write() -> list[str]:
            return [(await self._saver.fetch(file, self._folder / stem, SONGS)).path.name]

        return await self._output.save([stem], write)

    async def _download(
        self, source: Clip | DownloadFile | str, path: str | os.PathLike[str], *, on_progress: Progress | None = None
    ) -> SavedFile:
        async with self._slots:
            return await self._client.download(source, path, on_progress=on_progress)

    async def _write(self, stem: str, content: Mapping[str, object]) -> list[str]:
        return [(await self._saver.write_sidecar(self._folder / stem, content)).name]

    def _stem(self, record: Record, clip: Clip, number: int = 1) -> str:
        return self._names.format(
            index=record.number,
            key=id_for_name(record.key),
            title=title_for_name(clip.title),
            # Two clips of a task must not share a name.
            clip_id=id_for_name(clip.clip_id) or f"clip{number}",
            operation=record.operation.replace(".", "-"),
        )


def _about(record: Record) -> dict[str, object]:
    """Return what the JSON file of a result says of its request."""
    return {"key": record.key, "operation": record.operation, "task_id": record.task_id, "request": record.request}


def _files_by_clip(record: Record) -> dict[str, list[str]]:
    """Return the files of clips that were saved while the rest of their task was not finished, by clip id."""
    if record.state != "accepted":
        return {}  # its clips may be recorded without their files
    groups = zip(record.clips, record.files_by_clip(), strict=False)
    return {str(clip["clip_id"]): names for clip, names in groups if names}


def checked_template(names: str) -> str:
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
