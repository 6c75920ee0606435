"""What is found out about a clip: its tempo, its notes, its voice."""

import attrs

__all__ = ["Bpm", "Midi", "MidiInstrument", "Note", "Vox"]


@attrs.frozen(kw_only=True)
class Bpm:
    """The tempo of a clip in beats per minute."""

    average: float
    highest: float | None = None
    lowest: float | None = None


@attrs.frozen(kw_only=True)
class Note:
    """One note: ``pitch`` as a MIDI number, ``start`` and ``end`` in seconds, ``velocity`` from 0 to 1."""

    pitch: int
    start: float
    end: float
    velocity: float | None = None


@attrs.frozen(kw_only=True)
class MidiInstrument:
    """One instrument and its notes."""

    name: str
    notes: tuple[Note, ...] = attrs.field(default=(), repr=lambda notes: f"<{len(notes)} notes>")


@attrs.frozen(kw_only=True)
class Midi:
    """The notes of a clip; ``url`` is the MIDI file, for ``client.download``."""

    url: str | None = None
    instruments: tuple[MidiInstrument, ...] = ()


@attrs.frozen(kw_only=True)
class Vox:
    """The voice taken out of a clip, from ``start`` to ``end`` seconds; for ``sonic.persona``."""

    vox_audio_id: str
    status: str | None = None
    clip_id: str | None = None
    start: float | None = None
    end: float | None = None
