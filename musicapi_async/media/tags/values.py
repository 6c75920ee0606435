"""Values of tags, the same for every format. No I/O."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final, Protocol

import attrs

from musicapi_async.media.captions import BRACKETS, lrc_stamp

__all__ = ["Chapter", "SongTags", "SyncedLine", "TimedLyrics", "chapters_of", "lrc_text", "synced_lines_of"]

UNPRINTABLE: Final = re.compile(r"[\x00\x0b\x0c]")
"""A null character ends a text inside ID3, with no error, and makes the rest unreadable."""


class TimedLine(Protocol):
    """A line of lyrics with its times; ``media.Timeline`` has such lines."""

    @property
    def text(self) -> str:
        """The sung text."""
        ...

    @property
    def start(self) -> float:
        """Seconds from the beginning of the clip."""
        ...

    @property
    def end(self) -> float:
        """Seconds from the beginning of the clip."""
        ...

    @property
    def section(self) -> str | None:
        """The name of its section, such as ``Verse 1``; None outside any."""
        ...


class TimedLyrics(Protocol):
    """Lyrics with times, such as a ``media.Timeline``."""

    @property
    def lines(self) -> Sequence[TimedLine]:
        """The lines, in the order of their times."""
        ...


@attrs.frozen
class SyncedLine:
    """A line of lyrics with the time at which it begins."""

    start: float
    """Seconds from the beginning of the song, with a resolution of milliseconds (in an LRC text, hundredths)."""
    text: str
    """The line."""


@attrs.frozen
class Chapter:
    """A section of a song."""

    title: str
    """Its name, such as ``Verse 1``."""
    start: float
    """Start in seconds from the beginning of the song."""
    end: float | None = None
    """End in seconds from the beginning of the song; None in FLAC, Ogg and M4A files, which hold only starts."""


@attrs.frozen(kw_only=True)
class SongTags:
    """The tags of an audio file, as ``media.read_tags`` returns them; what a file does not hold is None or empty.

    ```python
    from musicapi_sync import MusicAPI, media

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        saved = client.download(song, "rain")
    media.tag(saved, song, artist="The Quiet Singer")
    print(media.read_tags(saved).title)
    ```
    """

    title: str | None = None
    """The title."""
    artist: str | None = None
    """The artist."""
    album: str | None = None
    """The album."""
    track: int | None = None
    """The number on the album."""
    genre: str | None = None
    """The style; of a clip of the service, its ``tags``."""
    date: str | None = None
    """The date of creation, as the file holds it: ``2026-10-07``, or only a year."""
    lyrics: str | None = attrs.field(default=None, repr=False)
    """The lyrics without times."""
    synced: tuple[SyncedLine, ...] = attrs.field(default=(), repr=lambda lines: f"<{len(lines)} lines>")
    """The lines of the lyrics with their times."""
    chapters: tuple[Chapter, ...] = ()
    """The sections of the song; an M4A file holds at most 255."""
    cover: bytes | None = attrs.field(default=None, repr=lambda cover: f"<{len(cover or b'')} bytes>")
    """The picture of the front cover, JPEG or PNG."""
    clip_id: str | None = None
    """The id of the clip."""
    task_id: str | None = None
    """The id of the task that made it."""
    model: str | None = None
    """The model that made it."""
    description: str | None = None
    """The description that it was made from."""


def clean(text: str | None) -> str | None:
    """Return a text that every format can hold: without null characters and lone surrogates; None when empty."""
    if text is None:
        return None
    return UNPRINTABLE.sub("", text).encode("utf-8", "replace").decode().strip() or None


def synced_lines_of(timeline: TimedLyrics) -> tuple[SyncedLine, ...]:
    """Return the lines of a timeline that hold text, in the order of their times, and an empty one at the end.

    Times are whole milliseconds. Without the empty line, players show the last one until the song ends.
    """
    lines = [(line, text) for line in timeline.lines if (text := clean(" ".join(line.text.split())))]
    found = [SyncedLine(_milliseconds(line.start), text) for line, text in lines]
    if lines:
        found.append(SyncedLine(_milliseconds(max(line.end for line, _ in lines)), ""))
    return tuple(sorted(found, key=lambda line: line.start))


def chapters_of(timeline: TimedLyrics) -> tuple[Chapter, ...]:
    """Return the sections of a timeline; each ends where the next one starts, the last one with its last line."""
    groups = [(clean(section), list(lines)) for section, lines in groupby(timeline.lines, lambda line: line.section)]
    starts = [_milliseconds(lines[0].start) for _, lines in groups]
    ends = [*starts[1:], *(_milliseconds(groups[-1][1][-1].end) for _ in groups[-1:])]
    return tuple(
        Chapter(title, start, end)
        for (title, _), start, end in zip(groups, starts, ends, strict=True)
        if title is not None and end > start
    )


def lrc_text(lines: Sequence[SyncedLine]) -> str:
    """Return lines as an LRC text, which FLAC, Ogg and M4A files hold; rounded to hundredths of a second.

    Brackets become round ones, as in an LRC file: readers take one at the start of a line for a stamp.
    """
    return "\n".join(f"[{lrc_stamp(line.start)}]{line.text.translate(BRACKETS)}" for line in lines)


def lines_of_lrc(text: str) -> tuple[SyncedLine, ...]:
    """Return the lines of an LRC text; lines without a time are left out."""
    found = re.findall(r"^\[(\d+):(\d\d)\.(\d\d\d?)\](.*)$", text, re.MULTILINE)
    return tuple(
        SyncedLine(int(minutes) * 60 + int(seconds) + int(rest) / 10 ** len(rest), line.strip())
        for minutes, seconds, rest, line in found
    )


def _milliseconds(seconds: float) -> float:
    return max(0, round(seconds * 1000)) / 1000
