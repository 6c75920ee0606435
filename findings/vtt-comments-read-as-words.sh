#!/usr/bin/env bash
# pysubs2 reads the comments of a WebVTT file as words of the caption before them, and neither it nor webvtt-py decodes "&amp;".
#
# WebVTT separates its blocks by empty lines. A block that begins with NOTE is a comment, and is not shown. In the text of a
# caption & and < must be written as &amp; and &lt;. Browsers do both right.
#
#   file                                       pysubs2 1.8.1                                    webvtt-py 0.6.0
#   caption "Rock &amp; roll", then NOTE       one caption: "Rock &amp; roll\N\NNOTE by Ann"    "Rock &amp; roll"
#   the same, written by pysubs2               "Rock &amp; roll\nNOTE by Ann", now shown
#
# So the name of a translator or an editor's remark is shown with the words, and "Rock &amp; roll" reaches SRT files.
#
# Exits non-zero when the behaviour is no longer the one above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pysubs2==1.8.1 webvtt-py==0.6.0
cat > comments.py <<'PYTHON'
import sys

import pysubs2
import webvtt

FILE = """\
WEBVTT

00:01.000 --> 00:02.000
Rock &amp; roll

NOTE by Ann

00:03.000 --> 00:04.000
All night
"""

file = pysubs2.SSAFile.from_string(FILE, "vtt")
seen = {
    "pysubs2": [event.text for event in file],
    "pysubs2, as SRT": file.to_string("srt"),
    "webvtt-py": [caption.text for caption in webvtt.from_string(FILE)],
}
for library, texts in seen.items():
    print(f"{library}: {texts!r}")
expected = {
    "pysubs2": [r"Rock &amp; roll\N\NNOTE by Ann", "All night"],
    "pysubs2, as SRT": (
        "1\n00:00:01,000 --> 00:00:02,000\nRock &amp; roll\nNOTE by Ann\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\nAll night\n\n"
    ),
    "webvtt-py": ["Rock &amp; roll", "All night"],
}
sys.exit(0 if seen == expected else "the behaviour has changed")
PYTHON
venv/bin/python comments.py
