#!/usr/bin/env bash
# eyeD3 reads only the year of an ID3v2.3 date whose day is 1 to 9, and when it saves any other change, the day is gone.
#
# ID3v2.3 holds a date in two frames: TYER with the year and TDAT with day and month, DDMM. eyeD3 takes a TDAT for a
# year when it reads: "1610" can be one, "0710" cannot ("Invalid date: 0710"), also where it has written it itself. It
# then drops the frame on save(). The reading is known to its makers (pull request 698).
#
#   eyeD3 0.9.9  16 October, 2.3               reads 2026-10-16; TYER and TDAT stay after a change of the title
#                7 October, 2.3                reads 2026; only TYER is left after that
#                7 October, 2.3, eyeD3's own   reads 2026; only TYER is left after that
#                7 October, 2.4                reads 2026-10-07; TDRC stays
#   mutagen 1.48.1, PyAV 18.1.0                the whole date in all four
#
# Exits non-zero when the behaviour is no longer the one above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check eyeD3==0.9.9 mutagen==1.48.1 av==18.1.0 lameenc==1.9.0
cat > dates.py <<'PYTHON'
import logging
import sys

import av
import eyed3
import lameenc
from eyed3.core import Date
from mutagen import id3

logging.disable(logging.WARNING)
encoder = lameenc.Encoder()
encoder.set_bit_rate(64)
encoder.set_in_sample_rate(44100)
encoder.set_channels(1)
encoder.silence()
audio = bytes(encoder.encode(bytes(88200)) + encoder.flush())


def write_audio(name: str) -> str:
    with open(name, "wb") as file:
        file.write(audio)
    return name


def written_by_mutagen(version: int, day: str) -> str:
    name = write_audio(f"mutagen-{version}-{day}.mp3")
    tag = id3.ID3()
    tag.add(id3.TDRC(encoding=id3.Encoding.LATIN1, text=day))
    if version == 3:
        tag.update_to_v23()
    tag.save(name, v2_version=version)
    return name


def written_by_eyed3() -> str:
    name = write_audio("eyed3.mp3")
    song = eyed3.load(name)
    song.initTag((2, 3, 0))
    song.tag.recording_date = Date(2026, 10, 7)
    song.tag.save()
    return name


def by_eyed3(name: str) -> str:
    return str(eyed3.load(name).tag.recording_date)


def by_others(name: str) -> set[str]:
    with av.open(name) as file:
        return {file.metadata["date"], str(id3.ID3(name)["TDRC"].text[0])}


def frames(name: str) -> dict[str, str]:
    held = id3.ID3(name, translate=False)
    return {label: str(held[label].text[0]) for label in ("TDRC", "TYER", "TDAT") if label in held}


def after_a_change(name: str) -> dict[str, str]:
    song = eyed3.load(name)
    song.tag.title = "Harbor"
    song.tag.save()
    return frames(name)


early, late = "2026-10-07", "2026-10-16"
songs = {
    written_by_mutagen(3, late): late,
    written_by_mutagen(3, early): early,
    written_by_eyed3(): early,
    written_by_mutagen(4, early): early,
}
seen = []
for name, day in songs.items():
    seen.append((by_others(name) == {day}, frames(name), by_eyed3(name), after_a_change(name)))
    right, before, read, after = seen[-1]
    print(f"{name}: others right: {right}; frames {before}; eyeD3 reads {read}; after a change of the title {after}")
whole, both = {"TYER": "2026", "TDAT": "1610"}, {"TYER": "2026", "TDAT": "0710"}
expected = [
    (True, whole, late, whole),
    (True, both, "2026", {"TYER": "2026"}),
    (True, both, "2026", {"TYER": "2026"}),
    (True, {"TDRC": early}, early, {"TDRC": early}),
]
sys.exit(0 if seen == expected else "the behaviour has changed")
PYTHON
venv/bin/python dates.py
