"""Lyrics: drafts, and the lyrics of a clip with the times of every word."""

from collections.abc import Iterable
from typing import Annotated

import attrs

from musicapi_async.results.base import Result, ResultSequence
from musicapi_async.results.clip import Word
from musicapi_async.wire.converter import wire

__all__ = ["AlignedLyrics", "LyricsDraft", "LyricsDrafts", "aligned"]


@attrs.frozen(repr=False, eq=False)
class LyricsDraft(Result):
    """One draft of lyrics."""

    lyrics: str
    """The text, with section tags such as ``[Verse]``."""
    title: str | None = None
    """A title for the song; None where the service sent none."""


@attrs.frozen(repr=False, eq=False)
class LyricsDrafts(ResultSequence[LyricsDraft]):
    """A sequence of the drafts that the service wrote, usually two.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        for draft in client.lyrics.make(description="a song about rain"):
            print(draft.title, draft.lyrics)
    ```
    """

    drafts: Annotated[tuple[LyricsDraft, ...], wire("results")] = ()
    """The drafts, in the service's order."""

    def _items(self) -> tuple[LyricsDraft, ...]:
        return self.drafts


@attrs.frozen(repr=False, eq=False)
class AlignedLyrics(ResultSequence[Word]):
    """The lyrics of a clip with their times: a sequence of the sung words, empty for an instrumental.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        for word in client.sonic.aligned_lyrics(clip=song):
            print(word.start, word.end, word.text)
    ```
    """

    words: tuple[Word, ...] = ()
    """The sung words, in order, without section tags."""
    sections: tuple[Word, ...] = ()
    """The section tags with their times; the ``text`` of ``[Verse 1]`` is ``Verse 1``."""

    def _items(self) -> tuple[Word, ...]:
        return self.words


def aligned(tokens: Iterable[Word]) -> AlignedLyrics:
    """Sort the service's tokens into sung words and section tags, and count the lines.

    A token may hold line breaks, a tag and a word at once, or only a piece of a tag (``[Ver``, ``se 1]``).
    """
    words: list[Word] = []
    sections: list[Word] = []
    line = 0
    tag: Word | None = None
    for token in tokens:
        rest = token.text
        while rest:
            if tag is None:
                sung, opened, rest = rest.partition("[")
                line += _add_words(words, sung, token, line)
                tag = Word("", token.start, token.end, line) if opened else None
            else:
                inside, end, rest = _until_end_of_tag(rest)
                tag = attrs.evolve(tag, text=tag.text + inside, end=token.end)
                if end:
                    (sections if end == "]" else words).append(_tag_or_word(tag, end))
                    tag = None
                    line += end == "\n"
    if tag is not None:
        words.append(_tag_or_word(tag, ""))
    return AlignedLyrics(tuple(words), tuple(sections))


def _until_end_of_tag(text: str) -> tuple[str, str, str]:
    """Split at the bracket that closes a tag, or at the end of the line, where every tag ends."""
    at = next((at for at, letter in enumerate(text) if letter in "]\n"), len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]


def _tag_or_word(tag: Word, end: str) -> Word:
    """Return the name of a closed tag; a bracket that was never closed stays part of the text."""
    name = " ".join(tag.text.split())
    return attrs.evolve(tag, text=name if end == "]" else f"[{name}")


def _add_words(words: list[Word], text: str, token: Word, line: int) -> int:
    """Add the sung text of a token, one word per line that it spans; return its number of line breaks."""
    lines = text.split("\n")
    words += [Word(part.strip(), token.start, token.end, line + at) for at, part in enumerate(lines) if part.strip()]
    return len(lines) - 1
