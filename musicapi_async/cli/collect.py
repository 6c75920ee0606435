"""The files of a finished task: audio, cover and all that is known, for each clip."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import attrs

from musicapi_async import Clip, MusicAPI, Songs
from musicapi_async.cli.files import read_json, stems, write_json
from musicapi_async.cli.screen import Screen
from musicapi_async.errors import DownloadError
from musicapi_async.media.kinds import PICTURES

__all__ = ["Collected", "collect"]


@attrs.frozen
class Collected:
    """A clip and the files that were written for it; without audio, ``error`` says why."""

    clip: Clip
    files: Mapping[str, Path] = attrs.field(factory=dict)
    error: DownloadError | OSError | None = None

    def to_json(self) -> dict[str, object]:
        """Return what ``--json`` tells of it."""
        fields = self.clip.to_dict() | {"files": {kind: str(path) for kind, path in self.files.items()}}
        return fields if self.error is None else fields | {"download_error": str(self.error)}


async def collect(
    client: MusicAPI, songs: Songs, folder: Path, known: Mapping[str, object], screen: Screen
) -> list[Collected]:
    """Write the files of all clips that can be played; ``known`` of the task goes into each clip's JSON file.

    A clip whose audio cannot be had is reported, and does not keep the others from being written.
    """
    jobs = (
        _collect_clip(client, clip, folder / stem, known, screen)
        for clip, stem in zip(songs, stems(songs), strict=True)
    )
    # Every job is awaited to its end, also when one fails or all are stopped: each still puts its files in order.
    collected = await asyncio.gather(*jobs, return_exceptions=True)
    for found in collected:
        if isinstance(found, BaseException):
            raise found
    return [found for found in collected if isinstance(found, Collected)]


async def _collect_clip(
    client: MusicAPI, clip: Clip, stem: Path, known: Mapping[str, object], screen: Screen
) -> Collected:
    files: dict[str, Path] = {}
    try:
        audio = await client.download(
            clip, stem, on_progress=lambda done, total: screen.progress.download(clip, done, total)
        )
        files["audio"] = audio.path
        cover = await _cover(client, clip, stem, screen)
        if cover is not None:
            files["cover"] = cover
        files["json"] = stem.with_name(f"{stem.name}.json")
        await asyncio.to_thread(_write_known, files, known, clip)
    except (DownloadError, OSError) as error:
        return Collected(clip, {kind: path for kind, path in files.items() if path.exists()}, error)
    screen.progress.saved(clip)
    return Collected(clip, files)


async def _cover(client: MusicAPI, clip: Clip, stem: Path, screen: Screen) -> Path | None:
    """Fetch the cover image; a song without one is still a song."""
    if clip.image_url is None:
        return None
    try:
        saved = await client.download(clip.image_url, stem.with_name(f"{stem.name}-cover"))
    except DownloadError as error:
        screen.warn(f"no cover for {stem.name}: {error.reason}")
        return None
    # Any text can be downloaded by its address; this one is no picture.
    if saved.kind not in PICTURES:
        screen.warn(f"no cover for {stem.name}: its host sent something else")
        await asyncio.to_thread(saved.path.unlink, missing_ok=True)
        return None
    return saved.path


def _write_known(files: Mapping[str, Path], known: Mapping[str, object], clip: Clip) -> None:
    names = {kind: path.name for kind, path in files.items()}
    about = dict(known)
    if about.get("request") is None:
        # Fetched again from its id, the task does not tell what was asked for; the file of the first time does.
        about["request"] = read_json(files["json"]).get("request")
    write_json(files["json"], about | {"clip": clip.to_dict(), "files": names, "raw": clip.raw})
