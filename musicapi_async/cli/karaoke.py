"""``musicapi karaoke``: a page for each saved song of a folder, in which the word that is sung is marked."""

import asyncio
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.screen import Screen
from musicapi_async.media.karaoke_page import karaoke
from musicapi_async.media.sidecar import read_saved_song, read_sidecar
from musicapi_async.media.song_files import cover_beside, existing_audio

__all__ = ["write_pages"]

NAMES_SHOWN: Final = 10
"""Songs that are named for each reason why they have no page."""
NO_TIMES: Final = "no times of its words"
NO_LYRICS: Final = "no lyrics"
UNREADABLE: Final = "its JSON file cannot be read"
NO_AUDIO: Final = "no audio file beside it"


class _Page(NamedTuple):
    """The page of a song, or the reason why it has none."""

    song: Path
    path: Path | None = None
    reason: str = ""


async def write_pages(folder: Path, screen: Screen) -> None:
    """Write the page of each song with times, and name the songs without; raises UsageError where there is no page."""
    pages: list[Path] = []
    skipped: dict[str, list[Path]] = {}
    for song in await asyncio.to_thread(_json_files, folder):
        page = await asyncio.to_thread(_write_page, song)
        if page is None:
            continue
        if page.path is None:
            skipped.setdefault(page.reason, []).append(song)
            continue
        pages.append(page.path)
        screen.print(str(page.path))
    screen.emit(
        {
            "pages": [str(path) for path in pages],
            "skipped": {reason: [str(song) for song in named] for reason, named in skipped.items()},
        }
    )
    for line in _explanations(skipped):
        screen.warn(line)
    if not pages:
        raise UsageError(f"no page was written: in {folder} no song has both its audio and the times of its words")


def _json_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give the --out folder of 'musicapi generate' or 'musicapi bulk'")
    return sorted(folder.glob("*.json"))


def _write_page(file: Path) -> _Page | None:
    """Write the page of the song with this JSON file; None if the file belongs to no song.

    Raises OSError where the page cannot be written.
    """
    try:
        song = read_saved_song(file)
    except ValueError:
        return None
    except OSError:
        return _Page(file, reason=UNREADABLE)
    stem = file.with_suffix("")
    audio, cover = existing_audio(stem, read_sidecar(file)), cover_beside(stem)
    if audio is None:
        return _Page(file, reason=NO_AUDIO)
    if not song.has_times:
        return _Page(file, reason=NO_TIMES)
    timeline = song.timeline()
    if not timeline.lines:
        return _Page(file, reason=NO_LYRICS)
    return _Page(file, karaoke(file.with_suffix(".html"), timeline, audio=audio, cover=cover))


def _explanations(skipped: dict[str, list[Path]]) -> Iterator[str]:
    for reason, songs in skipped.items():
        names = ", ".join(song.stem for song in songs[:NAMES_SHOWN])
        more = f" and {len(songs) - NAMES_SHOWN:,} more" if len(songs) > NAMES_SHOWN else ""
        yield f"skipped, {reason}: {names}{more}"
        if reason == NO_TIMES:
            yield f"'musicapi lyrics {_arguments(songs)} --fetch' gets the times of sonic songs, for 1 credit each"


def _arguments(songs: Sequence[Path]) -> str:
    return shlex.quote(str(songs[0])) if len(songs) == 1 else f"{shlex.quote(str(songs[0]))} ..."
