"""Failures around a bulk run: it stops before much is spent, and its records are right."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bulk.runs import CREATE, client_of, counts, described, run, run_on, songs
from scripted import respond, scripted
from service import clip, done, serving

from musicapi_async import MusicAPI, bulk, errors, producer, sonic
from musicapi_async.bulk import Changes, Planned
from musicapi_async.sandbox import Ending, Fault, Sandbox

BAD_NAME = "\ud800"
"""A lone surrogate, as JSON may hold it."""


@pytest.mark.parametrize(
    ("status", "error", "state", "most"),
    [
        (502, errors.UncertainSubmissionError, "uncertain", 16),
        (404, errors.NotFoundError, "refused", 28),
        (503, errors.ServerError, "planned", 18),
    ],
)
async def test_run_on_a_service_that_accepts_nothing_stops_early(
    status: int, error: type[errors.MusicAPIError], state: str, most: int, path: Path
) -> None:
    async with (
        scripted(respond(status, {"error": "service busy"})) as server,
        client_of(server.base_url, max_attempts=1) as client,
    ):
        with pytest.raises(error):
            await run(client, path, songs(300))

        assert len(server.received) <= most
    found = await counts(path)
    assert found.get(state, 0) >= 8
    assert found["planned"] >= 300 - most


async def test_run_with_single_uncertain_and_refused_requests_is_not_stopped(quick: Sandbox, path: Path) -> None:
    bad = [Fault(drop=True), Fault(status=400, body={"error": "no"})]
    quick.add_fault(CREATE, *[fault for _ in range(15) for fault in (*bad, Fault())])
    async with client_of(quick.base_url, max_attempts=1) as client:
        await run(client, path, songs(45), in_flight=1)

    assert await counts(path) == {"uncertain": 15, "refused": 15, "saved": 15}


async def test_run_whose_folder_is_gone_submits_nothing_more(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "songs"
    async with client_of(quick.base_url, max_attempts=1) as client, bulk.open(path) as journal:
        running = bulk.run(client, journal, songs(100), out=out, in_flight=5)
        await anext(running)
        await asyncio.to_thread(out.rename, tmp_path / "elsewhere")
        with pytest.raises(errors.DownloadError):
            async for _ in running:
                pass

    assert len(quick.tasks) < 30
    async with client_of(quick.base_url, max_attempts=1) as client:
        await run(client, path, out=out)
    assert (await counts(path))["saved"] == 100
    assert len(quick.tasks) == 100


async def test_cover_that_the_disk_does_not_take_is_saved_by_the_next_run(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "songs"
    in_its_place = out / "c-0-cover.mp3"
    await asyncio.to_thread(in_its_place.mkdir, parents=True)
    async with serving() as service:
        cover = {"image_url": f"{service.base_url}/files/c-0.mp3"}
        service.poll = lambda _: done(clip(0, base_url=service.base_url) | cover)
        with pytest.raises(errors.DownloadError):
            await run_on(service.base_url, path, songs(1), out=out, names="{clip_id}.{ext}")
        assert await counts(path) == {"finished": 1}
        await asyncio.to_thread(in_its_place.rmdir)
        await run_on(service.base_url, path, out=out, names="{clip_id}.{ext}")

    assert await counts(path) == {"saved": 1}
    assert len(service.created) == 1


async def test_refunded_request_left_out_of_the_next_plan_is_not_sent_again(quick: Sandbox, path: Path) -> None:
    async with client_of(quick.base_url, max_attempts=1) as client:
        quick.end_next("failed")
        await run(client, path, described("old"), attempts=1)
        await run(client, path, described("new"), attempts=3)

    assert [task.request.to_wire()["gpt_description_prompt"] for task in quick.tasks] == ["old", "new"]


async def test_resolve_with_a_key_leaves_the_others(quick: Sandbox, path: Path) -> None:
    wire = sonic.Describe(description="rain").to_wire()
    records = [Planned(key=key, operation="sonic.describe", request=wire) for key in ("k-1", "k-12", "k-123")]
    quick.add_fault(CREATE, *[Fault(drop=True)] * 3)
    async with client_of(quick.base_url, max_attempts=1) as client:
        await run(client, path, records)
    async with bulk.open(path) as journal:
        assert await bulk.resend_uncertain(journal, "k-12") == 1
        assert await bulk.abandon_uncertain(journal, "k-1") == 1


async def test_resolve_as_accepted_after_a_wrong_id_takes_the_later_one(quick: Sandbox, path: Path) -> None:
    quick.add_fault(CREATE, Fault(drop=True, accepted=True))
    async with client_of(quick.base_url, max_attempts=1) as client:
        (outcome,) = await run(client, path, described("rain"))
        key = outcome.record.key
        async with bulk.open(path) as journal:
            await bulk.resolve_as_accepted(journal, key, "a-typo")
        (outcome,) = await run(client, path)
        assert isinstance(outcome.error, errors.NotFoundError)
        async with bulk.open(path) as journal:
            await bulk.resolve_as_accepted(journal, key, quick.tasks[0].task_id)
            assert await journal.charged() == {"sonic.describe": 1}
        await run(client, path)

    assert await counts(path) == {"saved": 1}


async def test_resolve_as_accepted_with_another_requests_key_or_task_is_refused(quick: Sandbox, path: Path) -> None:
    quick.add_fault(CREATE, *[Fault(drop=True, accepted=True)] * 2)
    async with client_of(quick.base_url, max_attempts=1) as client:
        first, second, third = (
            outcome.record for outcome in await run(client, path, described("rain", "sun", "fog"), in_flight=1)
        )
    async with bulk.open(path) as journal:
        for wrong, reason in (
            (second.key, "the key of a request"),
            (first.key, "the key of a request"),
            (third.task_id or "", f"the task of the request '{third.key}' already"),
            ("", "it must be"),
            ("..", "it must be"),
        ):
            with pytest.raises(errors.InvalidRequestError, match=reason) as caught:
                await bulk.resolve_as_accepted(journal, first.key, wrong)
            assert caught.value.field == "task_id"
        await bulk.resolve_as_accepted(journal, first.key, f" {quick.tasks[0].task_id}\n")
        # Said again, it is the same.
        await bulk.resolve_as_accepted(journal, first.key, quick.tasks[0].task_id)

    assert await counts(path) == {"accepted": 1, "uncertain": 1, "saved": 1}


@pytest.mark.parametrize("timeout", ["10", -1, float("nan")])
async def test_timeout_that_is_invalid_is_refused_before_anything_is_paid(timeout: Any, path: Path) -> None:
    async with MusicAPI("k") as client:
        with pytest.raises(errors.InvalidRequestError, match="timeout is"):
            bulk.run(client, bulk.open(path), songs(1), timeout=timeout)


async def test_run_that_fails_before_it_began_stays_ended(quick: Sandbox, path: Path) -> None:
    def broken() -> Any:
        yield from described("new")
        raise ZeroDivisionError

    async with client_of(quick.base_url, max_attempts=1) as client, bulk.open(path) as journal:
        await bulk.plan_all(journal, described("old"))
        running = bulk.run(client, journal, broken())
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await anext(running)

        async def slow() -> AsyncIterator[Any]:
            yield described("new")[0]
            await asyncio.Event().wait()

        running = bulk.run(client, journal, slow())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(running), 0.05)
        with pytest.raises(errors.JournalError, match="ended while it was planned"):
            await anext(running)

    assert not quick.tasks


async def test_run_iterated_by_two_tasks_gives_each_outcome_once(quick: Sandbox, path: Path) -> None:
    async def gather(running: bulk.Run) -> int:
        return len([outcome async for outcome in running])

    async with client_of(quick.base_url, max_attempts=1) as client, bulk.open(path) as journal, asyncio.timeout(20):
        running = bulk.run(client, journal, songs(20))
        assert sum(await asyncio.gather(gather(running), gather(running))) == 20


async def test_run_on_a_journal_with_another_run_is_refused(path: Path) -> None:
    async with (
        Sandbox(seconds=3600) as sandbox,
        client_of(sandbox.base_url, max_attempts=1) as client,
        bulk.open(path) as journal,
    ):
        first = bulk.run(client, journal, songs(3))
        pending = asyncio.ensure_future(anext(first))
        while len(sandbox.tasks) < 3:
            await asyncio.sleep(0.001)
        with pytest.raises(errors.JournalError, match="another run is using it"):
            await anext(bulk.run(client, journal))
        await first.aclose()
        with pytest.raises(errors.JournalError, match="the run on it was closed"):
            await pending


async def test_records_that_are_sent_again_are_not_claimed_twice(path: Path) -> None:
    async with Sandbox(seconds=0.02, credits=100_000) as sandbox:
        failed: Ending = "failed"
        sandbox.end_next(*[failed] * 8)
        async with client_of(sandbox.base_url, max_attempts=1) as client:
            await run(client, path, songs(8), attempts=1)
        paced = MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01, create_rate=20.0)
        async with paced as client:
            await run(client, path, songs(8), attempts=3, in_flight=3)

        assert len(sandbox.tasks) == 16
    assert await counts(path) == {"saved": 8}


async def test_lone_surrogate_is_stored_as_its_escape(path: Path) -> None:
    refusal = respond(400, b'{"error": "bad \\ud800 word"}')
    async with scripted(refusal) as server, client_of(server.base_url, max_attempts=1) as client:
        (outcome,) = await run(client, path, described("rain"))
    assert outcome.record.state == "refused"

    async with bulk.open(path) as journal:
        assert r"bad \ud800 word" in str((await journal.records("refused"))[0].reason)
        await bulk.plan_all(journal, [Planned(key="k", operation="sonic.describe", request={"a": BAD_NAME})])
        (record,) = await journal.records("planned", 1)
        record = await journal.transition(record, "sending")
        await journal.transition(record, "accepted", Changes(task_id="t", clips=[{"title": BAD_NAME}]))
        (record,) = await journal.records("accepted")
        assert (record.request, record.clips) == ({"a": BAD_NAME}, [{"title": BAD_NAME}])
        with pytest.raises(errors.InvalidRequestError, match="key is"):
            await bulk.plan_all(journal, [Planned(key=BAD_NAME, operation="sonic.describe", request={})])


async def test_plan_that_fails_half_way_leaves_the_one_before(path: Path) -> None:
    def half() -> Any:
        yield from songs(1200)
        raise ZeroDivisionError

    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, songs(1500))
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await bulk.plan_all(journal, half())
        await journal.activate_plan()
        assert len(await journal.claim(5000)) == 1500
        await bulk.plan_all(journal, songs(700))
        assert len(await journal.claim(5000)) == 700


async def test_names_that_are_long_still_differ(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    request = sonic.Create(lyrics="la", title="\N{CLOUD WITH RAIN}\u96e8" * 30, tags="x")
    record = Planned(key="\u6b4c" * 45, operation="sonic.create", request=request.to_wire())
    names = "{index:05d}-{key}-{operation}-{title}-{clip_id}.{ext}"
    async with client_of(quick.base_url, max_attempts=1) as client:
        (outcome,) = await run(client, path, [record], out=tmp_path / "songs", names=names)

    assert len({path.name for path in (tmp_path / "songs").iterdir()}) == len(outcome.record.files) == 6


async def test_names_of_clips_without_ids_differ(path: Path, tmp_path: Path) -> None:
    data = [{"title": "Same", "state": "succeeded", "clip_id": ""}] * 2
    script = [
        respond(200, {"message": "success", "task_id": "t-1"}),
        respond(200, {"code": 200, "message": "success", "data": data}),
    ]
    async with scripted(*script) as server, client_of(server.base_url, max_attempts=1) as client:
        outcomes = await run(client, path, described("rain"), out=tmp_path / "songs")

    files = [file for outcome in outcomes for file in outcome.record.files]
    assert len(set(files)) == len(files) == 2


async def test_files_of_a_download_are_saved(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    async with client_of(quick.base_url, max_attempts=1) as client:
        song = (await (await client.producer.create(sound="choir")).wait())[0]
        request = producer.Download(clip=song)
        (outcome,) = await run(client, path, [request], out=tmp_path / "songs")

    assert outcome.record.state == "saved"
    assert any(not file.endswith(".json") for file in outcome.record.files)


async def test_secret_of_a_request_is_in_no_file(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    request = sonic.Describe(description="rain", webhook_url="https://example.org/hook", webhook_secret="hush-hush")
    async with client_of(quick.base_url, max_attempts=1) as client:
        await run(client, path, [request], out=tmp_path / "songs")

    texts = [file.read_text() for file in (tmp_path / "songs").glob("*.json")]
    assert len(texts) == 2
    assert not any("hush-hush" in text for text in texts)


async def test_journal_that_cannot_be_opened_is_a_journal_error(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(errors.JournalError, match=r"journal\.db: it cannot be opened"):
        async with bulk.open(tmp_path / "journal.db"):
            pass
