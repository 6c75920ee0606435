"""Tasks that do not end, end in part, or are unknown to the service: no slot is held for ever, no song is lost."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from bulk.runs import client_of, counts, run_on, songs
from service import RUNNING, Service, clip, done, serving

from musicapi_async import bulk, errors
from musicapi_async.bulk import Outcome

NOT_FOUND = (400, {"error": "task not found."})


async def run(service: Service, path: Path, requests: Any = None, **options: Any) -> list[Outcome]:
    return await run_on(service.base_url, path, requests, **{"timeout": 0.2, **options})


def states(outcomes: list[Outcome]) -> dict[str | None, str]:
    return {outcome.record.task_id: outcome.record.state for outcome in outcomes}


def accepted_days_ago(path: Path, days: float) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE row SET accepted_at = ?", (time.time() - days * 86_400,))


async def test_run_with_a_task_that_does_not_end_frees_its_slot_and_continues(path: Path) -> None:
    async with serving() as service:
        service.poll = lambda number: RUNNING if number == 0 else done(clip(2 * number), clip(2 * number + 1))
        outcomes = await run(service, path, songs(6), in_flight=2)

        assert len(service.created) == 6
    assert states(outcomes) == {"t-0": "accepted"} | {f"t-{number}": "saved" for number in range(1, 6)}
    (stuck,) = (outcome for outcome in outcomes if outcome.record.state == "accepted")
    assert isinstance(stuck.error, errors.TaskTimeoutError)
    assert stuck.record.is_overdue
    assert stuck.record.charged == 20


async def test_run_with_a_new_task_unknown_to_the_service_frees_its_slot_in_time(path: Path) -> None:
    async with serving() as service:
        service.poll = lambda number: NOT_FOUND if number == 0 else done(clip(2 * number), clip(2 * number + 1))
        began = time.monotonic()
        outcomes = await run(service, path, songs(4), in_flight=2, timeout=0.5)

    # A poll with a response counts, also one that says that the task is unknown, or not known yet.
    assert time.monotonic() - began < 20
    assert states(outcomes) == {"t-0": "uncertain"} | {f"t-{number}": "saved" for number in range(1, 4)}
    (unknown,) = (outcome for outcome in outcomes if outcome.record.state == "uncertain")
    assert "task t-0 was accepted" in str(unknown.record.reason)


async def test_overdue_task_that_ends_later_is_saved_before_the_run_ends(path: Path) -> None:
    polls: Counter[int] = Counter()

    def poll(number: int) -> tuple[int, object]:
        polls[number] += 1
        # It ends after the others, each of which takes a while.
        is_running = polls[5] < 8 if number == 0 else polls[number] < 8
        return RUNNING if is_running else done(clip(2 * number), clip(2 * number + 1))

    async with serving(poll=poll) as service:
        outcomes = await run(service, path, songs(6), in_flight=2, timeout=0.3)

    assert states(outcomes) == {f"t-{number}": "saved" for number in range(6)}
    assert [outcome.record.task_id for outcome in outcomes if outcome.record.overdue_at] == ["t-0"]
    assert len(outcomes) == 6


async def test_overdue_task_in_a_later_run_is_polled_without_a_slot(path: Path) -> None:
    async with serving(poll=lambda _: RUNNING) as service:
        with pytest.raises(errors.BulkStoppedError):
            await run(service, path, songs(1), in_flight=1)
        before, began = service.count("GET /api/v1/sonic/task"), time.monotonic()
        (outcome,) = await run(service, path, in_flight=1, timeout=600.0)
        assert time.monotonic() - began < 5
        assert service.count("GET /api/v1/sonic/task") - before <= 2
        assert isinstance(outcome.error, errors.TaskTimeoutError)

        service.poll = lambda _: done(clip(0), clip(1))
        (outcome,) = await run(service, path, timeout=600.0)
        assert outcome.record.state == "saved"
        assert len(service.created) == 1


async def test_run_whose_tasks_all_do_not_end_submits_nothing_more(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(poll=lambda _: RUNNING) as service:
        with pytest.raises(errors.BulkStoppedError, match="3 tasks in a row were not finished in time"):
            await run(service, path, songs(40), in_flight=3)

        assert len(service.created) <= 5
    found = await counts(path)
    assert found["accepted"] + found["planned"] == 40
    assert "polled again before the run ends" in caplog.text


async def test_tasks_that_end_between_two_that_do_not_keep_the_run_going(path: Path) -> None:
    polls: Counter[int] = Counter()

    def poll(number: int) -> tuple[int, object]:
        polls[number] += 1
        # Every third never ends. One of the others takes a third of the timeout, so that no two are overdue in a row.
        is_running = number % 3 == 0 or polls[number] < (number % 3 - 1) * 30
        return RUNNING if is_running else done(clip(2 * number), clip(2 * number + 1))

    async with serving(poll=poll) as service:
        outcomes = await run(service, path, songs(12), in_flight=2, timeout=1.0)

        assert len(service.created) == 12
    assert sorted(states(outcomes).values()) == ["accepted"] * 4 + ["saved"] * 8


async def test_clip_that_is_finished_when_its_sibling_is_not_is_saved_once(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "songs"
    async with serving() as service:
        first, second = clip(1, base_url=service.base_url), clip(2, base_url=service.base_url)
        service.poll = lambda _: done(clip(2, "running"), first)
        options: dict[str, Any] = {"in_flight": 2, "out": out}
        (outcome,) = await run(service, path, songs(1), **options)

        assert outcome.record.state == "accepted"
        assert [one["clip_id"] for one in outcome.record.clips] == ["c-1"]
        assert sorted(outcome.record.files) == sorted(file.name for file in out.iterdir())
        assert [file.suffix for file in sorted(out.iterdir())] == [".json", ".mp3"]
        kept = {file: file.stat().st_mtime_ns for file in out.iterdir()}

        (outcome,) = await run(service, path, **options)  # nothing new
        assert outcome.record.state == "accepted"

        # Whatever the service calls it now, it is there.
        service.poll = lambda _: done(second, first | {"title": "Another"})
        (outcome,) = await run(service, path, **options)
        assert outcome.record.state == "saved"
        assert service.count("GET /api/v1/files/c-1") == service.count("GET /api/v1/files/c-2") == 1
        assert len(service.created) == 1

    assert [one["clip_id"] for one in outcome.record.clips] == ["c-2", "c-1"]
    assert len(set(outcome.record.files)) == len(list(out.iterdir())) == 4
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert json.loads((out / outcome.record.files[1]).read_text())["clip"]["clip_id"] == "c-2"


async def test_clip_that_is_finished_when_its_sibling_is_not_is_in_the_outcome(path: Path) -> None:
    async with serving() as service:
        service.poll = lambda _: done(clip(1, base_url=service.base_url), clip(2, "running"))
        (outcome,) = await run(service, path, songs(1), in_flight=2)

    assert isinstance(outcome.error, errors.TaskTimeoutError)
    assert [one.clip_id for one in outcome.result] == ["c-1"]
    assert [one["clip_id"] for one in outcome.record.clips] == ["c-1"]


async def test_task_that_is_finished_in_part_for_a_day_is_saved_in_part(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "songs"
    async with serving() as service:
        service.poll = lambda _: done(clip(1, base_url=service.base_url), clip(2, "running"))
        await run(service, path, songs(1), in_flight=2, out=out)
        await asyncio.to_thread(accepted_days_ago, path, 1.01)
        (outcome,) = await run(service, path, out=out)

    assert outcome.record.state == "saved"
    assert "1 of 2 clips" in str(outcome.record.reason)
    assert len(outcome.record.files) == 2


async def test_task_that_does_not_end_for_a_day_can_be_resolved(path: Path) -> None:
    async with serving(poll=lambda _: RUNNING) as service:
        await run(service, path, songs(1), in_flight=2)
        await asyncio.to_thread(accepted_days_ago, path, 1.01)
        (outcome,) = await run(service, path)

    assert outcome.record.state == "uncertain"
    assert "t-0" in str(outcome.record.reason)


@pytest.mark.parametrize(
    "answer",
    [
        NOT_FOUND,
        (404, {"error": "no such task"}),
        (410, {"error": "gone"}),
        (403, {"error": "this task is not yours"}),
        (400, {"error": "bad id"}),
    ],
)
async def test_task_forgotten_by_the_service_becomes_uncertain_and_can_be_resolved(
    answer: tuple[int, object], path: Path
) -> None:
    async with serving() as service:
        service.poll = lambda _: RUNNING
        await run(service, path, songs(1), in_flight=2)
        service.poll = lambda _: answer
        before = service.count("GET /api/v1/sonic/task")
        (outcome,) = await run(service, path)

        assert service.count("GET /api/v1/sonic/task") - before == 3
        assert outcome.record.state == "uncertain"
        assert outcome.record.charged == 20
        assert "task t-0" in str(outcome.record.reason)
        assert await run(service, path) == []
        service.poll = lambda number: done(clip(2 * number), clip(2 * number + 1))
        async with bulk.open(path) as journal:
            assert await bulk.resend_uncertain(journal) == 1
        (outcome,) = await run(service, path)
        assert (outcome.record.state, outcome.record.charged) == ("saved", 40)
        assert len(service.created) == 2


@pytest.mark.parametrize(
    "answer", [(204, b""), (200, b""), (200, []), (302, {}), (402, {"error": "pay"}), (403, b"<html>no"), (500, {})]
)
async def test_task_whose_polls_are_never_readable_becomes_uncertain_after_a_day_and_frees_its_slot(
    answer: tuple[int, object], path: Path
) -> None:
    async with serving() as service:
        service.poll = lambda number: answer if number < 2 else done(clip(2 * number), clip(2 * number + 1))
        with contextlib.suppress(errors.MusicAPIError):
            await run(service, path, songs(6), in_flight=2, outage=0.3)
        assert (await counts(path))["accepted"] == 2
        await asyncio.to_thread(accepted_days_ago, path, 2.1)
        await run(service, path, songs(6), in_flight=2, outage=0.3)

        assert len(service.created) == 6
    assert await counts(path) == {"uncertain": 2, "saved": 4}


async def test_tasks_that_are_all_unknown_stop_the_run_and_stay_accepted(path: Path) -> None:
    async with serving(poll=lambda _: RUNNING) as service:
        await run(service, path, songs(30), in_flight=40)
        service.poll = lambda _: NOT_FOUND
        before = service.count("GET /api/v1/sonic/task")
        with pytest.raises(errors.BulkStoppedError, match="Check the key and the base_url"):
            await run(service, path, songs(40), in_flight=10)

        assert service.count("GET /api/v1/sonic/task") - before <= 3 * 20
        assert len(service.created) == 30
    assert await counts(path) == {"accepted": 25, "uncertain": 5, "planned": 10}


async def test_forgotten_tasks_beside_those_that_are_known_all_become_uncertain(path: Path) -> None:
    async with serving(poll=lambda _: RUNNING) as service:
        async with client_of(service.base_url) as client, bulk.open(path) as journal:
            running = bulk.run(client, journal, songs(12), in_flight=12)
            waiting = asyncio.ensure_future(anext(running))
            while (await journal.counts())["accepted"] < 12:
                await asyncio.sleep(0.01)
            await running.aclose()
            await asyncio.gather(waiting, return_exceptions=True)
        service.poll = lambda number: NOT_FOUND if number % 4 else RUNNING
        await run(service, path, in_flight=12, timeout=2.5)

    assert await counts(path) == {"accepted": 3, "uncertain": 9}


async def test_accepted_record_whose_request_is_no_longer_valid_is_still_collected(path: Path) -> None:
    async with serving(poll=lambda _: RUNNING) as service:
        await run(service, path, songs(1), in_flight=2)
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE row SET request = '{}'")
        service.poll = lambda _: done(clip(0), clip(1))
        (outcome,) = await run(service, path)

    assert outcome.record.state == "saved"


@pytest.mark.parametrize("timeout", [None, 600.0])
async def test_wrong_key_on_a_poll_leaves_the_record_accepted_and_stops_the_run(
    timeout: float | None, path: Path
) -> None:
    async with serving(poll=lambda _: RUNNING) as service:
        await run(service, path, songs(1), in_flight=2)
        await asyncio.to_thread(accepted_days_ago, path, -0.1)
        service.poll = lambda _: (401, {"error": "unknown key"})
        with pytest.raises(errors.AuthenticationError):
            await run(service, path, songs(3), timeout=timeout, in_flight=1)

    assert (await counts(path))["accepted"] == 1
