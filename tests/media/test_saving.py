"""``client.save``: a clip with everything about it, in files of one name."""

import asyncio
import json
import logging
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
from rooms import IN_A_ROOM, require_rooms

from musicapi_async import Clip, MusicAPI, Songs, Word, errors, media
from musicapi_async.sandbox import Fault, Sandbox

FILE = "GET /files/{name}"
ALIGNED = "POST /sonic/aligned-lyrics"
LYRICS = "[Verse 1]\nThe harbour\nsleeps"
WEBM = b"\x1a\x45\xdf\xa3" + bytes(2000)
FULL = """
import pickle, subprocess, sys
from pathlib import Path
from musicapi_sync import MusicAPI, errors

folder, clip, base_url = sys.argv[1:]
disk = Path(folder) / "disk"
disk.mkdir()
clip = pickle.loads(Path(clip).read_bytes())
with MusicAPI("k", base_url=base_url) as client:
    for size in range(100, 320, 8):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", disk], check=True)
        try:
            saved = client.save(clip, disk, tags=True)
            print("tags" if saved.tags else saved.tag_error)
        except errors.DownloadError:
            print("DownloadError")
        subprocess.run(["umount", disk], check=True)
"""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(seconds=0) as quick:
        yield quick


@pytest.fixture
async def songs(client: MusicAPI) -> Songs:
    """Return two songs whose words have times."""
    return await client.riffusion.create(lyrics=LYRICS, title="Harbor", sound="shanty").wait()


@pytest.fixture
async def sonic_song(client: MusicAPI) -> Clip:
    """Return a song with lyrics, whose words have no times yet."""
    return (await client.sonic.create(lyrics=LYRICS, title="Harbor", tags="shanty").wait())[0]


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_save_writes_audio_cover_captions_tags_and_json(client: MusicAPI, songs: Songs, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "songs"

    saved = await client.save(songs[0], folder, cover=True, tags=True, lyrics=("lrc", "vtt"))

    assert list(saved.files) == ["audio", "cover", "lrc", "vtt", "json"]
    assert set(saved.files.values()) == set(folder.iterdir())
    assert {path.name.partition(".")[0].removesuffix("-cover") for path in folder.iterdir()} == {
        f"Harbor-{songs[0].clip_id}"
    }
    tags = await asyncio.to_thread(media.read_tags, saved)
    assert tags == saved.tags
    assert (tags.title, tags.clip_id, tags.genre) == ("Harbor", songs[0].clip_id, "shanty")
    assert [line.text for line in tags.synced] == ["The harbour", "sleeps", ""]
    assert saved.cover is not None
    assert tags.cover == saved.cover.path.read_bytes()
    assert saved.captions["lrc"].read_text() == media.Timeline.of(songs[0]).to_lrc()
    assert saved.captions["vtt"].read_text() == media.Timeline.of(songs[0]).to_vtt()
    content = json.loads(saved.sidecar.read_bytes())
    assert content["clip"]["clip_id"] == content["raw"]["clip_id"] == content["tags"]["clip_id"] == songs[0].clip_id
    assert content["files"] == {name: path.name for name, path in saved.files.items()}
    assert saved.audio.size == saved.audio.path.stat().st_size


async def test_save_by_default_leaves_the_audio_as_it_came(client: MusicAPI, songs: Songs, tmp_path: Path) -> None:
    saved = await client.save(songs[0], tmp_path)

    assert list(saved.files) == ["audio", "cover", "json"]
    assert saved.audio.path.read_bytes() == await client.read(songs[0])
    assert (saved.tags, saved.tag_error) == (None, None)


async def test_save_of_two_clips_of_one_task_gives_distinct_names(
    client: MusicAPI, songs: Songs, tmp_path: Path
) -> None:
    nameless = [attrs.evolve(song, clip_id="") for song in songs]
    alike = [attrs.evolve(song, clip_id=f"0a5d2f34/{end}") for song, end in zip(songs, "ab", strict=True)]

    saved = await asyncio.gather(*(client.save(clip, tmp_path, cover=False) for clip in (*songs, *nameless, *alike)))

    assert len({one.audio.path for one in saved}) == 6
    assert len(list(tmp_path.iterdir())) == 12


async def test_save_again_downloads_and_changes_nothing(
    client: MusicAPI, sandbox: Sandbox, songs: Songs, tmp_path: Path
) -> None:
    first = await client.save(songs[0], tmp_path, tags=True, lyrics=("lrc",))
    before, requests = files_in(tmp_path), len(sandbox.requests(FILE))

    again = await client.save(songs[0], tmp_path, tags=True, lyrics=("lrc",))

    assert again == first
    assert files_in(tmp_path) == before
    assert len(sandbox.requests(FILE)) == requests


async def test_save_after_an_interruption_completes_what_is_missing(
    client: MusicAPI, sandbox: Sandbox, songs: Songs, tmp_path: Path
) -> None:
    whole = await client.save(songs[0], tmp_path / "whole", tags=True, lyrics=("lrc",))
    # As a kill leaves it after the download: neither captions nor tags nor the JSON file.
    audio = await client.save(songs[0], tmp_path / "killed", cover=False)
    audio.sidecar.unlink()
    requests = len(sandbox.requests(FILE))

    completed = await client.save(songs[0], tmp_path / "killed", tags=True, lyrics=("lrc",))

    assert files_in(tmp_path / "killed") == files_in(tmp_path / "whole")
    assert completed.tags == whole.tags
    assert len(sandbox.requests(FILE)) == requests + 1  # the cover


async def test_save_keeps_captions_that_exist_and_writes_those_of_a_given_timeline(
    client: MusicAPI, songs: Songs, tmp_path: Path
) -> None:
    saved = await client.save(songs[0], tmp_path, lyrics=("lrc",))
    saved.captions["lrc"].write_text("[00:01.00]corrected by hand\n")

    await client.save(songs[0], tmp_path, lyrics=("lrc",))
    assert saved.captions["lrc"].read_text() == "[00:01.00]corrected by hand\n"

    timeline = media.Timeline.of([Word("Rain", 1.0, 2.0)])
    again = await client.save(songs[0], tmp_path, tags=True, lyrics=("lrc",), timeline=timeline)
    assert saved.captions["lrc"].read_text() == timeline.to_lrc()
    assert again.tags is not None
    assert [line.text for line in again.tags.synced] == ["Rain", ""]


async def test_save_never_buys_times(
    client: MusicAPI,
    sandbox: Sandbox,
    sonic_song: Clip,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Where logging is not set up, as in a plain script; pytest's own handlers are at the root.
    monkeypatch.setattr(logging.getLogger("musicapi"), "propagate", False)
    saved = await client.save(sonic_song, tmp_path, tags=True, lyrics=("lrc",))

    assert saved.captions == {}
    shown = capsys.readouterr().err
    assert "the times of its words are not known; client.sonic.aligned_lyrics(clip=clip) returns those" in shown
    assert len(sandbox.requests(ALIGNED)) == 0
    timeline = media.Timeline.of(await client.sonic.aligned_lyrics(clip=sonic_song), clip=sonic_song)
    again = await client.save(sonic_song, tmp_path, tags=True, lyrics=("lrc",), timeline=timeline)
    assert again.captions["lrc"].read_text() == timeline.to_lrc()
    assert again.tags is not None
    assert [line.text for line in again.tags.synced] == ["The harbour", "sleeps", ""]


async def test_save_of_an_instrumental_writes_no_captions_and_does_not_warn(
    client: MusicAPI, sonic_song: Clip, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved = await client.save(attrs.evolve(sonic_song, lyrics="[Instrumental]"), tmp_path, lyrics=("srt",))

    assert saved.captions == {}
    assert "captions" not in caplog.text


@pytest.mark.parametrize("fault", [Fault(status=410), Fault(status=200, body=b"<html>")])
async def test_save_without_a_cover_warns(
    fault: Fault,
    client: MusicAPI,
    sandbox: Sandbox,
    songs: Songs,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox.add_fault(FILE, Fault(), fault)

    saved = await client.save(songs[0], tmp_path, tags=True)

    assert saved.cover is None
    assert "no cover for Harbor" in caplog.text
    assert (await client.save(songs[0], tmp_path, tags=True)).tags != saved.tags, "a later call adds it"


async def test_save_of_audio_that_takes_no_tags_keeps_it_and_says_why(
    client: MusicAPI, sandbox: Sandbox, songs: Songs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.add_fault(FILE, Fault(status=200, body=WEBM))

    saved = await client.save(songs[0], tmp_path, tags=True, lyrics=("lrc",))

    assert saved.tags is None
    assert saved.tag_error is not None
    assert saved.tag_error.path == str(saved.audio.path)
    assert "no tags in Harbor" in caplog.text
    assert (saved.audio.path.read_bytes(), saved.audio.format) == (WEBM, "webm")
    assert set(saved.files) == {"audio", "cover", "lrc", "json"}


async def test_save_with_tags_and_without_mutagen_fetches_nothing(
    client: MusicAPI, sandbox: Sandbox, songs: Songs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mutagen", None)

    with pytest.raises(errors.MissingExtraError, match=r"musicapi-async\[media\]"):
        await client.save(songs[0], tmp_path, tags=True)

    assert len(sandbox.requests(FILE)) == 0
    assert set((await client.save(songs[0], tmp_path, lyrics=("lrc",))).files) == {"audio", "cover", "lrc", "json"}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"clip": "c-1"}, "clip"),
        ({"folder": 3}, "folder"),
        ({"folder": "a\0b"}, "folder"),
        ({"cover": "cover.jpg"}, "cover"),
        ({"tags": 1}, "tags"),
        ({"lyrics": "lrc"}, "lyrics"),
        ({"lyrics": ("lrc", "json")}, "lyrics"),
        ({"lyrics": (3,)}, "lyrics"),
        ({"timeline": "[00:01.00]Rain"}, "timeline"),
    ],
)
async def test_save_with_a_wrong_argument_fetches_nothing(
    arguments: dict[str, object], field: str, client: MusicAPI, sandbox: Sandbox, songs: Songs, tmp_path: Path
) -> None:
    given = {"clip": songs[0], "folder": tmp_path / "new", **arguments}
    with pytest.raises(errors.InvalidRequestError) as caught:
        await client.save(**given)  # type: ignore[arg-type]

    assert caught.value.field == field
    assert len(sandbox.requests(FILE)) == 0
    assert not list(tmp_path.iterdir())


async def test_save_of_a_clip_without_audio_raises(client: MusicAPI, songs: Songs, tmp_path: Path) -> None:
    with pytest.raises(errors.DownloadError, match="no finished audio"):
        await client.save(attrs.evolve(songs[0], audio_url=None), tmp_path)


@pytest.mark.parametrize("name", ["", ".json", ".lrc", "-cover.png"])
async def test_save_where_the_disk_takes_no_file_raises_and_the_next_call_completes(
    name: str, client: MusicAPI, songs: Songs, tmp_path: Path
) -> None:
    folder = tmp_path / "songs"
    in_its_place = folder / f"Harbor-{songs[0].clip_id}{name}" if name else folder
    if name:
        await asyncio.to_thread(in_its_place.mkdir, parents=True)
    else:
        in_its_place.write_text("a file")

    with pytest.raises(errors.DownloadError) as caught:
        await client.save(songs[0], folder, tags=True, lyrics=("lrc",))

    assert isinstance(caught.value.__cause__, OSError)
    await asyncio.to_thread(in_its_place.rmdir if name else in_its_place.unlink)
    saved = await client.save(songs[0], folder, tags=True, lyrics=("lrc",))
    assert set(saved.files) == {"audio", "cover", "lrc", "json"}
    assert saved.tags is not None


async def test_save_with_tags_on_a_full_disk_raises_and_records_no_tag_error(
    songs: Songs, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The library for tags wraps errors of the disk in its own."""
    await require_rooms()
    clip = tmp_path / "clip.pickle"
    clip.write_bytes(pickle.dumps(songs[0]))
    arguments = [str(tmp_path), str(clip), sandbox.base_url]
    command = [*IN_A_ROOM, sys.executable, "-c", FULL, *arguments]
    done = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)

    assert set(done.stdout.split()) == {"DownloadError", "tags"}


async def test_save_leaves_other_media_of_its_name_alone(
    client: MusicAPI, songs: Songs, samples: dict[str, bytes], tmp_path: Path
) -> None:
    first = await client.save(songs[0], tmp_path)
    others = {"flac": samples["flac"], "mid": b"MThd" + bytes(100), "mp4": samples["m4a"]}
    for suffix, content in others.items():
        first.audio.path.with_suffix(f".{suffix}").write_bytes(content)

    saved = await client.save(songs[0], tmp_path, tags=True)

    assert saved.audio.path == first.audio.path
    assert saved.tag_error is None
    assert {suffix: saved.audio.path.with_suffix(f".{suffix}").read_bytes() for suffix in others} == others


@pytest.mark.parametrize("edited", [b'{"my": "notes",}', b'["mine"]', b"\xff", b"[" * 100_000])
async def test_save_over_a_json_file_that_cannot_be_read_keeps_it(
    client: MusicAPI, songs: Songs, tmp_path: Path, edited: bytes
) -> None:
    saved = await client.save(songs[0], tmp_path, cover=False)
    for number in (1, 2):
        saved.sidecar.write_bytes(edited)

        await client.save(songs[0], tmp_path, cover=False)

        assert saved.sidecar.with_name(f"{saved.sidecar.name}.{number}.bak").read_bytes() == edited
        assert json.loads(saved.sidecar.read_bytes())["clip"]["clip_id"] == songs[0].clip_id


async def test_save_again_adds_what_is_missing_and_keeps_the_tags_of_the_user(
    client: MusicAPI, songs: Songs, tmp_path: Path
) -> None:
    saved = await client.save(songs[0], tmp_path, cover=False, tags=True)
    mine = attrs.evolve(songs[0], title="Mine", tags="polka", lyrics="La la")
    await asyncio.to_thread(media.tag, saved, mine, artist="Me")

    again = await client.save(songs[0], tmp_path, cover=True, tags=True, timeline=media.Timeline.of(songs[1]))

    assert again.tags is not None
    assert again.tags.cover is not None
    assert (again.tags.title, again.tags.genre, again.tags.lyrics) == ("Mine", "polka", "La la")
    assert again.tags.artist == "Me"


async def test_save_with_less_still_names_the_files_that_are_there(
    client: MusicAPI, songs: Songs, tmp_path: Path
) -> None:
    first = await client.save(songs[0], tmp_path, cover=True, lyrics=("lrc", "srt"))
    first.captions["srt"].unlink()

    await client.save(songs[0], tmp_path, cover=False)

    files = json.loads(first.sidecar.read_bytes())["files"]
    assert list(files) == ["audio", "cover", "lrc", "json"]
