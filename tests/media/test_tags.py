"""Tags: written by this package, read by others; the audio stays as it is."""

import json
import os
import stat
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import eyed3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_songs import (
    CODECS,
    JPEG,
    Line,
    Lyrics,
    chapters_by_av,
    clip,
    decoded,
    encode,
    found_by_av,
    stream_wave,
    write_cover,
)
from tinytag import TinyTag

from musicapi_async import Word, errors, media

FORMATS = tuple(CODECS)
TIMED = Lyrics()


@pytest.fixture(scope="session")
def samples() -> dict[str, bytes]:
    return {suffix: encode(suffix) for suffix in FORMATS}


@pytest.fixture(params=FORMATS)
def song(request: pytest.FixtureRequest, samples: dict[str, bytes], tmp_path: Path) -> Path:
    path = tmp_path / f"harbor.{request.param}"
    path.write_bytes(samples[request.param])
    return path


def write_song(folder: Path, suffix: str, content: bytes | None = None) -> Path:
    path = folder / f"harbor.{suffix}"
    path.write_bytes(encode(suffix, 0.5) if content is None else content)
    return path


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


def test_tags_leave_the_decoded_audio_as_it_was(song: Path, tmp_path: Path) -> None:
    before = decoded(song)
    media.tag(song, clip(), cover=write_cover(tmp_path), timeline=TIMED, album="Harbors")

    assert decoded(song) == before
    assert len(before) > 10000


def test_tags_are_found_by_ffmpeg_and_tinytag(song: Path, tmp_path: Path) -> None:
    media.tag(song, clip(), cover=write_cover(tmp_path), album="Harbors", artist="The Gulls", track=3)

    by_ffmpeg, by_tinytag = found_by_av(song), TinyTag.get(song, image=True)
    assert (by_ffmpeg["title"], by_ffmpeg["artist"]) == ("Grüße 🎵", "The Gulls")
    assert (by_tinytag.title, by_tinytag.artist, by_tinytag.album) == ("Grüße 🎵", "The Gulls", "Harbors")
    assert by_tinytag.track == 3
    assert by_tinytag.images.any is not None
    assert by_tinytag.images.any.data == JPEG


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


def test_tag_keeps_the_mode_of_the_file_and_leaves_no_other(song: Path) -> None:
    song.chmod(0o640)
    media.tag(song, clip())

    assert stat.S_IMODE(song.stat().st_mode) == 0o640
    assert sorted(os.listdir(song.parent)) == sorted([song.name, "harbor.json"])


def test_tag_of_a_link_tags_the_file_behind_it(song: Path) -> None:
    link = song.with_name("link")
    link.symlink_to(song)
    media.tag(link, clip())

    assert link.is_symlink()
    assert media.read_tags(song).title == clip().title


@pytest.mark.parametrize("version", ["2.4", "2.3"])
def test_tag_of_mp3_is_found_by_eyed3(tmp_path: Path, version: str) -> None:
    song = write_song(tmp_path, "mp3")
    media.tag(song, clip(), cover=write_cover(tmp_path), timeline=TIMED, track=3, id3_version=version)  # type: ignore[arg-type]

    found = eyed3.load(song).tag
    assert found.version[:2] == ((2, 4) if version == "2.4" else (2, 3))
    assert (found.title, found.track_num[0]) == ("Grüße 🎵", 3)
    assert found.lyrics[0].text == clip().lyrics
    assert found.images[0].image_data == JPEG
    assert [chapter.title for chapter in sorted(found.chapters, key=lambda one: one.times)] == [
        "Intro",
        "A much longer name of a verse",
        "End",
    ]
    assert {one.description: one.text for one in found.user_text_frames}["MUSICAPI_CLIP_ID"] == "c-1"


@pytest.mark.parametrize("version", ["2.4", "2.3"])
def test_chapters_of_mp3_are_in_order_for_ffmpeg(tmp_path: Path, version: str) -> None:
    song = write_song(tmp_path, "mp3")
    media.tag(song, clip(), timeline=TIMED, id3_version=version)  # type: ignore[arg-type]

    assert chapters_by_av(song) == [("Intro", 1.0), ("A much longer name of a verse", 2.004), ("End", 3.5)]
    assert media.read_tags(song).chapters == (
        media.Chapter("Intro", 1.0, 2.004),
        media.Chapter("A much longer name of a verse", 2.004, 3.5),
        media.Chapter("End", 3.5, 3.9),
    )


@pytest.mark.parametrize("suffix", ["flac", "opus", "wav"])
def test_chapters_of_other_formats_are_read_by_ffmpeg_too(tmp_path: Path, suffix: str) -> None:
    song = write_song(tmp_path, suffix)
    media.tag(song, clip(), timeline=TIMED)

    expected = [("Intro", 1.0), ("A much longer name of a verse", 2.004), ("End", 3.5)]
    assert [(one.title, one.start) for one in media.read_tags(song).chapters] == expected
    assert chapters_by_av(song) == expected


def test_tag_of_a_fragmented_m4a_is_refused(tmp_path: Path) -> None:
    content = encode("m4a", options={"movflags": "frag_keyframe+empty_moov"})
    song = write_song(tmp_path, "m4a", content)
    with pytest.raises(errors.TagError, match="fragmented"):
        media.tag(song, clip())

    assert b"moof" in content
    assert song.read_bytes() == content
    assert os.listdir(tmp_path) == [song.name]


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_tag_of_an_m4a_keeps_its_audio_wherever_its_index_is(tmp_path: Path, options: dict[str, str]) -> None:
    song = write_song(tmp_path, "m4a", encode("m4a", options=options))
    before = decoded(song)
    media.tag(song, clip(), cover=write_cover(tmp_path))

    assert decoded(song) == before


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0], ids=["largest", "zero"])
def test_tag_of_a_streamed_wav_mends_its_sizes(tmp_path: Path, size: int) -> None:
    song = write_song(tmp_path, "wav", stream_wave(size=size))
    samples = song.read_bytes().partition(b"data")[2][4:]
    media.tag(song, clip())

    content = song.read_bytes()
    at = content.index(b"data")
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    assert int.from_bytes(content[at + 4 : at + 8], "little") == len(samples)
    assert content[at + 8 : at + 8 + len(samples)] == samples
    assert found_by_av(song)["title"] == "Grüße 🎵"


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
    ("content", "reason"),
    [
        (b"", "none of the known formats"),
        (b"<html>", "none of the known formats"),
        (JPEG, "its content is jpg"),
        (b"RF64\xff\xff\xff\xffWAVE" + bytes(99), "does not begin with RIFF"),
        (b"fLaC", "harbor"),
        (b"OggS" + bytes(40), "harbor"),
        (b"\0\0\0\x20ftypM4A " + bytes(99), "harbor"),
        (b"ID3\x04\0\0\0\0\0\0", "its audio would not be the same"),
    ],
)
def test_tag_of_another_or_a_damaged_file_leaves_it_as_it_is(tmp_path: Path, content: bytes, reason: str) -> None:
    song = write_song(tmp_path, "bin", content)
    with pytest.raises(errors.TagError, match=reason):
        media.tag(song, clip())

    assert song.read_bytes() == content
    assert os.listdir(tmp_path) == [song.name]


def test_tags_of_a_missing_file_raise(tmp_path: Path) -> None:
    with pytest.raises(errors.TagError, match="No such file"):
        media.tag(tmp_path / "none.mp3", clip())
    with pytest.raises(errors.TagError, match="No such file"):
        media.read_tags(tmp_path / "none.mp3")


def test_tag_that_is_killed_leaves_the_old_file_or_the_new_one(song: Path) -> None:
    before = decoded(song)
    code = """
        import itertools, sys
        from musicapi_async import Clip, media
        for number in itertools.count():
            media.tag(sys.argv[1], Clip(title=f"song {number}", lyrics="la " * 5000 * (number % 3)))
            print(number, flush=True)
    """
    for wait in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(song)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            for _ in range(1 + wait):
                writer.stdout.readline()
            writer.kill()

        assert (media.read_tags(song).title or "").startswith("song ")
        assert decoded(song) == before


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


def test_tag_of_something_else_than_a_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequestError, match="clip is"):
        media.tag(write_song(tmp_path, "wav"), [clip()])  # type: ignore[arg-type]


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


@pytest.mark.parametrize("suffix", FORMATS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_damage_is_refused_or_kept_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, samples: dict[str, bytes], suffix: str, data: st.DataObject
) -> None:
    content = bytearray(samples[suffix])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 600) | st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    song = write_song(tmp_path_factory.mktemp("damaged"), suffix, bytes(content))
    try:
        media.tag(song, clip(), timeline=TIMED)
    except errors.TagError:
        assert song.read_bytes() == content
    else:
        assert media.read_tags(song).title == clip().title


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


def test_tag_whose_sidecar_cannot_be_written_leaves_the_file(tmp_path: Path) -> None:
    song = write_song(tmp_path, "mp3")
    before = song.read_bytes()
    song.with_suffix(".json").mkdir()
    with pytest.raises(errors.TagError, match="directory"):
        media.tag(song, clip())

    assert song.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["harbor.json", "harbor.mp3"]
