"""What a task has made, as files in a folder: audio, cover and what is known, for each clip."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from string import Formatter
from typing import Any, Final

import attrs

from musicapi_async._client import MusicAPI
from musicapi_async.bulk.states import Facts, Row
from musicapi_async.errors import DownloadError, InvalidRequestError
from musicapi_async.media.kinds import FIRST_BYTES, KINDS, SAME_KIND, kind_of
from musicapi_async.media.names import id_for_name, json_text, title_for_name, write_text
from musicapi_async.results import Clip, ExtendedSong, ReplacedSection, Stem

__all__ = ["NAMES", "HandOver", "Saver", "clips_in", "make_ready"]

logger: Final = logging.getLogger("musicapi")

NAMES: Final = "{index:05d}-{title}-{clip_id}.{ext}"
END: Final = ".{ext}"
KNOWN: Final = tuple(field.name for field in attrs.fields(Clip) if not field.name.startswith("_"))
"""What of a clip is kept: not the reply's bytes."""
FIELDS: Final = ("index", "key", "title", "clip_id", "operation", "ext")
LONGEST_NAME: Final = 200
STALE: Final = 600.0
"""Seconds after which nobody writes to a file any more."""
AT_ONCE: Final = 8
"""Files that are fetched at once."""


def make_ready(folder: Path) -> None:
    """Make the folder, and remove what a killed process has half written there; raises DownloadError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for partial in folder.glob(".*.part"):
            # Another program may be writing one now.
            with suppress(OSError):
                if time.time() - partial.stat().st_mtime > STALE:
                    partial.unlink()
    except OSError as error:
        raise DownloadError("", str(folder), error.strerror or str(error)) from error


def clips_in(result: Any) -> Sequence[Clip]:
    """Return the clips that are worth a file: of a continuation with its whole song the song."""
    parts = result if isinstance(result, Sequence) else ()
    return [clip for part in parts if (clip := _clip_of(part)) is not None]


class HandOver:
    """Writes no files: the songs are handed over, and what is known of their clips is kept."""

    takes_time = False

    async def __call__(self, row: Row, result: Any, /) -> Sequence[str]:
        """Write nothing."""
        del row, result
        return ()

    def known(self, result: Any, /) -> Facts:
        """Return what is known of a result's clips, as JSON takes it."""
        return Facts(clips=[_known(clip) for clip in clips_in(result)])


class Saver(HandOver):
    """Writes files into a folder, under names made of ``index``, ``key``, ``title``, ``clip_id`` and ``operation``."""

    takes_time = True

    def __init__(self, client: MusicAPI, folder: Path, names: str = NAMES) -> None:
        self._client = client
        self._folder = folder
        self._names = _checked(names)
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, row: Row, result: Any, /) -> Sequence[str]:
        """Fetch what is not there yet, and return the names of all files; raises DownloadError."""
        clips = clips_in(result)
        if not clips:
            stem = self._stem(row, Clip(clip_id=row.task_id or "task", title=row.operation))
            return [await self._write(stem, row, attrs.asdict(result) if attrs.has(type(result)) else result)]
        # Each is seen through, also when another fails: what came is kept.
        saved = await asyncio.gather(*(self._save(row, clip) for clip in clips), return_exceptions=True)
        for found in saved:
            if isinstance(found, BaseException):
                raise found
        return [name for names in saved if not isinstance(names, BaseException) for name in names]

    async def _save(self, row: Row, clip: Clip) -> list[str]:
        stem = self._stem(row, clip)
        names = [await self._fetch(stem, clip)] if clip.audio_url else []
        if clip.image_url:
            names += await self._fetch_cover(f"{stem}-cover", clip.image_url)
        return [*names, await self._write(stem, row, {"clip": _known(clip), "raw": clip.raw})]

    async def _fetch_cover(self, stem: str, url: str) -> list[str]:
        """Fetch the cover image; a song without one is still a song."""
        try:
            name = await self._fetch(stem, url)
        except DownloadError as error:
            logger.warning("no cover for %s: %s", stem, error.reason)
            return []
        # Any text may be fetched by its address; this one is no picture.
        if Path(name).suffix.removeprefix(".") not in KINDS:
            logger.warning("no cover for %s: its host sent something else", stem)
            with suppress(OSError):
                await asyncio.to_thread((self._folder / name).unlink)
            return []
        return [name]

    async def _fetch(self, stem: str, source: Clip | str) -> str:
        """Fetch a file, unless it is there: it appears under its name only when it is whole."""
        there = await asyncio.to_thread(self._there, stem)
        if there is not None:
            return there
        async with self._at_once:
            return (await self._client.download(source, self._folder / stem)).path.name

    def _there(self, stem: str) -> str | None:
        """Return the name of a file that is there, and is what its name says."""
        for kind in sorted(KINDS):
            with suppress(OSError), (self._folder / f"{stem}.{kind}").open("rb") as file:
                found = kind_of(file.read(FIRST_BYTES))
                if found is not None and kind in {found, SAME_KIND.get(found)}:
                    return f"{stem}.{kind}"
        return None

    async def _write(self, stem: str, row: Row, known: object) -> str:
        path = self._folder / f"{stem}.json"
        about = {"key": row.key, "operation": row.operation, "task_id": row.task_id, "request": row.request}
        told = known if isinstance(known, dict) else {"result": known}
        try:
            await asyncio.to_thread(write_text, path, json_text(about | told) + "\n")
        except OSError as error:
            raise DownloadError("", str(path), error.strerror or str(error)) from error
        return path.name

    def _stem(self, row: Row, clip: Clip) -> str:
        name = self._names.format(
            index=row.number,
            key=id_for_name(row.key),
            title=title_for_name(clip.title),
            clip_id=id_for_name(clip.clip_id),
            operation=row.operation.replace(".", "-"),
        )
        return name.encode()[:LONGEST_NAME].decode(errors="ignore")


def _checked(names: str) -> str:
    """Return the template without its end; raises InvalidRequestError when it cannot name files."""
    limit = f"fields {', '.join(FIELDS)}; {{clip_id}} among them, {END} at the end, no folders"
    try:
        used = {field for _, field, _, _ in Formatter().parse(names) if field is not None}
        sample = names.format(index=1, key="k", title="t", clip_id="c", operation="o", ext="mp3")
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise InvalidRequestError(f"names is {names!r}: {error}; it takes {limit}", "names", names, limit) from error
    if not used <= set(FIELDS) or "clip_id" not in used or not names.endswith(END) or Path(sample).name != sample:
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


def _known(clip: Clip) -> dict[str, Any]:
    known = {name: getattr(clip, name) for name in KNOWN}
    created_at = clip.created_at
    return known | {"created_at": None if created_at is None else created_at.isoformat()}
