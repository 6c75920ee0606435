"""Tags: what is written into a file, and what stays in it."""

import json
import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import eyed3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_songs import (
    CODECS,
    JPEG,
    Line,
    Lyrics,
    clip,
    encode,
    found_by_av,
    stream_wave,
    write_cover,
    write_song,
)
from mutagen import flac, id3

from musicapi_async import Word, errors, media

FORMATS = tuple(CODECS)
TIMED = Lyrics()


def test_tags_written_are_read_again(song: Path, tmp_path: Path) -> None:
    made = datetime(2026, 10, 7, 12, tzinfo=UTC)
    written = media.tag(
        song,
        clip(created_at=made),
        cover=write_cover(tmp_path),
        timeline=TIMED,
        album="Harbors",
        artist="The Gulls",
        track=3,
        task_id="t-1",
        description="a calm shanty",
    )

    found = media.read_tags(song)
    assert found == written
    assert (found.title, found.artist, found.album, found.track) == ("Grüße 🎵", "The Gulls", "Harbors", 3)
    assert (found.genre, found.date, found.lyrics) == ("sea shanty, calm", "2026-10-07", clip().lyrics)
    assert (found.clip_id, found.task_id, found.model, found.description) == ("c-1", "t-1", "sonic-v6", "a calm shanty")
    assert found.cover == JPEG
    assert [line.text for line in found.synced] == ["Slow & <low>", "Rain in the harbour", "日本の雨", ""]
    assert [line.start for line in found.synced] == pytest.approx([1.0, 2.004, 3.5, 3.9], abs=0.0051)


def test_tags_take_the_lines_of_a_timeline(song: Path) -> None:
    words = [Word("Rain", 0.1, 0.5, 0), Word("in", 0.6, 0.9, 0), Word("town", 1.2, 1.5, 1)]
    media.tag(song, clip(), timeline=media.Timeline.of(words))

    # The last entry, without a text, ends the last line.
    assert [line.text for line in media.read_tags(song).synced] == ["Rain in", "town", ""]


def test_tags_written_twice_are_the_same_file(song: Path, tmp_path: Path) -> None:
    cover = write_cover(tmp_path)
    media.tag(song, clip(), cover=cover, timeline=TIMED)
    once = song.read_bytes()
    media.tag(song, clip(), cover=cover, timeline=TIMED)

    assert song.read_bytes() == once


def test_tags_that_are_not_given_stay(song: Path) -> None:
    media.tag(song, clip(), timeline=TIMED, album="Harbors", track=3)
    found = media.tag(song, clip(title="Other", lyrics=None, tags=None))

    assert (found.title, found.album, found.track, found.genre) == ("Other", "Harbors", 3, "sea shanty, calm")
    assert len(found.synced) == 4


def test_sections_of_a_timeline_are_chapters(song: Path) -> None:
    media.tag(song, clip(), timeline=TIMED)

    found = media.read_tags(song).chapters
    assert [(one.title, one.start) for one in found] == [
        ("Intro", 1.0),
        ("A much longer name of a verse", 2.004),
        ("End", 3.5),
    ]
    ends = [2.004, 3.5, 3.9] if song.suffix in {".mp3", ".wav"} else [None] * 3
    assert [one.end for one in found] == ends


def test_tag_of_a_wav_with_a_list_chunk_shows_its_title_there(tmp_path: Path) -> None:
    old = b"INFOINAM\x04\x00\x00\x00old\x00ISFT\x06\x00\x00\x00other\x00"
    song = write_song(tmp_path, "wav", stream_wave((b"LIST", old)))
    assert found_by_av(song)["title"] == "old"
    media.tag(song, clip())

    found = found_by_av(song)
    assert (found["title"], found["encoder"]) == ("Grüße 🎵", "other")


def test_tags_of_another_program_stay(tmp_path: Path) -> None:
    song = write_song(tmp_path, "mp3")
    held = eyed3.load(song)
    held.initTag()
    held.tag.comments.set("mine")
    held.tag.save()
    media.tag(song, clip())

    assert eyed3.load(song).tag.comments[0].text == "mine"


def test_tag_writes_a_sidecar_and_updates_it(song: Path) -> None:
    sidecar = song.with_suffix(".json")
    media.tag(song, clip(), timeline=TIMED)
    sidecar.write_text(json.dumps({"key": "k"} | json.loads(sidecar.read_text())))
    media.tag(song, clip(title="Other"))

    found = json.loads(sidecar.read_text())
    assert (found["key"], found["clip"]["title"], found["tags"]["title"]) == ("k", "Other", "Other")
    assert found["tags"]["synced"][0] == {"start": 1.0, "text": "Slow & <low>"}


@pytest.mark.parametrize("content", ["not JSON", "[]", '{"name": "mine"}'])
def test_tag_leaves_a_sidecar_of_another_program(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    song = write_song(tmp_path, "wav")
    song.with_suffix(".json").write_text(content)
    media.tag(song, clip())

    assert song.with_suffix(".json").read_text() == content
    assert "is not of this package" in caplog.text


@pytest.mark.parametrize(
    "arguments",
    [{"track": 0}, {"track": True}, {"track": 65536}, {"artist": 3}, {"id3_version": "2.2"}, {"cover": "none.jpg"}],
)
def test_tag_with_a_wrong_argument_is_refused(tmp_path: Path, arguments: dict[str, object]) -> None:
    song = write_song(tmp_path, "wav")
    before = song.read_bytes()
    with pytest.raises(errors.InvalidRequestError, match=next(iter(arguments))):
        media.tag(song, clip(), **arguments)  # type: ignore[arg-type]

    assert song.read_bytes() == before


def test_tag_with_a_cover_that_players_do_not_show_is_refused(tmp_path: Path) -> None:
    cover = tmp_path / "cover.webp"
    cover.write_bytes(b"RIFF\0\0\0\0WEBP" + bytes(50))
    with pytest.raises(errors.InvalidRequestError, match="is a file of webp; it must be the path of a JPEG or PNG"):
        media.tag(write_song(tmp_path, "wav"), clip(), cover=cover)


def test_tag_with_a_cover_that_is_too_large_is_refused(tmp_path: Path) -> None:
    cover = write_cover(tmp_path)
    with cover.open("rb+") as file:
        file.truncate(15 * 1024 * 1024 + 1)
    with pytest.raises(errors.InvalidRequestError, match="is larger; it must be .* at most 15728640 bytes"):
        media.tag(write_song(tmp_path, "wav"), clip(), cover=cover)


# A picture block of FLAC is the smallest room for one.
@pytest.mark.parametrize(("suffix", "size"), [("flac", 15 * 1024 * 1024), *((suffix, 2_000_000) for suffix in FORMATS)])
def test_tag_with_a_large_cover_is_read_again(tmp_path: Path, suffix: str, size: int) -> None:
    song = write_song(tmp_path, suffix)
    cover = write_cover(tmp_path)
    with cover.open("rb+") as file:
        file.truncate(size)
    media.tag(song, clip(), cover=cover)

    assert media.read_tags(song).cover == cover.read_bytes()
    media.tag(song, clip(), cover=write_cover(tmp_path))
    assert media.read_tags(song).cover == JPEG
    assert song.stat().st_size < 1_000_000


def test_tag_of_something_else_than_a_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequestError, match="clip is"):
        media.tag(write_song(tmp_path, "wav"), [clip()])  # type: ignore[arg-type]


def test_tag_with_a_timeline_without_lines_keeps_the_lyrics_without_times(song: Path) -> None:
    found = media.tag(song, clip(), timeline=media.Timeline())

    assert (found.lyrics, found.synced, found.chapters) == (clip().lyrics, (), ())


@pytest.mark.parametrize("timeline", ["harbor.lrc", [Word("Rain", 0.0, 1.0)]])
def test_tag_with_something_else_than_a_timeline_is_refused(tmp_path: Path, timeline: object) -> None:
    song = write_song(tmp_path, "wav")
    with pytest.raises(errors.InvalidRequestError, match="timeline is .* it must be a media.Timeline"):
        media.tag(song, clip(), timeline=timeline)  # type: ignore[arg-type]

    assert os.listdir(tmp_path) == [song.name]


@pytest.mark.parametrize("start", [float("nan"), float("inf"), -0.1, 2.0**32])
def test_tag_with_a_line_at_no_time_is_refused(tmp_path: Path, start: float) -> None:
    lines = Lyrics((Line("Rain", 0.0, 1.0), Line("town", start, 1.0)))
    with pytest.raises(errors.InvalidRequestError, match=r"timeline.lines\[1\].start is .* from 0 to 360000"):
        media.tag(write_song(tmp_path, "mp3"), clip(), timeline=lines)


def test_lines_with_times_have_no_bracket_that_is_not_a_stamp(tmp_path: Path) -> None:
    song = write_song(tmp_path, "flac")
    media.tag(song, clip(), timeline=Lyrics((Line("[oh] my", 1.0, 1.5), Line("a\0b", 2.0, 2.5))))

    assert found_by_av(song)["syncedlyrics"] == "[00:01.00](oh) my\n[00:02.00]ab\n[00:02.50]"


def test_lines_of_another_program_in_mpeg_frames_are_not_taken_for_milliseconds(tmp_path: Path) -> None:
    song = write_song(tmp_path, "mp3")
    frames = id3.ID3()
    frames.add(id3.SYLT(encoding=3, lang="eng", format=1, type=1, desc="", text=[("Rain", 40)]))
    frames.save(song)

    assert media.read_tags(song).synced == ()


@pytest.mark.parametrize("start", ["later", "1:02", "::", "00:00:nan"])
def test_damaged_chapters_of_another_program_are_left_out(tmp_path: Path, start: str) -> None:
    song = write_song(tmp_path, "flac")
    file: Any = flac.FLAC(song)
    file["CHAPTER001"], file["CHAPTER001NAME"] = start, "Intro"
    file["CHAPTER002"], file["CHAPTER002NAME"] = "00:00:01.500", "Verse"
    file.save()

    assert media.tag(song, clip()).chapters == (media.Chapter("Verse", 1.5),)


TEXT = st.text(max_size=30)


@pytest.mark.parametrize("suffix", FORMATS)
@given(title=TEXT, lyrics=TEXT, lines=st.lists(st.tuples(TEXT, st.floats(0, 9000), TEXT), max_size=5))
@settings(max_examples=15, deadline=None)
def test_any_text_is_read_again_by_everyone(
    tmp_path_factory: pytest.TempPathFactory,
    samples: dict[str, bytes],
    suffix: str,
    title: str,
    lyrics: str,
    lines: list[tuple[str, float, str]],
) -> None:
    song = write_song(tmp_path_factory.mktemp("tags"), suffix, samples[suffix])
    timed = Lyrics(tuple(Line(text, start, start + 1, section) for text, start, section in lines))
    written = media.tag(song, clip(title=f"a\0{title}", lyrics=lyrics), timeline=timed)

    assert (written.title or "").startswith("a")
    assert "\0" not in (written.title or "")
    starts = [line.start for line in written.synced]
    assert starts == sorted(starts)
    assert found_by_av(song)["title"].startswith("a")


def test_tags_without_mutagen_name_the_extra_before_anything_is_written(tmp_path: Path) -> None:
    song = write_song(tmp_path, "wav")
    code = """
        import sys
        sys.modules["mutagen"] = None
        from musicapi_async import Clip, errors, media
        for work in (lambda: media.tag(sys.argv[1], Clip()), lambda: media.read_tags(sys.argv[1])):
            try:
                work()
            except errors.MissingExtraError as error:
                print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(song)], capture_output=True, text=True, check=True
    )

    sentence = "reading and writing tags needs mutagen, which is not installed. "
    assert done.stdout == 2 * f"{sentence}Install it with: pip install 'musicapi-async[media]'\n"
    assert os.listdir(tmp_path) == [song.name]


@pytest.mark.parametrize(("name", "sidecar"), [("a.b.mp3", "a.b.json"), ("Mr. B", "Mr. B.json")])
def test_sidecar_is_named_as_the_file(tmp_path: Path, name: str, sidecar: str) -> None:
    (tmp_path / name).write_bytes(encode("mp3", 0.5))
    media.tag(tmp_path / name, clip())

    assert sorted(os.listdir(tmp_path)) == sorted([name, sidecar])
