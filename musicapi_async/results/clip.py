"""Clips and songs: what every family's finished task becomes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple, Self, cast

import attrs

from musicapi_async.results.base import Result, Several
from musicapi_async.wire import values
from musicapi_async.wire.converter import hook_of_fields, structure, structured_by, wire

__all__ = [
    "COMPLETE",
    "FAILED",
    "SUCCEEDED",
    "Clip",
    "Row",
    "Songs",
    "Told",
    "Word",
    "state_and_url",
    "structure_clip",
]

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
COMPLETE: Final = "complete"
END_STATES: Final[Mapping[str, str]] = {
    SUCCEEDED: SUCCEEDED,
    COMPLETE: SUCCEEDED,
    FAILED: FAILED,
    "error": FAILED,
}


@attrs.frozen
class Word(Result):
    """One sung word and when it is heard.

    ``start`` and ``end`` are seconds from the beginning of the clip; ``line`` is the index of its line in the
    lyrics, where the service tells it.
    """

    text: Annotated[str, wire("text", read=values.text_or_empty)] = ""
    start: float | None = None
    end: float | None = None
    line: Annotated[int | None, wire("line_index")] = None


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
class Clip(Result):
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

    clip_id: Annotated[str, wire("clip_id", read=values.text_or_empty)] = ""
    title: str | None = None
    # ``structure_clip`` has read these.
    state: Annotated[str | None, wire(read=values.unchanged)] = None
    audio_url: Annotated[str | None, wire(read=values.unchanged)] = None
    stream_url: Annotated[str | None, wire(read=values.unchanged)] = None
    image_url: str | None = None
    video_url: str | None = None
    # Producer has been seen to leave out the last letter.
    lyrics: Annotated[str | None, wire("lyrics", "lyric")] = attrs.field(default=None, repr=False)
    # Riffusion calls its tags sound.
    tags: Annotated[str | None, wire("tags", "sound", read=values.tags)] = None
    duration: float | None = None
    created_at: datetime | None = None
    model: Annotated[str | None, wire("mv")] = None
    # The reason of a failure has no fixed name.
    error: Annotated[str | None, wire("error_message", "error", "message")] = None
    # The service's own object; until it is asked for, the slot may hold the ``Row`` it is parsed from.
    raw: Annotated[Mapping[str, object], wire("raw", read=values.unchanged)] = attrs.field(
        factory=dict, repr=False, eq=False
    )

    @property
    def is_done(self) -> bool:
        """True when the service will not change this clip any more."""
        return self.state in {SUCCEEDED, FAILED}

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words with their times, in order; empty where the service sends none.

        A song has hundreds: they are read on first access, not when the reply arrives.
        """
        raw = _RAW_SLOT.__get__(self)
        return raw.told.words()[raw.at] if isinstance(raw, Row) else _words(raw)


_RAW_SLOT: Final = vars(Clip)["raw"]


def _parsed_raw(clip: Clip) -> Mapping[str, object]:
    """Return a clip's raw object; one that was kept as bytes is parsed when it is first read."""
    raw: Any = _RAW_SLOT.__get__(clip)
    if isinstance(raw, Row):
        raw = raw.told.rows()[raw.at]
        _RAW_SLOT.__set__(clip, raw)
    return cast("Mapping[str, object]", raw)


# So that attrs.asdict, attrs.evolve, copies and pickles meet the object too, and never the place it is parsed from.
setattr(Clip, "raw", property(_parsed_raw, _RAW_SLOT.__set__))  # noqa: B010 - for type checkers it is the field


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
        failed = tuple([clip for clip in clips if clip.state == FAILED])
        playable = [clip for clip in clips if clip.state != FAILED] if failed else clips
        return cls(clips=tuple(playable), failed=failed)

    def _items(self) -> tuple[Clip, ...]:
        return self.clips


_structure_fields: Final = hook_of_fields(Clip)


def structure_clip(row: Mapping[str, object], source: object = None) -> Clip:
    """Structure a clip: while it runs, its ``audio_url`` is a live stream and not the finished file.

    ``source`` is the place to parse the object from again; without one the object itself is kept.
    """
    state, url = state_and_url(row)
    file_url, stream_url = (url, None) if state == SUCCEEDED else (None, url)
    raw = source if isinstance(source, Row) else row
    prepared = {**row, "state": state, "audio_url": file_url, "stream_url": stream_url, "raw": raw}
    return _structure_fields(prepared, Clip)


structured_by(Clip, structure_clip)


def state_and_url(row: Mapping[str, object]) -> tuple[str | None, str | None]:
    """Return a clip's state under the documented names, and the address of its file or stream.

    With an address and no state it succeeded. ``complete`` and ``error`` are the words of the platform behind the
    service for ``succeeded`` and ``failed``; ``complete`` without an address is not the end yet. Other states stay as
    they came: the clip is still running.
    """
    url = values.text(row.get("audio_url")) or None
    state = values.text(row.get("state"))
    if state in {SUCCEEDED, "running"}:  # nearly every clip's, and they mean what they say
        return state, url
    if not state:
        return SUCCEEDED if url else None, url
    word = state.strip().lower()
    if word == COMPLETE and url is None:
        return COMPLETE, None
    return END_STATES.get(word, state), url


def _words(row: Mapping[str, object]) -> tuple[Word, ...]:
    timing = row.get("timestamp")
    return structure(timing.get("words"), tuple[Word, ...]) if isinstance(timing, Mapping) else ()
