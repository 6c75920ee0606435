"""Lines of lyrics with times that rise: the repair of the service's times, and the grouping into lines. No I/O."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Final

import attrs

from musicapi_async.media.pieces import Piece
from musicapi_async.results import Word

__all__ = ["Line", "lines_of", "microseconds"]

SECOND: Final = 1_000_000
"""Times are whole microseconds while they are repaired: what is at least 10 ms long is so after any rounding too."""
MIN_WORD: Final = SECOND // 100
MAX_GUESS: Final = SECOND
"""Maximum length of a word whose times are guessed."""
MAX_TIME: Final = 100 * 3600 * SECOND
PAUSE: Final = SECOND
MAX_LENGTH: Final = 60
"""Characters of a line, where neither the words nor the lyrics have line breaks."""


@attrs.frozen
class Line:
    """One line of lyrics with its times, in seconds from the beginning of the clip.

    ```python
    from musicapi_async import Word, media

    timeline = media.Timeline.of([Word("The", 0.5, 0.9, 0), Word("harbour", 1.0, 1.5, 0), Word("sleeps", 2.0, 2.4, 1)])
    for line in timeline.lines:
        print(f"{line.start:.2f} {line.text}")
    ```
    """

    text: str
    """The text, on one line, without section tags."""
    start: float
    """Start of its first word."""
    end: float
    """End of its last word, always after ``start`` and at most the start of the next line."""
    words: tuple[Word, ...] = ()
    """Its words in order, each with both times; a word's ``line`` is the index of this line in the timeline."""
    section: str | None = None
    """Name of its section, such as ``Verse 1``; None before the first section tag."""


def lines_of(pieces: Sequence[Piece], duration: float | None, *, has_breaks: bool = False) -> tuple[Line, ...]:
    """Return pieces as lines with repaired times.

    With ``has_breaks`` the line breaks are final. Otherwise, if none is between words of one section, a line also ends
    at a pause of a second, and after 60 characters.
    """
    times = repaired(pieces, duration)
    has_breaks = has_breaks or any(a.line != b.line and a.section == b.section for a, b in pairwise(pieces))
    numbers = _numbered(pieces, times, has_breaks=has_breaks)
    groups = groupby(zip(numbers, pieces, times, strict=True), lambda item: item[0])
    return tuple([_line(number, [(piece, time) for _, piece, time in group]) for number, group in groups])


def microseconds(seconds: float) -> int:
    """Return a time in whole microseconds."""
    return round(seconds * SECOND)


def repaired(pieces: Sequence[Piece], duration: float | None) -> list[tuple[int, int]]:
    """Return the start and end of each piece in microseconds.

    The order of the words is kept. A start counts if it is within the clip and rises: of those that contradict each
    other, as few as possible are discarded. A word without one shares the interval between its neighbours, with at most
    a second for each such word. An end that is missing or not after its start is guessed: a second later. Then each
    word lasts at least 10 ms and at most until the next one starts, moved as little as possible. The last one ends
    with the clip at the latest; in a clip too short for 10 ms a word, all are as long as fits.
    """
    limit = _time(duration) or None
    starts = _rising([_start(piece.start, limit) for piece in pieces])
    ends = [_time(piece.end) for piece in pieces]
    fixed = _shared(starts, ends, limit)
    shortest = MIN_WORD if limit is None else min(MIN_WORD, limit // max(1, len(pieces)))
    for at in range(1, len(fixed)):
        fixed[at] = max(fixed[at], fixed[at - 1] + shortest)
    if limit is not None:
        for after, at in enumerate(reversed(range(len(fixed))), 1):
            fixed[at] = min(fixed[at], limit - after * shortest)
    found = []
    for at, start in enumerate(fixed):
        end = ends[at]
        end = start + MAX_GUESS if end is None or end <= start else max(end, start + shortest)
        latest = fixed[at + 1] if at + 1 < len(fixed) else limit
        found.append((start, end if latest is None else min(end, latest)))
    return found


def _time(seconds: float | None) -> int | None:
    """Return a time in microseconds; None for anything but a number from 0 to 100 hours."""
    if seconds is None or not math.isfinite(seconds) or not 0 <= seconds * SECOND <= MAX_TIME:
        return None
    return microseconds(seconds)


def _start(seconds: float | None, limit: int | None) -> int | None:
    start = _time(seconds)
    return None if start is None or (limit is not None and start >= limit) else start


def _rising(starts: Sequence[int | None]) -> list[int | None]:
    """Return the starts, with None for those outside the longest sequence that rises."""
    lowest: list[int] = []  # the lowest start that ends a rising sequence of each length
    indexes: list[int] = []
    before: list[int] = [-1] * len(starts)
    for at, start in enumerate(starts):
        if start is None:
            continue
        place = bisect_left(lowest, start)
        before[at] = indexes[place - 1] if place else -1
        if place == len(lowest):
            lowest.append(start)
            indexes.append(at)
        elif start < lowest[place]:
            lowest[place], indexes[place] = start, at
    found: list[int | None] = [None] * len(starts)
    at = indexes[-1] if indexes else -1
    while at >= 0:
        found[at] = starts[at]
        at = before[at]
    return found


def _shared(starts: Sequence[int | None], ends: list[int | None], limit: int | None) -> list[int]:
    """Return the starts, with the intervals between them shared by the words that have none; sets their ends."""
    found: list[int] = []
    number = 0
    for is_missing, group in groupby(starts, lambda start: start is None):
        run = list(group)
        after = number + len(run)
        if not is_missing:
            found += [start for start in run if start is not None]
        else:
            begin, step = _share(found, ends, starts[after] if after < len(starts) else None, len(run), limit)
            found += [begin + at * step for at in range(len(run))]
            ends[number:after] = [begin + (at + 1) * step for at in range(len(run))]
        number = after
    return found


def _share(
    found: Sequence[int], ends: Sequence[int | None], following: int | None, count: int, limit: int | None
) -> tuple[int, int]:
    """Return the start of the first of ``count`` words without time, and the length of each."""
    latest = limit if following is None else following
    if not found:
        step = MAX_GUESS if latest is None else min(MAX_GUESS, latest // count)
        return (0 if following is None else following - count * step), step
    last, end = found[-1], ends[len(found) - 1]
    if end is not None and end > last and (latest is None or end + count * MIN_WORD <= latest):
        return end, MAX_GUESS if latest is None else min(MAX_GUESS, (latest - end) // count)
    # The word before them has no usable end: it takes a share too.
    step = MAX_GUESS if latest is None else min(MAX_GUESS, (latest - last) // (count + 1))
    return last + step, step


def _numbered(pieces: Sequence[Piece], times: Sequence[tuple[int, int]], *, has_breaks: bool) -> list[int]:
    """Return the index of the line of each piece."""
    numbers: list[int] = []
    length = 0
    for at, piece in enumerate(pieces):
        is_new = at == 0 or piece.line != pieces[at - 1].line or piece.section != pieces[at - 1].section
        length += len(piece.text) + piece.after_blank
        if not is_new and not has_breaks:
            is_new = times[at][0] - times[at - 1][1] >= PAUSE or (piece.after_blank and length > MAX_LENGTH)
        if is_new:
            length = len(piece.text)
        numbers.append(numbers[-1] + is_new if numbers else 0)
    return numbers


def _line(number: int, items: Sequence[tuple[Piece, tuple[int, int]]]) -> Line:
    words = [Word(piece.text, start / SECOND, end / SECOND, number) for piece, (start, end) in items]
    text = "".join(
        [f" {piece.text}" if at and piece.after_blank else piece.text for at, (piece, _) in enumerate(items)]
    )
    return Line(text, items[0][1][0] / SECOND, items[-1][1][1] / SECOND, tuple(words), items[0][0].section)
