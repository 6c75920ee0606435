"""``musicapi lyrics``: the lyrics of saved songs with their times, as files beside the audio."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from musicapi_async import MusicAPI
from musicapi_async.cli.exits import UsageError
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
    paths = list({path.with_suffix(".json"): path for path in reversed(paths)}.values())[::-1]
    songs = [await asyncio.to_thread(_saved_song, path) for path in paths]
    for path, song in zip(paths, songs, strict=True):
        if not song.has_times and not fetch:
            message = f"{path} has no times of its words; --fetch gets them from the service, for 1 credit a song"
            raise UsageError(message)
    written: list[str] = []
    needs_client = not all(song.has_times for song in songs)
    async with open_client() if needs_client else nullcontext() as client:
        for path, song in zip(paths, songs, strict=True):
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


def _saved_song(path: Path) -> SavedSong:
    """Return a saved song, from the JSON file beside its audio; raises UsageError."""
    file = path.with_suffix(".json")
    try:
        return read_saved_song(file)
    except OSError as error:
        raise UsageError(f"cannot read {file}, which is saved with each song: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{file} {error}; pass a song that was saved by musicapi") from error
