"""A journal belongs to one account: a run with another key is refused, and the key itself is not in the journal."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from bulk.runs import client_of, described, run
from postgres import find_binaries

from musicapi_async import MusicAPI, bulk
from musicapi_async.errors import JournalError
from musicapi_async.sandbox import Sandbox

KEY = "mk-7d1e5c90b2a84f36"
OTHER = "mk-0f4b8a6d1c3e5729"


def with_key(key: str, sandbox: Sandbox) -> MusicAPI:
    return client_of(sandbox.base_url, api_key=key)


async def test_run_with_another_key_is_refused_before_anything_is_planned(quick: Sandbox, store: Path | str) -> None:
    async with with_key(KEY, quick) as client:
        await run(client, store, described("rain"))
    async with with_key(OTHER, quick) as client:
        with pytest.raises(JournalError, match=r"made with another API key.* --same-account \(same_account=True\)"):
            await run(client, store, described("rain", "snow"))

    assert len(quick.tasks) == 1
    async with bulk.open(str(store)) as journal:
        assert sum((await journal.counts()).values()) == 1


async def test_work_with_another_key_is_refused(quick: Sandbox, store: Path | str) -> None:
    async with with_key(KEY, quick) as client:
        await run(client, store, described("rain"))
    async with with_key(OTHER, quick) as client, bulk.open(str(store)) as journal:
        with pytest.raises(JournalError, match="made with another API key"):
            await anext(bulk.work(client, journal))


async def test_changed_key_of_the_same_account_is_accepted_from_then_on_beside_the_old_one(
    quick: Sandbox, store: Path | str
) -> None:
    for key, same_account in ((KEY, False), (OTHER, True), (OTHER, False), (KEY, False)):
        async with with_key(key, quick) as client:
            await run(client, store, described("rain"), same_account=same_account)

    assert len(quick.tasks) == 1


async def test_work_with_a_changed_key_of_the_same_account_is_accepted(quick: Sandbox, store: Path | str) -> None:
    async with with_key(KEY, quick) as client:
        await run(client, store, described("rain"))
    async with with_key(OTHER, quick) as client, bulk.open(str(store)) as journal:
        assert [outcome async for outcome in bulk.work(client, journal, same_account=True)] == []


async def test_key_is_not_in_the_journal(quick: Sandbox, store: Path | str) -> None:
    async with with_key(KEY, quick) as client:
        await run(client, store, described("rain"))
        await run(client, store, described("rain"), same_account=True)
    content = await asyncio.to_thread(content_of, store)

    assert b"fingerprint" in content
    assert KEY.removeprefix("mk-").encode() not in content


async def test_fingerprints_of_one_key_differ_between_journals(quick: Sandbox, tmp_path: Path) -> None:
    accounts = []
    for name in ("one", "two"):
        async with with_key(KEY, quick) as client:
            await run(client, tmp_path / name, described("rain"))
        async with bulk.open(tmp_path / name) as journal:
            accounts.append(await journal.recall("account"))

    one, two = accounts
    assert one["salt"] != two["salt"]
    assert one["fingerprints"] != two["fingerprints"]


async def test_two_accounts_that_begin_on_one_database_at_once_leave_it_to_one(quick: Sandbox, address: str) -> None:
    async def begin(key: str) -> JournalError | None:
        async with with_key(key, quick) as client, bulk.open(address) as journal:
            try:
                await bulk.run(client, journal, []).plan()
            except JournalError as refused:
                return refused
        return None

    refused = await asyncio.gather(*(begin(f"{KEY}{number}") for number in range(4)))

    assert refused.count(None) == 1


def content_of(store: Path | str) -> bytes:
    """Return all that a journal keeps: the bytes of its files, or a dump of its database."""
    if isinstance(store, Path):
        return b"".join(path.read_bytes() for path in store.parent.glob(f"{store.name}*") if path.is_file())
    binaries = find_binaries()
    assert binaries is not None
    dump = shutil.which("pg_dump") or str(binaries / "pg_dump")
    return subprocess.run([dump, store], check=True, capture_output=True).stdout
