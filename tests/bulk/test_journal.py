"""The journal survives the end of its process, and marks requests of unknown outcome as uncertain."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import attrs
import pytest
from bulk.runs import counts

from musicapi_async import bulk
from musicapi_async.bulk import Changes, Planned
from musicapi_async.bulk.records import TRANSITIONS
from musicapi_async.bulk.sqlite.schema import VERSION, prepare
from musicapi_async.errors import InvalidRequestError, JournalError


def planned(count: int) -> list[Planned]:
    return [
        Planned(key=f"k-{number}", operation="sonic.describe", request={"prompt": f"rain {number}"})
        for number in range(count)
    ]


def until_killed(path: Path, work: str) -> None:
    """Run work on the journal in a process that is killed when it says so."""
    program = f"""
        import asyncio
        from pathlib import Path
        from musicapi_async import bulk
        from musicapi_async.bulk import Changes, Planned

        async def main():
            async with bulk.open({str(path)!r}) as journal:
                records = [Planned(key=f"k-{{n}}", operation="sonic.describe", request={{}}) for n in range(10)]
                await journal.plan(records)
{textwrap.indent(textwrap.dedent(work), " " * 16)}
                print("ready", flush=True)
                await asyncio.sleep(60)

        asyncio.run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert line == "ready\n"


def told_by(program: str) -> list[str]:
    """Return the lines that a program prints."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def ask(path: Path, statement: str) -> object:
    """Ask the file itself, past the journal."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchone()


def shorten(path: Path, by: int) -> None:
    os.truncate(path, path.stat().st_size - by)


async def test_journal_reopened_has_every_record_and_transition(store: Path | str) -> None:
    path = store
    async with bulk.open(path) as journal:
        assert await journal.plan(planned(3)) == 3
        first, _, third = await journal.claim(10)
        first = await journal.transition(first, "sending")
        first = await journal.transition(first, "accepted", Changes(task_id="t-1"))
        first = await journal.transition(first, "finished", Changes(clips=[{"clip_id": "c-1"}]))
        first = await journal.transition(first, "saved", Changes(files=["a.mp3"]))
        third = await journal.transition(third, "refused", Changes(reason="no"))

    async with bulk.open(path) as journal:
        counts = await journal.counts()
        assert {state: count for state, count in counts.items() if count} == {"planned": 1, "saved": 1, "refused": 1}
        assert await journal.records("saved") == [first]
        assert await journal.records("refused") == [third]
        assert [record.key for record in await journal.claim(10)] == ["k-1"]
    assert (first.task_id, first.attempts, first.files) == ("t-1", 1, ["a.mp3"])
    assert first.clips == [{"clip_id": "c-1"}]
    assert first.sent_at is not None
    assert first.accepted_at is not None
    assert first.sent_at <= first.accepted_at


async def test_plan_of_more_requests_than_a_statement_takes_adds_them_all(tmp_path: Path) -> None:
    many = planned(10_500)
    async with bulk.open(tmp_path / "journal.db") as journal:
        assert await journal.plan(many) == len(many)
        (last,) = await journal.records("planned", after=len(many) - 1)
        assert last.key == many[-1].key
        assert await journal.plan(many) == 0


async def test_plan_with_a_key_twice_in_a_batch_takes_the_last_one(tmp_path: Path) -> None:
    first, last = (attrs.evolve(planned(1)[0], request={"prompt": text}) for text in ("rain", "snow"))
    async with bulk.open(tmp_path / "journal.db") as journal:
        assert await journal.plan([first, last]) == 1
        (record,) = await journal.records("planned")
        assert record.request == last.request
        with pytest.raises(InvalidRequestError, match="which another request of the plan has"):
            await journal.plan([first, last], await journal.new_plan())


@pytest.mark.parametrize("count", [1, 10_500], ids=["one statement", "several"])
async def test_plan_that_is_refused_adds_none_of_its_requests(store: Path | str, count: int) -> None:
    known, *new = planned(count + 1)
    async with bulk.open(store) as journal:
        plan = await journal.new_plan()
        await journal.plan([known], plan)
        with pytest.raises(InvalidRequestError, match="which another request of the plan has"):
            await journal.plan([*new, known], plan)
        await journal.activate_plan(plan)

    assert await counts(store) == {"planned": 1}


async def test_plan_with_a_known_key_adds_no_record(store: Path | str) -> None:
    async with bulk.open(store) as journal:
        await journal.plan(planned(3))
        assert await journal.plan(planned(5)) == 2
        assert [record.key for record in await journal.claim(10)] == [f"k-{number}" for number in range(5)]


async def test_claim_returns_each_record_once(store: Path | str) -> None:
    async with bulk.open(store) as journal:
        await journal.plan(planned(5))
        taken = [*await journal.claim(2), *await journal.claim(2), *await journal.claim(2), *await journal.claim(2)]

    assert [record.number for record in taken] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("state", [state for state in TRANSITIONS if state not in TRANSITIONS["planned"]])
async def test_transition_that_is_not_allowed_is_refused(state: str, store: Path | str) -> None:
    async with bulk.open(store) as journal:
        await journal.plan(planned(1))
        (record,) = await journal.claim(1)
        with pytest.raises(JournalError, match=rf"record 1 \('k-0'\) is planned: it cannot be {state}"):
            await journal.transition(record, state)  # type: ignore[arg-type]  # one of them

        assert (await journal.counts())["planned"] == 1


async def test_transition_of_a_record_in_another_state_is_refused(store: Path | str) -> None:
    async with bulk.open(store) as journal:
        await journal.plan(planned(1))
        (record,) = await journal.claim(1)
        await journal.transition(record, "sending")
        with pytest.raises(JournalError, match="is not planned any more"):
            await journal.transition(record, "sending")

        assert len(await journal.records("sending")) == 1


async def test_record_being_sent_when_the_process_was_killed_is_uncertain(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await asyncio.to_thread(
        until_killed,
        path,
        """
        taken = await journal.claim(3)
        for record in taken:
            await journal.transition(record, "sending")
        await journal.transition((await journal.records("sending"))[0], "accepted", Changes(task_id="t-1"))
        """,
    )
    async with bulk.open(path) as journal:
        uncertain = await journal.records("uncertain")
        assert [record.key for record in uncertain] == ["k-1", "k-2"]
        assert {record.reason for record in uncertain} == {"its process ended before the response arrived"}
        assert [record.task_id for record in await journal.records("accepted")] == ["t-1"]
        assert [record.key for record in await journal.claim(1)] == ["k-3"]


@pytest.mark.parametrize("cut", [1, 4000, 20_000])
async def test_journal_that_lost_its_end_has_everything_planned_uncertain(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await asyncio.to_thread(
        until_killed,
        path,
        """
        for record in await journal.claim(4):
            record = await journal.transition(record, "sending")
            await journal.transition(record, "accepted", Changes(task_id=record.key))
        """,
    )
    await asyncio.to_thread(shorten, path.with_name("journal.db-wal"), cut)
    async with bulk.open(path) as journal:
        known = {record.key for record in await journal.records("accepted")}
        uncertain = {record.key for record in await journal.records("uncertain")}
        left = await journal.records("planned")

    assert len(known) < 4
    assert known | uncertain == {f"k-{number}" for number in range(10)}
    assert left == []


async def test_journal_in_use_is_refused_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with bulk.open(path):
        with pytest.raises(JournalError, match=rf"it is in use by process {os.getpid()} on .* since .* UTC"):
            async with bulk.open(path):
                pass
    async with bulk.open(path):
        pass


@pytest.mark.parametrize(
    ("content", "reason"), [(b"not a database, and long enough to be none" * 100, "cannot be read"), (None, "opened")]
)
async def test_open_of_a_file_that_is_no_journal_changes_nothing(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    if content is None:
        (tmp_path / "file").touch()
        path = tmp_path / "file" / "journal.db"
    else:
        path.write_bytes(content)
    with pytest.raises(JournalError, match=reason):
        async with bulk.open(path):
            pass

    assert content is None or path.read_bytes() == content


async def test_open_of_another_programs_database_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await asyncio.to_thread(ask, path, "CREATE TABLE bookmark (url TEXT)")
    with pytest.raises(JournalError, match="another program's"):
        async with bulk.open(path):
            pass


async def test_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with bulk.open(path):
        pass
    await asyncio.to_thread(ask, path, f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(JournalError, match="written by a newer version"):
        async with bulk.open(path):
            pass


async def test_journal_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with bulk.open(path) as journal:
        await journal.plan(planned(2000))
    await asyncio.to_thread(lambda: shorten(path, path.stat().st_size // 2))
    with pytest.raises(JournalError, match=r"damaged|cannot be read"):
        async with bulk.open(path):
            pass


def test_commit_is_flushed_to_the_disk(tmp_path: Path) -> None:
    """SQLite: with WAL and FULL each commit syncs the log; a power cut loses none."""
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as connection:
        prepare(connection, "journal.db")

        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_transitions_awaited_together_share_a_flush(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with bulk.open(path) as journal:
        await journal.plan(planned(500))
        await asyncio.gather(*[journal.transition(record, "sending") for record in await journal.claim(500)])
        found = await asyncio.to_thread(ask, path, "SELECT commits FROM progress")

    assert isinstance(found, tuple)
    assert found[0] < 100


async def test_transition_on_a_full_disk_is_a_journal_error(tmp_path: Path) -> None:
    program = f"""
        import asyncio, resource, signal
        from musicapi_async import bulk
        from musicapi_async.bulk import Planned
        from musicapi_async.errors import JournalError

        async def main():
            async with bulk.open({str(tmp_path / "journal.db")!r}) as journal:
                await journal.plan([Planned(key="k", operation="sonic.describe", request={{}})])
                (record,) = await journal.claim(1)
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (4096, -1))
                try:
                    await journal.transition(record, "sending")
                except JournalError as error:
                    print(error)
                resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
                print(await journal.counts())
                await journal.transition(record, "sending")
                print("sending")

        asyncio.run(main())
    """
    refusal, counts, later = await asyncio.to_thread(told_by, program)

    assert "it could not be written" in refusal
    assert "'planned': 1" in counts
    assert later == "sending"


async def test_remember_keeps_a_value_for_the_next_run(store: Path | str) -> None:
    path = store
    async with bulk.open(path) as journal:
        assert await journal.recall("durations") is None
        await journal.remember("durations", {"sonic": [1.5]})
        await journal.remember("durations", {"sonic": [2.5]})
    async with bulk.open(path) as journal:
        assert await journal.recall("durations") == {"sonic": [2.5]}


async def test_journal_that_is_closed_is_a_journal_error(store: Path | str) -> None:
    async with bulk.open(store) as journal:
        pass
    with pytest.raises(JournalError, match="it is closed"):
        await journal.counts()
