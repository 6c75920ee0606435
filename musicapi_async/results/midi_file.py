"""Notes as a standard MIDI file, written with mido so that all readers agree on it.

Readers differ on overlapping notes of one pitch, drop notes without a length, and look for the tempo in the first track
only: here notes of one pitch never overlap, have at least one tick, and the first track holds the tempo.
"""

import math
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import mido

if TYPE_CHECKING:
    from musicapi_async.results.music import MidiInstrument, Note

__all__ = ["write_midi"]

TICKS_PER_BEAT: Final = 1000
TEMPO: Final = 500_000
"""Microseconds per beat, 120 beats per minute: a tick is half a millisecond."""
TICKS_PER_SECOND: Final = 2000
MAX_TICK: Final = 0x0FFFFFFF
"""The longest time that the format holds between two events: 37 hours."""
DRUM_CHANNEL: Final = 9
CHANNELS: Final = [channel for channel in range(16) if channel != DRUM_CHANNEL]
DRUMS: Final = ("drum", "percussion")
MAX_VALUE: Final = 127
VELOCITY: Final = 80
"""For notes without a velocity."""


class _Key(NamedTuple):
    """A note in ticks."""

    pitch: int
    start: int
    end: int
    velocity: int


def write_midi(path: Path, instruments: Sequence["MidiInstrument"]) -> None:
    """Write the instruments to a file, each in a track of its own; the file appears only when it is complete."""
    # Latin-1 is the default, in which most names cannot be written.
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT, charset="utf-8")
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=TEMPO)]))
    number = 0
    for instrument in instruments:
        is_drums = any(word in instrument.name.casefold() for word in DRUMS)
        channel = DRUM_CHANNEL if is_drums else CHANNELS[number % len(CHANNELS)]
        number += not is_drums
        file.tracks.append(mido.MidiTrack(_messages(instrument, channel)))
    partial = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with partial.open("xb") as target:
            file.save(file=target)
            target.flush()
            os.fsync(target.fileno())
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _messages(instrument: "MidiInstrument", channel: int) -> Iterator[mido.Message | mido.MetaMessage]:
    yield mido.MetaMessage("track_name", name=instrument.name.encode("utf-8", "replace").decode())
    keys = _keys(instrument.notes)
    # Where one note ends and the next one begins, the end comes first.
    events = sorted([(key.end, 0, key) for key in keys] + [(key.start, 1, key) for key in keys])
    now = 0
    for tick, is_start, key in events:
        velocity = key.velocity if is_start else 0
        message = "note_on" if is_start else "note_off"
        yield mido.Message(message, channel=channel, note=key.pitch, velocity=velocity, time=tick - now)
        now = tick


def _keys(notes: Iterable["Note"]) -> list[_Key]:
    """Return the notes that MIDI can hold; one that is played again while it sounds ends there."""
    by_pitch: dict[int, list[_Key]] = {}
    playable = (note for note in notes if 0 <= note.pitch <= MAX_VALUE and math.isfinite(note.start))
    for note in sorted(playable, key=lambda note: note.start):
        key = _key(note)
        played = by_pitch.setdefault(note.pitch, [])
        if played and played[-1].start == key.start:
            played[-1] = played[-1]._replace(end=max(played[-1].end, key.end))
            continue
        if played and played[-1].end > key.start:
            played[-1] = played[-1]._replace(end=key.start)
        played.append(key)
    return [key for played in by_pitch.values() for key in played]


def _key(note: "Note") -> _Key:
    start = _ticks(note.start)
    end = max(start + 1, _ticks(note.end) if math.isfinite(note.end) else 0)
    velocity = VELOCITY
    if note.velocity is not None and math.isfinite(note.velocity):
        velocity = round(min(max(note.velocity * MAX_VALUE, 1), MAX_VALUE))
    return _Key(note.pitch, start, end, velocity)


def _ticks(seconds: float) -> int:
    return round(min(max(seconds * TICKS_PER_SECOND, 0), MAX_TICK - 1))
