"""Bulk runs whose files are saved in S3: what is there, also after faults, and what other programs have put there."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any, Final

import pytest
from bulk.runs import client_of, counts, described, run, run_on
from object_store import BUCKET, ObjectFault, ObjectServer

import musicapi_sync.bulk
from musicapi_async import bulk, errors, media, sonic
from musicapi_async.bulk import Outcome
from musicapi_async.sandbox import Sandbox

OUT: Final = f"s3://{BUCKET}/songs"
NAMES: Final = "song{clip_id:.0}.{ext}"
"""Known beforehand; of the only clip of a task that ends in part."""
CREDITS: Final = 100_000


def song() -> sonic.Create:
    return sonic.Create(lyrics="[Verse]\nThe harbour\nsleeps", title="Hafengrüße")


async def run_one(sandbox: Sandbox, path: Path, requests: Any = None, **options: Any) -> Outcome:
    """Run a request whose task has one clip, saved under a known name, and return its outcome."""
    sandbox.end_next("partial")
    given = {"out": OUT, "names": NAMES, **options}
    (outcome,) = await run_on(sandbox.base_url, path, described("rain") if requests is None else requests, **given)
    return outcome


async def audio_of(sandbox: Sandbox, outcome: Outcome) -> bytes:
    async with client_of(sandbox.base_url) as client:
        return await client.read(outcome.result[0])


def clip_id_in(content: bytes) -> str:
    return str(json.loads(content)["clip"]["clip_id"])


async def test_run_saves_in_s3_what_it_saves_in_a_folder(
    quick: Sandbox, path: Path, tmp_path: Path, bucket: ObjectServer
) -> None:
    wanted: dict[str, Any] = {"tags": True, "lyrics": ("lrc", "vtt")}
    (outcome,) = await run_on(quick.base_url, path, [song()], out=OUT, **wanted)
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in await bucket.names():
        (copies / name).write_bytes(await bucket.content(name))

    assert outcome.record.state == "saved"
    assert sorted(outcome.record.files) == await bucket.names()
    assert [name.rpartition(".")[2] for name in outcome.record.files] == ["mp3", "png", "lrc", "vtt", "json"] * 2
    types = {name.rpartition(".")[2]: value.partition(";")[0] for name, value in bucket.types.items()}
    assert types == {
        "mp3": "audio/mpeg",
        "png": "image/png",
        "lrc": "text/plain",
        "vtt": "text/vtt",
        "json": "application/json",
    }
    tags = [await asyncio.to_thread(media.read_tags, copies / name) for name in outcome.record.files if ".mp3" in name]
    assert [(one.title, bool(one.cover), len(one.synced)) for one in tags] == [("Hafengrüße", True, 3)] * 2
    about = json.loads((copies / outcome.record.files[4]).read_bytes())
    assert about["files"]["audio"] == outcome.record.files[0]
    assert all(bucket.requests[f"PUT {name}"] == 1 for name in outcome.record.files)
    assert not await asyncio.to_thread(lambda: list(path.with_name(f"{path.name}.files").iterdir())), "local files"
    assert CREDITS - quick.account("k").credits == 20 + 2


async def test_run_saves_results_without_audio_at_the_top_of_a_bucket_under_odd_names(
    quick: Sandbox, path: Path, bucket: ObjectServer
) -> None:
    voice = sonic.CreateVoice(url="https://example.com/ann.mp3")
    names = "é +#%&'*[x]{clip_id}.{ext}"
    (outcome,) = await run_on(quick.base_url, path, [voice], out=f"s3://{BUCKET}/", names=names)

    assert outcome.record.state == "saved"
    assert await bucket.names("") == [f"é +#%&'*[x]{outcome.record.task_id}.json"] == list(outcome.record.files)


@pytest.mark.parametrize("checks_digest", [True, False])
async def test_objects_are_written_again_until_they_are_complete(
    quick: Sandbox, path: Path, bucket: ObjectServer, *, checks_digest: bool
) -> None:
    bucket.checks_digest = checks_digest
    bucket.faults += [
        ObjectFault(key="a.mp3", status=503, code="SlowDown"),
        ObjectFault(key="b.mp3", status=500),
        ObjectFault(key="c.mp3", drop=True),
        ObjectFault(key="d.mp3", drop=True, stored=True),
        ObjectFault(key="e.mp3", cut=1000),
        ObjectFault(key="f.json", delay=30),
        ObjectFault(method="GET", key=BUCKET, prefix="g", status=500),
    ]
    for _ in "abcdefg":
        quick.end_next("partial")
    requests = [bulk.Planned.of(key, sonic.Describe(description=key)) for key in "abcdefg"]
    async with client_of(quick.base_url, timeout=1.0) as client:
        outcomes = await run(client, path, requests, out=OUT, names="{key}{clip_id:.0}.{ext}")

    assert {outcome.record.state for outcome in outcomes} == {"saved"}
    assert not bucket.faults, "all faults were met"
    assert await bucket.names() == sorted(f"{key}{end}" for key in "abcdefg" for end in (".mp3", "-cover.png", ".json"))
    for outcome in outcomes:
        assert await bucket.content(f"{outcome.record.key}.mp3") == await audio_of(quick, outcome)
    # A store that checks what it is sent is not read: one listing for each clip, and what checks the address.
    assert bool(bucket.requests["GET a.mp3"]) != checks_digest
    reads = sum(count for request, count in bucket.requests.items() if request.startswith(("GET ", "HEAD ")))
    assert not checks_digest or reads == 7 + 1 + 3
    assert bucket.requests["PUT e.mp3"] == 2


async def test_run_stops_when_the_store_is_gone_and_the_next_one_uploads_without_paying(
    quick: Sandbox, path: Path, bucket: ObjectServer
) -> None:
    bucket.faults += [ObjectFault(key=".mp3", status=403, code="AccessDenied")]
    with pytest.raises(errors.DownloadError) as caught:
        await run_one(quick, path, described("rain", "wind"), in_flight=1)
    assert str(caught.value).startswith(f"cannot download song.mp3 to {OUT}/song.mp3: cannot write song.mp3: a fault")
    assert await counts(path) == {"finished": 1, "planned": 1}
    assert await bucket.names() == []
    downloads = len(quick.requests("GET /files/{name}"))

    quick.end_next("partial")
    outcomes = await run_on(quick.base_url, path, out=OUT, names=NAMES)

    assert [outcome.record.state for outcome in outcomes] == ["saved"] * 2
    assert len(quick.tasks) == 2
    # The first song's audio and cover were complete in the local folder.
    assert len(quick.requests("GET /files/{name}")) == downloads + 2


async def test_run_closed_in_the_middle_of_an_upload_leaves_no_half_object(
    quick: Sandbox, path: Path, bucket: ObjectServer
) -> None:
    bucket.faults.append(ObjectFault(key=".mp3", delay=30))
    quick.end_next("partial")
    async with client_of(quick.base_url) as client, bulk.open(path) as journal:
        running = bulk.run(client, journal, described("rain"), out=OUT, names=NAMES)
        first = asyncio.ensure_future(anext(running))
        while not bucket.requests["PUT song.mp3"]:
            await asyncio.sleep(0.01)
        await running.aclose()
        assert await bucket.names() == []
        with pytest.raises(errors.JournalError):
            await first

    (outcome,) = await run_on(quick.base_url, path, out=OUT, names=NAMES)
    assert await bucket.content("song.mp3") == await audio_of(quick, outcome)
    assert len(quick.tasks) == 1


@pytest.mark.parametrize("is_moved", [True, False], ids=["on-another-machine", "here"])
async def test_run_resumes_where_a_part_of_the_files_is_in_the_store(
    quick: Sandbox, path: Path, bucket: ObjectServer, *, is_moved: bool
) -> None:
    bucket.faults.append(ObjectFault(key=".json", status=403, code="AccessDenied"))
    with pytest.raises(errors.DownloadError):
        await run_one(quick, path, [song()], tags=True)
    assert await bucket.names() == ["song-cover.png", "song.mp3"]
    if is_moved:
        local = path.with_name(f"{path.name}.files")
        for one in await asyncio.to_thread(lambda: list(local.iterdir())):
            one.unlink()
    downloads = len(quick.requests("GET /files/{name}"))

    (outcome,) = await run_on(quick.base_url, path, out=OUT, names=NAMES, tags=True)

    assert outcome.record.state == "saved"
    assert await bucket.names() == ["song-cover.png", "song.json", "song.mp3"]
    assert len(quick.requests("GET /files/{name}")) == downloads
    assert bucket.requests["PUT song.mp3"] == 1, "it is there already"


async def test_name_of_another_song_in_the_store_is_not_used(quick: Sandbox, path: Path, bucket: ObjectServer) -> None:
    theirs = json.dumps({"clip": {"clip_id": "another"}}).encode()
    await bucket.put("song.json", theirs)
    await bucket.put("song.mp3", b"ID3 of another song" * 100)

    outcome = await run_one(quick, path)

    clip_id = outcome.result[0].clip_id
    assert set(outcome.record.files) == {f"song-{clip_id}{end}" for end in (".mp3", "-cover.png", ".json")}
    assert await bucket.content("song.json") == theirs
    assert await bucket.content("song.mp3") == b"ID3 of another song" * 100
    assert not bucket.requests["PUT song.json"]


async def test_files_of_other_programs_in_the_store_are_treated_as_in_a_folder(
    quick: Sandbox, path: Path, tmp_path: Path, bucket: ObjectServer
) -> None:
    files = {"song.json": b"{ a slip", "song.mp3": b"my notes", "song-cover.png": b"\x89PNG mine", "song.lrc": b"mine"}
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in files.items():
        await bucket.put(name, content)
        (folder / name).write_bytes(content)

    outcome = await run_one(quick, path, lyrics=("lrc",))
    await run_one(quick, tmp_path / "other.db", out=folder, lyrics=("lrc",))

    found = {name: await bucket.content(name) for name in await bucket.names()}
    assert sorted(found) == sorted(one.name for one in folder.iterdir())
    assert found["song.mp3"] == await audio_of(quick, outcome)
    assert clip_id_in(found.pop("song.json")) == outcome.result[0].clip_id
    found.pop("song.mp3")
    assert found == {name: (folder / name).read_bytes() for name in found}
    assert found["song.json.1.bak"] == files["song.json"]


async def test_object_that_is_replaced_while_it_is_read_is_not_mixed(
    quick: Sandbox, path: Path, bucket: ObjectServer
) -> None:
    await bucket.put("song.mp3", b"ID3 the first version" * 100)
    later = b"ID3 the later version" * 120
    bucket.faults.append(ObjectFault(method="GET", key="song.mp3", replaced_by=later))

    outcome = await run_one(quick, path)

    assert outcome.record.state == "saved"
    assert await bucket.content("song.mp3") == later


@pytest.mark.parametrize(
    ("out", "fault", "problem"),
    [
        ("s3://no-such-bucket/songs", None, "cannot write: The specified bucket does not exist"),
        (OUT, ObjectFault(status=403, code="AccessDenied"), "cannot write: a fault"),
        (OUT, ObjectFault(method="GET", key=BUCKET, status=403, code="AccessDenied"), "cannot list"),
    ],
)
async def test_store_that_cannot_be_used_is_noticed_before_anything_is_paid_for(
    out: str, fault: ObjectFault | None, problem: str, quick: Sandbox, path: Path, bucket: ObjectServer
) -> None:
    bucket.faults += [] if fault is None else [fault, fault]
    with pytest.raises(errors.DownloadError, match=problem):
        await run_on(quick.base_url, path, described("rain"), out=out)

    assert not quick.requests()
    assert await bucket.names("") == []


@pytest.mark.usefixtures("bucket")
async def test_missing_credentials_are_noticed_before_anything_is_paid_for(
    quick: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(errors.DownloadError, match="Unable to locate credentials"):
        await run_on(quick.base_url, path, described("rain"), out=OUT)

    assert not quick.requests()


async def test_credentials_in_the_address_are_used_and_not_shown(
    quick: Sandbox,
    path: Path,
    bucket: ObjectServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    caplog.set_level(logging.DEBUG)
    out = f"s3://access:hush%2Fhush@{BUCKET}/songs"
    bucket.faults.append(ObjectFault(key=".json", status=403, code="AccessDenied"))
    with pytest.raises(errors.DownloadError) as caught:
        await run_one(quick, path, out=out)
    (outcome,) = await run_on(quick.base_url, path, out=out, names=NAMES)
    async with bulk.open(path) as journal:
        assert await journal.recall("output") == OUT

    assert outcome.record.state == "saved"
    assert any(key.startswith("access/") for key in bucket.signed_by)
    for text in (str(caught.value), repr(caught.value), repr(caught.value.__cause__), caplog.text):
        assert "hush" not in text


async def test_blocking_runs_one_after_the_other_save_in_s3(quick: Sandbox, path: Path, bucket: ObjectServer) -> None:
    def run_blocking(description: str) -> list[Outcome]:
        with (
            musicapi_sync.MusicAPI("k", base_url=quick.base_url, poll_interval=0.01) as client,
            musicapi_sync.bulk.open(path) as journal,
        ):
            return list(musicapi_sync.bulk.run(client, journal, described(description), out=OUT))

    # Each has its own event loop, and the first one's is closed.
    outcomes = await asyncio.to_thread(run_blocking, "rain")
    outcomes += await asyncio.to_thread(run_blocking, "wind")

    assert [outcome.error for outcome in outcomes] == [None, None]
    assert await bucket.names() == sorted(name for outcome in outcomes for name in outcome.record.files)


async def test_run_saves_at_the_address_of_another_file_system(quick: Sandbox, path: Path) -> None:
    from fsspec.implementations.memory import MemoryFileSystem  # noqa: PLC0415 - only this test needs it

    outcome = await run_one(quick, path, out="memory://bucket/songs")

    files = MemoryFileSystem(skip_instance_cache=True)
    assert sorted(files.ls("/bucket/songs", detail=False)) == [
        f"/bucket/songs/{name}" for name in sorted(outcome.record.files)
    ]
    assert files.cat_file("/bucket/songs/song.mp3") == await audio_of(quick, outcome)
