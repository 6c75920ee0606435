"""Bulk runs with tags and captions: what is written, what it costs, and what an interruption leaves."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from bulk.runs import client_of, counts, run

from musicapi_async import bulk, errors, media, riffusion, sonic
from musicapi_async.sandbox import Fault, Sandbox

ALIGNED = "POST /sonic/aligned-lyrics"
CREDITS = 100_000
WANTED = {"tags": True, "lyrics": ("lrc",)}


def song(title: str = "Harbor", **fields: object) -> sonic.Create:
    return sonic.Create(lyrics="[Verse]\nThe harbour\nsleeps", title=title, **fields)  # type: ignore[arg-type]


def spent(sandbox: Sandbox) -> float:
    return CREDITS - sandbox.account("k").credits


async def tags_in(folder: Path) -> list[media.SongTags]:
    return await asyncio.gather(*(asyncio.to_thread(media.read_tags, path) for path in sorted(folder.glob("*.mp3"))))


async def test_run_with_tags_and_lyrics_writes_both_and_pays_once_for_each_clip(
    quick: Sandbox, path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "songs"
    async with client_of(quick.base_url) as client:
        requests = [song(), riffusion.Create(lyrics="Salt on the rope")]
        outcomes = await run(client, path, requests, out=out, tags=True, lyrics=("lrc", "srt"))

    assert [outcome.error for outcome in outcomes] == [None, None]
    for outcome in outcomes:
        assert sorted(outcome.record.files) == sorted(f.name for f in out.glob(f"{outcome.record.number:05}-*"))
        groups = outcome.record.files_by_clip()
        assert [[name.rpartition(".")[2] for name in group] for group in groups] == [
            ["mp3", "png", "lrc", "srt", "json"]
        ] * 2 + [[]]
    tags = await tags_in(out)
    assert [one.title for one in tags] == ["Harbor"] * 2 + ["Salt On The Rope"] * 2
    assert all(one.synced and one.cover and one.task_id for one in tags)
    assert (len(quick.requests(ALIGNED)), spent(quick)) == (2, 20 + 12 + 2)
    async with bulk.open(path) as journal:
        assert await journal.recall("other charges") == 2


async def test_run_with_tags_alone_fetches_no_times(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    async with client_of(quick.base_url) as client:
        await run(client, path, [song()], out=tmp_path / "songs", tags=True)

    assert [one.title for one in await tags_in(tmp_path / "songs")] == ["Harbor"] * 2
    assert len(quick.requests(ALIGNED)) == 0


async def test_run_fetches_no_times_of_instrumentals_and_stems(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    async with client_of(quick.base_url) as client:
        (outcome,) = await run(client, path, [sonic.Create(lyrics="[Instrumental]")], out=tmp_path / "a", **WANTED)
        stems = sonic.BasicStems(clip=outcome.result[0])
        await run(client, path, [stems], out=tmp_path / "b", **WANTED)

    assert len(quick.requests(ALIGNED)) == 0
    assert len(await tags_in(tmp_path / "b")) == 2


@pytest.mark.parametrize("fault", [Fault(drop=True, accepted=True), Fault(status=502, body=b"<html>bad gateway")])
async def test_run_whose_times_did_not_come_completes_its_songs_in_the_next_run(
    fault: Fault, quick: Sandbox, path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "songs"
    quick.add_fault(ALIGNED, fault)
    async with client_of(quick.base_url, max_attempts=1) as client:
        (outcome,) = await run(client, path, [song()], out=out, **WANTED)
        assert isinstance(outcome.error, errors.UncertainSubmissionError)
        assert outcome.record.state == "finished"
        assert len(list(out.glob("*.mp3"))) == 2, "the songs themselves are there"
        downloads = len(quick.requests("GET /files/{name}"))
        (outcome,) = await run(client, path, out=out, **WANTED)

    assert outcome.record.state == "saved"
    assert all(one.synced for one in await tags_in(out))
    assert len(list(out.glob("*.lrc"))) == 2
    assert len(quick.tasks) == 1
    assert len(quick.requests("GET /files/{name}")) == downloads
    # The service charges for the times of a clip once.
    assert spent(quick) == 20 + 2


async def test_run_saves_a_song_without_captions_when_its_times_fail_again(
    quick: Sandbox, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "songs"
    quick.add_fault(ALIGNED, *[Fault(status=500)] * 4)
    async with client_of(quick.base_url, max_attempts=1) as client:
        await run(client, path, [song()], out=out, **WANTED)
        (outcome,) = await run(client, path, out=out, **WANTED)

    assert outcome.record.state == "saved"
    assert "no times for" in caplog.text
    assert [(one.title, one.synced) for one in await tags_in(out)] == [("Harbor", ())] * 2


async def test_run_whose_times_are_refused_saves_its_songs_at_once(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    missing = Fault(status=404, body={"error": "clip not found or has no lyrics"})
    quick.add_fault(ALIGNED, missing, missing)
    async with client_of(quick.base_url) as client:
        (outcome,) = await run(client, path, [song()], out=tmp_path / "songs", **WANTED)

    assert outcome.record.state == "saved"
    async with bulk.open(path) as journal:
        assert await journal.recall("other charges") == 0


async def test_run_pays_for_times_only_within_max_credits(
    quick: Sandbox, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "songs"
    async with client_of(quick.base_url) as client:
        (outcome,) = await run(client, path, [song()], out=out, max_credits=21, **WANTED)
        assert outcome.record.state == "saved"
        assert spent(quick) == 21
        assert len(list(out.glob("*.lrc"))) == 1
        assert caplog.text.count("no times for") == 1
        # The next run counts what the times have cost: 21 + 20 > 40.
        with pytest.raises(errors.BudgetExceededError) as caught:
            await run(client, path, [song(), song("Other")], out=out, max_credits=40, **WANTED)

    assert caught.value.spent == 21
    assert await counts(path) == {"planned": 1, "saved": 1}


async def test_run_keeps_the_times_it_has_paid_for_although_the_disk_takes_no_captions(
    quick: Sandbox, path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "songs"
    # The names of the only song's files are known beforehand: the template leaves nothing of its id.
    in_its_place = out / "c.lrc"
    await asyncio.to_thread(in_its_place.mkdir, parents=True)
    quick.end_next("partial")
    async with client_of(quick.base_url) as client:
        with pytest.raises(errors.DownloadError):
            await run(client, path, [song()], out=out, names="c{clip_id:.0}.{ext}", **WANTED)
        await asyncio.to_thread(in_its_place.rmdir)
        (outcome,) = await run(client, path, out=out, names="c{clip_id:.0}.{ext}", **WANTED)

    assert outcome.record.state == "saved"
    assert len(quick.requests(ALIGNED)) == 1
    assert [line.text for line in (await tags_in(out))[0].synced] == ["The harbour", "sleeps", ""]


async def test_songs_saved_without_tags_stay_as_they_are(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "songs"
    async with client_of(quick.base_url) as client:
        await run(client, path, [song()], out=out)
        assert await run(client, path, [song()], out=out, **WANTED) == []

    assert {one.clip_id for one in await tags_in(out)} == {None}


async def test_tags_and_lyrics_are_refused_before_anything_is_sent(
    quick: Sandbox, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of(quick.base_url) as client, bulk.open(path) as journal:
        with pytest.raises(errors.InvalidRequestError, match="lyrics has the format 'txt'"):
            bulk.run(client, journal, [song()], out=tmp_path, lyrics=("txt",))  # type: ignore[arg-type]
        for options in ({"tags": True}, {"lyrics": ("lrc",)}):
            with pytest.raises(errors.InvalidRequestError, match="out is None"):
                bulk.run(client, journal, [song()], **options)
        monkeypatch.setitem(sys.modules, "mutagen", None)
        with pytest.raises(errors.MissingExtraError):
            bulk.run(client, journal, [song()], out=tmp_path, tags=True)

    assert not quick.requests()


async def test_run_removes_the_partial_files_of_processes_killed_long_ago(
    quick: Sandbox, path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "songs"
    out.mkdir()
    old = [out / name for name in (".0123456789abcdef.part", ".a-song.lrc.01234567.part")]
    others = [out / name for name in (".fedcba9876543210.part", ".mine.part", "01234567.part")]
    for file in (*old, *others):
        file.write_bytes(b"")
    for file in (*old, *others[1:]):
        os.utime(file, (0, 0))

    async with client_of(quick.base_url) as client:
        await run(client, path, [], out=out)

    assert set(out.iterdir()) == set(others)
