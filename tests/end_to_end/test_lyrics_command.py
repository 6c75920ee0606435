"""``musicapi lyrics``: captions of songs that were saved earlier."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import MusicAPI, served

from musicapi_async import Clip
from musicapi_async.sandbox import Fault, Sandbox

ALIGNED = "POST /sonic/aligned-lyrics"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(0.1) as quick:
        yield quick


def saved_song(musicapi: MusicAPI, sandbox: Sandbox, folder: Path, family: str) -> Path:
    """Save a song and return the path of its audio."""
    words = folder / "lyrics.txt"
    words.write_text("[Verse 1]\nThe harbour\nsleeps\n", "utf-8")
    out = folder / "songs"
    done = musicapi("generate", "--lyrics", str(words), "--family", family, "--out", str(out), sandbox=sandbox)
    assert done.code == 0, done.err
    return next(path for path in sorted(out.iterdir()) if path.suffix in {".mp3", ".wav"})


def test_lyrics_of_a_saved_song_are_written_beside_its_audio(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    song = saved_song(musicapi, sandbox, tmp_path, "riffusion")

    done = musicapi("lyrics", str(song), "--as", "lrc,srt,vtt,ass")

    assert (done.code, done.err) == (0, "")
    assert done.out.split() == [str(song.with_suffix(f".{name}")) for name in ("lrc", "srt", "vtt", "ass")]
    lines = [line.partition("]")[2] for line in song.with_suffix(".lrc").read_text("utf-8").splitlines()]
    assert lines[-3:] == ["The harbour", "sleeps", ""]
    again = musicapi("lyrics", str(song.with_suffix(".json")), "--json")
    assert again.json["files"] == [str(song.with_suffix(".lrc"))]


def test_lyrics_without_times_are_fetched_only_with_the_option(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    song = saved_song(musicapi, sandbox, tmp_path, "sonic")
    files = sorted(os.listdir(song.parent))

    refused = musicapi("lyrics", str(song), sandbox=sandbox)
    assert refused.code == 2
    assert "--fetch" in refused.err
    assert "1 credit" in refused.err
    assert sorted(os.listdir(song.parent)) == files

    done = musicapi("lyrics", str(song), "--fetch", sandbox=sandbox)
    assert (done.code, done.err) == (0, "")
    lines = [line.partition("]")[2] for line in song.with_suffix(".lrc").read_text("utf-8").splitlines()]
    assert lines[-3:] == ["The harbour", "sleeps", ""]


def test_lyrics_of_a_folder_are_written_for_each_of_its_songs(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    song = saved_song(musicapi, sandbox, tmp_path, "sonic")
    songs = sorted(path for path in song.parent.iterdir() if path.suffix == song.suffix)
    song.with_name("notes.json").write_text("{}")

    refused = musicapi("lyrics", str(song.parent))
    assert refused.code == 2
    assert f"{len(songs)} songs have no times" in refused.err.replace("\n", " ")

    done = musicapi("lyrics", str(song.parent), "--fetch", sandbox=sandbox)
    assert (done.code, done.err) == (0, "")
    assert done.out.split() == [str(path.with_suffix(".lrc")) for path in songs]


def test_lyrics_of_a_folder_without_songs_exit_with_2(musicapi: MusicAPI, tmp_path: Path) -> None:
    done = musicapi("lyrics", str(tmp_path))

    assert done.code == 2
    assert "there is no song that was saved by musicapi" in done.err.replace("\n", " ")


def test_lyrics_of_a_song_that_is_named_twice_are_fetched_once(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    song = saved_song(musicapi, sandbox, tmp_path, "sonic")

    done = musicapi("lyrics", str(song), str(song.with_suffix(".json")), "--fetch", sandbox=sandbox)

    assert (done.code, done.out.split()) == (0, [str(song.with_suffix(".lrc"))])
    assert len(sandbox.requests(ALIGNED)) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot read"),
        ("{", "not JSON"),
        ("[]", "no clip"),
        ('{"raw": {}}', "no clip"),
        ('{"clip": {}}', "no clip"),
    ],
)
def test_lyrics_of_what_is_no_saved_song_exit_with_2(
    musicapi: MusicAPI, tmp_path: Path, content: str | None, expected: str
) -> None:
    song = tmp_path / "harbor.mp3"
    if content is not None:
        song.with_suffix(".json").write_text(content)

    done = musicapi("lyrics", str(song))

    assert done.code == 2
    assert expected in done.err
    assert "harbor.json" in done.err.replace("\n", "")


def test_lyrics_of_a_song_without_the_services_own_object_can_be_fetched(musicapi: MusicAPI, tmp_path: Path) -> None:
    song = tmp_path / "harbor.json"
    song.write_text(json.dumps({"clip": Clip(clip_id="c-1", title="Harbor").to_dict()}))

    done = musicapi("lyrics", str(song))

    assert done.code == 2
    assert "--fetch" in done.err


@pytest.mark.parametrize("formats", ["txt", "lrc,json", ""])
def test_lyrics_in_an_unknown_format_exit_with_2(musicapi: MusicAPI, tmp_path: Path, formats: str) -> None:
    done = musicapi("lyrics", str(tmp_path / "harbor.mp3"), "--as", formats)

    assert done.code == 2
    assert "lrc,srt,vtt,ass" in done.err


def test_lyrics_of_an_instrumental_write_nothing_and_warn(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    song = saved_song(musicapi, sandbox, tmp_path, "sonic")
    empty = {"code": 200, "data": {"alignment": []}, "message": "success"}
    sandbox.add_fault(ALIGNED, Fault(status=200, body=empty))

    done = musicapi("lyrics", str(song), "--fetch", sandbox=sandbox)

    assert done.code == 0
    assert "has no lyrics" in done.err
    assert not song.with_suffix(".lrc").exists()
    assert json.loads(song.with_suffix(".json").read_bytes())["clip"]["clip_id"]
