"""``bulk.run`` as a user calls it: a plan, files in a folder, another run, records resolved by the user."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bulk.runs import CREATE, client_of, described, run
from clock import Clock

from musicapi_async import MusicAPI, bulk, errors, sonic
from musicapi_async.bulk import Outcome, Planned
from musicapi_async.sandbox import Fault, Sandbox

FILES = "GET /files/{name}"
NO_FILE = b"<html>not a file</html>"


async def gather(run: bulk.Run, outcomes: list[Outcome]) -> None:
    async for outcome in run:
        outcomes.append(outcome)  # noqa: PERF401 - it may end with an error


async def test_run_into_a_folder_writes_audio_cover_and_json_of_each_clip(quick: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "songs"
    async with client_of(quick.base_url) as client:
        (outcome,) = await run(client, tmp_path / "journal.db", described("rain"), out=out)

    names = sorted(path.name for path in out.iterdir())
    assert names == sorted(outcome.record.files)
    stems = [f"00001-Rain-{clip.clip_id}" for clip in outcome.result]
    assert names == sorted(f"{stem}{end}" for stem in stems for end in (".mp3", ".json", "-cover.png"))
    assert outcome.unwrap() is outcome.result
    known = json.loads((out / f"{stems[0]}.json").read_text())
    assert known["clip"]["clip_id"] == outcome.result[0].clip_id
    assert known["request"] == outcome.record.request
    assert known["task_id"] == outcome.record.task_id
    assert [clip["clip_id"] for clip in outcome.record.clips] == [clip.clip_id for clip in outcome.result]


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\xff\xfe" + "<html>".encode("utf-16-le"), b"\x89PNG", b"\xff\xf1\x50\x80"]
)
async def test_file_that_exists_is_downloaded_again_only_if_it_is_no_song(
    content: bytes, quick: Sandbox, tmp_path: Path
) -> None:
    path, out = tmp_path / "journal.db", tmp_path / "songs"
    async with client_of(quick.base_url) as client:
        # What came all the same is kept.
        quick.add_fault(FILES, Fault(), Fault(status=200, body=NO_FILE))
        (outcome,) = await run(client, path, described("rain"), out=out)
        assert isinstance(outcome.error, errors.DownloadError)
        with pytest.raises(errors.DownloadError):
            outcome.unwrap()
        assert outcome.record.state == "finished"
        there = {file: file.read_bytes() for file in out.iterdir() if file.suffix != ".json"}
        assert len(there) == 2  # an audio and its cover
        broken, *whole = sorted(there, key=lambda file: file.suffix)  # the audio, and its cover
        broken.write_bytes(content)
        before = [file.stat().st_mtime_ns for file in whole]
        (outcome,) = await run(client, path, out=out)

    assert outcome.record.state == "saved"
    assert [file.stat().st_mtime_ns for file in whole] == before
    assert broken.read_bytes() == there[broken]
    assert len(list(out.iterdir())) == 6
    assert len(quick.tasks) == 1


async def test_song_without_a_cover_is_saved(quick: Sandbox, tmp_path: Path) -> None:
    quick.add_fault(FILES, Fault(), Fault(), Fault(status=200, body=NO_FILE), Fault(status=410, body={}))
    async with client_of(quick.base_url) as client:
        (outcome,) = await run(client, tmp_path / "j.db", described("rain"), out=tmp_path / "songs")

    assert outcome.record.state == "saved"
    assert sorted(path.suffix for path in (tmp_path / "songs").iterdir()) == [".json", ".json", ".mp3", ".mp3"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("{title}.{ext}", "clip_id"),
        ("../{clip_id}.{ext}", "no folders"),
        ("{clip_id}", "at the end"),
        ("{clip_id}-{nothing}.{ext}", "nothing"),
        ("{clip_id.__class__}-{clip_id}.{ext}", "fields"),
        ("{clip_id", "fields"),
    ],
)
async def test_names_that_cannot_name_files_are_refused(names: str, message: str, tmp_path: Path) -> None:
    async with MusicAPI("k") as client:
        with pytest.raises(errors.InvalidRequestError, match=message) as caught:
            bulk.run(client, bulk.open(tmp_path / "j.db"), out=tmp_path, names=names)
    assert caught.value.field == "names"


async def test_names_of_songs_with_any_title_are_safe(quick: Sandbox, tmp_path: Path) -> None:
    names = "{operation}-{key}-{title}-{clip_id}.{ext}"
    request = sonic.Create(lyrics="la", title="../../etc/passwd CON: <x>|?*", tags="x")
    async with client_of(quick.base_url) as client:
        await run(client, tmp_path / "j.db", [request], out=tmp_path / "s", names=names)

    assert {path.parent for path in tmp_path.rglob("*.mp3")} == {tmp_path / "s"}
    for path in (tmp_path / "s").iterdir():
        assert path.name.startswith("sonic-create-")
        assert not set(path.name) & set('<>:"/\\|?*\0 ')


async def test_request_left_out_of_the_next_plan_is_not_made(quick: Sandbox, store: Path | str) -> None:
    path = store
    async with client_of(quick.base_url) as client:
        async with bulk.open(path) as journal:
            assert await bulk.plan_all(journal, described("one", "two", "three")) == (3, 3)
            assert await bulk.plan_all(journal, described("two", "four")) == (2, 1)
        await run(client, path)

    made = {task.request.to_wire()["gpt_description_prompt"] for task in quick.tasks}
    assert made == {"two", "four"}


async def test_plan_that_is_not_read_to_its_end_changes_nothing(quick: Sandbox, store: Path | str) -> None:
    def broken() -> Any:
        yield from described("new")
        yield "no request"

    path = store
    async with client_of(quick.base_url) as client:
        async with bulk.open(path) as journal:
            await bulk.plan_all(journal, described("old"))
            with pytest.raises(errors.InvalidRequestError, match="one of requests is a text of 10 characters"):
                await bulk.plan_all(journal, broken())
        await run(client, path)

    assert [task.request.to_wire()["gpt_description_prompt"] for task in quick.tasks] == ["old"]


async def test_request_corrected_under_its_key_is_made_as_it_is_now(quick: Sandbox, store: Path | str) -> None:
    def named(key: str, description: str) -> Planned:
        wire = sonic.Describe(description=description).to_wire()
        return Planned(key=key, operation="sonic.describe", request=wire)

    path = store
    quick.add_fault(CREATE, Fault(status=400, body={"error": "no such thing"}))
    async with client_of(quick.base_url) as client:
        first = await run(client, path, [named("a", "bad"), named("b", "good")], in_flight=1)
        again = await run(client, path, [named("a", "better"), named("b", "changed too late")])

    assert [outcome.record.state for outcome in first] == ["refused", "saved"]
    assert [(outcome.record.key, outcome.record.state) for outcome in again] == [("a", "saved")]
    made = [task.request.to_wire()["gpt_description_prompt"] for task in quick.tasks]
    assert made == ["good", "better"]


async def test_plan_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    record = Planned(key="a", operation="sonic.describe", request={})
    async with bulk.open(tmp_path / "j.db") as journal:
        with pytest.raises(errors.InvalidRequestError, match="'a', which another request of the plan has"):
            await bulk.plan_all(journal, [record, record])


async def test_request_given_twice_makes_two_songs_and_none_in_the_next_run(quick: Sandbox, store: Path | str) -> None:
    path = store
    async with client_of(quick.base_url) as client:
        assert len(await run(client, path, described("rain", "rain"))) == 2
        assert await run(client, path, described("rain", "rain")) == []
        assert len(await run(client, path, described("rain", "rain", "rain"))) == 1


async def test_requests_from_a_file_or_an_async_source_are_run(quick: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    file.write_text("key,description\nk1,rain\nk2,snow\n")

    async def source() -> AsyncIterator[Any]:
        for request in described("hail", "sleet"):
            yield request

    async with client_of(quick.base_url) as client:
        first = await run(client, tmp_path / "a.db", bulk.read_requests(file, "sonic.describe"))
        second = await run(client, tmp_path / "b.db", source())

    assert {outcome.record.key for outcome in first} == {"k1", "k2"}
    assert len(second) == 2


async def test_requests_with_a_bad_line_are_refused_before_anything_is_paid(quick: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text('{"description": "rain"}\n{"description": 5}\n')
    async with client_of(quick.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match="line 2: description"):
            await run(client, tmp_path / "a.db", bulk.read_requests(file, "sonic.describe"))

    assert not quick.tasks


async def test_journal_of_another_service_is_refused(quick: Sandbox, store: Path | str) -> None:
    path = store
    async with client_of(quick.base_url) as client:
        await run(client, path, described("rain"))
    async with MusicAPI("k", base_url="https://music.example/api/v1") as client:
        with pytest.raises(errors.JournalError, match=r"its songs are from 127\.0\.0\.1:\d+, not from music\.example"):
            await run(client, path, described("rain"))


async def test_uncertain_records_resolved_by_the_user_are_as_decided(quick: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    quick.add_fault(CREATE, *(Fault(drop=True, accepted=True) for _ in range(4)))
    async with client_of(quick.base_url) as client:
        outcomes = await run(client, path, described("a", "b", "c", "d"), in_flight=1)
        assert [outcome.record.state for outcome in outcomes] == ["uncertain"] * 4
        assert all(isinstance(outcome.error, errors.UncertainSubmissionError) for outcome in outcomes)
        a, b, c, _ = (outcome.record.key for outcome in outcomes)
        async with bulk.open(path) as journal:
            assert await bulk.resend_uncertain(journal, {a}) == 1
            await bulk.resolve_as_accepted(journal, b, quick.tasks[1].task_id)
            assert await bulk.abandon_uncertain(journal, [c]) == 1
            with pytest.raises(errors.InvalidRequestError, match=f"key is '{c}'"):
                await bulk.resolve_as_accepted(journal, c, "t")
        again = await run(client, path)
        async with bulk.open(path) as journal:
            counts = await journal.counts()
            charged = await journal.charged()

    assert sorted(outcome.record.key for outcome in again) == sorted([a, b])
    assert {state: count for state, count in counts.items() if count} == {"saved": 2, "failed": 1, "uncertain": 1}
    assert len(quick.tasks) == 5
    # The one that was sent again was in truth accepted twice; all of it counts as spent.
    assert charged == {"sonic.describe": 5}


async def test_run_left_with_its_journal_is_closed(store: Path | str) -> None:
    path = store
    before = asyncio.all_tasks()
    async with Sandbox(seconds=3600, credits=100_000) as sandbox:
        sandbox.end_next("songs")
        async with client_of(sandbox.base_url) as client, bulk.open(path) as journal:
            run = bulk.run(client, journal, described(*map(str, range(30))), in_flight=20)
            pending = asyncio.ensure_future(anext(run))
            while (await journal.counts())["accepted"] < 5:
                await asyncio.sleep(0.001)
            pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        async with bulk.open(path) as journal:
            counts = await journal.counts()

        assert counts["accepted"] == len(sandbox.tasks)
        assert counts["sending"] == counts["uncertain"] == 0
        assert counts["planned"] == 30 - counts["accepted"]
    assert not [task for task in asyncio.all_tasks() - before if "bulk" in repr(task)]


async def test_run_whose_client_is_closed_ends_and_the_next_resumes(store: Path | str) -> None:
    path = store
    async with Sandbox(seconds=3600, credits=100_000) as sandbox, bulk.open(path) as journal:
        async with client_of(sandbox.base_url) as client:
            asked = bulk.run(client, journal, described("a", "b", "c", "d"), in_flight=3)
            outcomes: list[Outcome] = []
            gathering = asyncio.ensure_future(gather(asked, outcomes))
            while (await journal.counts())["accepted"] < 3:
                await asyncio.sleep(0.001)
        async with asyncio.timeout(5):
            with pytest.raises(errors.ClientClosedError):
                await gathering
        assert [outcome.record.state for outcome in outcomes] == ["accepted"] * 3
        assert all(isinstance(outcome.error, errors.ClientClosedError) for outcome in outcomes)

        sandbox.advance(4000)
        async with client_of(sandbox.base_url) as client:
            over: list[Outcome] = []
            gathering = asyncio.ensure_future(gather(bulk.run(client, journal), over))
            while len(sandbox.tasks) < 4:
                await asyncio.sleep(0.001)
            sandbox.advance(4000)
            await gathering
        again = [outcome.record.state for outcome in over]

        assert len(sandbox.tasks) == 4
    assert again == ["saved"] * 4


async def test_run_after_another_begins_with_its_estimates(clock: Clock, tmp_path: Path) -> None:
    path, seconds = tmp_path / "journal.db", []
    async with Sandbox(seconds=0.02, credits=100_000) as sandbox:
        # A 429 shows how fast submissions may follow, and every result how long songs take.
        sandbox.add_fault(CREATE, Fault(status=429, body={}))
        for first in (0, 20):
            began = clock.ahead
            async with MusicAPI("k", base_url=sandbox.base_url) as client:
                running = asyncio.ensure_future(run(client, path, described(*map(str, range(first, first + 20)))))
                await clock.run(0.25, running, steadily=True)
                assert len(await running) == 20
            seconds.append(clock.ahead - began)
        async with bulk.open(path) as journal:
            estimates = await journal.recall("learnt")

    # The first poll of the first songs waits until a finish is plausible, half a minute at least.
    assert seconds[0] > 30
    assert estimates["gap"] > 1
    paced = 20 * estimates["gap"]
    assert paced / 2 < seconds[1] < paced * 1.5 + 10


@pytest.mark.parametrize(
    "estimates", [None, [], {}, {"timing": [["a", "waiting", 1, [1]]], "gap": "x"}, {"gap": 1}, "x"]
)
async def test_estimates_that_cannot_be_read_are_left_out(estimates: Any, quick: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with bulk.open(path) as journal:
        await journal.remember("learnt", estimates)
    async with client_of(quick.base_url) as client:
        assert len(await run(client, path, described("rain"))) == 1


@pytest.mark.parametrize(("name", "value"), [("in_flight", 0), ("in_flight", 1.5), ("attempts", 0), ("attempts", True)])
async def test_limits_that_are_invalid_are_refused(name: str, value: Any, tmp_path: Path) -> None:
    async with MusicAPI("k") as client:
        with pytest.raises(errors.InvalidRequestError, match=f"{name} is") as caught:
            bulk.run(client, bulk.open(tmp_path / "j.db"), **{name: value})
    assert caught.value.field == name


async def test_record_refunded_in_an_earlier_run_is_sent_again(quick: Sandbox, store: Path | str) -> None:
    path = store
    async with client_of(quick.base_url) as client:
        quick.end_next("failed")
        (failed,) = await run(client, path, described("rain"), attempts=1)
        (outcome,) = await run(client, path, described("rain"), attempts=2)
        nothing = await run(client, path, described("rain"), attempts=2)

    assert failed.record.state == "refunded"
    assert outcome.record.state == "saved"
    assert (outcome.record.attempts, outcome.record.refunds) == (2, 1)
    assert nothing == []
