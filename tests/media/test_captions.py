"""Captions, read back by independent libraries: FFmpeg (PyAV), pysubs2, webvtt-py and lrcparser."""

import re
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import av
import pysubs2
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from lrcparser import LrcParser

from musicapi_async import Clip, Word, media

HOSTILE: Final = (
    Word("rock & roll <3 --> <i>you</i>", 1.0, 2.0, 0),
    Word("{\\an8} {b} \\N \\h", 2.5, 3.0, 1),
    Word("oh [my 1999", 3.0, 3.0, 2),
)
JOINER: Final = "\N{WORD JOINER}"

# Ends and starts that do not fall on a stamp; words of a line may touch.
timed = st.lists(
    st.tuples(st.floats(0, 0.7), st.floats(0.011, 3), st.text("abcä日ש", min_size=1, max_size=4), st.booleans()),
    min_size=1,
    max_size=40,
)


def timeline_of(parts: list[tuple[float, float, str, bool]], offset: float = 0.0) -> media.Timeline:
    words = []
    at, line = offset, 0
    for pause, length, text, ends_line in parts:
        words.append(Word(text, at + pause, at + pause + length, line))
        at += pause + length
        line += ends_line
    return media.Timeline.of(words)


def cues(timeline: media.Timeline, suffix: str) -> list[tuple[float, float, str]]:
    """Return the cues that FFmpeg reads: start, length and text."""
    with tempfile.TemporaryDirectory() as folder, av.open(timeline.save(Path(folder) / f"song.{suffix}")) as file:
        (stream,) = file.streams
        return [
            (float(packet.pts * packet.time_base), float((packet.duration or 0) * packet.time_base), text_of(packet))
            for packet in file.demux(stream)
            if packet.pts is not None
        ]


def text_of(packet: Any) -> str:
    (shown,) = packet.decode()
    return str(shown.ass.decode().split(",", 8)[8])


def pieces_of_stamps(timeline: media.Timeline) -> list[tuple[float, float, str]]:
    return [(line.start, line.end, line.text) for line in timeline.lines]


@given(parts=timed)
@settings(max_examples=25)
def test_ffmpeg_reads_each_format_back(parts: list[tuple[float, float, str, bool]]) -> None:
    timeline = timeline_of(parts)

    for suffix, step in (("srt", 0.001), ("vtt", 0.001), ("ass", 0.01)):
        found = cues(timeline, suffix)
        assert [re.sub(r"\{[^}]*\}", "", text) for _, _, text in found] == [line.text for line in timeline.lines]
        for (start, length, _), line in zip(found, timeline.lines, strict=True):
            assert start == pytest.approx(line.start, abs=step / 2 + 2e-6)
            assert start + length == pytest.approx(line.end, abs=step / 2 + 2e-6)
    found = cues(timeline, "lrc")
    assert [text for _, _, text in found] == [*(line.text for line in timeline.lines), ""]
    assert [start for start, _, _ in found[:-1]] == pytest.approx([line.start for line in timeline.lines], abs=0.005002)


@given(parts=timed, offset=st.sampled_from([0.0, 3590.0, 7000.0]))
@settings(max_examples=25)
def test_other_readers_find_the_same_times(parts: list[tuple[float, float, str, bool]], offset: float) -> None:
    timeline = timeline_of(parts, offset)

    for text, suffix, step in (
        (timeline.to_srt(), "srt", 1),
        (timeline.to_vtt(words=False), "vtt", 1),
        (timeline.to_ass(), "ass", 10),
    ):
        found = pysubs2.SSAFile.from_string(text, format_=suffix)
        assert [event.plaintext for event in found] == [line.text for line in timeline.lines]
        for event, line in zip(found, timeline.lines, strict=True):
            assert (event.start, event.end) == pytest.approx((line.start * 1000, line.end * 1000), abs=step / 2 + 0.01)
    captions = webvtt.from_string(timeline.to_vtt())
    assert [caption.text for caption in captions.captions] == [line.text for line in timeline.lines]


@given(parts=timed)
def test_lrc_stamps_are_within_5_ms_and_keep_their_order(parts: list[tuple[float, float, str, bool]]) -> None:
    timeline = timeline_of(parts)
    plain, enhanced = LrcParser.parse(timeline.to_lrc()), timeline.to_lrc(words=True)

    lines = [re.fullmatch(r"\[(\d\d+):(\d\d)\.(\d\d)\](.*)", text) for text in timeline.to_lrc().splitlines()[2:]]
    found = [int(one[1]) * 60 + int(one[2]) + int(one[3]) / 100 for one in lines if one]
    assert len(found) == len(lines) == len(plain["lrc_lines"]) == len(timeline.lines) + 1
    assert found == sorted(set(found))
    assert found == pytest.approx([*(line.start for line in timeline.lines), timeline.lines[-1].end], abs=0.005002)
    assert [str(one.text) for one in plain["lrc_lines"][:-1]] == [line.text for line in timeline.lines]

    stamped = re.findall(r"<(\d\d+):(\d\d)\.(\d\d)>", enhanced)
    words = [time for line in timeline.lines for time in (*(word.start for word in line.words), line.end)]
    assert [int(a) * 60 + int(b) + int(c) / 100 for a, b, c in stamped] == pytest.approx(words, abs=0.005002)


@given(parts=timed)
def test_vtt_stamps_rise_inside_their_cue(parts: list[tuple[float, float, str, bool]]) -> None:
    timeline = timeline_of(parts)

    blocks = timeline.to_vtt().split("\n\n")[1:]

    assert len(blocks) == len(timeline.lines)
    for block, line in zip(blocks, timeline.lines, strict=True):
        stamps = re.findall(r"\d\d:\d\d:\d\d\.\d{3}", block)
        start, end, *inside = [seconds_of(stamp) for stamp in stamps]
        assert all(a < b for a, b in pairwise([start, *inside, end]))
        assert inside == pytest.approx([word.start for word in line.words[1:]], abs=0.000502)


def seconds_of(stamp: str) -> float:
    hours, minutes, seconds = stamp.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


@given(parts=timed)
def test_ass_karaoke_adds_up_to_its_line(parts: list[tuple[float, float, str, bool]]) -> None:
    events = [line for line in timeline_of(parts).to_ass().splitlines() if line.startswith("Dialogue:")]

    for event in events:
        _, start, end, *_, text = event.split(",", 9)
        lengths = [int(length) for length in re.findall(r"\{\\kf(\d+)\}", text)]
        assert sum(lengths) == round((seconds_of(end) - seconds_of(start)) * 100)
        assert min(lengths) > 0


def test_hostile_text_reaches_readers_of_vtt_unchanged() -> None:
    timeline = media.Timeline.of(HOSTILE)

    text = timeline.to_vtt()

    assert "<c>rock &amp; roll &lt;3 --&gt; &lt;i&gt;you&lt;/i&gt;</c>" in text
    assert len(cues(timeline, "vtt")) == 3
    assert cues(timeline, "vtt")[0][2] == "rock & roll <3 --> <i>you</i>"


def test_hostile_text_is_no_markup_in_ass() -> None:
    first, second, _ = cues(media.Timeline.of(HOSTILE), "ass")

    assert first[2] == r"{\kf100}rock & roll <3 --> <i>you</i>"
    # FFmpeg escapes in the same form when it converts from another format.
    assert second[2] == rf"{{\kf50}}\{{{{}}\{JOINER}an8}} \{{{{}}b}} \{JOINER}N \{JOINER}h"
    assert cues(media.Timeline.of(HOSTILE), "vtt")[1][2].replace(JOINER, "") == r"\{{}\an8} \{{}b} \N \h"


def test_hostile_text_is_no_markup_in_srt() -> None:
    timeline = media.Timeline.of(HOSTILE)

    assert [text.replace(JOINER, "") for _, _, text in cues(timeline, "srt")] == [
        "rock & roll <3 \N{RIGHTWARDS ARROW} <i>you</i>",
        r"(\an8) (b) \N \h",
        "oh [my 1999",
    ]
    assert rf"\{JOINER}N" in timeline.to_srt()
    assert len(pysubs2.SSAFile.from_string(timeline.to_srt())) == len(HOSTILE)
    assert "\n\n\n" not in timeline.to_srt()


def test_lrc_has_no_bracket_that_is_not_a_stamp() -> None:
    clip = Clip(clip_id="c", title="Har]bor\n[offset:500]", duration=125.4)

    text = media.Timeline.of(HOSTILE, clip=clip).to_lrc()

    assert text == (
        "[ti:Har)bor (offset:500)]\n[length:02:05]\n[by:musicapi-async]\n"
        "[00:01.00]rock & roll <3 --> <i>you</i>\n[00:02.50]{\\an8} {b} \\N \\h\n[00:03.00]oh (my 1999\n[00:04.00]\n"
    )


def test_lrc_counts_minutes_after_99() -> None:
    text = media.Timeline.of([Word("late", 6000.0, 6001.5, 0)]).to_lrc()

    assert "[100:00.00]late\n[100:01.50]\n" in text


def test_words_without_length_are_seen_by_every_reader() -> None:
    timeline = media.Timeline.of([Word("The", 1.0, 1.0, 0), Word("sea", 1.0, 1.0, 1), Word("sleeps", 1.02, 1.02, 2)])

    assert all(start < end for start, end, _ in pieces_of_stamps(timeline))
    assert [length > 0 for _, length, _ in cues(timeline, "srt")] == [True] * 3
