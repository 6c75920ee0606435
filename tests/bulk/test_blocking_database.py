"""The blocking package on a journal in a database: runs, workers and decisions as on a file."""

import threading
from collections.abc import Iterator

import pytest
from bulk.runs import CREATE, songs
from commands import served

from musicapi_async.sandbox import Fault, Sandbox
from musicapi_sync import MusicAPI, bulk, errors


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(0.02) as sandbox:
        sandbox.account("k").credits = 100_000
        yield sandbox


def client_of(sandbox: Sandbox) -> MusicAPI:
    return MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01, create_rate=1000.0)


def counts(journal: bulk.Journal) -> dict[str, int]:
    return {state: count for state, count in journal.counts().items() if count}


def test_run_on_a_database_again_makes_nothing_twice(sandbox: Sandbox, address: str) -> None:
    for _ in range(2):
        with client_of(sandbox) as client, bulk.open(address) as journal:
            assert journal.path is None
            for outcome in bulk.run(client, journal, songs(3), in_flight=2, max_credits=500):
                assert outcome.record.state == "saved"
            assert counts(journal) == {"saved": 3}
            assert journal.total_charged() == 60
            assert bulk.recall_options(journal).max_credits == 500

    assert len(sandbox.tasks) == 3


def test_blocking_workers_share_a_plan_and_pay_for_each_once(sandbox: Sandbox, address: str) -> None:
    with client_of(sandbox) as client, bulk.open(address) as journal:
        bulk.run(client, journal, songs(10), in_flight=4).recover()  # plans them
    made: list[int] = []

    def work() -> None:
        with client_of(sandbox) as client, bulk.open(address, create=False) as journal:
            made.append(len(list(bulk.work(client, journal))))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sum(made) == len(sandbox.tasks) == 10


def test_decision_on_a_database_is_followed_by_the_next_run(sandbox: Sandbox, address: str) -> None:
    sandbox.add_fault(CREATE, Fault(drop=True))
    with client_of(sandbox) as client, bulk.open(address) as journal:
        (outcome,) = bulk.run(client, journal, songs(1))
        assert outcome.record.state == "uncertain"
    with bulk.open(address) as journal:
        assert bulk.resolve_not_sent(journal) == 1
    with client_of(sandbox) as client, bulk.open(address) as journal:
        (outcome,) = bulk.work(client, journal)

    assert outcome.record.state == "saved"
    assert len(sandbox.tasks) == 1


def test_run_left_open_is_closed_with_the_journal_and_resumed_by_another(sandbox: Sandbox, address: str) -> None:
    with client_of(sandbox) as client, bulk.open(address) as journal:
        next(bulk.run(client, journal, songs(6), in_flight=2))
    with pytest.raises(errors.JournalError, match="it is closed"):
        journal.counts()
    with client_of(sandbox) as client, bulk.open(address) as journal:
        list(bulk.work(client, journal))
        assert counts(journal) == {"saved": 6}

    assert len(sandbox.tasks) == 6


def test_database_that_cannot_be_used_raises_when_it_is_opened(address: str) -> None:
    with (
        pytest.raises(errors.JournalError, match="there is none: 'musicapi bulk plan"),
        bulk.open(address, create=False),
    ):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "musicapi-journal"]
