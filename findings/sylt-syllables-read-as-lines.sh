#!/usr/bin/env bash
# tinytag gives each syllable or word of an MP3's synchronised lyrics (SYLT) a line of its own.
#
# A SYLT frame times pieces of the text, which may be syllables; a line feed within them begins a new line (ID3v2.4 frames,
# 4.9, "Synchronised lyrics/text", whose example is used here). tinytag turns the frame into LRC text with one stamp and one
# line for each piece: words are torn apart, and the two lines of the example are ten. LRC has stamps within a line, <mm:ss.xx>.
#
#   mutagen 1.48.1   the pieces as they are in the file: "Strang", "ers", " in", " the", " night", "\nEx", "chang", "ing", ...
#   tinytag 2.3.2    [00:00.60]Strang / [00:00.70]ers / [00:00.80] in / ... / [00:01.10]Ex / [00:01.20]chang / ...
#
# Exits non-zero when the behaviour is no longer the one above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check tinytag==2.3.2 mutagen==1.48.1 lameenc==1.9.0
cat > lyrics.py <<'PYTHON'
import sys

import lameenc
from mutagen import id3
from tinytag import TinyTag

PIECES = ["Strang", "ers", " in", " the", " night", "\nEx", "chang", "ing", " glan", "ces"]

encoder = lameenc.Encoder()
encoder.set_bit_rate(64)
encoder.set_in_sample_rate(44100)
encoder.set_channels(1)
encoder.silence()
with open("song.mp3", "wb") as file:
    file.write(bytes(encoder.encode(bytes(88200)) + encoder.flush()))
tag = id3.ID3()
timed = [(piece, 600 + 100 * at) for at, piece in enumerate(PIECES)]
tag.add(id3.SYLT(encoding=id3.Encoding.UTF8, lang="eng", format=2, type=1, desc="", text=timed))
tag.save("song.mp3")

pieces = [piece for piece, _ in id3.ID3("song.mp3").getall("SYLT")[0].text]
lyrics = TinyTag.get("song.mp3").as_dict()["lyrics"]
print("mutagen:", pieces)
print("tinytag:", lyrics)
stamps = (f"[00:{at // 1000:02}.{at % 1000 // 10:02}]{piece.strip(chr(10))}" for piece, at in timed)
sys.exit(0 if pieces == PIECES and lyrics == ["\n".join(stamps)] else "the behaviour has changed")
PYTHON
venv/bin/python lyrics.py
