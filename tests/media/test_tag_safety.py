"""Tagging that fails, or is killed: the old file or the new one, and never a file of less audio."""

import itertools
import json
import os
import resource
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_songs import CODECS, JPEG, Lyrics, clip, decoded, encode, found_by_av, stream_wave, write_cover, write_song

from musicapi_async import errors, media

FORMATS = tuple(CODECS)
TIMED = Lyrics()


def test_tag_keeps_the_mode_of_the_file_and_leaves_no_other(song: Path) -> None:
    song.chmod(0o640)
    media.tag(song, clip())

    assert stat.S_IMODE(song.stat().st_mode) == 0o640
    assert sorted(os.listdir(song.parent)) == sorted([song.name, "harbor.json"])


def test_tag_of_a_file_with_the_longest_name_writes_its_json_file_too(
    samples: dict[str, bytes], tmp_path: Path
) -> None:
    song = tmp_path / f"{'x' * 250}.wav"
    song.write_bytes(samples["wav"])
    media.tag(song, clip())

    assert sorted(os.listdir(tmp_path)) == [song.with_suffix(".json").name, song.name]


def test_tag_of_a_link_tags_the_file_behind_it(song: Path) -> None:
    link = song.with_name("link")
    link.symlink_to(song)
    media.tag(link, clip())

    assert link.is_symlink()
    assert media.read_tags(song).title == clip().title


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


def calls_in_a_child(work: Callable[[], None], kill_at: int | None = None) -> int | None:
    """Run work in a copy of this process that is killed before that call of a built-in function.

    Return the number of such calls; None when it was killed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        calls = itertools.count(1)

        def count(_frame: object, event: str, _argument: object) -> None:
            if event == "c_call" and next(calls) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.setprofile(count)
            work()
            sys.setprofile(None)
            os.write(writing, str(next(calls)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        calls_made = pipe.read()
    os.waitpid(child, 0)
    return int(calls_made) if calls_made else None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it kills copies of this process")
def test_tag_that_is_killed_leaves_the_old_file_or_the_new_one(song: Path) -> None:
    def tag() -> None:
        media.tag(song, clip(title="new"), timeline=TIMED)

    media.tag(song, clip(title="old"))
    old = song.read_bytes()
    calls = calls_in_a_child(tag)
    new = song.read_bytes()
    assert calls is not None
    # Places all over the work, and each of the last ones: there the files are replaced.
    places = {*range(1, calls, calls // 6), *range(calls - 14, calls)}
    seen = []
    for place in places:
        song.write_bytes(old)
        if calls_in_a_child(tag, place) is None:
            seen.append(song.read_bytes())
        assert json.loads(song.with_suffix(".json").read_text())["clip"]["title"] in {"old", "new"}

    assert len(seen) > len(places) // 2
    assert set(seen) == {old, new}


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


def test_tag_whose_sidecar_cannot_be_written_leaves_the_file(tmp_path: Path) -> None:
    song = write_song(tmp_path, "mp3")
    before = song.read_bytes()
    song.with_suffix(".json").mkdir()
    with pytest.raises(errors.TagError, match="directory"):
        media.tag(song, clip())

    assert song.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["harbor.json", "harbor.mp3"]


@pytest.mark.parametrize("suffix", ["mp3", "wav"])
def test_tag_on_a_full_disk_leaves_the_file(tmp_path: Path, suffix: str) -> None:
    song = write_song(tmp_path, suffix)
    before = song.read_bytes()
    media.read_tags(song)  # what it imports may be written too
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(errors.TagError, match="File too large"):
            media.tag(song, clip())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert song.read_bytes() == before
    assert os.listdir(tmp_path) == [song.name]


def test_tag_by_several_threads_leaves_a_file_of_one_of_them(song: Path) -> None:
    titles = [f"song {number}" for number in range(8)]
    before = decoded(song)
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda title: media.tag(song, clip(title=title), timeline=TIMED), titles))

    assert {tags.title for tags in written} == set(titles)
    assert media.read_tags(song) in written
    assert decoded(song) == before
    assert sorted(os.listdir(song.parent)) == sorted([song.name, "harbor.json"])


@contextmanager
def without_rights() -> Iterator[None]:
    """Work as a user who may write only what everyone may."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that other users can read too, as those of pytest cannot be."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_tag_in_a_read_only_folder_says_so(open_folder: Path) -> None:
    song = write_song(open_folder, "mp3")
    before = song.read_bytes()
    song.chmod(0o666)
    media.read_tags(song)
    open_folder.chmod(0o555)
    with without_rights(), pytest.raises(errors.TagError, match="no file can be written beside it: Permission denied"):
        media.tag(song, clip())

    assert song.read_bytes() == before
    assert os.listdir(open_folder) == [song.name]


def test_tag_of_an_unreadable_file_raises(open_folder: Path) -> None:
    song = write_song(open_folder, "mp3")
    media.read_tags(song)
    song.chmod(0)
    with without_rights():
        with pytest.raises(errors.TagError, match="Permission denied"):
            media.tag(song, clip())
        with pytest.raises(errors.TagError, match="Permission denied"):
            media.read_tags(song)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_tag_by_root_keeps_the_owner_of_the_file(tmp_path: Path) -> None:
    song = write_song(tmp_path, "mp3")
    os.chown(song, 1234, 5678)
    media.tag(song, clip())

    assert (song.stat().st_uid, song.stat().st_gid) == (1234, 5678)


def test_tag_of_a_link_to_itself_raises(tmp_path: Path) -> None:
    link = tmp_path / "harbor.mp3"
    link.symlink_to(link)
    with pytest.raises(errors.TagError, match="Too many levels of symbolic links"):
        media.tag(link, clip())
    with pytest.raises(errors.TagError, match="Too many levels of symbolic links"):
        media.read_tags(link)


def test_tag_of_a_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(errors.TagError, match="Is a directory"):
        media.tag(tmp_path, clip())


def test_tag_of_a_wav_that_would_exceed_4_gib_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    song = write_song(tmp_path, "wav", stream_wave())
    size = 0xFFFFFFFF + 8  # the largest that a WAV file can have
    with song.open("rb+") as file:
        file.truncate(size)  # sparse: it takes no space
    with pytest.raises(errors.TagError, match="4 GiB"):
        media.tag(song, clip())

    assert song.stat().st_size == size
    assert os.listdir(tmp_path) == [song.name]


ID3_BEFORE = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
ID3_AFTER = b"TAG" + b"old".ljust(125, b"\0")
APE_AFTER = b"APETAGEX\xd0\x07\0\0\x20" + bytes(19)


@pytest.mark.parametrize(
    ("suffix", "before", "after"),
    [("flac", ID3_BEFORE, b""), ("mp3", ID3_BEFORE, ID3_AFTER), ("mp3", b"", APE_AFTER), ("mp3", b"", ID3_AFTER)],
)
def test_tag_of_a_file_with_other_tags_around_it_keeps_its_audio(
    tmp_path: Path, samples: dict[str, bytes], suffix: str, before: bytes, after: bytes
) -> None:
    song = write_song(tmp_path, suffix, before + samples[suffix] + after)
    audio = decoded(song)
    media.tag(song, clip(), timeline=TIMED)
    once = song.read_bytes()
    media.tag(song, clip(), timeline=TIMED)

    assert decoded(song) == audio
    assert song.read_bytes() == once
    assert media.read_tags(song).title == clip().title
    # An old tag at the end does not show another title.
    assert b"old" not in once
    assert once.count(b"TAG") == after.count(b"TAG")
