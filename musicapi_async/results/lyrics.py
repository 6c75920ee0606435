"""Words: drafts of lyrics, and the lyrics of a clip with the time of every word."""

from collections.abc import Iterable
from typing import Annotated

import attrs

from musicapi_async.results.base import Result, ResultSequence
from musicapi_async.results.clip import Word
from musicapi_async.wire.converter import wire

__all__ = ["AlignedLyrics", "LyricsDraft", "LyricsDrafts", "aligned"]


@attrs.frozen
class LyricsDraft(Result):
    """One draft of lyrics, with section tags such as ``[Verse]``."""

    lyrics: str
    title: str | None = None


@attrs.frozen
class LyricsDrafts(ResultSequence[LyricsDraft]):
    """The drafts the service wrote, usually two."""

    drafts: Annotated[tuple[LyricsDraft, ...], wire("results")] = ()

    def _items(self) -> tuple[LyricsDraft, ...]:
        return self.drafts


@attrs.frozen
class AlignedLyrics(ResultSequence[Word]):
    """The sung words of a clip with their times: a sequence of ``Word``; empty for an instrumental.

    ``sections`` are the section tags (``Verse 1`` for ``[Verse 1]``), separate from the sung words.
    """

    words: tuple[Word, ...] = ()
    sections: tuple[Word, ...] = ()

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
    """Split at the bracket that closes a tag, or at the end of the line: a tag never continues after it."""
    at = next((at for at, letter in enumerate(text) if letter in "]\n"), len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]


def _tag_or_word(tag: Word, end: str) -> Word:
    """Return a closed tag's name; a bracket that is never closed stays a plain text."""
    name = " ".join(tag.text.split())
    return attrs.evolve(tag, text=name if end == "]" else f"[{name}")


def _add_words(words: list[Word], text: str, token: Word, line: int) -> int:
    """Add the sung part of a token, one word for each of its lines; return the number of its line breaks."""
    lines = text.split("\n")
    words += [Word(part.strip(), token.start, token.end, line + at) for at, part in enumerate(lines) if part.strip()]
    return len(lines) - 1
