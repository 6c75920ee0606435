"""Properties of a clip: its tempo, its notes, its voice."""

from typing import Annotated

import attrs

from musicapi_async.results.base import Result
from musicapi_async.wire.converter import wire
from musicapi_async.wire.values import text_or_empty

__all__ = ["Bpm", "Midi", "MidiInstrument", "Note", "Vox"]


@attrs.frozen(kw_only=True)
class Bpm(Result):
    """The tempo of a clip in beats per minute."""

    average: Annotated[float, wire("avg_bpm")]
    highest: Annotated[float | None, wire("max_bpm")] = None
    lowest: Annotated[float | None, wire("min_bpm")] = None


@attrs.frozen(kw_only=True)
class Note(Result):
    """One note: ``pitch`` as a MIDI number, ``start`` and ``end`` in seconds, ``velocity`` from 0 to 1."""

    pitch: int
    start: float
    end: float
    velocity: float | None = None


@attrs.frozen(kw_only=True)
class MidiInstrument(Result):
    """One instrument and its notes."""

    name: Annotated[str, wire("name", read=text_or_empty)] = ""
    notes: tuple[Note, ...] = attrs.field(default=(), repr=lambda notes: f"<{len(notes)} notes>")


@attrs.frozen(kw_only=True)
class Midi(Result):
    """The notes of a clip; ``url`` is the MIDI file, for ``client.download``."""

    url: Annotated[str | None, wire("midi_url")] = None
    instruments: tuple[MidiInstrument, ...] = ()


@attrs.frozen(kw_only=True)
class Vox(Result):
    """The voice extracted from a clip, from ``start`` to ``end`` seconds; for ``sonic.persona``."""

    vox_audio_id: str
    status: str | None = None
    clip_id: Annotated[str | None, wire("source_clip_id")] = None
    start: Annotated[float | None, wire("vocal_start_s")] = None
    end: Annotated[float | None, wire("vocal_end_s")] = None
