"""Clips and songs: what every family's finished task becomes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple, Self

import attrs

from musicapi_async.results.lenient import items, number, text
from musicapi_async.results.several import Several

__all__ = ["FAILED", "SUCCEEDED", "Clip", "Row", "Songs", "Told", "Word"]

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"


@attrs.frozen
class Word:
    """One sung word and when it is heard.

    ``start`` and ``end`` are seconds from the beginning of the clip; ``line`` is the index of its line in the
    lyrics, where the service tells it.
    """

    text: str
    start: float | None = None
    end: float | None = None
    line: int | None = None


class Told:
    """The clips' rows of a reply, kept as the bytes that came: read into objects they take four times the room."""

    __slots__ = ("_content", "_read", "_words")

    def __init__(self, content: bytes, read: Callable[[bytes], Sequence[Mapping[str, object]]]) -> None:
        self._content = content
        self._read = read
        self._words: tuple[tuple[Word, ...], ...] | None = None

    def rows(self) -> Sequence[Mapping[str, object]]:
        """Read the rows again."""
        return self._read(self._content)

    def words(self) -> Sequence[tuple[Word, ...]]:
        """Return every row's words, read once."""
        if self._words is None:
            self._words = tuple(map(_words, self.rows()))
        return self._words


class Row(NamedTuple):
    """A clip's own row of what was told."""

    told: Told
    at: int


@attrs.frozen(kw_only=True)
class Clip:
    """One piece of music, as one class for every family's spelling of it.

    Only what the service told is set; everything else is None, and ``raw`` is the service's own object.

    - ``state`` is ``pending``, ``running``, ``succeeded``, ``failed``, or a word the service invents later; a clip with
      a finished file and no state counts as succeeded. The words of the platform behind the service, ``complete`` (with
      an audio URL) and ``error``, become ``succeeded`` and ``failed``; ``raw`` has them as they came.
    - ``audio_url`` is the finished file, ``stream_url`` a live stream while the clip still runs: never the same thing.
    - ``duration`` is in seconds; ``created_at`` is an aware datetime; ``model`` is the service's echo of ``mv``, which
      may differ from the model that was asked for.
    - ``tags`` is one comma-separated string, also where the service sends a list.
    - ``error`` says why a failed clip failed, where the service tells.
    """

    clip_id: str = ""
    title: str | None = None
    state: str | None = None
    audio_url: str | None = None
    stream_url: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    lyrics: str | None = attrs.field(default=None, repr=False)
    tags: str | None = None
    duration: float | None = None
    created_at: datetime | None = None
    model: str | None = None
    error: str | None = None
    _raw: Mapping[str, object] | Row = attrs.field(factory=dict, repr=False, eq=False, alias="raw")

    @property
    def is_done(self) -> bool:
        """True when the service will not change this clip any more."""
        return self.state in {SUCCEEDED, FAILED}

    @cached_property
    def raw(self) -> Mapping[str, object]:
        """The service's own object."""
        return self._raw.told.rows()[self._raw.at] if isinstance(self._raw, Row) else self._raw

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words with their times, in order; empty where the service sends none.

        A song has hundreds: they are read on first access, not when the reply arrives.
        """
        return self._raw.told.words()[self._raw.at] if isinstance(self._raw, Row) else _words(self._raw)


@attrs.frozen
class Songs(Several[Clip]):
    """The finished clips of a task, in the service's order: usually two.

    It is a sequence of the clips that did not fail; one whose file never came has no ``audio_url``. Clips that failed
    beside a good one are in ``failed``.
    """

    clips: tuple[Clip, ...] = ()
    failed: tuple[Clip, ...] = ()

    @classmethod
    def from_clips(cls, clips: Sequence[Clip]) -> Self:
        """Sort the clips of a finished task into playable and failed ones."""
        return cls(
            clips=tuple(clip for clip in clips if clip.state != FAILED),
            failed=tuple(clip for clip in clips if clip.state == FAILED),
        )

    def _items(self) -> tuple[Clip, ...]:
        return self.clips


def _words(row: Mapping[str, object]) -> tuple[Word, ...]:
    timing = row.get("timestamp")
    return tuple(map(_word, items(timing.get("words")))) if isinstance(timing, Mapping) else ()


def _word(row: Mapping[str, object]) -> Word:
    get = row.get
    line = get("line_index")
    if type(line) is not int:
        line = None if (told := number(line)) is None else int(told)
    return Word(text(get("text")) or "", number(get("start")), number(get("end")), line)
