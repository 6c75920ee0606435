"""Timed words as pieces of lyrics lines: section tags, line breaks, and the text of the lyrics. No I/O."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final, NamedTuple

from musicapi_async.results import Word

__all__ = ["Piece", "pieces_of_lyrics", "pieces_of_words"]

_SPACELESS: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)
"""Scripts that are written without blanks: Thai, Lao, Burmese, Khmer, Chinese and Japanese."""
_ENDS_SPACELESS: Final = re.compile(f"[{_SPACELESS}]$")
_STARTS_SPACELESS: Final = re.compile(f"[{_SPACELESS}]")
# A word; of a script without blanks one letter with its marks and punctuation.
_TOKEN: Final = re.compile(
    f"[\u300c\u300e\uff08]*[{_SPACELESS}]"
    "[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u3001\u3002\uff0c\uff01\uff1f\u300d\u300f\uff09\u2026]*"
    f"|[^\\s{_SPACELESS}]+"
)
_MARKUP: Final = re.compile(r"[\n\[\]]|[^\n\[\]]+")
_TAG: Final = re.compile(r"\[([^\[\]\n]*)\]")
# Line breaks and blanks stay.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_SLOW: Final = 4_000_000
"""Pairs of tokens up to which the comparison is exact; beyond it, very frequent words do not begin a match."""


class Piece(NamedTuple):
    """One word, or one syllable of it, at its place in the lyrics."""

    text: str
    start: float | None = None
    """Seconds; None where the service reports none. Neither time is checked yet."""
    end: float | None = None
    line: int = 0
    section: str | None = None
    after_blank: bool = False
    """True when a blank separates it from the piece before it on its line."""


def pieces_of_words(words: Iterable[Word]) -> list[Piece]:
    """Return the sung words, in their order; section tags in their texts, also split ones, become sections."""
    reader = _Reader(list(words))
    return reader.read()


class _Reader:
    """Reads the words of one song."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = words
        # Where any word has a blank at its end, all blanks are there, and a word without one is a syllable.
        self._has_blanks = any(word.text != word.text.strip() for word in words)
        self._pieces: list[Piece] = []
        self._line = 0
        self._section: str | None = None
        self._tag: list[tuple[str, int]] | None = None
        self._after_blank = True
        self._last = -1

    def read(self) -> list[Piece]:
        before: int | None = None
        for at, word in enumerate(self._words):
            if None not in {before, word.line} and word.line != before:
                self._break_line()
            before = before if word.line is None else word.line
            for part in _MARKUP.findall(printable(word.text)):
                self._add(part, at)
        self._break_line()
        return self._pieces

    def _add(self, part: str, at: int) -> None:
        if part == "\n":
            self._break_line()
        elif part == "[" and self._tag is None:
            self._tag = [(part, at)]
        elif self._tag is None:
            self._add_text(part, at)
        elif part == "]":
            name = "".join(text for text, _ in self._tag)[1:]
            self._tag = None
            self._break_line()
            self._section = " ".join(name.split()) or self._section
        else:
            self._tag.append((part, at))

    def _break_line(self) -> None:
        """Start a new line; a tag that was not closed on its line is text."""
        opened, self._tag = self._tag, None
        for text, at in opened or ():
            self._add_text(text, at)
        self._line += 1
        self._after_blank = True

    def _add_text(self, part: str, at: int) -> None:
        """Add a part of the word with this index; to the part before it, if this is of the same word."""
        text = " ".join(part.split())
        after_blank = self._after_blank or part[0].isspace()
        self._after_blank = part[-1].isspace() or (self._after_blank and not text)
        if not text:
            return
        before = self._pieces[-1] if self._pieces and self._pieces[-1].line == self._line else None
        if before is not None and self._last == at:
            self._pieces[-1] = before._replace(text=f"{before.text}{' ' if after_blank else ''}{text}")
            return
        if before is not None and not self._has_blanks:
            after_blank = not is_spaceless(before.text, text)
        word = self._words[at]
        self._pieces.append(Piece(text, word.start, word.end, self._line, self._section, after_blank))
        self._last = at


def is_spaceless(before: str, after: str) -> bool:
    """Return True for two words between which their script has no blank."""
    return bool(_ENDS_SPACELESS.search(before) and _STARTS_SPACELESS.match(after))


def printable(text: str) -> str:
    """Return a text without null and control characters; a lone surrogate becomes a question mark."""
    if text.isprintable():
        return text
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).encode("utf-8", "replace").decode()


class _Token(NamedTuple):
    """A word to compare: of the lyrics, or of the timed words with the first and last piece that it is part of."""

    key: str
    piece: Piece
    first: int = 0
    last: int = 0


def pieces_of_lyrics(pieces: Sequence[Piece], lyrics: str) -> list[Piece]:
    """Return the words of the lyrics, in their lines and spelling, with the times of the words that were sung.

    A word of the lyrics that has no time is kept at its place, and so is a sung word that is not in the lyrics. Lyrics
    that have less than half of the sung words are those of another song: the pieces are then returned unchanged.
    """
    sung, written = list(_sung_tokens(pieces)), list(_written_tokens(lyrics))
    changes = _compare([token.key for token in sung], [token.key for token in written])
    if 2 * sum(end - start for name, start, end, _, _ in changes if name == "equal") < len(sung):
        return list(pieces)
    found: list[Piece] = []
    owners: list[tuple[int, int] | None] = []
    for _, i1, i2, j1, j2 in changes:
        shared = min(i2 - i1, j2 - j1)
        for token, place in zip(sung[i1 : i1 + shared], written[j1:j2], strict=False):
            _append(found, owners, _timed(place.piece, pieces, token), token)
        for place in written[j1 + shared : j2]:
            _append(found, owners, place.piece, None)
        if not shared:
            at = found[-1] if found else written[0].piece
            for token in sung[i1:i2]:
                inserted = token.piece._replace(line=at.line, section=at.section)
                _append(found, owners, _timed(inserted, pieces, token), token)
    return found


def _timed(piece: Piece, pieces: Sequence[Piece], token: _Token) -> Piece:
    start, end = pieces[token.first].start, pieces[token.last].end
    return Piece(piece.text, start, end, piece.line, piece.section, piece.after_blank)


def _append(found: list[Piece], owners: list[tuple[int, int] | None], piece: Piece, token: _Token | None) -> None:
    """Add a piece; joined to the one before it, if the service reports one time for both."""
    owner = None if token is None else (token.first, token.last)
    if owner is not None and owners and owners[-1] == owner and found[-1].line == piece.line:
        blank = " " if piece.after_blank else ""
        found[-1] = found[-1]._replace(text=f"{found[-1].text}{blank}{piece.text}")
        return
    found.append(piece)
    owners.append(owner)


def _sung_tokens(pieces: Sequence[Piece]) -> Iterator[_Token]:
    """Yield the words that were sung; syllables are joined."""
    at = 0
    while at < len(pieces):
        end = at + 1
        while end < len(pieces) and not pieces[end].after_blank and pieces[end].line == pieces[at].line:
            end += 1
        if end == at + 1 and pieces[at].after_blank and _TOKEN.fullmatch(pieces[at].text):
            yield _Token(_key(pieces[at].text), pieces[at], at, at)
            at = end
            continue
        owners = [number for number in range(at, end) for _ in pieces[number].text]
        text = "".join([piece.text for piece in pieces[at:end]])
        for match in _TOKEN.finditer(text):
            first, last = owners[match.start()], owners[match.end() - 1]
            after_blank = match.start() == 0 or text[match.start() - 1].isspace()
            piece = pieces[first]
            if (piece.text, piece.after_blank) != (match[0], after_blank):
                piece = piece._replace(text=match[0], after_blank=after_blank)
            yield _Token(_key(match[0]), piece, first, last)
        at = end


def _written_tokens(lyrics: str) -> Iterator[_Token]:
    """Yield the words of the lyrics; their section tags become sections."""
    line, section = 0, None
    for text in printable(lyrics).splitlines():
        # Texts and the names of tags take turns.
        for number, part in enumerate(_TAG.split(text)):
            line += 1
            if number % 2:
                section = " ".join(part.split()) or section
                continue
            end = 0
            for match in _TOKEN.finditer(part):
                piece = Piece(match[0], line=line, section=section, after_blank=match.start() != end)
                yield _Token(_key(match[0]), piece)
                end = match.end()


def _key(text: str) -> str:
    """Return a word without case and punctuation."""
    folded = text.casefold()
    if folded.isalnum():
        return folded
    letters = "".join(letter for letter in folded if unicodedata.category(letter)[0] in "LMN")
    return letters or text


def _compare(sung: Sequence[str], written: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """Return the differences as ``SequenceMatcher`` does, which would take long for texts that are nearly equal."""
    most = min(len(sung), len(written))
    start = next((at for at in range(most) if sung[at] != written[at]), most)
    most -= start
    end = next((at for at in range(most) if sung[-1 - at] != written[-1 - at]), most)
    between = sung[start : len(sung) - end], written[start : len(written) - end]
    matcher = SequenceMatcher(None, *between, autojunk=len(between[0]) * len(between[1]) > _SLOW)
    changes = [(name, i1 + start, i2 + start, j1 + start, j2 + start) for name, i1, i2, j1, j2 in matcher.get_opcodes()]
    return [
        ("equal", 0, start, 0, start),
        *changes,
        ("equal", len(sung) - end, len(sung), len(written) - end, len(written)),
    ]
