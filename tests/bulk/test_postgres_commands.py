"""A journal in a database as the command reads it: its snapshot, and the copy of a half-finished one."""

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from bulk.runs import CREATE, run_on, songs
from postgres import find_binaries, serve

from musicapi_async import bulk
from musicapi_async._webhook_inbox import InboxEvent
from musicapi_async._webhook_urls import new_reference
from musicapi_async.bulk import Changes, PlanOptions, Record
from musicapi_async.bulk.copying import copy_journal, open_copy, open_for_copy
from musicapi_async.bulk.journal import OTHER_CHARGES
from musicapi_async.bulk.records import TRANSITIONS
from musicapi_async.bulk.snapshot import Snapshot, snapshot
from musicapi_async.errors import JournalError
from musicapi_async.sandbox import Fault, Sandbox

BINARIES = find_binaries()
EVENT = InboxEvent("e-1", "song.completed", "t-1", new_reference(), b"\x00{}")
pytestmark = pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL: apt-get install postgresql")


@pytest.fixture
def address() -> Iterator[str]:
    assert BINARIES is not None
    with serve(BINARIES) as server:
        yield server.database()


async def half_finished(sandbox: Sandbox, path: Path) -> None:
    sandbox.add_fault(CREATE, Fault(status=404, body={"error": "no such path"}), Fault(drop=True, accepted=True))
    await run_on(sandbox.base_url, path, songs(6), in_flight=1)
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, songs(8), PlanOptions(in_flight=7, max_credits=500))
        (record,) = await journal.claim(1)
        sending = await journal.transition(record, "sending", Changes(charge=20.0, reference="of-the-first"))
        uncertain = await journal.transition(sending, "uncertain", Changes(reason="no response"))
        planned = await journal.transition(uncertain, "planned", Changes(was_not_accepted=True))
        sending = await journal.transition(planned, "sending", Changes(charge=20.0, reference="of-the-second"))
        await journal.record_extra("of-the-first", "t-extra", ["extra.mp3", "extra.json"])
        await journal.transition(sending, "accepted", Changes(task_id="t-second"))


def plain(record: Record) -> Record:
    """Return a record without what only a database knows."""
    return Record(**{field.name: getattr(record, field.name) for field in attrs.fields(Record)})


def read(found: Snapshot) -> dict[str, Any]:
    records = list(found.records())
    return {
        "records": [plain(one) for one in records],
        "uncertain": [one.key for one in found.records({"uncertain"})],
        "states": found.states([one.key for one in records] + ["unknown"]),
        "counts": found.counts(),
        "extras": [(one.reference, one.task_id, one.record.number, one.files) for one in found.extras()],
        "overdue": found.overdue(),
        "corrected": found.corrected(5),
        "lost": found.has_lost_entries(),
        "plan": found.recall("plan"),
        "nothing": found.recall("nothing"),
        "holder": found.holder(),
    }


def contents(journal: str | Path) -> dict[str, Any]:
    with snapshot(journal) as found:
        return read(found)


async def test_copy_in_a_database_has_everything_that_the_journal_had(quick: Sandbox, path: Path, address: str) -> None:
    await half_finished(quick, path)
    before = await asyncio.to_thread(contents, path)
    async with bulk.open(path) as journal:
        charged, operations = await journal.total_charged(), await journal.charged()
        await journal.remember(OTHER_CHARGES, 3.0)
        await journal.inbox.put(EVENT)
    async with open_for_copy(path) as old, open_copy(address) as new:
        assert await copy_journal(old, new, new.name) == 8

    assert await asyncio.to_thread(contents, address) == before
    async with bulk.open(address) as journal:
        # Besides the records: those of a database are counted with the rest.
        assert (await journal.total_charged(), await journal.charged()) == (charged + 3.0, operations)
        assert await journal.plan([bulk.Planned.of("later", songs(9)[8])]) == 1
        (later,) = [one for one in await journal.records("planned") if one.key == "later"]
        assert later.number == 9
        (name,) = await journal.inbox.names(math.inf)
        assert await journal.inbox.read(name) == EVENT
    with pytest.raises(JournalError, match="its records were moved to postgresql://"):
        await bulk.open(path).__aenter__()


async def test_copy_in_a_database_that_was_interrupted_is_refused_until_it_is_made_again(
    path: Path, address: str
) -> None:
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, songs(3))
    before = await asyncio.to_thread(contents, path)
    async with open_for_copy(path) as old, open_copy(address) as new:
        await new.begin_copy(await old.identity(), 1)
        await new.add_records(await old.copied_records(0, 2))
    with pytest.raises(JournalError, match="unfinished copy"):
        await bulk.open(address).__aenter__()
    with pytest.raises(JournalError, match="unfinished copy"):
        await asyncio.to_thread(contents, address)
    async with open_for_copy(path) as old, open_copy(address) as new:
        await copy_journal(old, new, new.name)

    assert await asyncio.to_thread(contents, address) == before


async def test_copy_into_a_database_with_records_is_refused(path: Path, address: str) -> None:
    for one in (path, address):
        async with bulk.open(str(one)) as journal:
            await bulk.plan_all(journal, songs(2))
    async with open_for_copy(path) as old, open_copy(address) as new:
        with pytest.raises(JournalError, match="it is not empty"):
            await copy_journal(old, new, new.name)

    found = await asyncio.to_thread(contents, path)
    assert (sum(found["counts"].values()), set(TRANSITIONS)) == (2, set(found["counts"]))
