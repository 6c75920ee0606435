"""A journal that is older than the last submission: its mark shows it, and nothing is paid for twice."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bulk.runs import CREATE, client_of, counts
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import MusicAPI, TaskRequest, bulk, sonic
from musicapi_async.bulk import Changes, Outcome
from musicapi_async.bulk.sqlite.lock import Mark, is_complete_by
from musicapi_async.bulk.sqlite.snapshot import JournalSnapshot
from musicapi_async.errors import InvalidRequestError, JournalError
from musicapi_async.sandbox import Fault, Sandbox

LOST = "the journal has lost entries: it may have been sent"


def songs(*names: object) -> list[TaskRequest[Any]]:
    return [sonic.Describe(description=f"rain {name}") for name in names]


async def run(sandbox: Sandbox, path: Path, requests: Any = None, *, is_current: bool | None = None) -> list[Outcome]:
    async with client_of(sandbox.base_url) as client, bulk.open(path, is_current=is_current) as journal:
        return [outcome async for outcome in bulk.run(client, journal, requests)]


def saved_in(path: Path) -> int:
    """Count what is saved as ``musicapi bulk status`` does, which needs no mark."""
    with JournalSnapshot(path) as snapshot:
        return snapshot.counts()["saved"]


def has_lost_entries(path: Path) -> bool:
    with JournalSnapshot(path) as snapshot:
        return snapshot.has_lost_entries()


def back_up(path: Path, copy: Path, *, mark: bool = False) -> None:
    for suffix in ("", "-wal", *([".lock"] if mark else [])):
        part = path.with_name(path.name + suffix)
        if part.exists():
            shutil.copyfile(part, copy.with_name(copy.name + suffix))


def remove(path: Path) -> None:
    """Remove a journal, and leave its mark."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@pytest.mark.parametrize("later", [songs(*range(20, 40)), songs(*range(40)), songs(*range(39, -1, -1))])
async def test_backup_restored_beside_its_newer_mark_sends_nothing(
    later: list[TaskRequest[Any]], quick: Sandbox, tmp_path: Path
) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "backup.db"
    await run(quick, path, songs(*range(10)))
    back_up(path, copy)
    await run(quick, path, songs(*range(40)))
    assert len(quick.tasks) == 40
    back_up(copy, path)
    await run(quick, path, later)

    assert len(quick.tasks) == 40
    assert (await counts(path))["uncertain"] == len([one for one in later if one not in songs(*range(10))])


async def test_journal_that_is_lost_a_second_time_sends_nothing(quick: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await run(quick, path, songs(*range(4)))
    for _ in range(2):
        remove(path)
        await run(quick, path, songs(*range(4)))

        assert await counts(path) == {"uncertain": 4}
    assert len(quick.tasks) == 4


async def test_backup_of_a_plan_restored_after_another_journal_sends_nothing(quick: Sandbox, tmp_path: Path) -> None:
    path, copy, other = tmp_path / "journal.db", tmp_path / "backup.db", tmp_path / "other.db"
    for planned in (path, other):
        async with bulk.open(planned) as journal:
            await bulk.plan_all(journal, songs(*range(4)))
    back_up(path, copy)
    await run(quick, path, songs(*range(4)))
    for restored in (other, copy):
        remove(path)
        back_up(restored, path)
        await run(quick, path, songs(*range(4)))

        assert await counts(path) == {"uncertain": 4}
    assert len(quick.tasks) == 4


async def test_copy_that_was_only_read_since_restored_beside_a_later_mark_sends_nothing(
    quick: Sandbox, tmp_path: Path
) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "backup.db"
    await run(quick, path, songs(1))
    back_up(path, copy, mark=True)
    # It counts more commits than the journal, and knows of less that was sent.
    for number in range(30):
        async with bulk.open(copy) as journal:
            await journal.remember("a", number)
    await run(quick, path, songs(1, 2))
    back_up(copy, path)
    await run(quick, path, songs(1, 2))

    assert len(quick.tasks) == 2
    assert await counts(path) == {"saved": 1, "uncertain": 1}


async def test_snapshot_of_a_backup_says_that_entries_are_lost_before_the_next_run(
    quick: Sandbox, tmp_path: Path
) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "backup.db"
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, songs(1, 2))
    back_up(path, copy)
    await run(quick, path, songs(1, 2))
    assert not await asyncio.to_thread(has_lost_entries, path)
    remove(path)
    back_up(copy, path)

    assert await asyncio.to_thread(has_lost_entries, path)


async def test_keys_unknown_to_a_journal_stay_uncertain_until_all_are_resolved(
    quick: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "backup.db"
    await run(quick, path, songs(1))
    back_up(path, copy)
    await run(quick, path, songs(1, 2, 3))
    back_up(copy, path)
    await run(quick, path, songs(1, 2, 3))
    for _ in range(2):
        # Not only in the run that found it out.
        caplog.clear()
        await run(quick, path, songs(1, 2, 3, 4))
        assert "has lost entries: requests it does not know may have been sent" in caplog.text
        assert await counts(path) == {"saved": 1, "uncertain": 3}
    async with bulk.open(path) as journal:
        assert {record.reason for record in await journal.records("uncertain")} == {LOST}
        second, third, _ = await journal.records("uncertain")
        await bulk.resolve_as_accepted(journal, second.key, quick.tasks[1].task_id)
        await bulk.resolve_as_accepted(journal, third.key, quick.tasks[2].task_id)
        assert await bulk.resolve_not_sent(journal) == 1
    caplog.clear()
    await run(quick, path, songs(1, 2, 3, 4, 5))

    assert "has lost entries" not in caplog.text
    assert await counts(path) == {"saved": 5}
    assert len(quick.tasks) == 5


async def test_refund_in_a_journal_that_lost_entries_is_not_tried_again_by_itself(
    quick: Sandbox, tmp_path: Path
) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "backup.db"
    async with MusicAPI("k", base_url=quick.base_url, poll_interval=0.01, create_rate=1000.0) as client:
        async with bulk.open(path) as journal:
            quick.end_next("failed", "songs")
            await bulk.plan_all(journal, songs(1))
            (record,) = await journal.claim(1)
            task = await client.submit(songs(1)[0])
            await journal.transition(await journal.transition(record, "sending"), "accepted", Changes(task_id=task.id))
        back_up(path, copy)
        await run(quick, path)  # the task fails, is refunded, and is made again
        assert len(quick.tasks) == 2
        back_up(copy, path)
        await run(quick, path)

    assert len(quick.tasks) == 2
    assert await counts(path) == {"uncertain": 1}


async def test_refused_line_that_is_corrected_in_a_journal_that_lost_entries_is_uncertain(tmp_path: Path) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "backup.db"
    bad, good = (bulk.Planned.of("k", request) for request in songs("bad", "good"))
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, [bad])
        (record,) = await journal.claim(1)
        await journal.transition(await journal.transition(record, "sending"), "refused")
    back_up(path, copy)
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, [good])
        (record,) = await journal.claim(1)
        await journal.transition(await journal.transition(record, "sending"), "accepted", Changes(task_id="t"))
    back_up(copy, path)
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, [good])
        assert [record.request for record in await journal.records("uncertain")] == [good.request]


async def test_two_journals_that_were_swapped_send_nothing(quick: Sandbox, tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "journal.db", tmp_path / "b" / "journal.db"
    await run(quick, one, songs(1))
    await run(quick, other, songs(2))
    for path in (one, other):
        back_up(path, tmp_path / f"{path.parent.name}.db")
    back_up(tmp_path / "a.db", other)
    back_up(tmp_path / "b.db", one)
    await run(quick, one, songs(1, 3))
    await run(quick, other, songs(2, 4))

    assert len(quick.tasks) == 2
    assert [await counts(path) for path in (one, other)] == [{"saved": 1, "uncertain": 2}] * 2


async def test_new_journal_beside_the_mark_of_one_that_sent_is_uncertain(quick: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await run(quick, path, songs(1))
    path.unlink()
    await run(quick, path, songs(1, 2))

    assert len(quick.tasks) == 1
    assert await counts(path) == {"uncertain": 2}


async def test_mark_that_is_older_changes_nothing(quick: Sandbox, tmp_path: Path) -> None:
    path, lock = tmp_path / "journal.db", tmp_path / "journal.db.lock"
    await run(quick, path, songs(1))
    older = lock.read_bytes()
    await run(quick, path, songs(1, 2))
    lock.write_bytes(older)
    await run(quick, path, songs(1, 2, 3))

    assert await counts(path) == {"saved": 3}


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda lock: lock.write_bytes(b""), lambda lock: lock.write_bytes(b"\0" * 200)]
)
async def test_journal_that_lost_its_mark_is_refused_until_its_user_answers(
    spoil: Callable[[Path], object], quick: Sandbox, tmp_path: Path
) -> None:
    path, lock = tmp_path / "journal.db", tmp_path / "journal.db.lock"
    await run(quick, path, songs(1))
    spoil(lock)
    for _ in range(3):
        with pytest.raises(JournalError, match=r"--journal-is-current .*is_current=True.*--journal-is-old .*=False"):
            await run(quick, path, songs(1, 2))
    assert await asyncio.to_thread(saved_in, path) == 1
    await run(quick, path, songs(1, 2), is_current=True)
    await run(quick, path, songs(1, 2, 3))

    assert await counts(path) == {"saved": 3}


async def test_journal_declared_old_has_its_planned_records_uncertain(quick: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await run(quick, path, songs(1))
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, songs(1, 2))
    path.with_name("journal.db.lock").unlink()
    await run(quick, path, songs(1, 2, 3), is_current=False)

    assert len(quick.tasks) == 1
    assert await counts(path) == {"saved": 1, "uncertain": 2}


async def test_journal_declared_current_by_mistake_sends_nothing(quick: Sandbox, tmp_path: Path) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "backup.db"
    await run(quick, path, songs(1))
    back_up(path, copy)
    await run(quick, path, songs(1, 2))
    back_up(copy, path)
    await run(quick, path, songs(1, 2), is_current=True)

    assert len(quick.tasks) == 2


async def test_journal_that_sent_nothing_needs_no_mark(quick: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, songs(1))
    path.with_name("journal.db.lock").unlink()
    await run(quick, path)

    assert await counts(path) == {"saved": 1}


async def test_copy_made_by_sqlite_needs_confirmation(quick: Sandbox, tmp_path: Path) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "copy.db"
    await run(quick, path, songs(1))

    def vacuum() -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM")
            connection.execute("VACUUM INTO ?", (str(copy),))

    await asyncio.to_thread(vacuum)
    with pytest.raises(JournalError, match=r"\(copy\.db\.lock\) is missing"):
        await run(quick, copy)
    await run(quick, path, songs(1, 2))
    assert await counts(path) == {"saved": 2}


async def test_request_that_was_not_accepted_is_sent_again_and_counts_once(quick: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, songs(1, 2, 3))
        for record in await journal.claim(3):
            await journal.transition(await journal.transition(record, "sending", Changes(charge=20.0)), "uncertain")
        first, second, _ = await journal.records("uncertain")
        with pytest.raises(InvalidRequestError, match="key is 'other'") as caught:
            await bulk.resolve_not_sent(journal, [first.key, "other"])
        assert caught.value.field == "key"
        assert (await journal.counts())["uncertain"] == 3
        assert await bulk.resolve_not_sent(journal, [first.key]) == 1
        assert await bulk.resend_uncertain(journal, [second.key]) == 1
        (first, second) = await journal.records("planned")
        assert [(record.attempts, record.charged) for record in (first, second)] == [(0, 0.0), (1, 20.0)]
        with pytest.raises(InvalidRequestError, match="no request of that key is uncertain"):
            await bulk.resolve_not_sent(journal, [first.key])
        assert await bulk.resolve_not_sent(journal) == 1
        assert await bulk.resolve_not_sent(journal) == 0
        assert [record.charged for record in await journal.records("planned")] == [0.0, 20.0, 0.0]
    await run(quick, path)

    assert len(quick.tasks) == 3


async def test_many_uncertain_records_are_resolved_together(quick: Sandbox, tmp_path: Path) -> None:
    quick.add_fault(CREATE, *(Fault(drop=True) for _ in range(6)))
    path = tmp_path / "journal.db"
    await run(quick, path, songs(*range(6)))
    async with bulk.open(path) as journal:
        keys = [record.key for record in await journal.records("uncertain")]
        assert await bulk.resolve_not_sent(journal, keys[1:]) == 5
        assert [record.key for record in await journal.records("uncertain")] == keys[:1]
    await run(quick, path)

    assert len(quick.tasks) == 5


@given(
    left=st.none() | st.builds(Mark, st.integers(0, 9), st.integers(0, 9), st.none() | st.sampled_from("ab")),
    own=st.builds(Mark, st.integers(0, 9), st.integers(0, 9), st.sampled_from("ab")),
)
def test_journal_is_complete_only_where_nothing_can_have_been_sent_beside_it(left: Mark | None, own: Mark) -> None:
    has_sent = own.highest > 0
    complete = is_complete_by(left, own, has_sent=has_sent)

    if left is None:
        assert complete is (None if has_sent else True)
    elif complete:
        is_own = left.journal_id in {None, own.journal_id}
        assert left.highest == 0 or (is_own and left.commits <= own.commits)
