"""Chapters of M4A files: the index moves, and the audio is found where it was."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_songs import Line, Lyrics, chapters_by_av, clip, decoded, encode, write_song

from musicapi_async import errors, media


def with_long_offsets(content: bytes) -> bytes:
    """Return an M4A file whose index stands in front of its audio, with offsets of 64 bits in it."""
    at = content.index(b"stco") - 4
    size, _, _, count = struct.unpack_from(">I4sII", content, at)
    offsets = struct.unpack_from(f">{count}I", content, at + 16)
    grown = 4 * count
    table = struct.pack(f">I4sII{count}Q", size + grown, b"co64", 0, count, *(one + grown for one in offsets))
    changed = bytearray(content[:at] + table + content[at + size :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        at = changed.index(name) - 4
        changed[at : at + 4] = struct.pack(">I", struct.unpack_from(">I", changed, at)[0] + grown)
    return bytes(changed)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    in_front = encode("m4a", options={"movflags": "faststart"})
    return {"index last": encode("m4a"), "index first": in_front, "long offsets": with_long_offsets(in_front)}


@pytest.mark.parametrize("name", ["index last", "index first", "long offsets"])
@given(sections=st.lists(st.text(max_size=300), max_size=8))
@settings(max_examples=15, deadline=None)
def test_chapters_of_m4a_leave_the_audio_where_it_is_found(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], name: str, sections: list[str]
) -> None:
    song = write_song(tmp_path_factory.mktemp("m4a"), "m4a", files[name])
    before = decoded(song)
    timed = Lyrics(tuple(Line("la", at * 0.1, at * 0.1 + 0.05, text) for at, text in enumerate(sections)))
    written = media.tag(song, clip(), timeline=timed)
    once = song.read_bytes()

    assert decoded(song) == before
    assert chapters_by_av(song) == [(one.title, one.start) for one in written.chapters]
    media.tag(song, clip(), timeline=timed)
    assert song.read_bytes() == once
    media.tag(song, clip(), timeline=Lyrics())
    assert chapters_by_av(song) == [("Intro", 1.0), ("A much longer name of a verse", 2.004), ("End", 3.5)]
    assert decoded(song) == before


def test_chapters_of_m4a_are_at_most_255_of_255_bytes(tmp_path: Path) -> None:
    song = write_song(tmp_path, "m4a")
    lines = tuple(Line("la", at * 0.01, at * 0.01 + 0.005, f"{at} {'ü' * 200}") for at in range(300))
    media.tag(song, clip(), timeline=Lyrics(lines))

    found = media.read_tags(song).chapters
    assert len(found) == 255
    assert found[0].title == f"0 {'ü' * 126}"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg: apt-get install ffmpeg")
def test_chapters_of_ffmpeg_are_read_and_replaced(tmp_path: Path) -> None:
    source = write_song(tmp_path, "m4a")
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=100\nEND=400\ntitle=Vörse\n")
    song = tmp_path / "song.m4a"
    files = ["-i", str(source), "-i", str(chapters), "-map_chapters", "1", "-c", "copy"]
    subprocess.run(["ffmpeg", "-v", "error", *files, str(song)], check=True)  # noqa: S607 - as the system finds it

    assert [(one.title, one.start) for one in media.read_tags(song).chapters] == [("Vörse", 0.1)]
    media.tag(song, clip(), timeline=Lyrics((Line("la", 0.2, 0.3, "Chorus"),)))
    assert [(one.title, one.start) for one in media.read_tags(song).chapters] == [("Chorus", 0.2)]


def test_chapters_of_an_m4a_with_a_damaged_index_are_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    content = bytearray(files["index first"])
    at = content.index(b"stco") + 8
    content[at : at + 4] = b"\xff" * 4
    song = write_song(tmp_path, "m4a", bytes(content))
    with pytest.raises(errors.TagError, match="its index is damaged"):
        media.tag(song, clip(), timeline=Lyrics())

    assert song.read_bytes() == content
