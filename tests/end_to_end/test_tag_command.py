"""``--tags`` and ``--lyrics-as`` of the commands that make songs, and ``musicapi tag`` for songs made earlier."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from commands import KEY, Finished, MusicAPI, names_in, served
from media_songs import encode

from musicapi_async import media
from musicapi_async.sandbox import Fault, Sandbox

CREATE: Final = "POST /sonic/create"
ALIGNED: Final = "POST /sonic/aligned-lyrics"
FILE: Final = "GET /files/{name}"
WANTED: Final = ("--tags", "--lyrics-as", "lrc,srt")
WEBM: Final = b"\x1a\x45\xdf\xa3" + bytes(2000)
"""The beginning of audio that takes no tags."""
LYRICS: Final = "[Verse 1]\nThe harbour\nsleeps\n"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(0.05) as quick:
        yield quick


def spent(sandbox: Sandbox) -> float:
    return 1000 - sandbox.account(KEY).credits


def songs_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in {".mp3", ".wav", ".webm"})


def generate(musicapi: MusicAPI, sandbox: Sandbox, *options: str, family: str = "sonic") -> Finished:
    Path("lyrics.txt").write_text(LYRICS, "utf-8")
    arguments = ("--lyrics", "lyrics.txt", "--family", family, "--out", "songs")
    return musicapi("generate", *arguments, *options, sandbox=sandbox)


def test_generate_with_tags_and_lyrics_writes_both(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    done = generate(musicapi, sandbox, *WANTED, "--json")

    assert done.code == 0
    for clip in done.json["clips"]:
        assert list(clip["files"]) == ["audio", "cover", "lrc", "srt", "json"]
        assert "sleeps" in Path(clip["files"]["lrc"]).read_text("utf-8")
        tags = media.read_tags(clip["files"]["audio"])
        assert (tags.clip_id, tags.task_id) == (clip["clip_id"], done.json["task_id"])
        assert [line.text for line in tags.synced] == ["The harbour", "sleeps", ""]
    assert len(names_in(tmp_path / "songs")) == 10
    assert (len(sandbox.requests(ALIGNED)), spent(sandbox)) == (2, 22)


def test_generate_whose_times_cannot_be_had_saves_the_songs(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    missing = Fault(status=404, body={"error": "clip not found or has no lyrics"})
    sandbox.add_fault(ALIGNED, missing, missing)

    done = generate(musicapi, sandbox, *WANTED)

    assert done.code == 0
    assert done.err.count("warning: no times of the words of") == 2
    assert [media.read_tags(path).lyrics for path in songs_in(Path("songs"))] == [LYRICS.strip()] * 2


def test_generate_of_audio_that_takes_no_tags_keeps_it_and_warns(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    sandbox.add_fault(FILE, *[Fault(status=200, body=WEBM)] * 2)

    done = generate(musicapi, sandbox, "--tags", "--json")

    assert done.code == 0
    assert done.err.count("warning: no tags in") == 2
    assert all(clip["tag_error"] for clip in done.json["clips"])
    assert [path.read_bytes() for path in songs_in(Path("songs"))] == [WEBM] * 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("generate", "rain", "--lyrics-as", "lrc,txt"),
            "--lyrics-as has the format 'txt'; use one or more of lrc,srt,vtt,ass",
        ),
        (("generate", "rain", "--lyrics-as", ""), "--lyrics-as has the format ''"),
        (("generate", "rain", "--tags", "sea shanty"), "styles are given with --style"),
        (("generate", "rain", "--tags"), "pip install 'musicapi-async[media]'"),
        (("task", "t-1", "--download", "songs", "--tags"), "pip install 'musicapi-async[media]'"),
        (("task", "t-1", "--lyrics-as", "lrc"), "--download DIR"),
        (("bulk", "requests.jsonl", "--out", "songs", "--tags"), "pip install 'musicapi-async[media]'"),
        (("bulk", "requests.jsonl", "--out", "songs", "--lyrics-as", "txt"), "--lyrics-as has the format 'txt'"),
        (("tag", "."), "pip install 'musicapi-async[media]'"),
    ],
)
def test_tags_and_lyrics_are_refused_before_anything_is_sent(
    arguments: tuple[str, ...], words: str, musicapi: MusicAPI, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("requests.jsonl").write_text('{"operation": "sonic.describe", "description": "rain"}\n', "utf-8")
    monkeypatch.setitem(sys.modules, "mutagen", None)

    done = musicapi(*arguments, sandbox=sandbox)

    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert not sandbox.requests()
    assert names_in(Path()) == ["requests.jsonl"]


def test_task_that_is_resumed_gets_the_tags_and_captions_that_were_requested(musicapi: MusicAPI) -> None:
    with served(60) as slow:
        stopped = generate(musicapi, slow, *WANTED, "--timeout", "0.1", "--json")
        resume = stopped.json["error"]["resume"]
        assert resume.endswith("--download songs --tags --lyrics-as lrc,srt")
        slow.advance(120)
        assert musicapi(*resume.split()[1:], sandbox=slow).code == 0
        downloads = len(slow.requests(FILE))
        tags = [media.read_tags(path) for path in songs_in(Path("songs"))]
        assert [len(one.synced) for one in tags] == [3, 3]
        before = {path: path.read_bytes() for path in Path("songs").iterdir()}

        again = musicapi(*resume.split()[1:], sandbox=slow)

        assert again.code == 0
        assert {path: path.read_bytes() for path in Path("songs").iterdir()} == before
        assert (len(slow.requests(FILE)), len(slow.requests(ALIGNED))) == (downloads, 2)


def test_task_resumed_beside_the_files_of_another_clip_leaves_those(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    done = generate(musicapi, sandbox, "--json")
    songs = [path.read_bytes() for path in songs_in(Path("songs"))]
    for clip in done.json["clips"]:
        about = Path(clip["files"]["json"])
        content = json.loads(about.read_bytes())
        about.write_text(json.dumps(content | {"clip": {"clip_id": "another"}}), "utf-8")
        Path(clip["files"]["audio"]).write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x00another song")
    others = {path: path.read_bytes() for path in Path("songs").iterdir()}

    for _ in range(2):
        resumed = musicapi("task", done.json["task_id"], "--download", "songs", "--json", sandbox=sandbox)
        assert resumed.code == 0
        assert sorted(Path(clip["files"]["audio"]).read_bytes() for clip in resumed.json["clips"]) == sorted(songs)

    assert {path: path.read_bytes() for path in others} == others
    assert len(names_in(Path("songs"))) == 12


def test_tag_writes_the_tags_of_songs_made_earlier_once(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    made = generate(musicapi, sandbox, "--json", family="riffusion")
    songs = songs_in(Path("songs"))

    done = musicapi("tag", "songs")

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [*(f"tagged: {path}" for path in songs), "2 tagged"]
    for path in songs:
        tags = media.read_tags(path)
        assert tags.task_id == made.json["task_id"]
        assert [line.text for line in tags.synced] == ["The harbour", "sleeps", ""]
        assert tags.cover == path.with_name(f"{path.stem}-cover.png").read_bytes()
    again = musicapi("tag", str(songs[0]), str(songs[1].with_suffix(".json")), "--json")
    assert again.json == {"files": [{"path": str(path), "result": "unchanged", "reason": ""} for path in songs]}


def test_tag_adds_the_lines_whose_times_were_fetched_since(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    generate(musicapi, sandbox, "--tags")
    song = songs_in(Path("songs"))[0]
    assert media.read_tags(song).synced == ()
    assert musicapi("lyrics", str(song), "--fetch", sandbox=sandbox).code == 0

    done = musicapi("tag", "songs", sandbox=sandbox)

    assert (done.code, done.out.splitlines()[-1]) in {(0, "1 tagged, 1 unchanged"), (0, "1 unchanged, 1 tagged")}
    assert len(media.read_tags(song).synced) == 3


def test_tag_leaves_other_files_as_they_are_and_names_what_takes_no_tags(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    generate(musicapi, sandbox)
    first, second = songs_in(Path("songs"))
    first.unlink()
    first.with_suffix(".webm").write_bytes(WEBM)
    second.unlink()
    foreign = {
        "mine.mp3": encode("mp3", 0.5),
        "package.mp3": encode("mp3", 0.5),
        "package.json": b'{"name": "x"}',
        "broken.json": b"{",
        "musicapi-task-t.json": b'{"task_id": "t"}',
        "notes.txt": b"text",
    }
    for name, content in foreign.items():
        Path("songs", name).write_bytes(content)
    before = {path: path.read_bytes() for path in Path("songs").iterdir()}

    done = musicapi("tag", "songs", "--json")

    assert (done.code, done.json["error"]["type"]) == (11, "TagError")
    assert first.with_suffix(".webm").name in done.err
    found = {Path(one["path"]).name: (one["result"], one["reason"]) for one in done.json["files"]}
    assert found.pop(first.with_suffix(".webm").name)[0] == "failed"
    assert found == {
        second.with_suffix(".json").name: ("skipped", "no audio beside it"),
        "mine.mp3": ("skipped", "no JSON file beside it"),
        "package.mp3": ("skipped", "not saved by musicapi"),
        "broken.json": ("skipped", "not saved by musicapi"),
        "musicapi-task-t.json": ("skipped", "not saved by musicapi"),
    }
    assert {path: path.read_bytes() for path in Path("songs").iterdir()} == before


@pytest.mark.parametrize("path", [".", "missing"])
def test_tag_without_a_song_exits_with_2(musicapi: MusicAPI, path: str) -> None:
    done = musicapi("tag", path)

    assert done.code == 2
    assert "there is no" in done.err


def test_bulk_with_tags_and_lyrics_writes_both_and_the_dry_run_names_their_price(
    musicapi: MusicAPI, sandbox: Sandbox
) -> None:
    line = {"operation": "sonic.create", "lyrics": LYRICS, "title": "Harbor"}
    Path("requests.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    arguments = ("bulk", "requests.jsonl", "--out", "songs", *WANTED)

    dry = musicapi(*arguments, "--dry-run", sandbox=sandbox)
    assert (dry.code, len(sandbox.requests(CREATE))) == (0, 0)
    assert "sonic.aligned_lyrics  2  2 credits, at most" in dry.out
    assert "about 22 credits" in dry.out

    done = musicapi(*arguments, sandbox=sandbox)
    assert done.code == 0, done.err
    assert [len(media.read_tags(path).synced) for path in songs_in(Path("songs"))] == [3, 3]
    assert sorted(path.suffix for path in Path("songs").glob("00001-*")) == sorted(
        [songs_in(Path("songs"))[0].suffix, ".png", ".lrc", ".srt", ".json"] * 2
    )
    assert (len(sandbox.requests(ALIGNED)), spent(sandbox)) == (2, 22)
    assert musicapi("bulk", "report", "songs").code == 0
    assert "<dd>22</dd>" in Path("songs/index.html").read_text("utf-8")


def test_bulk_that_is_stopped_names_its_tags_and_captions_in_the_command_that_resumes_it(
    musicapi: MusicAPI, sandbox: Sandbox
) -> None:
    Path("requests.jsonl").write_text('{"operation": "sonic.describe", "description": "rain"}\n', "utf-8")
    sandbox.add_fault(CREATE, Fault(status=401, body={"error": "Invalid API key."}))

    done = musicapi("bulk", "requests.jsonl", "--out", "songs", *WANTED, sandbox=sandbox)

    assert done.code == 3
    assert "musicapi bulk requests.jsonl --out songs --tags --lyrics-as lrc,srt" in done.out
