"""A snapshot of a journal can be read during a run, and other files are refused."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from musicapi_async import bulk
from musicapi_async.bulk import Changes, Planned
from musicapi_async.bulk.sqlite.schema import VERSION
from musicapi_async.bulk.sqlite.snapshot import JournalSnapshot
from musicapi_async.errors import JournalError


def planned(*keys: str) -> list[Planned]:
    return [Planned(key=key, operation="sonic.describe", request={"prompt": key}) for key in keys]


async def plan(path: Path) -> None:
    async with bulk.open(path) as journal:
        await journal.plan(planned("a", "b", "c"))
        record, *_ = await journal.claim(1)
        await journal.transition(record, "refused", Changes(reason="no"))
        await journal.remember("prices", {"sonic.describe": 10.0})


async def plan_more(path: Path) -> None:
    async with bulk.open(path) as journal:
        await journal.plan(planned("d"))


def made(path: Path) -> None:
    """Make a journal of three records: one refused, two planned."""
    asyncio.run(plan(path))


def keys(snapshot: JournalSnapshot) -> list[str]:
    return [record.key for record in snapshot.records()]


def test_snapshot_of_a_closed_journal_has_its_records(tmp_path: Path) -> None:
    made(tmp_path / "journal.db")
    with JournalSnapshot(tmp_path / "journal.db") as snapshot:
        assert keys(snapshot) == ["a", "b", "c"]
        assert [(record.key, record.reason) for record in snapshot.records({"refused"})] == [("a", "no")]
        assert list(snapshot.records(())) == []
        assert {state: count for state, count in snapshot.counts().items() if count} == {"refused": 1, "planned": 2}
        assert (snapshot.recall("prices"), snapshot.recall("other")) == ({"sonic.describe": 10.0}, None)
        assert snapshot.holder() is None


async def test_snapshot_beside_a_run_has_its_records(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    def read() -> tuple[list[str], int, str]:
        with JournalSnapshot(path) as snapshot:
            return keys(snapshot), snapshot.counts()["refused"], snapshot.holder() or ""

    async with bulk.open(path) as journal:
        await journal.plan(planned("a"))
        assert (await asyncio.to_thread(read))[:2] == (["a"], 0)
        await journal.plan(planned("b"))
        record, *_ = await journal.claim(1)
        await journal.transition(record, "refused")
        found, refused, holder = await asyncio.to_thread(read)
        assert (found, refused) == (["a", "b"], 1)
        assert f"process {os.getpid()} " in holder
    assert (await asyncio.to_thread(read))[2] == ""


def test_snapshot_during_changes_shows_one_moment_and_blocks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    made(path)
    with JournalSnapshot(path) as snapshot:
        # A run that begins, works and ends meanwhile.
        asyncio.run(plan_more(path))
        assert keys(snapshot) == ["a", "b", "c"]
        assert snapshot.counts()["planned"] == 2
    with JournalSnapshot(path) as snapshot:
        assert keys(snapshot) == ["a", "b", "c", "d"]


def test_snapshots_at_once_name_no_holder_and_keep_no_run_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    made(path)
    with JournalSnapshot(path) as one, JournalSnapshot(path) as other:
        assert (one.holder(), other.holder()) == (None, None)
        asyncio.run(plan_more(path))


def test_snapshot_after_a_killed_run_has_its_records(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    program = f"""
import asyncio, os
from musicapi_async import bulk
from musicapi_async.bulk import Planned
async def main():
    async with bulk.open({str(path)!r}) as journal:
        await journal.plan([Planned(key="a", operation="sonic.describe", request={{}})])
        os._exit(9)
asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    with JournalSnapshot(path) as snapshot:
        assert keys(snapshot) == ["a"]
        assert snapshot.holder() is None


@pytest.mark.skipif(sys.platform == "win32", reason="folders are made read-only in the way of Unix")
@pytest.mark.parametrize("is_killed", [False, True])
def test_snapshot_in_a_read_only_folder_has_its_records(tmp_path: Path, *, is_killed: bool) -> None:
    folder = tmp_path / "songs"
    path = folder / "journal.db"

    async def leave() -> None:
        async with bulk.open(path) as journal:
            await journal.plan(planned("a"))
            # As it would be found if the process was killed now: what is new is in the log beside it alone.
            await asyncio.to_thread(
                shutil.copytree, folder, tmp_path / "killed", ignore=shutil.ignore_patterns("*-shm")
            )

    asyncio.run(leave())
    seen = tmp_path / "killed" if is_killed else folder
    seen.chmod(0o555)
    try:
        with contextlib.suppress(OSError):
            tempfile.TemporaryFile(dir=seen).close()
            pytest.skip("this user may write everywhere")
        with JournalSnapshot(seen / "journal.db") as snapshot:
            assert keys(snapshot) == ["a"]
    finally:
        seen.chmod(0o755)


def changed(path: Path, *statements: str) -> None:
    made(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (f"PRAGMA user_version = {VERSION + 1}", "by a newer version of this package"),
        ("PRAGMA user_version = 0", "by an older version of this package"),
        ("PRAGMA application_id = 7", "another program's database"),
        ("DROP TABLE row", "cannot be read: no such table"),
        ("UPDATE row SET request = '{' WHERE number = 2", "is damaged"),
    ],
)
def test_snapshot_of_another_version_is_refused(statement: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    changed(path, statement)
    with pytest.raises(JournalError, match=reason), JournalSnapshot(path) as snapshot:
        keys(snapshot)


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "there is none"), (b"", "nothing is planned"), (b"a text\n" * 500, "cannot be read")]
)
def test_snapshot_of_no_database_is_refused(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(JournalError, match=reason), JournalSnapshot(path):
        pass
    assert path.exists() is (content is not None)


def test_snapshot_of_a_name_with_signs_of_an_address_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "50% #1?mode=rw" / "journal.db"
    made(path)
    with JournalSnapshot(path) as snapshot:
        assert len(keys(snapshot)) == 3


def test_snapshot_that_was_left_is_closed(tmp_path: Path) -> None:
    made(tmp_path / "journal.db")
    with JournalSnapshot(tmp_path / "journal.db") as snapshot:
        pass
    with pytest.raises(JournalError, match="not open"):
        snapshot.counts()
