"""The JSON file beside a saved song: its clip, and the times of its words that were fetched later."""

import json
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Final

import attrs

from musicapi_async._logger import logger
from musicapi_async._secrets import SECRETS
from musicapi_async.media.names import json_text, write_text
from musicapi_async.media.timeline import Timeline
from musicapi_async.results import AlignedLyrics, Clip, Word
from musicapi_async.results.clip import structure_clip
from musicapi_async.wire.converter import structure

__all__ = [
    "TIMES",
    "SavedSong",
    "keep_times",
    "read_saved_song",
    "read_sidecar",
    "read_timeline",
    "saved_song",
    "write_sidecar",
]

TIMES: Final = "aligned_lyrics"
"""Key of the times that were fetched for a song."""
TIMED: Final = (b'"timestamp"', b'"aligned_lyrics"')
"""One of these keys is in the file of every song with times."""


@attrs.frozen
class SavedSong:
    """A clip that was saved, and the times that were fetched for it; None where none were."""

    clip: Clip
    aligned: AlignedLyrics | None = None

    @property
    def has_times(self) -> bool:
        """True when the times of its words are known; there may be no words."""
        return self.aligned is not None or bool(self.clip.words)

    def timeline(self) -> Timeline:
        """Return its lyrics with their times; raises InvalidRequestError without times."""
        return Timeline.of(self.clip if self.aligned is None else self.aligned, clip=self.clip)


def read_saved_song(path: Path) -> SavedSong:
    """Read the JSON file of a saved song; raises OSError, and ValueError with what is wrong with its content."""
    return _song(path.read_bytes())


def read_timeline(path: Path) -> Timeline | None:
    """Return the timeline of a saved song; None where there are no times, or no such file can be read.

    It reads thousands of files: those without times are not parsed.
    """
    try:
        content = path.read_bytes()
        song = _song(content) if any(key in content for key in TIMED) else None
    except (OSError, ValueError):
        return None
    timeline = song.timeline() if song is not None and song.has_times else None
    return timeline if timeline is not None and timeline.lines else None


def keep_times(path: Path, aligned: AlignedLyrics) -> None:
    """Write times that were fetched into the JSON file of a saved song, which is then read with them.

    Raises OSError, and ValueError for a file that is no JSON.
    """
    content = json.loads(path.read_bytes())
    write_text(path, json_text({**content, TIMES: aligned.to_dict()}) + "\n")


def read_sidecar(path: Path) -> Mapping[str, object]:
    """Return the content of a JSON file; an empty mapping where there is none, or one that is no object."""
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}


def write_sidecar(path: Path, content: Mapping[str, object], redact: Callable[[str], str] = str) -> None:
    """Write the JSON file of a saved song, completely or not at all, without secrets; raises OSError.

    A file of that name that cannot be read, such as one with a slip of a user who edited it, is kept under another.
    """
    _set_aside_unreadable(path)
    request = content.get("request")
    if isinstance(request, Mapping):
        content = {**content, "request": {name: value for name, value in request.items() if name not in SECRETS}}
    write_text(path, redact(json_text(content)) + "\n")


def _set_aside_unreadable(path: Path) -> None:
    """Rename a file that is not empty and holds no JSON object."""
    if not path.is_file() or not path.stat().st_size or read_sidecar(path):
        return
    kept = next(new for number in count(1) if not (new := path.with_name(f"{path.name}.{number}.bak")).exists())
    path.rename(kept)
    logger.warning("%s is not the JSON of a song: it was kept as %s", path, kept.name)


def saved_song(clip: Clip, held: Mapping[str, object]) -> SavedSong:
    """Return a clip with the times that its JSON file holds."""
    times = held.get(TIMES)
    return SavedSong(clip, _aligned(times) if isinstance(times, Mapping) else None)


def _song(content: bytes) -> SavedSong:
    try:
        held = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError("is not JSON") from error
    # Without the service's own object there are no times, but the id to fetch them with.
    raw = held.get("raw") or held.get("clip") if isinstance(held, Mapping) else None
    if not isinstance(raw, Mapping) or not (clip := structure_clip(raw)).clip_id:
        raise ValueError("holds no clip")
    return saved_song(clip, held)


def _aligned(fields: Mapping[str, object]) -> AlignedLyrics:
    return AlignedLyrics(words=_words(fields.get("words")), sections=_words(fields.get("sections")))


def _words(fields: object) -> tuple[Word, ...]:
    """Return words from their own fields, which name the line otherwise than the service does."""
    listed = fields if isinstance(fields, list) else []
    return structure(
        [{**word, "line_index": word.get("line")} for word in listed if isinstance(word, dict)], tuple[Word, ...]
    )
