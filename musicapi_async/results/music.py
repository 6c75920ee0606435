"""Results of analyzing a clip: its tempo, its notes, its voice."""

import os
from pathlib import Path
from typing import Annotated

import attrs

from musicapi_async._extras import require
from musicapi_async.errors import InvalidRequestError
from musicapi_async.results.base import Result
from musicapi_async.wire.converter import wire
from musicapi_async.wire.values import text_or_empty

__all__ = ["Bpm", "Midi", "MidiInstrument", "Note", "Vox"]


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Bpm(Result):
    """The estimated tempo of a clip.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        print(client.sonic.bpm(clip=song).average)
    ```
    """

    average: Annotated[float, wire("avg_bpm")]
    """Average tempo in beats per minute."""
    highest: Annotated[float | None, wire("max_bpm")] = None
    """Highest tempo in beats per minute; None where the service reports none."""
    lowest: Annotated[float | None, wire("min_bpm")] = None
    """Lowest tempo in beats per minute; None where the service reports none."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Note(Result):
    """One note of an instrument."""

    pitch: int
    """MIDI note number."""
    start: float
    """Start in seconds from the beginning of the clip."""
    end: float
    """End in seconds from the beginning of the clip."""
    velocity: float | None = None
    """Velocity from 0 to 1; None where the service reports none."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MidiInstrument(Result):
    """One instrument and its notes."""

    name: Annotated[str, wire("name", read=text_or_empty)] = ""
    """The service's name for the instrument; empty where it gives none."""
    notes: tuple[Note, ...] = attrs.field(default=(), repr=lambda notes: f"<{len(notes)} notes>")
    """Its notes, in the service's order."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Midi(Result):
    """The notes of a clip; at least one of the two fields is set.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        midi = client.sonic.midi(clip=song)
        for instrument in midi.instruments:
            print(instrument.name, len(instrument.notes))
        if midi.instruments:
            midi.save("rain.mid")
    ```
    """

    url: Annotated[str | None, wire("midi_url")] = None
    """URL of the MIDI file, for ``client.download``; None where the service sent only notes."""
    instruments: tuple[MidiInstrument, ...] = ()
    """The instruments with their notes; empty where the service sent only the file."""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the notes to a standard MIDI file, each instrument in its own track, and return its path.

        The tempo is 120 beats per minute, whatever the song's: times are exact to half a millisecond. Drums and
        percussion are on their usual channel. Notes that MIDI cannot hold (a pitch outside 0 to 127) are left out; one
        that is played again while it sounds ends there. The file appears under its name only when it is complete. It
        blocks, and needs the extra ``media``.

        Raises MissingExtraError without mido, InvalidRequestError when there are no instruments or the path is of the
        wrong type, OSError when the file cannot be written.
        """
        require("mido", "writing MIDI files")
        if not self.instruments:
            message = "midi has no instruments to write; client.download(midi.url, path) saves the service's own file"
            raise InvalidRequestError(message, "instruments", None, "at least one instrument")
        given: object = path
        if not isinstance(given, (str, os.PathLike)) or not isinstance(text := os.fspath(given), str):
            message = f"path is of type {type(given).__name__}; it must be a str or a path that is text"
            raise InvalidRequestError(message, "path", type(given).__name__, "a str or a path that is text")
        from musicapi_async.results.midi_file import write_midi  # noqa: PLC0415 - optional

        write_midi(Path(text), self.instruments)
        return Path(text)


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Vox(Result):
    """The voice extracted from a part of a clip, for ``sonic.persona``.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        vox = client.sonic.vox(clip=song, start=10, end=30)
        persona = client.sonic.persona(clip=song, name="Rain", vox_audio_id=vox.vox_audio_id, start=10, end=30)
    ```
    """

    vox_audio_id: str
    """Id of the extracted voice, which ``sonic.persona`` takes."""
    status: str | None = None
    """The service's status of the extraction, whose values it does not document; None where it reports none."""
    clip_id: Annotated[str | None, wire("source_clip_id")] = None
    """Id of the clip that the voice was extracted from; None where the service reports none."""
    start: Annotated[float | None, wire("vocal_start_s")] = None
    """Start of the part, in seconds from the beginning of the clip; None where the service reports none."""
    end: Annotated[float | None, wire("vocal_end_s")] = None
    """End of the part, in seconds from the beginning of the clip; None where the service reports none."""
