"""Tags of audio files: the public functions, and what of a clip goes into a file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from musicapi_async._arguments import clip_advice, usable_path, wrong_argument
from musicapi_async._extras import require
from musicapi_async.errors import InvalidRequestError
from musicapi_async.media.formats import FIRST_BYTES, format_of
from musicapi_async.media.tags.values import SongTags, TimedLyrics, chapters_of, clean, synced_lines_of
from musicapi_async.media.timeline import Timeline
from musicapi_async.results import Clip

__all__ = ["read_tags", "tag", "tags_of_clip", "write_song_tags"]

NEEDED_FOR: Final = "reading and writing tags"
VERSIONS: Final = ("2.4", "2.3")
COVERS: Final = ("jpg", "png")
MAX_COVER: Final = 15 * 1024 * 1024
"""Bytes; a FLAC file holds a picture of less than 16 MiB."""
MAX_TIME: Final = 100 * 3600
MAX_TRACK: Final = 65535
"""An M4A file has two bytes for it."""


def tag(
    path: str | os.PathLike[str],
    clip: Clip,
    *,
    cover: str | os.PathLike[str] | None = None,
    timeline: TimedLyrics | None = None,
    album: str | None = None,
    artist: str | None = None,
    track: int | None = None,
    task_id: str | None = None,
    description: str | None = None,
    id3_version: Literal["2.4", "2.3"] = "2.4",
) -> SongTags:
    """Write what a clip is into an audio file (MP3, M4A, FLAC, Ogg Vorbis or Opus, WAV), and return its tags.

    From the clip come title, style, date, lyrics, its id and its model. ``cover`` is the path of a JPEG or PNG file;
    ``timeline`` gives lines with their times and sections as chapters; ``description`` is the text that the clip was
    made from. What is None, and what the file holds besides, stays as it is. ``id3_version`` is ``2.4`` or, for MP3 and
    WAV files of old players, ``2.3``.

    The tags are written to a copy, which replaces the file only if its encoded audio is the same, byte for byte; the
    mode of the file is kept. Beside it the clip and the tags are kept as ``<name>.json``, since many programs drop tags
    that they do not know; a file of that name that is not of this package is left as it is. It blocks: in a coroutine
    use ``await asyncio.to_thread(media.tag, ...)``. Needs the extra ``media``.

    Raises MissingExtraError without mutagen, InvalidRequestError for a wrong argument, and TagError when the file
    cannot be tagged: it is of another format, damaged, a fragmented M4A, or cannot be written.
    """
    require("mutagen", NEEDED_FOR)
    target = usable_path("path", path, "pass the name of an audio file: 'song.mp3'")
    if not isinstance(clip, Clip):
        raise wrong_argument("clip", clip, "a Clip", clip_advice(clip))
    if id3_version not in VERSIONS:
        raise wrong_argument("id3_version", id3_version, "'2.4' or '2.3'")
    _check_timeline(timeline)
    tags = tags_of_clip(
        clip,
        cover=cover,
        timeline=timeline,
        album=album,
        artist=artist,
        track=track,
        task_id=task_id,
        description=description,
    )
    return write_song_tags(target, clip, tags, id3_version)


def tags_of_clip(
    clip: Clip,
    *,
    cover: str | os.PathLike[str] | None = None,
    timeline: TimedLyrics | None = None,
    album: str | None = None,
    artist: str | None = None,
    track: int | None = None,
    task_id: str | None = None,
    description: str | None = None,
) -> SongTags:
    """Return the tags of a clip, with what else is known of it; raises InvalidRequestError for a wrong argument."""
    return SongTags(
        title=clean(clip.title),
        artist=clean(_checked_text("artist", artist)),
        album=clean(_checked_text("album", album)),
        track=_checked_track(track),
        genre=clean(clip.tags),
        date=clip.created_at.date().isoformat() if clip.created_at else None,
        lyrics=clean(clip.lyrics) or _text_of(timeline),
        synced=synced_lines_of(timeline) if timeline is not None else (),
        chapters=chapters_of(timeline) if timeline is not None else (),
        cover=_cover_of(cover),
        clip_id=clean(clip.clip_id),
        task_id=clean(_checked_text("task_id", task_id)),
        model=clean(clip.model),
        description=clean(_checked_text("description", description)),
    )


def write_song_tags(path: Path, clip: Clip, tags: SongTags, version: Literal["2.4", "2.3"] = "2.4") -> SongTags:
    """Write tags into a file and the clip beside it; return all tags that the file now holds. Raises TagError."""
    from musicapi_async.media.tags.files import write

    return write(path, clip, tags, version)


def read_tags(path: str | os.PathLike[str]) -> SongTags:
    """Return the tags of an audio file (MP3, M4A, FLAC, Ogg Vorbis or Opus, WAV).

    It reports no length of the audio: a file that was cut off still claims its whole length. It blocks, and
    needs the extra ``media``, as ``media.tag`` does.

    Raises MissingExtraError without mutagen, InvalidRequestError for a wrong path, TagError for a file of another
    format, and one that cannot be read.
    """
    require("mutagen", NEEDED_FOR)
    target = usable_path("path", path, "pass the name of an audio file: 'song.mp3'")
    from musicapi_async.media.tags.files import read

    return read(target)


def _check_timeline(timeline: object) -> None:
    """Refuse what has no lines, and times that no tag can hold; a ``media.Timeline`` always passes."""
    if timeline is None or isinstance(timeline, Timeline):
        return
    lines = getattr(timeline, "lines", None)
    if not isinstance(lines, Sequence):
        raise wrong_argument("timeline", timeline, "a media.Timeline, or None", "media.Timeline.of(clip)")
    for at, line in enumerate(lines):
        for name in ("start", "end"):
            if not 0 <= (value := getattr(line, name)) <= MAX_TIME:
                raise wrong_argument(f"timeline.lines[{at}].{name}", value, f"a number of seconds from 0 to {MAX_TIME}")


def _text_of(timeline: TimedLyrics | None) -> str | None:
    """Return the lines of a timeline without their times."""
    return None if timeline is None else clean("\n".join(line.text for line in timeline.lines))


def _cover_of(path: str | os.PathLike[str] | None) -> bytes | None:
    """Return the content of a picture's file; raises InvalidRequestError for one that players do not show."""
    if path is None:
        return None
    wanted = f"the path of a JPEG or PNG file of at most {MAX_COVER} bytes"
    cover = usable_path("cover", path, "pass the name of a picture: 'cover.jpg'")
    try:
        with cover.open("rb") as file:
            content = file.read(MAX_COVER + 1)
    except OSError as error:
        raise InvalidRequestError(f"cover {cover} cannot be read: {error.strerror}", "cover", str(cover)) from error
    found = format_of(content[:FIRST_BYTES])
    if found not in COVERS or len(content) > MAX_COVER:
        held = f"a file of {found or 'another format'}" if found not in COVERS else "larger"
        raise InvalidRequestError(f"cover {cover} is {held}; it must be {wanted}", "cover", str(cover), wanted)
    return content


def _checked_track(track: object) -> int | None:
    wanted = f"an integer from 1 to {MAX_TRACK}, or None"
    if track is None or (isinstance(track, int) and not isinstance(track, bool) and 1 <= track <= MAX_TRACK):
        return track
    raise wrong_argument("track", track, wanted)


def _checked_text(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise wrong_argument(name, value, "a str, or None")
