"""Timelines: the lyrics of a clip in lines with their times, and their files."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import attrs

from musicapi_async._arguments import usable_path, wrong_argument
from musicapi_async.errors import InvalidRequestError
from musicapi_async.media import captions
from musicapi_async.media.lines import Line, lines_of
from musicapi_async.media.names import json_text, write_text
from musicapi_async.media.pieces import pieces_of_lyrics, pieces_of_words
from musicapi_async.results import AlignedLyrics, Clip, Word

__all__ = ["FORMATS", "Line", "Timeline"]

FORMATS: Final = ("lrc", "srt", "vtt", "ass", "json")
"""The formats of a timeline, which are the suffixes of its files."""
_SOURCES: Final = "a Clip with words, AlignedLyrics or a sequence of Word"
_NO_WORDS: Final = (
    "for its times, pass the result of client.sonic.aligned_lyrics(clip=clip); an instrumental has no lyrics"
)


@attrs.frozen
class Timeline:
    """The lyrics of a clip in lines with their times, and as captions: LRC, SRT, WebVTT, ASS and JSON.

    ```python
    from musicapi_async import media
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.create(lyrics="The harbour sleeps", title="Harbor", tags="shanty").wait()[0]
        timeline = media.Timeline.of(client.sonic.aligned_lyrics(clip=song), clip=song)
        print(timeline.to_srt())
        timeline.save("harbor.lrc")
    ```
    """

    lines: tuple[Line, ...] = ()
    """The lines that are sung, in order; they do not overlap, and each lasts at least 10 ms."""
    title: str | None = None
    """Title of the clip; None where it is not known."""
    artist: str | None = None
    """Name of the artist, for LRC files; None leaves it out."""
    album: str | None = None
    """Name of the album, for LRC files; None leaves it out."""
    duration: float | None = None
    """Length of the clip in seconds, as the service reports it; None where it is not known."""

    @classmethod
    def of(
        cls,
        source: Clip | AlignedLyrics | Sequence[Word],
        *,
        clip: Clip | None = None,
        lyrics: str | None = None,
    ) -> Self:
        """Return the timeline of a clip with words, of aligned lyrics, or of words.

        ``clip`` is the clip of the words, if ``source`` is not a clip itself: for its title, length and lyrics. The
        lines are those of ``lyrics``, by default those of the clip's lyrics, with their spelling; a line of them that
        has no times keeps its place. Without lyrics they are those of the words. If these have none either, a line ends
        at a pause of a second, and after 60 characters.

        Words keep their order. A start that contradicts more of the others than it agrees with is discarded, and so is
        one after the end of the clip. Words without start share the interval between their neighbours, with at most a
        second each. A word whose end is missing or not after its start lasts a second. Each word lasts at least 10 ms,
        and ends when the next one starts at the latest.

        Raises InvalidRequestError for any other source, and for a clip without words.
        """
        _check(source, clip, lyrics)
        clip = source if isinstance(source, Clip) else clip
        pieces = pieces_of_words(_words_of(source))
        text = lyrics if lyrics is not None else clip and clip.lyrics
        written = pieces_of_lyrics(pieces, text) if text and pieces else pieces
        duration = None if clip is None or not clip.duration or clip.duration <= 0 else clip.duration
        lines = lines_of(written, duration, has_breaks=written is not pieces)
        return cls(lines, title=None if clip is None else clip.title, duration=duration)

    def to_lrc(self, *, words: bool = False) -> str:
        """Return the lyrics as LRC, which music players show; with ``words``, each word has a time (enhanced LRC).

        Times are hundredths of a second. Players that know only lines show the stamps of words as text.
        """
        tags = {"ti": self.title, "ar": self.artist, "al": self.album}
        length = self.duration or (self.lines[-1].end if self.lines else 0.0)
        return captions.lrc(self.lines, tags, length, words=words)

    def to_srt(self) -> str:
        """Return the lyrics as SubRip, which video players and editors read; a cue for each line."""
        return captions.srt(self.lines)

    def to_vtt(self, *, words: bool = True) -> str:
        """Return the lyrics as WebVTT, for ``<track>`` in a web page; a cue for each line.

        With ``words`` each word has a time, so that ``::cue(:past)`` styles what has been sung.
        """
        return captions.vtt(self.lines, words=words)

    def to_ass(self) -> str:
        """Return the lyrics as Advanced SubStation Alpha with karaoke, which video players and FFmpeg render."""
        return captions.ass(self.lines, self.title)

    def to_json(self) -> str:
        """Return the timeline as a JSON object: its fields, with times in seconds."""
        return json_text(attrs.asdict(self)) + "\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the timeline to a file, completely or not at all, and return its path.

        The suffix picks the format: .lrc, .srt, .vtt, .ass or .json. Raises InvalidRequestError for any other, and
        OSError where the file cannot be written.
        """
        target = usable_path("path", path, 'pass a name for the file: "song.lrc"')
        write = self._writers().get(target.suffix.lower().lstrip("."))
        if write is None:
            accepted = ", ".join(f".{name}" for name in FORMATS)
            message = f"path has the suffix {target.suffix!r}; it must be one of {accepted}"
            raise InvalidRequestError(message, "path", str(target), accepted)
        write_text(target, write())
        return target

    def _writers(self) -> dict[str, Callable[[], str]]:
        return dict(zip(FORMATS, (self.to_lrc, self.to_srt, self.to_vtt, self.to_ass, self.to_json), strict=True))


def _check(source: object, clip: object, lyrics: object) -> None:
    if isinstance(source, Clip):
        if not source.words:
            raise wrong_argument("source", source, "a Clip with words", _NO_WORDS)
    elif isinstance(source, (str, bytes)) or not isinstance(source, Sequence):
        raise wrong_argument("source", source, _SOURCES)
    else:
        for at, word in enumerate(source):
            if not isinstance(word, Word):
                raise wrong_argument("source", word, "a Word", at=at)
    if clip is not None and not isinstance(clip, Clip):
        raise wrong_argument("clip", clip, "a Clip or None")
    if lyrics is not None and not isinstance(lyrics, str):
        raise wrong_argument("lyrics", lyrics, "a str or None")


def _words_of(source: Clip | AlignedLyrics | Sequence[Word]) -> Iterable[Word]:
    if isinstance(source, AlignedLyrics):
        return _with_sections(source)
    return source.words if isinstance(source, Clip) else source


def _with_sections(aligned: AlignedLyrics) -> Iterator[Word]:
    """Yield the words of aligned lyrics, with their section tags in their places."""
    sections = list(aligned.sections)
    for word in aligned.words:
        while sections and _is_before(sections[0], word):
            section = sections.pop(0)
            yield attrs.evolve(section, text=f"[{section.text}]")
        yield word


def _is_before(section: Word, word: Word) -> bool:
    if section.line is not None and word.line is not None:
        return section.line <= word.line
    return section.start is not None and word.start is not None and section.start <= word.start
