#!/usr/bin/env bash
# An MP3 file at 24 kHz or below is not recognised as audio by libraries that recognise one at 44.1 kHz.
#
# The files are made by LAME and hold no ID3 tag, as a stream or a stem from a server often does. At 32 kHz and above a
# frame begins FF FB (MPEG-1), at 16 to 24 kHz FF F3 (MPEG-2), below FF E3 (MPEG-2.5): all are MPEG audio Layer III.
#
#   puremagic 1.30  44100 Hz: .mpga   24000 Hz: "Could not identify file"   8000 Hz: "Could not identify file"
#   filetype 1.2.0  44100 Hz: mp3     24000 Hz: mp3                         8000 Hz: None
#
# A program that checks a download by them takes a song that was paid for for damage. Reading the frame header (version,
# layer, bit rate and sample rate not reserved) recognises all three.
#
# Exits non-zero when the behaviour is no longer the one above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check puremagic==1.30 filetype==1.2.0 lameenc==1.9.0
cat > recognise.py <<'PYTHON'
import math
import sys
from array import array

import filetype
import lameenc
import puremagic


def mp3(rate: int) -> bytes:
    tone = array("h", (int(9000 * math.sin(440 * 2 * math.pi * at / rate)) for at in range(rate * 2)))
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(64)
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(1)
    encoder.silence()
    return bytes(encoder.encode(tone.tobytes()) + encoder.flush())


def by_puremagic(name: str) -> str | None:
    try:
        return puremagic.from_file(name)
    except puremagic.PureError:
        return None


seen = {}
for rate in (44100, 24000, 8000):
    name = f"{rate}.mp3"
    content = mp3(rate)
    with open(name, "wb") as file:
        file.write(content)
    seen[rate] = (by_puremagic(name), filetype.guess_extension(name))
    print(f"{rate:5} Hz, begins {content[:4].hex(' ')}: puremagic {seen[rate][0]}, filetype {seen[rate][1]}")
expected = {44100: (".mpga", "mp3"), 24000: (None, "mp3"), 8000: (None, None)}
sys.exit(0 if seen == expected else "the behaviour has changed")
PYTHON
venv/bin/python recognise.py
