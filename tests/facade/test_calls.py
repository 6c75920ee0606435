"""The blocking client does what the async one does, from any thread."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from musicapi_async.sandbox import Fault, Sandbox
from musicapi_sync import Credits, MusicAPI, Outcome, Songs, Task, account, errors, sonic

POLL = "GET /sonic/task/{task_id}"


def test_task_is_waited_for_resumed_and_downloaded(client: MusicAPI, tmp_path: Path) -> None:
    task = client.sonic.describe(description="lofi rain")
    songs = task.wait()
    assert client.sonic.task(task.id).wait() == songs

    saved = client.download(songs[0], tmp_path / "rain")

    assert isinstance(songs, Songs)
    assert len(songs) == 2
    assert saved.path.suffix == f".{saved.format}"
    assert saved.path.stat().st_size == saved.size > 1000


def test_updates_end_with_the_last_state(client: MusicAPI) -> None:
    statuses = [state.status for state in client.sonic.describe(description="rain").updates()]

    assert statuses[-1] == "finished"
    assert len(statuses) >= 2


def test_updates_left_by_break_stop_polling(waiting_client: MusicAPI, slow: Sandbox) -> None:
    task = waiting_client.sonic.describe(description="rain")
    for state in task.updates():
        assert state.status == "waiting"
        break
    polls = len(slow.requests(POLL))

    # Ten calls take far longer than the poll interval.
    waiting = threading.Event()
    waiting.wait(0.2)

    assert len(slow.requests(POLL)) <= polls + 1
    assert task.poll().status == "waiting"


def test_run_yields_every_outcome(client: MusicAPI) -> None:
    requests = [sonic.Describe(description=f"song {number}") for number in range(7)]

    run = client.run(requests, in_flight=3)
    assert repr(run) == "<Run in_flight=3: 0 running, 0 finished>"
    outcomes = list(run)

    assert {outcome.request for outcome in outcomes} == set(requests)
    assert all(isinstance(outcome, Outcome) and isinstance(outcome.task, Task) for outcome in outcomes)
    assert all(len(outcome.unwrap()) == 2 for outcome in outcomes)


def test_outcome_that_failed_raises_its_error_when_unwrapped() -> None:
    error = errors.ServerError("POST /sonic/create", 500, "no")
    outcome = Outcome(request=sonic.Describe(description="rain"), error=error)

    with pytest.raises(errors.ServerError) as caught:
        outcome.unwrap()
    assert caught.value is error


def test_run_takes_from_its_source_lazily_in_the_callers_thread(client: MusicAPI) -> None:
    taken: list[int] = []

    def endless() -> Iterator[sonic.Describe]:
        number = 0
        while True:
            taken.append(threading.get_ident())
            number += 1
            yield sonic.Describe(description=f"song {number}")

    run = client.run(endless(), in_flight=2)
    next(run)
    run.close()

    assert set(taken) == {threading.get_ident()}
    assert len(taken) <= 3


def test_run_whose_source_raises_returns_started_outcomes_first(client: MusicAPI) -> None:
    def source() -> Iterator[sonic.Describe]:
        yield sonic.Describe(description="good")
        yield sonic.Describe(description="x" * 401)

    run = client.run(source(), in_flight=5)

    assert next(run).error is None
    with pytest.raises(errors.InvalidRequestError, match="401 characters; the service takes at most 400"):
        next(run)


def test_client_used_by_many_threads_has_one_loop_thread(client: MusicAPI) -> None:
    with ThreadPoolExecutor(64) as threads:
        found = list(threads.map(lambda _: client.account.credits(), range(256)))

    assert found == [Credits(credits=1000.0)] * 256
    assert [thread.name for thread in threading.enumerate()].count("musicapi-loop") == 1


def test_view_shares_the_loop_thread_and_has_its_own_settings(client: MusicAPI, served: Sandbox) -> None:
    served.account("other-key").credits = 7

    with client.with_options(api_key="other-key") as view:
        assert view.account.credits().total == 7

    assert client.account.credits().total == 1000
    assert [thread.name for thread in threading.enumerate()].count("musicapi-loop") == 1


def test_wait_that_times_out_raises_the_cores_error(waiting_client: MusicAPI) -> None:
    task = waiting_client.sonic.describe(description="rain")

    with pytest.raises(errors.TaskTimeoutError, match=task.id) as caught:
        task.wait(timeout=0.05)

    assert isinstance(caught.value, TimeoutError)
    assert task.poll().status == "waiting"


def test_submit_that_is_cut_raises_the_cores_error(client: MusicAPI, served: Sandbox) -> None:
    served.add_fault("POST /sonic/create", Fault(drop=True, accepted=True))

    with pytest.raises(errors.UncertainSubmissionError):
        client.sonic.describe(description="rain")

    assert len(served.tasks) == 1


def test_task_attached_to_another_client_can_be_waited_for(client: MusicAPI, served: Sandbox) -> None:
    task = client.sonic.describe(description="rain")
    client.close()

    with MusicAPI("facade-key", base_url=served.base_url, poll_interval=0.02) as other:
        assert len(other.attach(task).wait()) == 2


def test_raw_response_holds_the_result_and_the_blocking_task(client: MusicAPI) -> None:
    submitted = client.with_raw_response.submit(sonic.Describe(description="rain"))
    called = client.with_raw_response.call(account.GetCredits())
    requested = client.with_raw_response.request("GET", "/get-credits")

    assert {submitted.status, called.status, requested.status} == {200}
    assert isinstance(submitted.result, Task)
    assert len(submitted.result.wait()) == 2
    assert requested.result["credits"] == called.result.credits
    assert "application/json" in called.headers["content-type"]
