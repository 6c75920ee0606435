"""A journal of an older release can be resumed: nothing that it has begun is planned or paid for again."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bulk.old_journals import BEGUN, FORMS, LINES, NOT_BEGUN, TEXTS, objects, write_csv

from musicapi_async import MusicAPI, bulk, sonic
from musicapi_async.bulk import Planned, State
from musicapi_async.bulk.sqlite.schema import FIRST, VERSION
from musicapi_async.errors import JournalError
from musicapi_async.sandbox import Sandbox

SPELLED_OUT: Mapping[str, Any] = {"title": None, "model": "sonic-v6", "use_suno_cdn": False}


def restore(path: Path, form: str) -> None:
    """Write the journal as the older release left it, with its mark."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((TEXTS / f"{form}.sql").read_text(encoding="utf-8"))
        commits, highest = connection.execute("SELECT commits, highest FROM progress").fetchone()
    holder = json.dumps({"process": 1, "host": "there", "since": "2026-10-07 12:00:00"})
    path.with_name(f"{path.name}.lock").write_text(f"{commits:020}\n{highest:020}\n{holder}")


def spelled_out(line: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**SPELLED_OUT, **line} if line["operation"].startswith("sonic.") else line


def written(folder: Path, form: str) -> Iterable[Any]:
    """Write the requests down again, in other words: as JSON with null and defaults, as CSV with CRLF, as objects."""
    lines = [spelled_out(line) for line in LINES]
    if form == "objects":
        return objects([{name: value for name, value in line.items() if value is not None} for line in lines])
    path = folder / f"requests.{form}"
    if form == "csv":
        write_csv(path, lines, "\r\n")
    else:
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return bulk.read_requests(path)


def counted(counts: Mapping[State, int]) -> Mapping[State, int]:
    return {state: count for state, count in counts.items() if count}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("source", FORMS)
async def test_journal_of_an_older_release_plans_nothing_anew(form: str, source: str, tmp_path: Path) -> None:
    restore(tmp_path / "journal.db", form)
    async with bulk.open(tmp_path / "journal.db") as journal:
        assert await bulk.plan_all(journal, written(tmp_path, source)) == (len(LINES), 0)
        assert counted(await journal.counts()) == {**BEGUN, "planned": NOT_BEGUN}
        (failed,) = await journal.records("failed")

    assert failed.key.startswith("2-")
    assert failed.key.endswith("-1")
    assert failed.former_key is not None


@pytest.mark.parametrize("form", FORMS)
async def test_journal_of_an_older_release_sends_only_what_was_not_begun(form: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    restore(path, form)
    async with Sandbox(seconds=0.02, credits=100_000) as sandbox:
        async with bulk.open(path) as journal:
            await journal.remember("service", sandbox.base_url.split("/")[2])
        async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01, create_rate=1000.0) as client:
            for _ in range(2):
                async with bulk.open(path) as journal:
                    async for _ in bulk.run(client, journal, written(tmp_path, form), timeout=2.0):
                        pass
                    counts = await journal.counts()

    assert len(sandbox.tasks) == NOT_BEGUN
    assert counts["saved"] == BEGUN["saved"] + NOT_BEGUN
    assert counts["planned"] == 0


@pytest.mark.parametrize("form", FORMS)
async def test_keys_of_an_older_release_still_name_their_records(form: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    restore(path, form)
    with closing(sqlite3.connect(path)) as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM row ORDER BY number")]
    given = [Planned.of(key, request) for key, request in zip(keys, objects(LINES), strict=True)]
    async with bulk.open(path) as journal:
        assert await bulk.plan_all(journal, given) == (len(LINES), 0)
        assert await bulk.resolve_not_sent(journal, keys[2]) == 1


async def test_first_format_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    request = sonic.Describe(description="rain")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in FIRST:
            connection.execute(statement)
        for key in ("mine", "0123456789abcdef01234567-1", "0123456789abcdef01234567-2"):
            values = (key, "sonic.describe", json.dumps(request.to_wire()))
            connection.execute("INSERT INTO row (key, operation, request) VALUES (?, ?, ?)", values)
        connection.execute("UPDATE row SET state = 'saved', attempts = 1 WHERE number = 3")
        connection.execute("PRAGMA application_id = 1299542849")
        connection.execute("PRAGMA user_version = 1")
    path.with_name("journal.db.lock").write_text(f"{0:020}\n{0:020}\n{{}}")
    async with bulk.open(path) as journal:
        assert await bulk.plan_all(journal, [request]) == (1, 0)
        # One song is requested, and one is made.
        assert await journal.records("planned", in_current_plan=True) == []
        assert await bulk.plan_all(journal, [request, request]) == (2, 0)
        assert (await journal.records("planned"))[0].key == "mine"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


async def test_older_journal_that_cannot_be_brought_up_to_date_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    restore(path, "jsonl")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE correction (plan)")  # in the way of today's
        before = list(connection.iterdump())
    with pytest.raises(JournalError, match="cannot be read"):
        async with bulk.open(path):
            pass
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
