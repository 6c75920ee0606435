"""Songs of attempts that were sent again or given up are saved when their events come, and named as paid besides."""

import asyncio
from pathlib import Path

import pytest
from bulk.event_app import LOST, App, keep, serving
from bulk.runs import CREATE, songs

from musicapi_async import bulk
from musicapi_async.sandbox import EventFault


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
