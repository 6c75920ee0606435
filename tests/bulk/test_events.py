"""Uncertain requests find their tasks by events, and nothing is sent or accepted because of an event alone."""

import asyncio
import math
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web
from bulk.runs import CREATE, client_of, counts, run, songs
from receiving import hook_server
from signing import SECRET, body_of, headers_of

import musicapi_sync.bulk
from musicapi_async import MusicAPI, bulk, errors
from musicapi_async._tasks.timing import Timing
from musicapi_async._webhook_inbox import FileInbox
from musicapi_async._webhook_urls import new_reference
from musicapi_async.bulk import Attempt, Outcome, Record
from musicapi_async.bulk.recovery import Meaning, meaning_of
from musicapi_async.bulk.running import ESTIMATES
from musicapi_async.bulk.sqlite.schema import FIRST, SECOND, THIRD
from musicapi_async.sandbox import EventFault, Fault, Sandbox

LOST = Fault(drop=True, accepted=True)
POLL = "GET /sonic/task/{task_id}"


@attrs.define
class App:
    """An application that keeps the events of a journal, as a web server's process does."""

    sandbox: Sandbox
    path: Path | str
    url: str = ""
    statuses: list[int] = attrs.field(factory=list)
    kept: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        status = 200
        try:
            await bulk.receive(self.path, await request.read(), request.headers, str(request.url), SECRET)
            self.kept.set()
        except errors.WebhookVerificationError:
            status = 401
        self.statuses.append(status)
        return web.Response(status=status)

    def client(self, **settings: Any) -> MusicAPI:
        return client_of(self.sandbox.base_url, **{"webhook_url": self.url, "webhook_secret": SECRET, **settings})

    async def run(self, requests: Any = None, **options: Any) -> list[Outcome]:
        async with self.client() as client:
            return await run(client, self.path, requests, **options)

    async def kept_names(self) -> list[str]:
        async with bulk.open(self.path) as journal:
            return list(await journal.inbox.names(math.inf))

    def urls(self) -> list[str]:
        return [str(task.request.to_wire()["webhook_url"]) for task in self.sandbox.tasks]


@asynccontextmanager
async def serving(path: Path | str, seconds: float = 0.1) -> AsyncIterator[App]:
    async with Sandbox(seconds=seconds, credits=100_000) as sandbox:
        found = App(sandbox, path)
        async with hook_server(found.handle) as found.url:
            yield found


@pytest.fixture
async def app(store: Path | str) -> AsyncIterator[App]:
    async with serving(store) as app:
        yield app


@pytest.fixture
async def file_app(path: Path) -> AsyncIterator[App]:
    async with serving(path) as app:
        yield app


async def records(path: Path | str, state: bulk.State) -> list[Record]:
    async with bulk.open(path) as journal:
        return list(await journal.records(state))


async def keep(app: App, task_id: str, url: str, event_id: str = "e-1") -> None:
    """Keep an event that names a task, as the service signs it."""
    body = body_of(task_id=task_id)
    await bulk.receive(app.path, body, headers_of(body, event_id=event_id), url, SECRET)


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


async def test_attempt_that_was_sent_again_meanwhile_is_saved_and_named_as_paid_twice(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "songs"
    app.sandbox.add_fault(CREATE, LOST)
    await app.run(songs(1), timeout=0.0, out=out)
    async with bulk.open(app.path) as journal:
        assert await bulk.resend_uncertain(journal) == 1
    await asyncio.wait_for(app.kept.wait(), 10)
    await app.run(out=out)
    await app.run(out=out)

    first, second = (task.task_id for task in app.sandbox.tasks)
    assert f"was paid for twice: task {first} of an uncertain attempt was accepted, and the request was" in caplog.text
    async with bulk.open(app.path) as journal:
        (extra,) = await journal.extras()
        (record,) = await journal.records("saved")
    assert (record.task_id, extra.task_id, extra.record.key) == (second, first, record.key)
    assert extra.files
    assert set(extra.files).isdisjoint(record.files)
    assert all((out / name).is_file() and name.startswith("00001-") for name in (*record.files, *extra.files))
    assert await app.kept_names() == []


async def test_attempt_that_its_user_took_for_not_accepted_counts_once_its_event_comes(app: App) -> None:
    app.sandbox.add_fault(CREATE, LOST)
    for event_type in ("song.streaming", "song.completed"):
        app.sandbox.add_event_fault(event_type, EventFault(lost=True))
    await app.run(songs(1), timeout=0.0)
    async with bulk.open(app.path) as journal:
        assert await bulk.resolve_not_sent(journal) == 1
    await app.run()
    async with bulk.open(app.path) as journal:
        assert (await journal.total_charged(), await journal.charged()) == (20.0, {"sonic.describe": 1})
    await keep(app, app.sandbox.tasks[0].task_id, app.urls()[0])
    await app.run()
    async with bulk.open(app.path) as journal:
        assert (await journal.total_charged(), await journal.charged()) == (40.0, {"sonic.describe": 2})
        assert [extra.files for extra in await journal.extras()] == [[]]
    assert len(app.sandbox.tasks) == 2


async def test_song_that_is_paid_for_besides_is_saved_by_the_next_run_after_a_timeout(
    store: Path | str, tmp_path: Path
) -> None:
    async with serving(store, seconds=4000) as app:
        app.sandbox.add_fault(CREATE, LOST)
        await app.run(songs(1), timeout=0.0)
        async with bulk.open(store) as journal:
            await bulk.resend_uncertain(journal)
        await keep(app, app.sandbox.tasks[0].task_id, app.urls()[0])
        await app.run(timeout=0.2)
        async with bulk.open(store) as journal:
            assert [extra.files for extra in await journal.extras()] == [None]
        app.sandbox.advance(10_000)
        await app.run(out=tmp_path / "songs")
        async with bulk.open(store) as journal:
            (extra,) = await journal.extras()

    assert extra.files
    assert all((tmp_path / "songs" / name).is_file() for name in extra.files)


async def test_request_that_was_dropped_is_saved_when_its_event_comes(app: App, tmp_path: Path) -> None:
    app.sandbox.add_fault(CREATE, LOST)
    await app.run(songs(1), timeout=0.0)
    async with bulk.open(app.path) as journal:
        await bulk.abandon_uncertain(journal)
    await keep(app, app.sandbox.tasks[0].task_id, app.urls()[0])
    await app.run(out=tmp_path / "songs", lyrics=("lrc",))
    async with bulk.open(app.path) as journal:
        (extra,) = await journal.extras()

    assert (extra.record.state, extra.task_id) == ("failed", app.sandbox.tasks[0].task_id)
    assert extra.files
    assert len(app.sandbox.tasks) == 1
    assert len(app.sandbox.requests("POST /sonic/aligned-lyrics")) == 0, "nothing more is paid for it"


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


@pytest.mark.parametrize("target", ["journal", "folder"])
def test_receive_in_both_packages_keeps_the_event_without_the_lock(
    target: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSICAPI_WEBHOOK_SECRET", SECRET)
    given = path if target == "journal" else path.parent
    body, reference = body_of(), new_reference()
    url = f"https://app.example/hooks?a=1&musicapi_attempt={reference}"
    with musicapi_sync.bulk.open(path):
        event = musicapi_sync.bulk.receive(given, body, headers_of(body), url)
        again = asyncio.run(bulk.receive(given, body, headers_of(body), url))
    inbox = FileInbox(f"{path}.events")
    (name,) = inbox.names()
    kept = inbox.read(name)

    assert event == again
    assert kept is not None
    assert (kept.task_id, kept.reference, kept.content) == ("t-1", reference, body)


async def test_receive_without_a_secret_names_the_variable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUSICAPI_WEBHOOK_SECRET", raising=False)
    with pytest.raises(errors.InvalidRequestError, match="MUSICAPI_WEBHOOK_SECRET"):
        await bulk.receive(path, body_of(), headers_of(body_of()), "/hooks")


async def test_receive_refuses_a_forged_event_and_keeps_nothing(path: Path) -> None:
    async with bulk.open(path):
        pass
    with pytest.raises(errors.WebhookVerificationError):
        await bulk.receive(path, body_of(), headers_of(body_of(), "another"), "/hooks", SECRET)
    assert not Path(f"{path}.events").exists()


async def test_receive_without_a_journal_is_refused(path: Path) -> None:
    body = body_of()
    with pytest.raises(errors.JournalError, match="there is none: the event was not kept"):
        await bulk.receive(path, body, headers_of(body), "/hooks", SECRET)


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
