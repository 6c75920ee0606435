"""Clips and songs: the results of the tasks of every family."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple, Self, cast

import attrs

from musicapi_async.results.base import Result, ResultSequence
from musicapi_async.wire import values
from musicapi_async.wire.converter import default_structure_hook, register_structure_hook_of, structure, wire

__all__ = [
    "COMPLETE",
    "FAILED",
    "SUCCEEDED",
    "Clip",
    "RawClip",
    "RawResponse",
    "Songs",
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


@attrs.frozen(repr=False, eq=False)
class Word(Result):
    """One sung word with its times."""

    text: Annotated[str, wire("text", read=values.text_or_empty)] = ""
    """The word as it is sung; for a section tag, its name."""
    start: float | None = None
    """Seconds from the beginning of the clip to the start of the word; None where the service reports none."""
    end: float | None = None
    """Seconds from the beginning of the clip to the end of the word; None where the service reports none."""
    line: Annotated[int | None, wire("line_index")] = None
    """Index of its line in the lyrics; None where the service reports none."""


class RawResponse:
    """The undecoded body of a response with clips: as objects they would take four times the memory."""

    __slots__ = ("_content", "_read", "_words")

    def __init__(self, content: bytes, read: Callable[[bytes], Sequence[Mapping[str, object]]]) -> None:
        self._content = content
        self._read = read
        self._words: tuple[tuple[Word, ...], ...] | None = None

    def clips(self) -> Sequence[Mapping[str, object]]:
        """Parse the clips' JSON objects, anew at each call."""
        return self._read(self._content)

    def words(self) -> Sequence[tuple[Word, ...]]:
        """Return the words of every clip, parsed once."""
        if self._words is None:
            self._words = tuple(map(_words, self.clips()))
        return self._words


class RawClip(NamedTuple):
    """One clip of an undecoded response, by its position."""

    response: RawResponse
    position: int


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Clip(Result):
    """One piece of music, with the same fields for every family.

    A field is None where the service sent no value for it, or one that cannot be read.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        print(song.title, song.duration, song.audio_url)
        longer = client.sonic.extend(clip=song, at=60, lyrics="And rain again").wait()
    ```
    """

    clip_id: Annotated[str, wire("clip_id", read=values.text_or_empty)] = ""
    """The clip's id, which other operations take; empty where the service sent none."""
    title: str | None = None
    """The title."""
    # ``structure_clip`` has read these.
    state: Annotated[str | None, wire(read=values.unchanged)] = None
    """``pending``, ``running``, ``succeeded``, ``failed``, or a value the service adds later: the clip is then still
    running. A clip with an audio URL and no state counts as ``succeeded``. The values ``complete`` (with an audio URL)
    and ``error`` of the platform behind the service become ``succeeded`` and ``failed``; ``raw`` has the original. None
    where there is neither a state nor an audio URL."""
    audio_url: Annotated[str | None, wire(read=values.unchanged)] = None
    """URL of the finished audio file; None until the clip has succeeded, and for one whose file never appeared."""
    stream_url: Annotated[str | None, wire(read=values.unchanged)] = None
    """URL of a live stream while the clip is still being made; never the finished file. None before there is one, and
    once the clip has succeeded."""
    image_url: str | None = None
    """URL of the cover image."""
    video_url: str | None = None
    """URL of a video; often None, also for a finished clip."""
    # Producer has been seen to leave out the last letter.
    lyrics: Annotated[str | None, wire("lyrics", "lyric")] = attrs.field(default=None, repr=False)
    """The lyrics, with section tags such as ``[Verse]``; for an instrumental a marker such as ``[Instrumental]``."""
    # Riffusion calls its tags sound.
    tags: Annotated[str | None, wire("tags", "sound", read=values.tags)] = None
    """The style as one comma-separated string, also where the service sends a list."""
    duration: float | None = None
    """Length in seconds; None while it is unknown, which may last beyond the arrival of the file."""
    created_at: datetime | None = None
    """Time of creation, timezone-aware; UTC where the service names no zone."""
    model: Annotated[str | None, wire("mv")] = None
    """The model that the service reports (``mv``), such as ``sonic-v6`` or ``chirp-v5``; it may differ from the
    requested one."""
    # The reason of a failure has no fixed name.
    error: Annotated[str | None, wire("error_message", "error", "message")] = None
    """The service's message about why the clip failed; None where it gives none."""
    # Until it is first read, the slot may hold the ``Row`` it is parsed from.
    raw: Annotated[Mapping[str, object], wire("raw", read=values.unchanged)] = attrs.field(
        factory=dict, repr=False, eq=False
    )
    """The service's own JSON object, unknown keys included; not in ``to_dict()``, and not compared."""

    @property
    def is_done(self) -> bool:
        """True when the clip has succeeded or failed: it will not change any more."""
        return self.state in {SUCCEEDED, FAILED}

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The sung words with their times, in order; empty where the service sends none.

        They are parsed on first access: a song has hundreds.
        """
        raw = _RAW_SLOT.__get__(self)
        return raw.response.words()[raw.position] if isinstance(raw, RawClip) else _words(raw)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: cover, title, player and lyrics."""
        from musicapi_async.results.notebook import html_of_clip  # noqa: PLC0415 - for notebooks alone

        return html_of_clip(self)


_RAW_SLOT: Final = vars(Clip)["raw"]


def _parsed_raw(clip: Clip) -> Mapping[str, object]:
    """Return a clip's raw object; one that is kept as bytes is parsed on first access."""
    raw: Any = _RAW_SLOT.__get__(clip)
    if isinstance(raw, RawClip):
        raw = raw.response.clips()[raw.position]
        _RAW_SLOT.__set__(clip, raw)
    return cast("Mapping[str, object]", raw)


# So that attrs.asdict, attrs.evolve, copies and pickles get the object too, and never a ``RawClip``.
setattr(Clip, "raw", property(_parsed_raw, _RAW_SLOT.__set__))  # noqa: B010 - for type checkers it is the field


@attrs.frozen(repr=False, eq=False)
class Songs(ResultSequence[Clip]):
    """The clips of a finished task, usually two: a sequence of those that did not fail.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        songs = client.sonic.describe(description="lofi rain").wait()
        for song in songs:
            print(song.title, song.audio_url)
    ```
    """

    clips: tuple[Clip, ...] = ()
    """Clips that did not fail, in the service's order; one whose file never appeared has no ``audio_url``."""
    failed: tuple[Clip, ...] = ()
    """Clips that failed while another one of the task succeeded."""

    @classmethod
    def from_clips(cls, clips: Sequence[Clip]) -> Self:
        """Sort the clips of a finished task into playable and failed ones."""
        failed = tuple([clip for clip in clips if clip.state == FAILED])
        playable = [clip for clip in clips if clip.state != FAILED] if failed else clips
        return cls(clips=tuple(playable), failed=failed)

    def _items(self) -> tuple[Clip, ...]:
        return self.clips

    def _repr_html_(self) -> str:
        """Return what a notebook shows: each clip with its cover, title, player and lyrics."""
        from musicapi_async.results.notebook import html_of_songs  # noqa: PLC0415 - for notebooks alone

        return html_of_songs(self)


_structure_fields: Final = default_structure_hook(Clip)


def structure_clip(data: Mapping[str, object], source: object = None) -> Clip:
    """Structure a clip: while it runs, its ``audio_url`` is a live stream and not the finished file.

    ``source`` is the ``RawClip`` to parse the object from again; without one the object itself is kept.
    """
    state, url = state_and_url(data)
    file_url, stream_url = (url, None) if state == SUCCEEDED else (None, url)
    raw = source if isinstance(source, RawClip) else data
    prepared = {**data, "state": state, "audio_url": file_url, "stream_url": stream_url, "raw": raw}
    return _structure_fields(prepared, Clip)


register_structure_hook_of(Clip, structure_clip)


def state_and_url(data: Mapping[str, object]) -> tuple[str | None, str | None]:
    """Return a clip's state under the documented names, and the address of its file or stream.

    A clip with an address and no state has succeeded. ``complete`` and ``error`` are the values of the platform behind
    the service for ``succeeded`` and ``failed``; ``complete`` without an address is not final. Other states are kept:
    the clip is still running.
    """
    url = values.text(data.get("audio_url")) or None
    state = values.text(data.get("state"))
    if state in {SUCCEEDED, "running"}:  # nearly every clip's
        return state, url
    if not state:
        return SUCCEEDED if url else None, url
    name = state.strip().lower()
    if name == COMPLETE and url is None:
        return COMPLETE, None
    return END_STATES.get(name, state), url


def _words(data: Mapping[str, object]) -> tuple[Word, ...]:
    timing = data.get("timestamp")
    return structure(timing.get("words"), tuple[Word, ...]) if isinstance(timing, Mapping) else ()
