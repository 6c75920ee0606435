"""Timelines: words into lines, whatever their times, and the files of a timeline."""

import itertools
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import musicapi_sync
from musicapi_async import AlignedLyrics, Clip, Word, errors, media
from musicapi_async.results.lyrics import aligned

SONG = (
    Word("The", 0.5, 0.9, 1),
    Word("harbour", 1.0, 1.5, 1),
    Word("sleeps", 2.0, 2.4, 2),
)
TAGGED = (
    Word("[Ver", 0.0, 0.0),
    Word("se 1]\n", 0.0, 0.0),
    Word("The ", 0.5, 0.9),
    Word("har", 1.0, 1.2),
    Word("bour\n", 1.2, 1.5),
    Word("sleeps\n\n[Chorus]\n", 2.0, 2.4),
    Word("Oh", 3.0, 3.5),
)


def texts(timeline: media.Timeline) -> list[tuple[str | None, str]]:
    return [(line.section, line.text) for line in timeline.lines]


def times(timeline: media.Timeline) -> list[tuple[float | None, float | None]]:
    return [(word.start, word.end) for line in timeline.lines for word in line.words]


def clip_of(words: list[dict[str, Any]], **fields: Any) -> Clip:
    return Clip(clip_id="c-1", raw={"timestamp": {"words": words}}, **fields)


def test_timeline_is_the_same_in_both_packages() -> None:
    assert musicapi_sync.media.Timeline is media.Timeline


def test_timelines_are_imported_only_on_use() -> None:
    script = "import sys, musicapi_async, musicapi_sync; print([name for name in sys.modules if '.media.' in name])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "timeline" not in done.stdout
    assert "captions" not in done.stdout


def test_timeline_of_words_has_a_line_for_each_line_of_them() -> None:
    timeline = media.Timeline.of(SONG)

    assert texts(timeline) == [(None, "The harbour"), (None, "sleeps")]
    assert [(line.start, line.end) for line in timeline.lines] == [(0.5, 1.5), (2.0, 2.4)]
    assert timeline.lines[1].words == (Word("sleeps", 2.0, 2.4, 1),)


@pytest.mark.parametrize("source", [TAGGED, aligned(TAGGED)], ids=["words", "aligned"])
def test_timeline_has_section_tags_as_sections(source: AlignedLyrics | tuple[Word, ...]) -> None:
    timeline = media.Timeline.of(source)

    assert [section for section, _ in texts(timeline)] == ["Verse 1", "Verse 1", "Chorus"]
    assert timeline.lines[1].text == "sleeps"


def test_timeline_joins_syllables_where_words_have_their_blanks() -> None:
    line = media.Timeline.of(TAGGED).lines[0]

    assert line.text == "The harbour"
    assert [word.text for word in line.words] == ["The", "har", "bour"]


def test_timeline_of_the_same_word_twice_has_it_twice() -> None:
    word = Word("la", None, None, 0)

    assert media.Timeline.of([word, word]).lines[0].text == "la la"


def test_timeline_keeps_a_bracket_that_is_never_closed_as_text() -> None:
    timeline = media.Timeline.of([Word("[oh ", 0, 1), Word("my\n", 1, 2), Word("love", 2, 3)])

    assert texts(timeline) == [(None, "[oh my"), (None, "love")]


def test_timeline_of_a_clip_takes_lines_and_sections_from_its_lyrics() -> None:
    words = [{"text": text, "start": at, "end": at + 0.5} for at, text in enumerate(["the", "harbour", "sleeps", "oh"])]
    clip = clip_of(words, title="Harbor", duration=9.0, lyrics="[Verse 1]\nThe harbour\nsleeps.\n\n[Chorus]\nOh!")

    timeline = media.Timeline.of(clip)

    assert texts(timeline) == [("Verse 1", "The harbour"), ("Verse 1", "sleeps."), ("Chorus", "Oh!")]
    assert (timeline.title, timeline.duration) == ("Harbor", 9.0)
    assert times(timeline) == [(0.0, 0.5), (1.0, 1.5), (2.0, 2.5), (3.0, 3.5)]
    assert texts(media.Timeline.of(clip.words, clip=clip)) == texts(timeline)


def test_timeline_keeps_text_without_times_at_its_place() -> None:
    lyrics = "[Verse]\nThe harbour\n(ooh, ooh)\nsleeps\n"

    timeline = media.Timeline.of([Word("The", 0.5, 0.9), Word("harbour", 1, 2), Word("sleeps", 6, 7)], lyrics=lyrics)

    assert texts(timeline) == [("Verse", "The harbour"), ("Verse", "(ooh, ooh)"), ("Verse", "sleeps")]
    assert (timeline.lines[1].start, timeline.lines[1].end) == (2.0, 4.0)


def test_timeline_keeps_a_sung_word_that_is_not_in_the_lyrics() -> None:
    timeline = media.Timeline.of([*SONG, Word("oh", 3, 4)], lyrics="The harbour\nsleeps\n")

    assert texts(timeline) == [(None, "The harbour"), (None, "sleeps oh")]


def test_timeline_spells_words_like_the_lyrics() -> None:
    timeline = media.Timeline.of([Word("colour", 1, 2), Word("of", 2, 3), Word("rain", 3, 4)], lyrics="Color of Rain!")

    assert texts(timeline) == [(None, "Color of Rain!")]
    assert times(timeline) == [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]


def test_timeline_ignores_lyrics_of_another_song() -> None:
    assert texts(media.Timeline.of(SONG, lyrics="Something else entirely\nof another song")) == texts(
        media.Timeline.of(SONG)
    )


def test_timeline_of_words_without_line_breaks_breaks_at_pauses_and_long_lines() -> None:
    words = [Word("harbour", at * 0.5, at * 0.5 + 0.4) for at in range(20)]

    timeline = media.Timeline.of([*words, Word("end", 12, 13)])

    assert [len(line.words) for line in timeline.lines] == [7, 7, 6, 1]
    assert max(len(line.text) for line in timeline.lines) <= 60


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["日本", "の", "雨"], "日本の雨"),
        (["ฝน", "ตก"], "ฝนตก"),
        (["비가", "온다"], "비가 온다"),
        (["שלום", "לך"], "שלום לך"),
        (["J'", "aime"], "J' aime"),
    ],
)
def test_timeline_separates_words_like_their_script(words: list[str], line: str) -> None:
    timeline = media.Timeline.of([Word(text, at, at + 0.9, 0) for at, text in enumerate(words)])

    assert [one.text for one in timeline.lines] == [line]


def test_timeline_of_a_language_without_blanks_takes_lines_from_the_lyrics() -> None:
    words = [Word(text, at, at + 0.5) for at, text in enumerate(["日本", "の", "雨", "が", "降る"])]

    timeline = media.Timeline.of(words, lyrics="日本の雨\nが降る。")

    assert texts(timeline) == [(None, "日本の雨"), (None, "が降る。")]
    assert [word.text for line in timeline.lines for word in line.words] == ["日本", "の", "雨", "が", "降る。"]


@pytest.mark.parametrize(
    ("given_times", "expected"),
    [
        ([(1, 2), (1.5, 3)], [(1, 1.5), (1.5, 3)]),
        ([(1, 1), (1.5, 3)], [(1, 1.5), (1.5, 3)]),
        ([(1, 0.5), (5, 6)], [(1, 2), (5, 6)]),
        ([(1, 1.001), (5, 6)], [(1, 1.01), (5, 6)]),
        ([(1, 2), (None, None), (3, 4)], [(1, 2), (2, 3), (3, 4)]),
        ([(None, None), (3, 4)], [(2, 3), (3, 4)]),
        ([(1, 2), (None, None)], [(1, 2), (2, 3)]),
        ([(1, 2), (200, 201), (3, 4), (5, 6)], [(1, 2), (2, 3), (3, 4), (5, 6)]),
        ([(1, 2), (1, 2), (1, 2), (4, 5)], [(1, 2), (2, 3), (3, 4), (4, 5)]),
        ([(None, None), (None, None)], [(0, 1), (1, 2)]),
        ([(-1, 1), (math.nan, math.inf), (1, 2)], [(0, 0.5), (0.5, 1), (1, 2)]),
    ],
)
def test_timeline_repairs_times(given_times: list[tuple[float, float]], expected: list[tuple[float, float]]) -> None:
    words = [Word(f"w{at}", start, end, 0) for at, (start, end) in enumerate(given_times)]

    assert times(media.Timeline.of(words)) == expected


any_time = st.none() | st.floats(-1, 30) | st.floats() | st.sampled_from([0.0, 1.0, 1.001, 1.005])
any_words = st.lists(
    st.builds(
        Word,
        st.sampled_from(["a", "b ", "c\n", "[Verse 1]\n", "[Ver", "se]", " ", "日", "\x00", "d e", "\ud83d"])
        | st.text(),
        any_time,
        any_time,
        st.none() | st.integers(0, 3),
    ),
    max_size=30,
)


@given(words=any_words, lyrics=st.none() | st.text("abcde []\n日"), duration=st.none() | st.floats(1, 40))
def test_timeline_of_any_words_rises_within_the_clip(
    words: list[Word], lyrics: str | None, duration: float | None
) -> None:
    timeline = media.Timeline.of(words, clip=Clip(clip_id="c", duration=duration), lyrics=lyrics)

    for line in timeline.lines:
        assert line.text == " ".join(line.text.split()) != ""
        assert (line.start, line.end) == (line.words[0].start, line.words[-1].end)
    flat = [time for pair in times(timeline) for time in pair if time is not None]
    assert flat == sorted(flat)
    assert all((end or 0) - (start or 0) >= 0.01 - 1e-9 for start, end in times(timeline))
    assert not flat or (flat[0] >= 0 and (duration is None or flat[-1] <= duration + 1e-6))
    for write in (timeline.to_lrc, timeline.to_srt, timeline.to_vtt, timeline.to_ass, timeline.to_json):
        assert isinstance(write().encode(), bytes)


@given(texts=st.lists(st.text("abc \n日[]", min_size=1)))
def test_timeline_loses_no_text(texts: list[str]) -> None:
    sung = "".join(re.sub(r"\[[^\[\]\n]*\]", "", "".join(texts)).split()) if "[" not in "".join(texts)[1:] else None

    found = media.Timeline.of([Word(text, float(at), at + 0.5) for at, text in enumerate(texts)])

    kept = "".join("".join(line.text for line in found.lines).split())
    assert sung is None or kept == sung


@given(starts=st.lists(st.floats(0, 300), min_size=1, max_size=30, unique=True))
def test_timeline_keeps_times_that_are_right(starts: list[float]) -> None:
    starts = [start for start, after in itertools.pairwise([*sorted(starts), 400.0]) if after - start > 0.011]
    words = [Word("la", start, start + 0.01, at) for at, start in enumerate(starts)]

    found = [start for start, _ in times(media.Timeline.of(words))]

    assert found == pytest.approx(starts, abs=1e-6)


def test_timeline_in_a_clip_too_short_for_its_words_ends_with_it() -> None:
    words = [Word("la", 0, 0) for _ in range(100)]

    found = times(media.Timeline.of(words, clip=Clip(clip_id="c", duration=0.5)))

    assert found[-1][1] == 0.5
    assert all(end == pytest.approx((start or 0) + 0.005) for start, end in found)


@pytest.mark.parametrize("source", [Clip(clip_id="c"), "The harbour", None, 7, [Clip(clip_id="c")], {"word": 1}])
def test_timeline_of_anything_else_is_refused(source: Any) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        media.Timeline.of(source)

    assert caught.value.field == "source"
    assert "Word" in str(caught.value) or "aligned_lyrics" in str(caught.value)


@pytest.mark.parametrize("name", ["clip", "lyrics"])
def test_timeline_with_a_wrong_argument_is_refused(name: str) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        media.Timeline.of(SONG, **{name: 7})  # type: ignore[arg-type]

    assert caught.value.field == name


def test_timeline_of_an_instrumental_is_empty() -> None:
    timeline = media.Timeline.of(AlignedLyrics(), clip=Clip(clip_id="c", title="Rain", lyrics="[Instrumental]"))

    assert timeline.lines == ()
    assert timeline.to_lrc() == "[ti:Rain]\n[length:00:00]\n[by:musicapi-async]\n"
    assert timeline.to_srt() == ""


@pytest.mark.parametrize("suffix", ["lrc", "srt", "vtt", "ass", "json", "LRC"])
def test_saved_timeline_has_the_format_of_its_suffix(suffix: str, tmp_path: Path) -> None:
    timeline = media.Timeline.of(SONG)
    target = tmp_path / f"harbor.{suffix}"
    target.write_text("an earlier one")

    assert timeline.save(str(target)) == target

    assert target.read_bytes().decode() == getattr(timeline, f"to_{suffix.lower()}")()
    assert os.listdir(tmp_path) == [target.name]


@pytest.mark.parametrize("name", ["harbor.txt", "harbor", "harbor.mp3", ".lrc"])
def test_timeline_with_another_suffix_is_not_saved(name: str, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequestError, match=r"\.lrc, \.srt, \.vtt, \.ass, \.json") as caught:
        media.Timeline.of(SONG).save(tmp_path / name)

    assert caught.value.field == "path"
    assert os.listdir(tmp_path) == []


def test_timeline_in_a_missing_folder_raises_an_oserror_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "harbor.lrc"
    with pytest.raises(FileNotFoundError) as caught:
        media.Timeline.of(SONG).save(path)
    assert caught.value.filename == str(path)

    folder = tmp_path / "harbor.lrc"
    folder.mkdir()
    with pytest.raises(OSError, match=r"directory.*harbor\.lrc'$"):
        media.Timeline.of(SONG).save(folder)
    assert os.listdir(tmp_path) == ["harbor.lrc"]


def test_json_has_the_fields_of_the_timeline() -> None:
    content = json.loads(media.Timeline.of(TAGGED, clip=Clip(clip_id="c", title="日本", duration=9)).to_json())

    assert (content["title"], content["duration"]) == ("日本", 9)
    assert content["lines"][0]["section"] == "Verse 1"
    assert content["lines"][0]["words"][0] == {"text": "The", "start": 0.5, "end": 0.9, "line": 0}
