"""The tables of a journal in a database are made and upgraded by a plan or ``migrate``; others are refused."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from bulk.runs import songs

import musicapi_sync.bulk
from musicapi_async import bulk
from musicapi_async.bulk.postgres.schema import STEPS, VERSION
from musicapi_async.bulk.snapshot import snapshot
from musicapi_async.cli.app import run
from musicapi_async.errors import JournalError


async def execute(address: str, *statements: str) -> None:
    connection = await asyncpg.connect(address)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def make_first_version(address: str) -> None:
    """Make the tables as the first version had them."""
    await execute(
        address,
        STEPS[0],
        "INSERT INTO musicapi.journal (id, version) VALUES ('first', 1)",
        "INSERT INTO musicapi.record (key, operation, request) VALUES ('k', 'sonic.describe', '{}')",
    )


async def test_journal_that_is_not_to_be_created_is_refused(address: str) -> None:
    with pytest.raises(
        JournalError, match="there is none: 'musicapi bulk plan FILE --journal .*'musicapi bulk migrate'"
    ):
        await bulk.open(address, create=False).__aenter__()
    connection = await asyncpg.connect(address)
    assert await connection.fetchval("SELECT to_regnamespace('musicapi')") is None
    await connection.close()


async def test_migrate_makes_the_tables_once(address: str) -> None:
    assert await asyncio.gather(*(bulk.migrate(address) for _ in range(3))) in (
        [0, None, None],
        [None, 0, None],
        [None, None, 0],
    )
    async with bulk.open(address, create=False) as journal:
        assert sum((await journal.counts()).values()) == 0


async def test_journal_opened_by_many_at_once_is_created_once(address: str) -> None:
    async def identity() -> str:
        async with bulk.open(address) as journal:
            return str(journal.work_folder.parent)

    found = await asyncio.gather(*(identity() for _ in range(12)))

    assert len(set(found)) == 1


async def test_older_version_is_refused_until_it_is_migrated(address: str) -> None:
    await make_first_version(address)
    with pytest.raises(
        JournalError, match=rf"tables have version 1, and this package needs {VERSION}: .* bulk migrate'"
    ):
        await bulk.open(address).__aenter__()

    assert await bulk.migrate(address) == 1
    assert await bulk.migrate(address) is None
    async with bulk.open(address) as journal:
        assert (await journal.counts())["planned"] == 1
        assert await bulk.plan_all(journal, songs(2)) == (2, 2)


async def test_older_version_with_live_workers_is_not_migrated(address: str) -> None:
    await make_first_version(address)
    seen = "INSERT INTO musicapi.worker SELECT 'studio-7', extract(epoch FROM clock_timestamp())"
    await execute(address, seen)
    with pytest.raises(JournalError, match=r"workers of an older version are on it \(studio-7\): stop them first"):
        await bulk.migrate(address)
    await execute(address, "UPDATE musicapi.worker SET seen_at = seen_at - 60")

    assert await bulk.migrate(address) == 1


async def test_newer_version_is_refused_with_the_release_that_made_it(address: str) -> None:
    await bulk.migrate(address)
    await execute(address, "UPDATE musicapi.journal SET version = 99, package = '7.2'")

    def take_snapshot() -> None:
        with snapshot(address):
            pass

    for attempt in (bulk.open(address).__aenter__(), bulk.migrate(address), asyncio.to_thread(take_snapshot)):
        with pytest.raises(JournalError, match=r"version 99, of musicapi-async 7\.2, and this package"):
            await attempt


async def test_blocking_migrate_makes_the_tables(address: str) -> None:
    assert musicapi_sync.bulk.migrate(address) == 0
    assert musicapi_sync.bulk.migrate(address) is None


def test_commands_on_a_database_without_a_journal_name_what_makes_one(
    address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSICAPI_KEY", "k")
    monkeypatch.setenv("MUSICAPI_JOURNAL", address)
    for command in (["work", "--out", str(tmp_path)], ["status"], ["resolve", "--not-sent", "--all"]):
        assert run(["bulk", *command]) == 11
        assert "there is none: 'musicapi bulk plan FILE" in capfd.readouterr().err

    asyncio.run(make_first_version(address))
    assert run(["bulk", "work", "--out", str(tmp_path)]) == 11
    assert "run 'musicapi bulk migrate'" in capfd.readouterr().err
    for expected in ("are upgraded from version 1", "is up to date: nothing to do"):
        assert run(["bulk", "migrate"]) == 0
        assert expected in capfd.readouterr().out


def test_plan_upgrades_the_tables(address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asyncio.run(make_first_version(address))
    file = tmp_path / "requests.jsonl"
    file.write_text('{"description": "rain"}\n', "utf-8")

    assert run(["bulk", "plan", str(file), "--operation", "sonic.describe", "--journal", address]) == 0
    assert "1 request planned, 1 of them new" in capfd.readouterr().out
    assert asyncio.run(bulk.migrate(address)) is None


def test_migrate_of_a_journal_in_a_file_has_nothing_to_do(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "journal.db"
    assert run(["bulk", "migrate", "--journal", str(file)]) == 2
    file.touch()
    assert run(["bulk", "migrate", "--journal", str(file), "--json"]) == 0

    assert '"migrated":false' in capfd.readouterr().out.replace(" ", "")
