"""Bulk runs of the blocking package: the caller's thread feeds them, and every way to end them closes them properly."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from facade.interrupting import NEEDS_SIGNALS, interrupted_when
from facade.scripts import run_script
from signing import SECRET, body_of, headers_of

from musicapi_async.sandbox import Fault, Sandbox
from musicapi_sync import MusicAPI, bulk, errors, sonic

CREATE = "POST /sonic/create"

NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def describe(number: int) -> list[sonic.Describe]:
    return [sonic.Describe(description=f"song {n}") for n in range(number)]


def client_of(sandbox: Sandbox) -> MusicAPI:
    return MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.02, create_rate=1000.0)


def counts_in(path: Path) -> dict[str, int]:
    """Return what another process would find."""
    limit = time.monotonic() + 10
    while True:
        try:
            with bulk.open(path) as journal:
                return {state: count for state, count in journal.counts().items() if count}
        except errors.JournalError:  # who was interrupted twice is still closing it
            assert time.monotonic() < limit
            time.sleep(0.02)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[bulk.Journal]:
    with bulk.open(path) as journal:
        yield journal


def test_run_into_a_folder_again_makes_nothing_twice(client: MusicAPI, served: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "songs"
    for _ in range(2):
        with bulk.open(out / "journal.db") as journal:
            for outcome in bulk.run(client, journal, describe(3), in_flight=2, out=out):
                assert outcome.record.state == "saved"
                assert all((out / name).exists() for name in outcome.record.files)
            assert journal.counts()["saved"] == 3
            assert [record.attempts for record in journal.records("saved")] == [1, 1, 1]
            assert journal.charged() == {"sonic.describe": 3}

    assert len(served.tasks) == 3


def test_work_resumes_what_is_planned_with_the_options_of_the_plan(
    client: MusicAPI, served: Sandbox, journal: bulk.Journal, tmp_path: Path
) -> None:
    with pytest.raises(errors.BudgetExceededError):
        list(bulk.run(client, journal, describe(3), in_flight=1, max_credits=20))
    options = bulk.PlanOptions(max_credits=40, names="{key}-{clip_id}.{ext}")
    bulk.remember_options(journal, options)
    worker = bulk.work(client, journal, out=tmp_path / "songs")
    record = next(worker).record
    with pytest.raises(errors.BudgetExceededError) as reached:
        next(worker)

    assert bulk.recall_options(journal) == options
    assert record.files
    assert all(name.startswith(f"{record.key}-") for name in record.files)
    assert (len(served.tasks), reached.value.limit) == (2, 40)


def test_work_with_a_wrong_argument_is_refused_before_it_begins(client: MusicAPI, journal: bulk.Journal) -> None:
    with pytest.raises(errors.InvalidRequestError, match="stay is True"):
        bulk.work(client, journal, stay=True)


def test_requests_of_a_generator_are_taken_in_the_callers_thread(client: MusicAPI, journal: bulk.Journal) -> None:
    threads: set[int] = set()

    def written() -> Iterator[sonic.Create]:
        for n in range(3):
            threads.add(threading.get_ident())
            draft = client.lyrics.make(description=f"rain {n}")[0]
            yield sonic.Create(lyrics=draft.lyrics, title=f"rain {n}")

    outcomes = list(bulk.run(client, journal, written()))

    assert threads == {threading.get_ident()}
    assert [outcome.record.state for outcome in outcomes] == ["saved"] * 3


def test_requests_that_raise_leave_the_plan_before(client: MusicAPI, journal: bulk.Journal) -> None:
    def broken() -> Iterator[sonic.Describe]:
        yield from describe(2)
        raise ZeroDivisionError

    run = bulk.run(client, journal, broken())
    with pytest.raises(ZeroDivisionError):
        next(run)
    with pytest.raises(errors.ClientClosedError):
        next(run)

    assert list(bulk.run(client, journal)) == []


def test_run_that_is_closed_submits_nothing_more(slow: Sandbox, journal: bulk.Journal) -> None:
    with client_of(slow) as client:
        unbegun = bulk.run(client, journal, describe(3))
        unbegun.close()
        with pytest.raises(errors.JournalError, match="was closed"):
            next(unbegun)

    assert len(slow.requests(CREATE)) == 0


def test_uncertain_records_resolved_by_the_user_are_as_decided(served: Sandbox, journal: bulk.Journal) -> None:
    served.add_fault(CREATE, *[Fault(drop=True, accepted=True)] * 3, Fault(drop=True))
    with client_of(served) as client:
        list(bulk.run(client, journal, describe(4), in_flight=1))
        found, again, dropped, unsent = journal.records("uncertain")
        bulk.resolve_as_accepted(journal, found.key, served.tasks[0].task_id)
        assert bulk.resend_uncertain(journal, {again.key}) == 1
        assert bulk.resolve_not_sent(journal, unsent.key) == 1
        assert bulk.abandon_uncertain(journal) == 1
        list(bulk.run(client, journal))

    assert {record.key for record in journal.records("saved")} == {found.key, again.key, unsent.key}
    assert [record.key for record in journal.records("failed")] == [dropped.key]
    with pytest.raises(errors.InvalidRequestError):
        bulk.resolve_as_accepted(journal, "another", "t-1")


def test_journal_that_lost_its_mark_is_opened_when_its_user_answers(served: Sandbox, path: Path) -> None:
    with client_of(served) as client, bulk.open(path) as journal:
        list(bulk.run(client, journal, describe(1)))
    path.with_name(f"{path.name}.lock").unlink()
    with pytest.raises(errors.JournalError, match="is_current"), bulk.open(path):
        pass
    with bulk.open(path, is_current=True) as journal:
        assert journal.counts()["saved"] == 1
    with bulk.open(path) as journal:
        assert journal.counts()["saved"] == 1


@pytest.mark.parametrize("is_journal_first", [True, False])
def test_journal_left_during_a_run_closes_it_and_reports_its_tasks(
    served: Sandbox, path: Path, caplog: pytest.LogCaptureFixture, *, is_journal_first: bool
) -> None:
    client, journal = client_of(served), bulk.open(path)
    first, second = (journal, client) if is_journal_first else (client, journal)
    with first, second:
        for _ in bulk.run(client, journal, describe(60), in_flight=5):
            break
    created = len(served.requests(CREATE))
    time.sleep(0.1)

    assert len(served.requests(CREATE)) == created == len(served.tasks) < 60
    found = counts_in(path)
    assert found["planned"] == 60 - created
    assert "uncertain" not in found
    messages = [record.getMessage() for record in caplog.records if "paid for" in record.getMessage()]
    running = found.get("accepted", 0) + found.get("finished", 0)
    assert messages == (
        [
            (
                f"of the requests in {path}, {running} are paid for and still running on the server: "
                "the next run resumes them"
            )
        ]
        if running
        else []
    )


def test_exception_during_a_run_gets_a_note_of_its_tasks(slow: Sandbox, path: Path) -> None:
    def fail() -> None:
        with client_of(slow) as client, bulk.open(path) as journal:
            threading.Thread(target=raise_nothing, args=(bulk.run(client, journal, describe(9), in_flight=3),)).start()
            while len(slow.tasks) < 3:
                time.sleep(0.005)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        fail()

    assert caught.value.__notes__[:1] == [
        f"of the requests in {path}, 3 are paid for and still running on the server: the next run resumes them"
    ]
    assert counts_in(path) == {"accepted": 3, "planned": 6}


def raise_nothing(run: bulk.Run) -> None:
    """Ask for an outcome of a run that is closed meanwhile."""
    with pytest.raises(errors.JournalError, match="was closed"):
        next(run)


@NEEDS_SIGNALS
def test_ctrl_c_in_a_run_waits_for_the_responses_and_reports_its_tasks(
    slow: Sandbox, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow.add_fault(CREATE, *[Fault(delay=0.5)] * 3)
    with (
        interrupted_when(lambda: len(slow.requests(CREATE)) == 3) as caught,
        client_of(slow) as client,
        bulk.open(path) as journal,
    ):
        next(bulk.run(client, journal, describe(9), in_flight=3))

    assert len(slow.tasks) == len(slow.requests(CREATE)) == 3
    note, ids = caught.value.__notes__
    assert "3 are paid for and still running" in note
    assert caplog.text.count(note) == 1
    assert counts_in(path) == {"accepted": 3, "planned": 6}
    assert all(task.task_id in ids for task in slow.tasks)


@NEEDS_SIGNALS
@pytest.mark.parametrize("times", [2, 3])
def test_ctrl_c_pressed_repeatedly_loses_nothing_and_does_not_hang(
    slow: Sandbox, path: Path, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    slow.add_fault(CREATE, *[Fault(delay=1)] * 3)
    began = time.monotonic()
    with (
        interrupted_when(lambda: len(slow.requests(CREATE)) == 3, times=times),
        client_of(slow) as client,
        bulk.open(path) as journal,
    ):
        next(bulk.run(client, journal, describe(9), in_flight=3))

    assert time.monotonic() - began < 8
    assert "has all paid requests" in caplog.text
    assert "3 are paid for and still running" in caplog.text
    assert counts_in(path) == {"accepted": 3, "planned": 6}
    assert len(slow.tasks) == 3


@NEEDS_SIGNALS
def test_ctrl_c_in_the_source_of_a_run_pays_for_nothing(slow: Sandbox, path: Path) -> None:
    moment = threading.Event()

    def source() -> Iterator[sonic.Describe]:
        yield from describe(3)
        moment.set()
        threading.Event().wait(10)

    with interrupted_when(moment.is_set), client_of(slow) as client, bulk.open(path) as journal:
        next(bulk.run(client, journal, source()))

    assert counts_in(path) == {}
    assert len(slow.requests(CREATE)) == 0


def test_run_iterated_by_threads_gives_each_outcome_once(
    client: MusicAPI, served: Sandbox, journal: bulk.Journal
) -> None:
    run = bulk.run(client, journal, describe(30), in_flight=10)
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.extend(outcome.record.key for outcome in run)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert not any(thread.is_alive() for thread in threads)
    assert len(keys) == len(set(keys)) == 30 == len(served.tasks)


def test_requests_of_a_generator_that_iterates_its_own_run_are_an_error(
    client: MusicAPI, journal: bulk.Journal
) -> None:
    def source() -> Iterator[sonic.Describe]:
        next(run)
        yield from describe(1)

    run = bulk.run(client, journal, source())
    with pytest.raises(ValueError, match="already executing"):
        next(run)


def test_client_closed_in_another_thread_ends_the_run(slow: Sandbox, journal: bulk.Journal) -> None:
    client = client_of(slow)

    def close() -> None:
        while len(slow.tasks) < 3:
            time.sleep(0.005)
        client.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(errors.ClientClosedError):
        list(bulk.run(client, journal, describe(9), in_flight=3))
    closing.join()

    assert journal.counts()["accepted"] == 3


@NEEDS_FORK
def test_journal_in_a_forked_child_is_refused(served: Sandbox, path: Path) -> None:
    done = run_script(
        f"""
        import os
        from musicapi_sync import MusicAPI, bulk, errors, sonic

        requests = [sonic.Describe(description=f"song {{n}}") for n in range(3)]
        with MusicAPI() as client, bulk.open({str(path)!r}) as journal:
            run = bulk.run(client, journal, requests, in_flight=1)
            next(run)
            child = os.fork()
            for use in (journal.counts, lambda: next(run), run.close) if child == 0 else ():
                try:
                    use()
                except errors.JournalError as error:
                    print(error.reason, flush=True)
            if child:
                print("parent", os.waitpid(child, 0)[1], len(list(run)), journal.counts()["saved"])
        """,
        served,
    )

    assert done.stderr == ""
    reason = "it was opened before the process forked: use it in the parent"
    assert done.stdout.splitlines() == [reason] * 3 + ["parent 0 2 3"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="sends itself a signal")
def test_ctrl_c_at_any_moment_of_opening_leaves_no_journal_open(served: Sandbox, path: Path) -> None:
    done = run_script(
        f"""
        import signal, time
        from musicapi_sync import bulk, errors

        def interrupt(*_):
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, interrupt)
        interrupted = 0
        for n in range(40):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0005 * (n + 1))
                with bulk.open({str(path)!r}) as journal:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    journal.counts()
            except KeyboardInterrupt:
                interrupted += 1
            for _ in range(500):
                try:
                    with bulk.open({str(path)!r}):
                        break
                except errors.JournalError:
                    time.sleep(0.01)
            else:
                raise SystemExit("it was left open")
        print(interrupted > 0)
        """,
        served,
    )

    assert (done.stdout, done.stderr) == ("True\n", "")


def test_journal_never_closed_lets_the_process_end(served: Sandbox, path: Path) -> None:
    done = run_script(
        f"""
        from musicapi_sync import MusicAPI, bulk, sonic

        journal = bulk.open({str(path)!r}).__enter__()
        client = MusicAPI(create_rate=1000)
        next(bulk.run(client, journal, [sonic.Describe(description=f"song {{n}}") for n in range(60)], in_flight=4))
        """,
        served,
    )

    found = counts_in(path)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert found["planned"] == 60 - len(served.tasks)
    assert "uncertain" not in found


def test_run_takes_kept_events_before_uncertain_requests_are_sent_again(served: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    served.add_fault("POST /sonic/create", Fault(drop=True, accepted=True))
    with client_of(served) as root, bulk.open(path) as journal:
        client = root.with_options(webhook_url="http://127.0.0.1:9/hooks", webhook_secret=SECRET)
        (lost,) = bulk.run(client, journal, describe(1), timeout=0.0)
        assert lost.record.state == "uncertain"
        (task,) = served.tasks
        body = body_of(task_id=task.task_id)
        bulk.receive(path, body, headers_of(body), str(task.request.to_wire()["webhook_url"]), SECRET)
        resumed = bulk.run(client, journal, describe(1))
        resumed.recover()
        assert bulk.resend_uncertain(journal) == 0
        assert [outcome.record.task_id for outcome in resumed] == [task.task_id]
        assert journal.extras() == []
    assert len(served.tasks) == 1
