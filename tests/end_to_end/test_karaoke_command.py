"""``musicapi karaoke``: pages of songs that were saved earlier."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import MusicAPI, names_in, served

from musicapi_async import Clip
from musicapi_async.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(0.1) as quick:
        yield quick


def save_songs(musicapi: MusicAPI, sandbox: Sandbox, folder: Path, family: str) -> None:
    words = folder / "lyrics.txt"
    words.write_text("[Verse 1]\nThe harbour\nsleeps\n", "utf-8")
    given = ("--lyrics", str(words), "--title", "Harbor", "--family", family, "--out", str(folder / "songs"))
    done = musicapi("generate", *given, sandbox=sandbox)
    assert done.code == 0, done.err


def test_karaoke_writes_a_page_beside_each_song(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    save_songs(musicapi, sandbox, tmp_path, "riffusion")
    (tmp_path / "songs" / "other.json").write_text("[]")
    songs = [path for path in sorted((tmp_path / "songs").glob("*.json")) if path.name != "other.json"]

    done = musicapi("karaoke", "songs")

    assert (done.code, done.err) == (0, "")
    pages = [song.with_suffix(".html") for song in songs]
    assert done.out.split() == [str(page.relative_to(tmp_path)) for page in pages]
    for page in pages:
        text = page.read_text("utf-8")
        assert "The harbour\nsleeps" in text
        assert f'data-audio="{page.stem}.' in text
        assert f'<img src="{page.stem}-cover.' in text
        assert "<title>Harbor</title>" in text
    again = musicapi("karaoke", "songs", "--json")
    assert again.json == {"pages": [str(page.relative_to(tmp_path)) for page in pages], "skipped": {}}


def test_karaoke_of_songs_without_times_names_them_and_says_how_to_get_them(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    save_songs(musicapi, sandbox, tmp_path, "sonic")
    songs = sorted((tmp_path / "songs").glob("*.json"))
    files = names_in(tmp_path / "songs")

    refused = musicapi("karaoke", "songs")

    assert refused.code == 2
    assert f"no times of its words: {songs[0].stem}, {songs[1].stem}" in refused.err
    assert "--fetch" in refused.err
    assert names_in(tmp_path / "songs") == files

    assert musicapi("lyrics", str(songs[0]), "--fetch", sandbox=sandbox).code == 0
    done = musicapi("karaoke", "songs", "--json")
    assert done.code == 0
    assert done.json["pages"] == [f"songs/{songs[0].stem}.html"]
    assert done.json["skipped"] == {"no times of its words": [f"songs/{songs[1].name}"]}
    assert songs[1].stem in done.err
    assert "The harbour\nsleeps" in songs[0].with_suffix(".html").read_text("utf-8")


def test_lyrics_that_were_fetched_are_not_paid_for_again(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    save_songs(musicapi, sandbox, tmp_path, "sonic")
    song = min((tmp_path / "songs").glob("*.json"))
    assert musicapi("lyrics", str(song), "--fetch", sandbox=sandbox).code == 0
    before = song.with_suffix(".lrc").read_text("utf-8")
    kept = json.loads(song.read_bytes())
    assert {"request", "clip", "raw", "aligned_lyrics"} <= set(kept)
    song.with_suffix(".lrc").unlink()

    # Without a server, and without the option.
    assert musicapi("lyrics", str(song)).code == 0
    assert song.with_suffix(".lrc").read_text("utf-8") == before


def test_karaoke_of_songs_without_audio_or_words_names_them(musicapi: MusicAPI, tmp_path: Path) -> None:
    timed = {"timestamp": {"words": [{"text": "la", "start": 0.0, "end": 1.0}]}}
    for name, words in (("silent", timed), ("instrumental", {}), ("sung", timed)):
        raw = {"clip_id": name, **words}
        held = {"clip": Clip(clip_id=name).to_dict(), "raw": raw, "aligned_lyrics": {"words": []}}
        (tmp_path / f"{name}.json").write_text(json.dumps(held if not words else held | {"aligned_lyrics": None}))
        if name != "silent":
            (tmp_path / f"{name}.mp3").write_bytes(b"ID3" + bytes(20))
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "sung.flac").write_text("of the user")
    (tmp_path / "sung.mid").write_bytes(b"MThd" + bytes(20))

    done = musicapi("karaoke", ".")

    assert done.code == 0
    assert done.out.split() == ["sung.html"]
    assert "sung.mp3" in (tmp_path / "sung.html").read_text("utf-8")
    assert "its JSON file cannot be read: folder" in done.err
    assert "no audio file beside it: silent" in done.err
    assert "no lyrics: instrumental" in done.err


@pytest.mark.parametrize("name", ["missing", "file.txt", "empty"])
def test_karaoke_of_no_songs_exits_with_2(musicapi: MusicAPI, name: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "empty").mkdir()

    done = musicapi("karaoke", name)

    assert done.code == 2
    assert name in done.err
