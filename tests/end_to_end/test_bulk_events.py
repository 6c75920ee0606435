"""``musicapi bulk`` with events: it receives them while it runs, and the next run knows those that it has kept."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import KEY, MusicAPI, finish, served, started, until
from end_to_end import bulk_folder
from end_to_end.bulk_folder import CREATE, RUN
from signing import SECRET, body_of, headers_of

import musicapi_sync.bulk
from musicapi_async.sandbox import EventFault, Fault, Sandbox

LOST = Fault(drop=True, accepted=True)
POLL = "GET /sonic/task/{task_id}"
TYPES = ("song.streaming", "song.completed")


@pytest.fixture(name="sandbox")
def slower_sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox whose songs take half a second."""
    with served(0.5) as sandbox:
        sandbox.account(KEY).credits = 100_000
        yield sandbox


@pytest.fixture
def options() -> tuple[str, ...]:
    """Return the options of a run that receives events at a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return ("--webhook-url", f"http://{address}/hooks", "--listen", address)


def write(folder: Path, count: int) -> None:
    bulk_folder.write(folder, *(f"rain {number}" for number in range(count)))


def events_in(folder: Path) -> list[Path]:
    return sorted((folder / "songs" / "journal.db.events").glob("*.event"))


def kill_before_the_event_is_handled(sandbox: Sandbox, options: tuple[str, ...], folder: Path) -> None:
    """Kill a run of one request, whose response was lost, once its event is kept and before a poll confirms it."""
    write(folder, 1)
    sandbox.add_fault(CREATE, LOST)
    sandbox.add_fault(POLL, Fault(delay=60))
    env = {"MUSICAPI_WEBHOOK_SECRET": SECRET}
    with started(*RUN, *options, cwd=folder, sandbox=sandbox, env=env) as process:
        until(lambda: len(sandbox.requests(POLL)))
        process.kill()
        process.communicate()


def test_bulk_with_a_lost_response_saves_the_song_by_its_event(
    musicapi: MusicAPI, sandbox: Sandbox, options: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path, 3)
    sandbox.add_fault(CREATE, Fault(), LOST)
    done = musicapi(*RUN, *options, sandbox=sandbox, MUSICAPI_WEBHOOK_SECRET=SECRET)

    assert (done.code, done.out.splitlines()[-1]) == (0, "3 saved")
    assert len(sandbox.tasks) == 3
    assert SECRET not in done.out + done.err
    assert {one.status for one in sandbox.deliveries} == {200}


def test_bulk_with_a_lost_response_and_a_lost_event_reports_it_uncertain(
    musicapi: MusicAPI, sandbox: Sandbox, options: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path, 1)
    sandbox.add_fault(CREATE, LOST)
    for event_type in TYPES:
        sandbox.add_event_fault(event_type, EventFault(lost=True))
    done = musicapi(*RUN, *options, "--timeout", "0.5", sandbox=sandbox, MUSICAPI_WEBHOOK_SECRET=SECRET)

    assert done.code == 12
    assert "1 uncertain" in done.out
    assert len(sandbox.tasks) == 1


def test_bulk_with_a_forged_event_refuses_it_and_saves_the_song_by_the_true_one(
    musicapi: MusicAPI, sandbox: Sandbox, options: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path, 1)
    sandbox.add_fault(CREATE, LOST)
    sandbox.add_event_fault("song.streaming", EventFault(lost=True))
    sandbox.add_event_fault("song.completed", EventFault(forged=True))
    done = musicapi(*RUN, *options, sandbox=sandbox, MUSICAPI_WEBHOOK_SECRET=SECRET)

    assert (done.code, done.out.splitlines()[-1]) == (0, "1 saved")
    assert [(one.forged, one.status) for one in sandbox.deliveries] == [(True, 401), (False, 200)]
    assert len(sandbox.tasks) == 1


def test_bulk_killed_before_it_handles_an_event_is_completed_by_the_next_run(
    musicapi: MusicAPI, sandbox: Sandbox, options: tuple[str, ...], tmp_path: Path
) -> None:
    kill_before_the_event_is_handled(sandbox, options, tmp_path)
    assert events_in(tmp_path)
    # The next run needs no server of its own for what was kept.
    done = musicapi(*RUN, sandbox=sandbox)

    assert (done.code, done.out.splitlines()[-1]) == (0, "1 saved")
    assert len(sandbox.tasks) == 1


def test_bulk_with_resend_uncertain_takes_kept_events_first(
    musicapi: MusicAPI, sandbox: Sandbox, options: tuple[str, ...], tmp_path: Path
) -> None:
    kill_before_the_event_is_handled(sandbox, options, tmp_path)
    done = musicapi(*RUN, "--resend-uncertain", sandbox=sandbox)

    assert "sending 0 uncertain requests again" in done.out
    assert (done.code, done.out.splitlines()[-1]) == (0, "1 saved")
    assert len(sandbox.tasks) == 1


def test_bulk_names_a_request_that_was_paid_for_twice(
    musicapi: MusicAPI, sandbox: Sandbox, options: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path, 1)
    env = {"MUSICAPI_WEBHOOK_SECRET": SECRET}
    sandbox.add_fault(CREATE, LOST)
    for event_type in TYPES:
        sandbox.add_event_fault(event_type, EventFault(lost=True))
    assert musicapi(*RUN, *options, "--timeout", "0", sandbox=sandbox, **env).code == 12
    assert musicapi(*RUN, *options, "--resend-uncertain", sandbox=sandbox, **env).code == 0
    first, second = sandbox.tasks
    body, journal = body_of(task_id=first.task_id), tmp_path / "songs" / "journal.db"
    url = str(first.request.to_wire()["webhook_url"])
    musicapi_sync.bulk.receive(journal, body, headers_of(body), url, SECRET)
    done = musicapi(*RUN, sandbox=sandbox)
    status = musicapi("bulk", "status", "songs", "--json")
    report = musicapi("bulk", "report", "songs")

    assert (done.code, report.code) == (0, 0)
    assert "paid for twice" in " ".join(done.err.split())
    (extra,) = status.json["paid_twice"]
    assert (extra["key"], extra["task_ids"]) == ("k-0", [second.task_id, first.task_id])
    assert len(extra["files"]) == 6
    assert all((tmp_path / "songs" / name).is_file() for name in extra["files"])
    page = (tmp_path / "songs" / "index.html").read_text()
    text = " ".join(re.sub("<[^>]*>", "", page).split())
    assert f"accepted too, as task {first.task_id}" in text
    assert all(name in page for name in extra["files"])
    assert len(sandbox.tasks) == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("--webhook-url", "https://app.example/hooks"), "MUSICAPI_WEBHOOK_SECRET"),
        (("--listen", "127.0.0.1:8788"), "--listen needs --webhook-url"),
        (("--listen", "8788"), "--listen is '8788'; it must be HOST:PORT"),
        (("--listen", "127.0.0.1:0"), "it must be HOST:PORT"),
    ],
)
def test_bulk_with_options_of_events_that_do_not_fit_sends_nothing(
    given: tuple[str, ...], expected: str, musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 1)
    done = musicapi(*RUN, *given, sandbox=sandbox)

    assert done.code == 2
    assert expected in " ".join(done.err.split())
    assert not sandbox.requests()


def test_bulk_at_a_port_in_use_says_so_and_sends_nothing(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        options = ("--webhook-url", f"http://{address}/hooks", "--listen", address)
        done = musicapi(*RUN, *options, sandbox=sandbox, MUSICAPI_WEBHOOK_SECRET=SECRET)

    assert done.code == 2
    assert "cannot listen: the port is already in use; try another --listen" in " ".join(done.err.split())
    assert not len(sandbox.requests(CREATE))


def test_bulk_trial_receives_the_events_of_its_sandbox(
    musicapi: MusicAPI, options: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path, 1)
    done = musicapi(*RUN, "--sandbox", *options, MUSICAPI_KEY="", MUSICAPI_WEBHOOK_SECRET=SECRET)

    assert (done.code, done.out.splitlines()[-1]) == (0, "1 saved")


def test_bulk_stopped_names_the_options_of_events_in_the_command_that_resumes_it(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    with served(60) as slow:
        write(tmp_path, 1)
        env = {"MUSICAPI_WEBHOOK_SECRET": SECRET}
        with started(*RUN, *options, cwd=tmp_path, sandbox=slow, env=env) as process:
            until(lambda: slow.tasks)
            process.terminate()
            done = finish(process)

    assert " ".join(options) in done.out
