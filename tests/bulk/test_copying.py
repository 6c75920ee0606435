"""A journal that moves into another one: all of it or nothing, and never are both usable."""

import asyncio
import math
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from bulk.runs import CREATE, client_of, described, run_on, songs
from commands import on_unix

from musicapi_async import bulk
from musicapi_async._webhook_inbox import InboxEvent
from musicapi_async.bulk import Attempt, Changes, Planned, PlanOptions, Record
from musicapi_async.bulk.copying import copy_journal, open_for_copy
from musicapi_async.bulk.records import TRANSITIONS
from musicapi_async.bulk.snapshot import snapshot
from musicapi_async.errors import JournalError
from musicapi_async.sandbox import Fault, Sandbox


async def contents(path: Path) -> tuple[list[Record], Sequence[Attempt], dict[str, Any]]:
    async with bulk.open(path) as journal:
        records = [record for state in TRANSITIONS for record in await journal.records(state)]
        others = {
            "counts": await journal.counts(),
            "charged": await journal.charged(),
            "total": await journal.total_charged(),
            "plan": await journal.activate_plan(),
            "in plan": [record.number for record in await journal.records("planned", in_current_plan=True)],
            "references": sorted(await journal.open_references(100)),
            "spending": await journal.recall("spending"),
            "service": await journal.recall("service"),
            "options": await bulk.recall_options(journal),
        }
        return sorted(records, key=lambda record: record.number), await journal.extras(), others


def read(path: Path) -> None:
    with snapshot(path) as found:
        found.counts()


async def move(source: Path, target: Path) -> int:
    async with open_for_copy(source) as old, open_for_copy(target) as new:
        return await copy_journal(old, new, str(target))


async def half_finished(sandbox: Sandbox, path: Path) -> None:
    """Leave a journal with records in most states, of several plans, one of them corrected."""
    sandbox.add_fault(CREATE, Fault(status=404, body={"error": "no such path"}), Fault(drop=True, accepted=True))
    await run_on(sandbox.base_url, path, songs(6), in_flight=1, max_credits=10_000)
    async with bulk.open(path) as journal:
        await bulk.remember_options(journal, PlanOptions(in_flight=7, max_credits=500))
        await journal.plan([Planned.of("left out", one) for one in described("of a former plan")])
        # One of the first plan is corrected, and two are new.
        corrected = Planned.of("k", described("corrected")[0])
        (saved, *_) = await journal.records("saved")
        again = attrs.evolve(corrected, key=saved.key, key_version=saved.key_version)
        await bulk.plan_all(journal, [again, *described("new é", "new 2")])
        record, _ = await journal.claim(2)
        sending = await journal.transition(record, "sending", Changes(charge=20.0, reference="of-the-first"))
        uncertain = await journal.transition(sending, "uncertain", Changes(reason="no response"))
        planned = await journal.transition(uncertain, "planned", Changes(reason="sent again"))
        sending = await journal.transition(planned, "sending", Changes(charge=20.0, reference="of-the-second"))
        await journal.record_extra("of-the-first", "t-extra", ["extra.mp3", "extra.json"])
        await journal.transition(sending, "accepted", Changes(task_id="t-second"))


async def test_copy_has_everything_that_the_journal_had(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    await half_finished(quick, path)
    before = await contents(path)
    count = await move(path, tmp_path / "new.db")

    assert count == len(before[0])
    assert await contents(tmp_path / "new.db") == before
    assert {record.state for record in before[0]} == {"planned", "accepted", "saved", "refused", "uncertain"}
    assert len(before[1]) == 1


async def test_copied_journal_is_closed_for_good_and_names_where_its_records_are(
    quick: Sandbox, path: Path, tmp_path: Path
) -> None:
    await half_finished(quick, path)
    new = tmp_path / "new.db"
    await move(path, new)

    with pytest.raises(JournalError, match=f"its records were moved to {new}, and it is closed for good"):
        await bulk.open(path).__aenter__()
    with pytest.raises(JournalError, match="moved to"):
        await asyncio.to_thread(read, path)
    with pytest.raises(JournalError, match="moved to"):
        await move(path, tmp_path / "another.db")
    # A release that knows nothing of this refuses the file as one of a newer format.
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] > 1000
    connection.close()


async def test_run_on_the_copy_sends_only_what_was_not_sent(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    quick.add_fault(CREATE, Fault(drop=True, accepted=True))
    async with client_of(quick.base_url) as client, bulk.open(path) as journal:
        run = bulk.run(client, journal, songs(6), in_flight=1)
        for _ in range(3):
            await anext(run)
        await run.aclose()
    await move(path, tmp_path / "new.db")
    await run_on(quick.base_url, tmp_path / "new.db", songs(6))
    async with bulk.open(tmp_path / "new.db") as journal:
        counts = {state: count for state, count in (await journal.counts()).items() if count}

    assert counts == {"saved": 5, "uncertain": 1}
    assert len(quick.tasks) == 6


async def test_copied_line_that_was_corrected_is_sent_as_it_is_now(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    quick.add_fault(CREATE, Fault(drop=True))
    old, new = (Planned.of("k", one) for one in described("old words", "new words"))
    await run_on(quick.base_url, path, [old])
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, [new])
    await move(path, tmp_path / "new.db")
    async with bulk.open(tmp_path / "new.db") as journal:
        assert await bulk.resolve_not_sent(journal) == 1
    await run_on(quick.base_url, tmp_path / "new.db")

    assert [task.request.to_wire()["gpt_description_prompt"] for task in quick.tasks] == ["new words"]


async def test_copy_takes_the_events_that_no_run_has_taken(path: Path, tmp_path: Path) -> None:
    event = InboxEvent("e-1", "song.completed", "t-1", "r-1", b"{}")
    async with bulk.open(path) as journal:
        await journal.inbox.put(event)
    await move(path, tmp_path / "new.db")
    inbox = bulk.open(tmp_path / "new.db").inbox
    (name,) = await inbox.names(math.inf)

    assert await inbox.read(name) == event


async def plan(path: Path, *descriptions: str) -> None:
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, described(*descriptions))


async def test_copy_into_a_journal_with_contents_is_refused_and_changes_nothing(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.db"
    await plan(path, "old")
    await plan(target, "other")
    before, other = await contents(path), await contents(target)
    with pytest.raises(JournalError, match="it is not empty: a journal is copied into a new one"):
        await move(path, target)

    assert await contents(path) == before
    assert await contents(target) == other


async def test_copy_of_a_journal_that_has_lost_entries_is_refused(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    await run_on(quick.base_url, path, songs(1))
    async with open_for_copy(path, is_current=False) as old, open_for_copy(tmp_path / "new.db") as new:
        with pytest.raises(JournalError, match="it has lost entries.*--not-sent --all"):
            await copy_journal(old, new, "new.db")
    async with bulk.open(path) as journal:
        await bulk.resolve_not_sent(journal)

    assert await move(path, tmp_path / "new.db") == 1


async def test_copy_that_was_interrupted_is_refused_until_it_is_made_again(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.db"
    await plan(path, "old")
    await plan(tmp_path / "other.db", "other")
    before = await contents(path)
    async with open_for_copy(path) as old, open_for_copy(target) as new:
        await new.begin_copy(await old.identity(), 1)
        await new.add_records(await old.copied_records(0, 10))

    with pytest.raises(JournalError, match="it is the unfinished copy of another journal: run the same"):
        await bulk.open(target).__aenter__()
    with pytest.raises(JournalError, match="unfinished copy"):
        await asyncio.to_thread(read, target)
    with pytest.raises(JournalError, match="unfinished copy of another journal: copy into a new one"):
        await move(tmp_path / "other.db", target)
    assert await contents(path) == before
    await move(path, target)
    assert await contents(target) == before


async def test_copy_that_ended_after_the_old_journal_was_closed_is_completed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.db"
    await plan(path, "old")
    before = await contents(path)
    async with open_for_copy(path) as old, open_for_copy(target) as new:
        await new.begin_copy(await old.identity(), await old.activate_plan())
        await new.add_records(await old.copied_records(0, 10))
        await new.add_values(await old.copied_values())
        await old.close_for_good(str(target))
    for one in (path, target):
        with pytest.raises(JournalError):
            await bulk.open(one).__aenter__()
    await move(path, target)

    assert await contents(target) == before


COPYING = """
import asyncio, sys
from musicapi_async.bulk.copying import copy_journal, open_for_copy
async def main(source, target):
    async with open_for_copy(source) as old, open_for_copy(target) as new:
        print("begun", flush=True)
        await copy_journal(old, new, target)
asyncio.run(main(*sys.argv[1:]))
"""


async def usable(path: Path) -> bool:
    """Return whether a journal opens as any other, with its records."""
    if not path.exists():
        return False
    try:
        async with bulk.open(path) as journal:
            return sum((await journal.counts()).values()) > 0
    except JournalError:
        return False


@on_unix
def test_copy_killed_at_any_moment_leaves_one_journal_that_is_usable_or_is_completed(tmp_path: Path) -> None:
    source, target = tmp_path / "old" / "journal.db", tmp_path / "new" / "journal.db"
    asyncio.run(plan(source, *(f"rain {number}" for number in range(4000))))
    before = asyncio.run(contents(source))
    shutil.copytree(source.parent, tmp_path / "trial")
    began = time.monotonic()
    asyncio.run(move(tmp_path / "trial" / "journal.db", tmp_path / "trial.db"))
    took = time.monotonic() - began

    for step in range(8):
        with subprocess.Popen([sys.executable, "-c", COPYING, source, target], stdout=subprocess.PIPE) as copying:
            assert copying.stdout is not None
            copying.stdout.readline()
            # The moments of a copy, from its first to its last.
            with suppress(subprocess.TimeoutExpired):
                copying.wait(took * step / 7)
            copying.kill()
        is_old_usable, is_new_usable = asyncio.run(usable(source)), asyncio.run(usable(target))
        assert not (is_old_usable and is_new_usable)
    if not is_new_usable:
        asyncio.run(move(source, target))

    assert asyncio.run(contents(target)) == before
    assert not asyncio.run(usable(source))
