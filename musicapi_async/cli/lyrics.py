"""``musicapi lyrics``: the lyrics of saved songs with their times, as files beside the audio."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from musicapi_async import Clip, MusicAPI
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.running import open_client
from musicapi_async.cli.screen import Screen
from musicapi_async.media.timeline import Timeline
from musicapi_async.results.clip import structure_clip

__all__ = ["FORMATS", "checked_formats", "write_lyrics"]

FORMATS: Final = ("lrc", "srt", "vtt", "ass")
"""Without ``json``: that file beside the audio holds the song's metadata."""


def checked_formats(text: str) -> tuple[str, ...]:
    """Return the formats of a comma-separated list; raises UsageError for an unknown one."""
    found = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",")))
    if unknown := [name for name in found if name not in FORMATS]:
        raise UsageError(f"--as has the format {unknown[0]!r}; use one or more of {','.join(FORMATS)}")
    return found


async def write_lyrics(paths: Sequence[Path], formats: Sequence[str], screen: Screen, *, fetch: bool) -> None:
    """Write the files of each song; ``fetch`` allows the paid request for the times of a song that has none.

    All songs are read before the first request is sent.
    """
    clips = [await asyncio.to_thread(_saved_clip, path) for path in paths]
    for path, clip in zip(paths, clips, strict=True):
        if not clip.words and not fetch:
            message = f"{path} has no times of its words; --fetch gets them from the service, for 1 credit a song"
            raise UsageError(message)
    written: list[str] = []
    needs_client = not all(clip.words for clip in clips)
    async with open_client() if needs_client else nullcontext() as client:
        for path, clip in zip(paths, clips, strict=True):
            # Written before the next request is sent: an error of that one must not lose what this one cost.
            timeline = await _timeline(client, clip)
            if not timeline.lines:
                screen.warn(f"{path} has no lyrics")
                continue
            for name in formats:
                saved = await asyncio.to_thread(timeline.save, path.with_suffix(f".{name}"))
                written.append(str(saved))
                screen.print(str(saved))
    screen.emit({"files": written})


async def _timeline(client: MusicAPI | None, clip: Clip) -> Timeline:
    if client is None or clip.words:
        return Timeline.of(clip)
    return Timeline.of(await client.sonic.aligned_lyrics(clip=clip), clip=clip)


def _saved_clip(path: Path) -> Clip:
    """Return the clip of a song that was saved, from the JSON file beside its audio; raises UsageError."""
    file = path.with_suffix(".json")
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {file}, which is saved with each song: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{file} is not JSON; pass a song that was saved by musicapi") from error
    # Without the service's own object there are no times, but the id to fetch them with.
    raw = content.get("raw") or content.get("clip") if isinstance(content, Mapping) else None
    if not isinstance(raw, Mapping) or not (clip := structure_clip(raw)).clip_id:
        raise UsageError(f"{file} holds no clip; pass a song that was saved by musicapi")
    return clip
