"""MIDI files from the notes that the service returned."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import Midi, MidiInstrument, Note, errors


def saved(folder: Path, *instruments: MidiInstrument) -> mido.MidiFile:
    path = Midi(instruments=instruments).save(folder / "harbor.mid")
    return mido.MidiFile(path, charset="utf-8")


def notes_of(track: mido.MidiTrack) -> list[tuple[int, float, float, int]]:
    """Return pitch, start, end and velocity of each note, as a strict reader pairs them."""
    now, sounding, found = 0, {}, []
    for message in track:
        now += message.time
        if message.type == "note_on":
            assert message.note not in sounding
            sounding[message.note] = (now, message.velocity)
        if message.type == "note_off":
            start, velocity = sounding.pop(message.note)
            found.append((message.note, start / 2000, now / 2000, velocity))
    assert not sounding
    return sorted(found, key=lambda note: note[1])


def test_save_writes_each_instrument_to_a_track(tmp_path: Path) -> None:
    piano = MidiInstrument(name="ピアノ", notes=(Note(pitch=60, start=0.5, end=1.25, velocity=1.0),))
    drums = MidiInstrument(name="Drums", notes=(Note(pitch=36, start=0.0, end=0.1),))
    file = saved(tmp_path, piano, drums)

    assert (file.type, [track.name for track in file.tracks]) == (1, ["", "ピアノ", "Drums"])
    assert [message.tempo for message in file.tracks[0] if message.type == "set_tempo"] == [500_000]
    assert notes_of(file.tracks[1]) == [(60, 0.5, 1.25, 127)]
    assert notes_of(file.tracks[2]) == [(36, 0.0, 0.1, 80)]
    channels = [{message.channel for message in track if not message.is_meta} for track in file.tracks]
    assert channels == [set(), {0}, {9}]
    assert file.length == pytest.approx(1.25)
    assert os.listdir(tmp_path) == ["harbor.mid"]


def test_save_ends_a_note_that_is_played_again(tmp_path: Path) -> None:
    notes = (Note(pitch=60, start=1, end=3), Note(pitch=60, start=2, end=4), Note(pitch=61, start=1, end=3))
    file = saved(tmp_path, MidiInstrument(notes=notes))

    assert [note[:3] for note in notes_of(file.tracks[1])] == [(60, 1, 2), (61, 1, 3), (60, 2, 4)]


def test_save_keeps_a_note_without_length(tmp_path: Path) -> None:
    file = saved(tmp_path, MidiInstrument(notes=(Note(pitch=60, start=1, end=1), Note(pitch=62, start=2, end=1))))

    assert [note[:3] for note in notes_of(file.tracks[1])] == [(60, 1, 1.0005), (62, 2, 2.0005)]


def test_save_of_more_instruments_than_channels_skips_that_of_drums(tmp_path: Path) -> None:
    note = Note(pitch=60, start=0, end=1)
    file = saved(tmp_path, *(MidiInstrument(name=f"synth {at}", notes=(note,)) for at in range(17)))

    channels = [next(message.channel for message in track if not message.is_meta) for track in file.tracks[1:]]
    assert channels == [*range(9), *range(10, 16), 0, 1]


TIMES = st.floats(-10, 1e6) | st.sampled_from([float("nan"), float("inf"), -float("inf")])
NOTES = st.builds(
    Note, pitch=st.integers(-5, 140) | st.just(60), start=TIMES, end=TIMES, velocity=st.none() | st.floats()
)


@given(notes=st.lists(NOTES, max_size=20))
def test_save_of_any_notes_is_read_again(tmp_path_factory: pytest.TempPathFactory, notes: list[Note]) -> None:
    file = saved(tmp_path_factory.mktemp("midi"), MidiInstrument(name="any", notes=tuple(notes)))
    found = notes_of(file.tracks[1])

    assert all(0 <= start < end and 1 <= velocity <= 127 for _, start, end, velocity in found)
    assert {pitch for pitch, *_ in found} == {
        note.pitch for note in notes if 0 <= note.pitch <= 127 and abs(note.start) < float("inf")
    }


def test_save_of_a_result_without_notes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequestError, match="no instruments to write"):
        Midi(url="http://h/a.mid").save(tmp_path / "a.mid")

    assert os.listdir(tmp_path) == []


def test_save_to_a_wrong_path_is_refused() -> None:
    with pytest.raises(errors.InvalidRequestError, match="path is of type int"):
        Midi(instruments=(MidiInstrument(),)).save(3)  # type: ignore[arg-type]


def test_save_to_a_missing_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Midi(instruments=(MidiInstrument(),)).save(tmp_path / "none" / "a.mid")


def test_save_without_mido_names_the_extra(tmp_path: Path) -> None:
    code = """
        import sys
        sys.modules["mido"] = None
        from musicapi_async import Midi, MidiInstrument, errors
        try:
            Midi(instruments=(MidiInstrument(),)).save("harbor.mid")
        except errors.MissingExtraError as error:
            print(error.package, error.extra, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    advice = "Install it with: pip install 'musicapi-async[media]'"
    assert done.stdout == f"mido media writing MIDI files needs mido, which is not installed. {advice}\n"
    assert os.listdir(tmp_path) == []
