#!/usr/bin/env bash
# A title with an emoji in an ID3v2.3 tag makes MediaInfo's Python binding raise; other readers show it.
#
# ID3v2.3 has no UTF-8: such a title is UTF-16, where a character above U+FFFF is a pair of surrogates. MediaInfo gives
# each of the two on as a character of its own. Of the texts below only those with an emoji are concerned, and not those
# in UTF-8 (ID3v2.4).
#
#   pymediainfo 7.0.1 (MediaInfo 24.12)  2.4, UTF-8:  Grüße 🎵
#                                        2.3, UTF-16: UnicodeEncodeError (surrogates not allowed) for the whole file;
#                                                     with encoding_errors="replace" Grüße ??
#                                        2.3, UTF-16, without the emoji: Grüße 日本
#   tinytag 2.3.2, PyAV 18.1.0           all as they were written
#
# A library that is scanned by it stops at a song that is whole and valid. For titles with emoji write ID3v2.4.
#
# Exits non-zero when the behaviour is no longer the one above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  pymediainfo==7.0.1 mutagen==1.48.1 tinytag==2.3.2 av==18.1.0 lameenc==1.9.0
cat > titles.py <<'PYTHON'
import sys

import av
import lameenc
from mutagen import id3
from pymediainfo import MediaInfo
from tinytag import TinyTag

encoder = lameenc.Encoder()
encoder.set_bit_rate(64)
encoder.set_in_sample_rate(44100)
encoder.set_channels(1)
encoder.silence()
audio = bytes(encoder.encode(bytes(88200)) + encoder.flush())


def write(text: str, version: int) -> str:
    name = f"{version}.mp3"
    with open(name, "wb") as file:
        file.write(audio)
    tag = id3.ID3()
    tag.add(id3.TIT2(encoding=id3.Encoding.UTF8 if version == 4 else id3.Encoding.UTF16, text=text))
    tag.save(name, v2_version=version)
    return name


def by_mediainfo(name: str, errors: str = "strict") -> str:
    try:
        found = MediaInfo.parse(name, encoding_errors=errors)
    except UnicodeEncodeError as error:
        return f"UnicodeEncodeError ({error.reason})"
    return next(track.title for track in found.tracks if track.track_type == "General")


def by_others(name: str) -> set[str]:
    with av.open(name) as file:
        return {file.metadata["title"], TinyTag.get(name).title}


emoji, plain = "Grüße 🎵", "Grüße 日本"
seen = []
for text, version in ((emoji, 4), (emoji, 3), (plain, 3)):
    name = write(text, version)
    seen.append((by_mediainfo(name), by_mediainfo(name, "replace"), by_others(name) == {text}))
    print(f"ID3v2.{version} {text}: MediaInfo {seen[-1][0]}; replacing {seen[-1][1]}; others right: {seen[-1][2]}")
expected = [
    (emoji, emoji, True),
    ("UnicodeEncodeError (surrogates not allowed)", "Grüße ??", True),
    (plain, plain, True),
]
sys.exit(0 if seen == expected else "the behaviour has changed")
PYTHON
venv/bin/python titles.py
