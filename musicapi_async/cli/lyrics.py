"""``musicapi lyrics``: the lyrics of saved songs with their times, as files beside the audio."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from musicapi_async import MusicAPI
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.files import make_folder
from musicapi_async.cli.running import open_client
from musicapi_async.cli.screen import Screen
from musicapi_async.media.sidecar import SavedSong, keep_times, read_saved_song
from musicapi_async.media.timeline import Timeline

__all__ = ["write_lyrics"]


async def write_lyrics(paths: Sequence[Path], formats: Sequence[str], screen: Screen, *, fetch: bool) -> None:
    """Write the files of each song; ``fetch`` allows the paid request for the times of a song that has none.

    All songs are read before the first request is sent, and a song that is named twice, by its audio and by its JSON
    file, counts once.
    """
    songs = await asyncio.to_thread(_songs_in, paths)
    untimed = [path for path, song in songs if not song.has_times]
    if untimed and not fetch:
        raise UsageError(f"{_without_times(untimed)}; --fetch gets them from the service, for 1 credit a song")
    written: list[str] = []
    async with open_client() if untimed else nullcontext() as client:
        for path, song in songs:
            # Written before the next request is sent: an error of that one must not lose what this one cost.
            timeline = await _timeline(client, path, song, screen)
            if not timeline.lines:
                screen.warn(f"{path} has no lyrics")
                continue
            for name in formats:
                saved = await asyncio.to_thread(timeline.save, path.with_suffix(f".{name}"))
                written.append(str(saved))
                screen.print(str(saved))
    screen.emit({"files": written})


async def _timeline(client: MusicAPI | None, path: Path, song: SavedSong, screen: Screen) -> Timeline:
    if client is None or song.has_times:
        return song.timeline()
    await asyncio.to_thread(make_folder, path.parent)
    aligned = await client.sonic.aligned_lyrics(clip=song.clip)
    try:
        # Kept, so that they are paid for once.
        await asyncio.to_thread(keep_times, path.with_suffix(".json"), aligned)
    except OSError as error:
        screen.warn(f"the times of {path} could not be kept beside it: {error.strerror}")
    return SavedSong(song.clip, aligned).timeline()


def _without_times(paths: Sequence[Path]) -> str:
    if len(paths) == 1:
        return f"{paths[0]} has no times of its words"
    return f"{len(paths):,} songs have no times of their words (the first is {paths[0]})"


def _songs_in(paths: Sequence[Path]) -> Sequence[tuple[Path, SavedSong]]:
    """Return the songs of folders, in the order of their names, and single songs, each once; raises UsageError."""
    found: dict[Path, tuple[Path, SavedSong]] = {}
    for path in paths:
        for named, song in _songs_of_folder(path) if path.is_dir() else [(path, _saved_song(path))]:
            found.setdefault(named.with_suffix(".json"), (named, song))
    return list(found.values())


def _songs_of_folder(folder: Path) -> Iterator[tuple[Path, SavedSong]]:
    is_empty = True
    for file in sorted(folder.glob("*.json")):
        try:
            song = read_saved_song(file)
        except (OSError, ValueError):
            continue  # a file of another kind
        is_empty = False
        yield file, song
    if is_empty:
        raise UsageError(f"there is no song that was saved by musicapi in {folder}")


def _saved_song(path: Path) -> SavedSong:
    """Return a saved song, from the JSON file beside its audio; raises UsageError."""
    file = path.with_suffix(".json")
    try:
        return read_saved_song(file)
    except OSError as error:
        raise UsageError(f"cannot read {file}, which is saved with each song: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{file} {error}; pass a song that was saved by musicapi") from error
