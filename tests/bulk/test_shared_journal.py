"""A journal in PostgreSQL keeps its promise among several workers: nothing is sent twice, and no paid id is lost."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from bulk.cluster import torture
from bulk.runs import client_of, songs
from postgres import Postgres
from signing import SECRET, body_of, headers_of

from musicapi_async import bulk, sonic
from musicapi_async._transport.cancellation import complete
from musicapi_async._webhook_urls import new_reference
from musicapi_async.bulk import Changes, Outcome, PlanOptions, Record, remember_options
from musicapi_async.bulk.postgres import PostgresJournal
from musicapi_async.bulk.postgres.address import Address
from musicapi_async.bulk.postgres.connection import Channel
from musicapi_async.errors import InvalidRequestError, JournalError
from musicapi_async.sandbox import Sandbox

PICK, BEAT = "SKIP LOCKED", "musicapi.beat"
STOPPED = "stopped before the response arrived"


async def claimed(journal: PostgresJournal, count: int = 1) -> list[Record]:
    """Plan and claim so many records, as a worker does."""
    await journal.join()
    await bulk.plan_all(journal, songs(count))
    return [await journal.transition(one, "sending", Changes(charge=20.0)) for one in await journal.claim(count)]


async def make_uncertain(address: str) -> Record:
    """Find the one record that is being sent uncertain, as a sweep does after its worker was stopped."""
    async with PostgresJournal(address) as other:
        (record,) = await other.records("sending")
        return await other.transition(record, "uncertain", Changes(reason=STOPPED))


async def test_claim_by_two_workers_is_given_to_one(address: str) -> None:
    async with PostgresJournal(address) as one, PostgresJournal(address) as two:
        await bulk.plan_all(one, songs(10))
        first, second = await asyncio.gather(one.claim(10), two.claim(10))

        assert sorted(record.number for record in (*first, *second)) == list(range(1, 11))


async def test_claim_gives_a_worker_no_more_than_it_asks_for(address: str) -> None:
    async with PostgresJournal(address) as one, PostgresJournal(address) as two:
        await bulk.plan_all(one, songs(150))

        assert [record.number for record in await one.claim(16)] == list(range(1, 17))
        assert [record.number for record in await two.claim(16)] == list(range(17, 33))


@pytest.mark.parametrize("state", ["planned", "accepted", "refused"])
async def test_claim_of_another_worker_can_only_become_uncertain(state: bulk.State, address: str) -> None:
    async with PostgresJournal(address) as owner, PostgresJournal(address) as other:
        await claimed(owner)
        (record,) = await other.records("sending")
        with pytest.raises(JournalError, match="was claimed by another worker: it can only be uncertain"):
            await other.transition(record, state, Changes(task_id="t-1"))

        assert (await other.transition(record, "uncertain")).state == "uncertain"


async def test_owner_that_comes_late_with_an_id_makes_its_uncertain_record_accepted(address: str) -> None:
    async with PostgresJournal(address) as owner:
        (record,) = await claimed(owner)
        await make_uncertain(address)
        accepted = await owner.transition(record, "accepted", Changes(task_id="t-1"))

        assert (accepted.state, accepted.task_id, accepted.attempts) == ("accepted", "t-1", 1)
        assert await owner.extras() == []


async def test_owner_that_comes_late_and_has_not_sent_plans_its_uncertain_record(address: str) -> None:
    async with PostgresJournal(address) as owner:
        (record,) = await claimed(owner)
        await make_uncertain(address)
        assert (await owner.transition(record, "planned")).state == "planned"
        assert (await owner.counts())["planned"] == 1
        assert await owner.total_charged() == 0


@pytest.mark.parametrize("is_sent_again", ["sent again", ""])
async def test_id_that_comes_after_the_user_has_decided_is_kept_as_paid_besides(
    is_sent_again: str, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with PostgresJournal(address) as owner, PostgresJournal(address) as other:
        (record,) = await claimed(owner)
        await make_uncertain(address)
        assert await bulk.resolve_not_sent(other) == 1
        if is_sent_again:
            (again,) = await other.claim(1)
            again = await other.transition(again, "sending", Changes(charge=20.0))
            await other.transition(again, "accepted", Changes(task_id="t-2"))
        with pytest.raises(JournalError, match="changed by someone else"):
            await owner.transition(record, "accepted", Changes(task_id="t-1"))

        (extra,) = await other.extras()
        assert (extra.task_id, extra.record.key) == ("t-1", record.key)
        assert await other.total_charged() == (40.0 if is_sent_again else 20.0)
    assert "was paid for twice: task t-1" in caplog.text


async def test_claim_that_is_old_sends_nothing(quick: Sandbox, address: str) -> None:
    program = """
import asyncio, os, signal, sys
from musicapi_async import MusicAPI, bulk, sonic
from musicapi_async._transport.cancellation import complete
from musicapi_async.bulk.postgres import PostgresJournal
from musicapi_async.bulk.postgres.address import Address
from musicapi_async.bulk.postgres.connection import Channel

class Stopped(PostgresJournal):
    async def start_sending(self, record, changes):
        claimed = await super().start_sending(record, changes)
        print("claimed", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        return claimed

async def main(address, base_url):
    async with MusicAPI("k", base_url=base_url) as client, Stopped(address) as journal:
        async for _ in bulk.work(client, journal):
            pass

asyncio.run(main(*sys.argv[1:]))
"""
    async with PostgresJournal(address) as journal:
        await bulk.plan_all(journal, songs(1))
        command = (sys.executable, "-c", program, address, quick.base_url)
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"claimed\n"
            await asyncio.sleep(4.5)
            await make_uncertain(address)
            process.send_signal(signal.SIGCONT)
            # Planned again by its owner, and claimed again: it was not sent.
            assert await process.stdout.readline() == b"claimed\n"
            assert not quick.tasks
        finally:
            process.kill()
            await process.wait()


async def test_id_that_cannot_be_recorded_is_kept_and_recorded_by_the_next_worker(
    address: str, postgres: Postgres, tmp_path: Path
) -> None:
    owner = PostgresJournal(address)
    async with owner:
        (record,) = await claimed(owner)
        await asyncio.to_thread(postgres.stop, "immediate")
        try:
            accepting = asyncio.ensure_future(owner.transition(record, "accepted", Changes(task_id="t-1")))
            while not (kept := await asyncio.to_thread(lambda: list((tmp_path / "state").rglob("*.json")))):
                await asyncio.sleep(0.02)
            assert '"task_id": "t-1"' in await asyncio.to_thread(kept[0].read_text)
            accepting.cancel()
        finally:
            await asyncio.to_thread(postgres.start)
    async with PostgresJournal(address) as journal:
        await journal.join()
        (accepted,) = await journal.records("accepted")
        assert accepted.task_id == "t-1"
    assert not await asyncio.to_thread(lambda: list((tmp_path / "state").rglob("*.json")))


async def test_id_that_waits_for_the_database_is_kept_until_it_is_recorded(address: str, tmp_path: Path) -> None:
    def kept() -> list[Path]:
        return list((tmp_path / "state").rglob("*.json"))

    owner = PostgresJournal(address)
    async with owner:
        (record,) = await claimed(owner)
        connection = await asyncpg.connect(address)
        try:
            async with asyncio.timeout(5), connection.transaction():
                # As a database that answers nothing, and whose connections are open.
                await connection.execute("SELECT 1 FROM musicapi.record FOR UPDATE")
                accepting = asyncio.ensure_future(owner.transition(record, "accepted", Changes(task_id="t-1")))
                while not await asyncio.to_thread(kept):
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()
        assert (await accepting).task_id == "t-1"
    assert not await asyncio.to_thread(kept)


async def test_wait_for_a_lost_database_ends_in_work_that_is_not_cancelled(port: int) -> None:
    channel = Channel(Address.of(f"postgresql://songs@127.0.0.1:{port}/songs"))
    with pytest.raises(JournalError, match="Connect call failed"):
        async with asyncio.timeout(5):
            await complete(channel.run(lambda connection: connection.fetchval("SELECT 1"), limit=0.2))


async def test_id_of_a_worker_that_is_stopped_while_the_database_is_away_is_kept(address: str, tmp_path: Path) -> None:
    async with PostgresJournal(address) as owner:
        (record,) = await claimed(owner)
        connection = await asyncpg.connect(address)
        try:
            async with connection.transaction():
                await connection.execute("SELECT 1 FROM musicapi.record FOR UPDATE")
                accepting = asyncio.ensure_future(owner.transition(record, "accepted", Changes(task_id="t-1")))
                await asyncio.sleep(0)
                accepting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await accepting
                assert await asyncio.to_thread(lambda: list((tmp_path / "state").rglob("*.json")))
        finally:
            await connection.close()


async def test_limits_of_the_plan_hold_over_all_workers(address: str) -> None:
    async with PostgresJournal(address) as one, PostgresJournal(address) as two:
        await bulk.plan_all(one, songs(4))
        for journal in (one, two):
            await journal.join()
            journal.limit(in_flight=2, max_credits=None, create_rate=None)
        first, second, third = [*await one.claim(2), *await two.claim(1)][:3]
        assert await one.start_sending(first, Changes()) is not None
        assert await two.start_sending(third, Changes()) is not None
        assert await one.start_sending(second, Changes()) is None


async def test_place_of_an_uncertain_record_is_free_once_its_operation_is_learned_to_take_less(address: str) -> None:
    async with PostgresJournal(address) as journal:
        await journal.join()
        await bulk.plan_all(journal, songs(2))
        journal.limit(in_flight=1, max_credits=None, create_rate=None)
        first, second = await journal.claim(2)
        sending = await journal.start_sending(first, Changes())
        assert sending is not None
        await journal.transition(sending, "uncertain", Changes(reason="no response"))
        assert await journal.start_sending(second, Changes(lasts=60.0)) is None
        assert await journal.start_sending(second, Changes(lasts=0.0)) is None

        assert await journal.start_sending(second, Changes(lasts=0.0)) is not None


async def test_pause_after_a_429_holds_for_all_workers(address: str) -> None:
    async with PostgresJournal(address) as one, PostgresJournal(address) as two:
        await bulk.plan_all(one, songs(1))
        (record,) = await two.claim(1)
        await one.slow_down(30.0)

        assert await two.start_sending(record, Changes()) is None


async def test_workers_share_a_plan_and_pay_for_each_once(quick: Sandbox, address: str) -> None:
    async def work() -> int:
        async with client_of(quick.base_url) as client, bulk.open(address) as journal:
            return len([outcome async for outcome in bulk.work(client, journal)])

    async with bulk.open(address) as journal:
        await bulk.plan_all(journal, songs(40))
        await remember_options(journal, PlanOptions(in_flight=10))
    made = await asyncio.gather(work(), work(), work())

    assert sum(made) == len(quick.tasks) == 40


@pytest.mark.parametrize("password", ["hush#hush", "hush/hush", "hush?hush", "hu:sh", "@hush:port"])
async def test_password_that_is_not_escaped_is_refused_and_shown_nowhere(password: str) -> None:
    with pytest.raises(JournalError, match="percent-encoded") as failed:
        bulk.open(f"postgresql://songs:{password}@127.0.0.1:port/songs")

    assert "hu" not in f"{failed.value!r} {failed.value}"


async def test_event_settles_the_uncertain_record_of_a_worker_that_has_stopped(
    quick: Sandbox, postgres: Postgres, address: str
) -> None:
    reference = new_reference()
    async with client_of(quick.base_url) as client:
        task = await client.submit(songs(1)[0])
    async with PostgresJournal(address) as stopped:
        await bulk.plan_all(stopped, songs(1))
        (record,) = await stopped.claim(1)
        sending = await stopped.transition(record, "sending", Changes(charge=20.0, reference=reference))
        await stopped.transition(sending, "uncertain")
    async with staying_worker(quick, address) as first, PostgresJournal(address) as receiver:
        await statements(postgres, address, PICK)
        body = body_of(task_id=task.id)
        await bulk.receive(receiver, body, headers_of(body), f"/hooks?musicapi_attempt={reference}", SECRET)
        outcome = await asyncio.wait_for(first, 3)

    assert (outcome.record.state, outcome.record.task_id) == ("saved", task.id)
    assert len(quick.tasks) == 1


@asynccontextmanager
async def staying_worker(quick: Sandbox, address: str) -> AsyncIterator[asyncio.Task[Outcome]]:
    """Run a worker that waits for a plan; yields the wait for its first outcome."""
    async with client_of(quick.base_url) as client, PostgresJournal(address) as journal:
        await execute(address, "ALTER DATABASE {} SET log_statement = 'all'")
        worker = bulk.work(client, journal, stay=True)
        first = asyncio.ensure_future(anext(worker))
        try:
            yield first
        finally:
            first.cancel()
            await worker.aclose()


async def execute(address: str, statement: str) -> None:
    connection = await asyncpg.connect(address)
    await connection.execute(statement.format(address.rpartition("/")[2]))
    await connection.close()


async def statements(postgres: Postgres, address: str, text: str, count: int = 1) -> list[str]:
    """Wait until so many statements on a database contain a text; return all statements up to the last of these."""
    while True:
        log = await asyncio.to_thread(postgres.log_of, address)
        found = [line for line in log if "execute" in line or "statement" in line]
        at = [index for index, line in enumerate(found) if text in line]
        if len(at) >= count:
            return found[: at[count - 1] + 1]
        await asyncio.sleep(0.05)


async def test_idle_worker_sends_at_most_one_statement_a_second(
    quick: Sandbox, postgres: Postgres, address: str
) -> None:
    async with staying_worker(quick, address), asyncio.timeout(20):
        until_idle = await statements(postgres, address, PICK)
        all_sent = await statements(postgres, address, BEAT, 2)

    # Heartbeats are five seconds apart.
    assert len(all_sent) - len(until_idle) <= 5


async def test_plan_reaches_a_waiting_worker_at_once(quick: Sandbox, postgres: Postgres, address: str) -> None:
    async with staying_worker(quick, address) as first, PostgresJournal(address) as journal:
        await statements(postgres, address, PICK)
        await bulk.plan_all(journal, songs(1))
        outcome = await asyncio.wait_for(first, 2)

    assert outcome.record.state == "saved"


async def test_plan_reaches_a_worker_whose_connections_were_lost(
    quick: Sandbox, postgres: Postgres, address: str
) -> None:
    async with staying_worker(quick, address) as first:
        await statements(postgres, address, PICK)
        await execute(
            address,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()",
        )
        async with PostgresJournal(address) as journal:
            await bulk.plan_all(journal, songs(1))
        outcome = await asyncio.wait_for(first, 10)

    assert outcome.record.state == "saved"


async def test_worker_ends_at_once_when_the_last_record_of_another_is_done(
    postgres: Postgres, quick: Sandbox, address: str
) -> None:
    async with PostgresJournal(address) as other:
        (record,) = await claimed(other)
        accepted = await other.transition(record, "accepted", Changes(task_id="t-1"))
        async with client_of(quick.base_url) as client, PostgresJournal(address) as journal:
            await execute(address, "ALTER DATABASE {} SET log_statement = 'all'")
            worker = asyncio.ensure_future(anext(bulk.work(client, journal), None))
            await statements(postgres, address, PICK)
            await other.transition(accepted, "saved")
            await other.leave()
            assert await asyncio.wait_for(worker, 2) is None


async def test_password_of_an_address_is_shown_nowhere(address: str) -> None:
    secret = address.replace("songs@", "songs:hush-hush@").replace("songs@127", "x")
    wrong = secret.replace(secret.rpartition("/")[2], "missing")
    journal = bulk.open(wrong)
    with pytest.raises(JournalError) as failed:
        await journal.__aenter__()

    assert "hush-hush" not in f"{failed.value!r} {failed.value} {journal!r} {journal.name}"
    assert failed.value.__context__ is None


async def test_request_with_a_nul_character_is_refused_when_it_is_made() -> None:
    with pytest.raises(InvalidRequestError, match="description contains a NUL character"):
        sonic.Describe(description="a\0b")


async def test_cluster_with_kills_stops_and_a_crash_pays_once_and_loses_nothing(postgres: Postgres) -> None:
    audit = await torture(postgres, 120, kills=3, stops=1, crashes=1, seed=3)

    assert (audit.doubled, audit.lost, audit.left) == (0, 0, 0)
    assert audit.most_in_flight <= 40 + 3 * 8
