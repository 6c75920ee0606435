"""Uncertain requests find their tasks by events, and nothing is sent or accepted because of an event alone."""

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from bulk.event_app import LOST, App, keep, records, serving
from bulk.runs import CREATE, client_of, counts, run, songs
from receiving import hook_server
from signing import SECRET

from musicapi_async import bulk, errors
from musicapi_async._tasks.timing import Timing
from musicapi_async._webhook_urls import new_reference
from musicapi_async.bulk import Attempt, Record
from musicapi_async.bulk.recovery import Meaning, meaning_of
from musicapi_async.bulk.running import ESTIMATES
from musicapi_async.bulk.sqlite.schema import FIRST, SECOND, THIRD
from musicapi_async.sandbox import EventFault, Fault, Sandbox

POLL = "GET /sonic/task/{task_id}"


async def test_run_that_loses_a_response_saves_the_song_when_its_event_comes(app: App, tmp_path: Path) -> None:
    app.sandbox.add_fault(CREATE, LOST)
    outcomes = await app.run(songs(2), out=tmp_path / "songs")

    assert sorted(outcome.record.state for outcome in outcomes) == ["saved", "saved"]
    assert len(app.sandbox.tasks) == 2
    found = await records(app.path, "saved")
    assert {record.task_id for record in found} == {task.task_id for task in app.sandbox.tasks}
    assert [(record.attempts, record.charged, record.reason or "") for record in found] == [(1, 20.0, "")] * 2
    assert all((tmp_path / "songs" / name).is_file() for record in found for name in record.files)
    assert {f"musicapi_attempt={record.reference}" for record in found} == {url.partition("?")[2] for url in app.urls()}


async def test_run_whose_client_receives_the_event_saves_the_song(path: Path) -> None:
    async def handle(request: web.Request) -> web.Response:
        return await client.webhooks.aiohttp(request)

    async with Sandbox(seconds=0.1, credits=1000) as sandbox, hook_server(handle) as url:
        sandbox.add_fault(CREATE, LOST)
        async with client_of(sandbox.base_url, webhook_url=url, webhook_secret=SECRET) as client:
            outcomes = await run(client, path, songs(1))

    assert [outcome.record.state for outcome in outcomes] == ["saved"]
    assert len(sandbox.tasks) == 1


async def test_run_whose_event_is_lost_leaves_the_record_uncertain(app: App) -> None:
    app.sandbox.add_fault(CREATE, LOST)
    for event_type in ("song.streaming", "song.completed"):
        app.sandbox.add_event_fault(event_type, EventFault(lost=True))
    (outcome,) = await app.run(songs(1), timeout=0.3)

    assert isinstance(outcome.error, errors.UncertainSubmissionError)
    assert await counts(app.path) == {"uncertain": 1}
    assert await app.run(songs(1)) == []
    assert await counts(app.path) == {"uncertain": 1}
    assert len(app.sandbox.tasks) == 1


async def test_uncertain_record_without_an_event_leaves_its_place_to_the_next_when_such_songs_have_ended(
    app: App,
) -> None:
    requests = songs(2)
    timing = Timing(None, 1.0)
    for _ in range(400):
        timing.observe(f"{requests[0].operation_name} {requests[0].default_model or ''}", "waiting", 0.1, 0.2)
    async with bulk.open(app.path) as journal:
        await journal.remember(ESTIMATES, {"timing": timing.export_state(), "gap": 0.0})
    app.sandbox.add_fault(CREATE, LOST)
    for event_type in ("song.streaming", "song.completed"):
        app.sandbox.add_event_fault(event_type, EventFault(lost=True))
    async with app.client(poll_interval=None) as client:
        outcomes = await asyncio.wait_for(run(client, app.path, requests, in_flight=1), 20)

    assert [outcome.record.state for outcome in outcomes] == ["uncertain", "saved"]


async def test_event_between_two_runs_is_taken_by_the_next_one(app: App, tmp_path: Path) -> None:
    app.sandbox.add_fault(CREATE, LOST)
    assert [outcome.record.state for outcome in await app.run(songs(1), timeout=0.0)] == ["uncertain"]
    await asyncio.wait_for(app.kept.wait(), 10)
    (outcome,) = await app.run(songs(1), out=tmp_path / "songs")

    assert outcome.record.state == "saved"
    assert outcome.record.task_id == app.sandbox.tasks[0].task_id
    assert len(app.sandbox.tasks) == 1


async def test_event_wakes_the_wait_of_its_task_without_a_poll(store: Path | str) -> None:
    async with serving(store, seconds=4000) as app, app.client(poll_interval=3600) as client:
        running = asyncio.create_task(run(client, store, songs(2)))
        while len(app.sandbox.tasks) < 2:
            await asyncio.sleep(0.01)
        app.sandbox.advance(5000)
        outcomes = await asyncio.wait_for(running, 10)

    assert [outcome.record.state for outcome in outcomes] == ["saved"] * 2
    assert len(app.sandbox.requests(POLL)) == 0


async def test_event_wakes_the_wait_of_a_task_of_an_earlier_run(store: Path | str) -> None:
    async with serving(store, seconds=4000) as app:
        async with app.client() as client, bulk.open(store) as journal:
            stopped = bulk.run(client, journal, songs(1))
            waiting = asyncio.ensure_future(anext(stopped))
            while not (await journal.counts())["accepted"]:
                await asyncio.sleep(0.01)
            await stopped.aclose()
            waiting.cancel()
        async with app.client(poll_interval=3600) as client:
            running = asyncio.create_task(run(client, store))
            before = len(app.sandbox.requests(POLL))
            while len(app.sandbox.requests(POLL)) == before:
                await asyncio.sleep(0.01)
            app.sandbox.advance(5000)
            (outcome,) = await asyncio.wait_for(running, 10)

    assert outcome.record.state == "saved"
    assert len(app.sandbox.requests(POLL)) == before + 1


async def test_files_of_events_are_removed_once_the_journal_knows_their_tasks(app: App) -> None:
    app.sandbox.add_fault(CREATE, LOST)
    await app.run(songs(3))
    while len(app.statuses) < 6:
        await asyncio.sleep(0.01)
    await app.run()

    assert await app.kept_names() == []
    assert await counts(app.path) == {"saved": 3}


async def test_event_that_waits_for_weeks_is_taken_by_the_next_run(file_app: App) -> None:
    file_app.sandbox.add_fault(CREATE, LOST)
    await file_app.run(songs(1), timeout=0.0)
    await asyncio.wait_for(file_app.kept.wait(), 10)
    for file in Path(f"{file_app.path}.events").glob("*.event"):
        os.utime(file, (file.stat().st_mtime - 20 * 86_400,) * 2)
    assert [outcome.record.state for outcome in await file_app.run()] == ["saved"]


async def test_forged_event_is_refused_and_changes_nothing(app: App) -> None:
    app.sandbox.add_fault(CREATE, LOST)
    app.sandbox.add_event_fault("song.streaming", EventFault(lost=True))
    app.sandbox.add_event_fault("song.completed", EventFault(forged=True))
    (outcome,) = await app.run(songs(1))

    assert app.statuses[0] == 401
    assert outcome.record.state == "saved"
    assert [clip.clip_id for clip in outcome.result if clip.clip_id == "forged"] == []
    assert len(app.sandbox.tasks) == 1


async def test_event_of_a_task_that_the_service_does_not_know_leaves_the_record_uncertain(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    app.sandbox.add_fault(CREATE, Fault(drop=True))
    await app.run(songs(1), timeout=0.0)
    (record,) = await records(app.path, "uncertain")
    await keep(app, "t-unknown", f"/hooks?musicapi_attempt={record.reference}")
    assert await app.run(songs(1)) == []

    (record,) = await records(app.path, "uncertain")
    assert str(record.reason).startswith("its event names task t-unknown, which the service does not know: ")
    assert "stays uncertain: its event names task t-unknown" in caplog.text
    assert await app.kept_names()
    assert app.sandbox.tasks == ()


async def test_event_that_names_the_task_of_another_request_leaves_the_record_uncertain(app: App) -> None:
    await app.run(songs(1))
    app.sandbox.add_fault(CREATE, Fault(drop=True))
    await app.run(songs(2), timeout=0.0)
    (record,) = await records(app.path, "uncertain")
    await keep(app, app.sandbox.tasks[0].task_id, f"/hooks?musicapi_attempt={record.reference}")
    polls = len(app.sandbox.requests(POLL))
    assert await app.run() == []

    (record,) = await records(app.path, "uncertain")
    assert "is the task of another request" in str(record.reason)
    assert len(app.sandbox.requests(POLL)) == polls


async def test_event_of_another_journal_changes_nothing_and_is_kept(app: App) -> None:
    app.sandbox.add_fault(CREATE, Fault(drop=True))
    await app.run(songs(1), timeout=0.0)
    await keep(app, "t-1", f"/hooks?musicapi_attempt={new_reference()}", "other")
    await keep(app, "t-1", "/hooks", "none")
    assert await app.run() == []

    assert len(await app.kept_names()) == 1
    assert await counts(app.path) == {"uncertain": 1}


async def test_event_is_taken_before_uncertain_requests_are_sent_again(app: App) -> None:
    app.sandbox.add_fault(CREATE, LOST)
    await app.run(songs(1), timeout=0.0)
    await asyncio.wait_for(app.kept.wait(), 10)
    async with app.client() as client, bulk.open(app.path) as journal:
        resumed = bulk.run(client, journal, songs(1))
        await resumed.plan()
        await resumed.recover()
        assert await bulk.resend_uncertain(journal) == 0
        states = [outcome.record.state async for outcome in resumed]

    assert states == ["saved"]
    assert len(app.sandbox.tasks) == 1


async def test_reference_is_in_the_journal_before_the_request_is_sent(file_app: App) -> None:
    seen: list[tuple[str, object]] = []

    def read() -> None:
        with closing(sqlite3.connect(file_app.path)) as connection:
            seen.extend(connection.execute("SELECT state, row.reference FROM row JOIN attempt USING (number)"))

    async def handle(request: web.Request) -> web.Response:
        await asyncio.to_thread(read)
        body = await request.json()
        seen.append(("sent", body["webhook_url"]))
        return web.json_response({"error": "no"}, status=400)

    server = web.Application()
    server.router.add_post("/api/v1/sonic/create", handle)
    server.router.add_get("/api/v1/get-credits", handle)
    runner = web.AppRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1"
    async with client_of(base_url, webhook_url=file_app.url, webhook_secret=SECRET) as client:
        await run(client, file_app.path, songs(1))
    await runner.cleanup()

    (state, reference), (_, url) = seen
    assert state == "sending"
    assert str(url).endswith(f"musicapi_attempt={reference}")


async def test_request_without_webhook_has_no_reference(file_app: App) -> None:
    async with client_of(file_app.sandbox.base_url) as client:
        await run(client, file_app.path, songs(1))

    (record,) = await records(file_app.path, "saved")
    assert record.reference is None


KILLED = """
import asyncio, os, sys
from musicapi_async import MusicAPI, bulk

async def main(path, base_url, url, secret):
    async with MusicAPI("k", base_url=base_url, create_rate=1000.0, webhook_url=url, webhook_secret=secret) as client:
        async with bulk.open(path) as journal:
            async for outcome in bulk.run(client, journal, timeout=30.0):
                print(outcome.record.state, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_run_killed_between_the_event_and_its_handling_is_completed_by_the_next_one(
    file_app: App, tmp_path: Path
) -> None:
    async with bulk.open(file_app.path) as journal:
        await bulk.plan_all(journal, songs(1))
    file_app.sandbox.add_fault(CREATE, LOST)
    file_app.sandbox.add_fault(POLL, Fault(delay=30))
    arguments = (str(file_app.path), file_app.sandbox.base_url, file_app.url, SECRET)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, *arguments, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        # Its event has been taken, and the poll that is to confirm it has no response yet.
        while not len(file_app.sandbox.requests(POLL)):
            await asyncio.sleep(0.01)
    process.kill()
    await process.wait()
    assert await file_app.kept_names()
    assert await counts(file_app.path) == {"uncertain": 1}
    (outcome,) = await file_app.run(out=tmp_path / "songs")

    assert outcome.record.state == "saved"
    assert len(file_app.sandbox.tasks) == 1


def make_third(path: Path) -> None:
    """Make a journal as the build before events made it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for change in (*FIRST, *SECOND, *THIRD):
            if isinstance(change, str):
                connection.execute(change)
            else:
                change(connection)
        connection.execute("PRAGMA application_id = 1299542849")
        connection.execute("PRAGMA user_version = 3")
        values = ("k", "sonic.describe", "{}", "uncertain")
        connection.execute("INSERT INTO row (key, operation, request, state) VALUES (?, ?, ?, ?)", values)


async def test_journal_of_the_build_before_gets_its_new_columns(path: Path) -> None:
    await asyncio.to_thread(make_third, path)
    async with bulk.open(path, is_current=True) as journal:
        (record,) = await journal.records("uncertain")
        assert await journal.open_references(10) == []

    assert (record.key, record.reference) == ("k", None)


@pytest.mark.parametrize(
    ("state", "is_latest", "record_task", "attempt_task", "expected"),
    [
        ("uncertain", True, None, None, "recovers"),
        ("uncertain", True, "t", "t", "recovers"),
        ("uncertain", False, None, None, "extra"),
        ("sending", True, None, None, "open"),
        ("planned", True, None, None, "open"),
        ("accepted", True, "t", "t", "known"),
        ("accepted", True, "wrong", "wrong", "open"),
        ("saved", True, "t", "t", "known"),
        ("saved", False, "other", "t", "known"),
        ("saved", False, "other", None, "extra"),
        ("failed", True, None, None, "extra"),
        ("failed", True, "t", "t", "known"),
        ("refused", True, None, None, "extra"),
    ],
)
def test_meaning_of_an_event_follows_from_its_record(
    *, state: bulk.State, is_latest: bool, record_task: str | None, attempt_task: str | None, expected: Meaning
) -> None:
    reference = new_reference()
    record = Record(
        key="k",
        operation="sonic.describe",
        request={},
        number=1,
        state=state,
        task_id=record_task,
        reference=reference if is_latest else new_reference(),
    )
    assert meaning_of(Attempt(reference=reference, record=record, task_id=attempt_task), "t") == expected
