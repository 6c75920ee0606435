"""``musicapi bulk`` as a user meets it, against the sandbox."""

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from commands import HANGUP, KEY, LONG, MusicAPI, finish, line_with, on_unix, read_until, served, started, until
from end_to_end import bulk_folder
from end_to_end.bulk_folder import CREATE, RUN, quick_sandbox  # noqa: F401 - the fixture

from musicapi_async.sandbox import Fault, Sandbox


def write(folder: Path, count: int, *lines: str) -> None:
    bulk_folder.write(folder, *(f"rain {number}" for number in range(count)), lines=lines)


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_bulk_run_with_a_line_changed_after_it_was_sent_says_that_the_song_stays(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text('{"description": "rain", "key": "a"}\n{"description": "snow", "key": "b"}\n')
    assert "changed since" not in musicapi(*RUN, sandbox=sandbox).err
    file.write_text('{"description": "rain and wind", "key": "a"}\n{"description": "snow", "key": "b"}\n')
    changed = musicapi(*RUN, sandbox=sandbox)

    assert "1 line has changed since the request was sent: a; the song that was made is kept" in " ".join(
        changed.err.split()
    )
    assert len(sandbox.tasks) == 2


def test_bulk_run_again_pays_for_nothing(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, 5)
    done = musicapi(*RUN, sandbox=sandbox)
    again = musicapi(*RUN, sandbox=sandbox)

    assert (done.code, done.err) == (0, "")
    assert "5 requests, 5 of them new" in done.out
    assert done.out.splitlines()[-1] == "5 saved"
    assert Counter(path.suffix for path in (tmp_path / "songs").iterdir())[".json"] == 10
    assert (again.code, again.out.splitlines()[-1]) == (0, "5 saved")
    assert len(sandbox.tasks) == 5


def test_bulk_with_an_unchanged_file_does_not_check_it_again(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 3)
    assert "3 requests, 3 of them new" in musicapi(*RUN, sandbox=sandbox).out
    assert "has not changed since it was planned" in musicapi(*RUN, sandbox=sandbox).out
    write(tmp_path, 4)
    assert "4 requests, 1 of them new" in musicapi(*RUN, sandbox=sandbox).out
    # Another plan was made in between.
    other = tmp_path / "other.jsonl"
    other.write_text('{"description": "snow"}\n')
    command = ("bulk", "other.jsonl", *RUN[2:])
    assert "1 request, 1 of them new" in musicapi(*command, sandbox=sandbox).out
    assert "4 requests, 0 of them new" in musicapi(*RUN, sandbox=sandbox).out
    assert len(sandbox.tasks) == 5


def test_bulk_with_bad_lines_names_each_before_anything_is_sent(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 2, "{", '{"operation": "sonic.bpm"}', '{"description": ""}', '{"descriptoin": "x"}', '{"key": 5}')
    done = musicapi(*RUN, sandbox=sandbox)

    assert done.code == 2
    for number, expected in (
        (3, "it is not JSON"),
        (4, "operation is 'sonic.bpm'"),
        (5, "description"),
        (6, "descriptoin"),
    ):
        assert any(f"requests.jsonl:{number}: " in line and expected in line for line in done.err.splitlines())
    assert "5 of 7 lines invalid; nothing was sent or charged" in done.err
    assert not len(sandbox.requests(CREATE))

    write(tmp_path, 0, *('{"description": ""}' for _ in range(40)))
    done = musicapi(*RUN, sandbox=sandbox)
    shown = [line for line in done.err.splitlines() if "description is empty" in line]
    assert len(shown) == 6
    assert "requests.jsonl:40: the last of 35 more with this reason: description is empty" in shown[-1]
    assert "40 of 40 lines invalid" in done.err

    write(tmp_path, 2)
    assert musicapi(*RUN, sandbox=sandbox).code == 0
    assert len(sandbox.tasks) == 2


@pytest.mark.parametrize(("lines", "options", "code"), [(1, (), 3), (1, ("--names", "{title}.{ext}"), 2), (0, (), 2)])
def test_bulk_with_json_prints_each_ending_as_a_line(
    lines: int, options: tuple[str, ...], code: int, musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, lines)
    sandbox.add_fault(CREATE, Fault(status=401, body={"error": "no such key"}))
    done = musicapi(*RUN, "--json", *options, sandbox=sandbox)

    assert done.code == code
    *_, end = events(done.out)
    assert end["event"] == "end"
    assert end["error"]["code"] == code
    assert len(sandbox.requests(CREATE)) == (code == 3)


def test_bulk_with_retry_refused_sends_refused_requests_again(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 2)
    sandbox.add_fault(CREATE, Fault(status=404, body={"error": "no such path"}))
    assert musicapi(*RUN, "--in-flight", "1", sandbox=sandbox).code == 12
    assert musicapi(*RUN, sandbox=sandbox).code == 12
    assert len(sandbox.tasks) == 1

    assert musicapi(*RUN, "--retry-refused", sandbox=sandbox).code == 0
    assert len(sandbox.tasks) == 2


def test_bulk_dry_run_counts_and_sends_nothing(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, 3, '{"operation": "producer.create", "sound": "choir"}')
    done = musicapi(*RUN, "--dry-run", "--json", sandbox=sandbox)

    assert done.code == 0
    assert done.json["requests"] == {"sonic.describe": 3, "producer.create": 1}
    assert done.json["credits"]["sonic.describe"] == 60
    assert not sandbox.requests()
    assert [path.name for path in tmp_path.iterdir()] == ["requests.jsonl"]


def test_bulk_events_are_a_line_each_and_the_last_one_is_the_end(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 3)
    sandbox.add_fault(CREATE, Fault(status=400, body={"error": "no such thing"}))
    done = musicapi(*RUN, "--json", "--in-flight", "1", sandbox=sandbox)

    *outcomes, end = events(done.out)
    assert done.code == 12
    assert [event["event"] for event in outcomes] == ["refused", "saved", "saved"]
    assert outcomes[0]["key"] == "k-0"
    assert "no such thing" in str(outcomes[0]["error"])
    assert all(len(event["files"]) == 6 for event in outcomes[1:])
    assert end["event"] == "end"
    assert end["counts"]["saved"] == 2
    assert "1 refused" in end["error"]["message"]


def test_bulk_with_uncertain_requests_lists_them_until_they_are_resolved(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 4)
    sandbox.add_fault(CREATE, *(Fault(drop=True, accepted=True) for _ in range(3)))
    done = musicapi(*RUN, "--in-flight", "1", sandbox=sandbox)
    assert done.code == 12
    assert "not sent again automatically" in done.err
    assert all(f"k-{number}  sonic.describe" in done.out for number in range(3))

    found = musicapi("bulk", "resolve", "songs", "k-0", sandbox.tasks[0].task_id)
    assert (found.code, found.err) == (0, "")
    assert musicapi("bulk", "resolve", "songs", "k-3", "t").code == 2
    assert musicapi("bulk", "resolve", "nowhere", "k-3", "t").code == 2
    assert musicapi(*RUN, "--resend-uncertain", sandbox=sandbox).code == 0
    assert len(sandbox.tasks) == 6

    sandbox.add_fault(CREATE, Fault(drop=True, accepted=True))
    write(tmp_path, 5)
    musicapi(*RUN, sandbox=sandbox)
    dropped = musicapi(*RUN, "--drop-uncertain", sandbox=sandbox)
    assert dropped.code == 12
    assert "5 saved" not in dropped.out
    assert "4 saved, 1 failed" in dropped.out
    assert musicapi(*RUN, "--drop-uncertain", "--resend-uncertain", sandbox=sandbox).code == 2


@pytest.mark.parametrize(
    ("fault", "code", "expected"),
    [
        (Fault(status=401, body={"error": "no such key"}), 3, "no such key"),
        (Fault(status=403, body={"error": "You have no credits"}), 4, "no credits"),
    ],
)
def test_bulk_with_an_error_of_every_request_stops(
    fault: Fault, code: int, expected: str, musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 30)
    sandbox.add_fault(CREATE, Fault(), Fault(), *[fault] * 20)
    done = musicapi(*RUN, "--in-flight", "2", sandbox=sandbox)

    assert done.code == code
    assert expected in done.err
    assert "2 saved; 0 paid for and still running on the server; 28 not sent yet; resume with: " in done.out
    assert len(sandbox.tasks) == 2


def test_bulk_with_max_credits_spends_no_more(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, 10)
    done = musicapi(*RUN, "--max-credits", "90", sandbox=sandbox)
    assert done.code == 4
    assert "--max-credits is 90 and 80 are spent" in done.err
    assert "--max-credits 90" in done.out
    assert len(sandbox.tasks) == 4


def test_bulk_trial_begins_anew_and_is_never_taken_for_songs(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, 1)
    for _ in range(2):
        done = musicapi(*RUN, "--sandbox", MUSICAPI_KEY="")
        assert (done.code, done.out.splitlines()[-1]) == (0, "1 saved")
    real = musicapi(*RUN, MUSICAPI_BASE_URL="https://music.example/api/v1")
    assert real.code == 11
    assert "its songs are from 127.0.0.1:" in real.err


def test_bulk_trial_on_a_paid_journal_is_refused(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, 1)
    assert musicapi(*RUN, sandbox=sandbox).code == 0
    for _ in range(2):
        done = musicapi(*RUN, "--sandbox", MUSICAPI_KEY="")
        assert done.code == 11
        assert "its songs are from 127.0.0.1:" in done.err
    assert musicapi(*RUN, sandbox=sandbox).out.splitlines()[-1] == "1 saved"
    assert len(sandbox.tasks) == 1


@on_unix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (HANGUP, 129)])
def test_bulk_stopped_reports_its_tasks_and_resumes_them(number: int, code: int, tmp_path: Path) -> None:
    with served(LONG) as slow:
        write(tmp_path, 6)
        with started(*RUN, "--in-flight", "4", cwd=tmp_path, sandbox=slow) as process:
            until(lambda: len(slow.tasks) == 4)
            process.send_signal(number)
            done = finish(process)
        assert done.code == code
        assert "4 paid for and still running on the server; 2 not sent yet; resume with: " in done.out
        assert "--in-flight 4" in done.out

        with started(*RUN, cwd=tmp_path, sandbox=slow) as process:
            until(lambda: len(slow.tasks) == 6)
            slow.advance(2 * LONG)
            done = finish(process)
        assert (done.code, done.out.splitlines()[-1]) == (0, "6 saved")
        assert len(slow.tasks) == 6


@on_unix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_bulk_stopped_twice_leaves_at_once_and_sends_nothing_again(number: int, code: int, tmp_path: Path) -> None:
    with served(0.1) as sandbox:
        write(tmp_path, 2)
        sandbox.add_fault(CREATE, Fault(delay=20, accepted=True))
        with started(*RUN, "--in-flight", "1", "--json", cwd=tmp_path, sandbox=sandbox) as process:
            until(lambda: len(sandbox.requests(CREATE)))
            process.send_signal(number)
            line_with("again to exit at once", process.stderr)
            process.send_signal(number)
            done = finish(process)
        assert done.code == code
        assert "exited at once" in done.err
        (end,) = events(done.out)
        assert end["error"]["code"] == code

        with started(*RUN, cwd=tmp_path, sandbox=sandbox) as process:
            done = finish(process)
        assert done.code == 12
        assert "1 saved, 1 uncertain" in done.out
        assert len(sandbox.requests(CREATE)) == 2


@on_unix
def test_bulk_with_requests_through_a_pipe_makes_them(sandbox: Sandbox, tmp_path: Path) -> None:
    command = ("bulk", "/dev/stdin", *RUN[2:])
    for count in (1, 2):
        lines = "".join(f'{{"description": "rain {number}"}}\n' for number in range(count))
        with started(*command, cwd=tmp_path, sandbox=sandbox) as process:
            done = finish(process, lines.encode())
        assert (done.code, done.out.splitlines()[-1]) == (0, f"{count} saved")
    assert len(sandbox.tasks) == 2


@on_unix
def test_bulk_on_a_journal_in_use_names_its_holder(tmp_path: Path) -> None:
    with served(LONG) as slow:
        write(tmp_path, 1)
        with started(*RUN, cwd=tmp_path, sandbox=slow) as process:
            until(lambda: slow.tasks)
            with started(*RUN, cwd=tmp_path, sandbox=slow) as other:
                done = finish(other)
            process.send_signal(signal.SIGTERM)
            finish(process)
        assert done.code == 11
        assert f"it is in use by process {process.pid}" in done.err
        assert len(slow.tasks) == 1


@on_unix
def test_bulk_on_a_terminal_shows_a_board(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    with served(LONG) as slow:
        write(tmp_path, 3)
        master, slave = pty.openpty()
        env = {"TERM": "xterm", "COLUMNS": "100", "FORCE_COLOR": "", "PYTHONIOENCODING": "utf-8"}
        with started(*RUN, cwd=tmp_path, sandbox=slow, env=env, terminal=slave) as process:
            os.close(slave)
            shown = read_until(b"3 accepted", master)
            slow.advance(2 * LONG)
            shown += read_until(b"3 saved", master)
            shown += read_until(None, master)
            assert process.wait() == 0
        os.close(master)
    live = shown.decode()
    assert "0 of 3" in live
    assert "submissions/min" in live
    assert "credits spent" in live
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in live
    assert live.rpartition("\x1b[?25h")[2].strip().endswith("3 saved")


@on_unix
@pytest.mark.parametrize("redirected", ["stdout", "stderr"])
def test_bulk_with_one_stream_on_a_terminal_writes_the_other_to_its_file(
    redirected: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    pty = pytest.importorskip("pty")
    write(tmp_path, 2)
    sandbox.add_fault(CREATE, Fault(drop=True))
    master, slave = pty.openpty()
    env = {"TERM": "xterm", "COLUMNS": "60", "FORCE_COLOR": "", "PYTHONIOENCODING": "utf-8"}
    command = (*RUN, "--in-flight", "1", *(["--json"] if redirected == "stdout" else []))
    with (tmp_path / "file").open("wb") as file:
        streams: dict[str, Any] = {redirected: file.fileno()}
        with started(*command, cwd=tmp_path, sandbox=sandbox, env=env, terminal=slave, **streams) as process:
            os.close(slave)
            shown = read_until(None, master).decode()
            assert process.wait() == 12
    os.close(master)
    lines = (tmp_path / "file").read_text().splitlines()
    if redirected == "stdout":
        assert [json.loads(line)["event"] for line in lines] == ["uncertain", "saved", "end"]
        assert '"event"' not in shown
    else:
        assert lines[0].startswith("musicapi: warning: a paid request sent at")
        assert "warning" not in shown


def test_bulk_with_tasks_that_do_not_end_counts_them_as_overdue(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, 2)
    with served(3600) as slow:
        slow.account(KEY).credits = 100_000
        done = musicapi(*RUN, "--timeout", "0.3", "--in-flight", "5", sandbox=slow)
        assert done.code == 12
        assert "2 accepted" in done.out
        assert len(slow.tasks) == 2
        stopped = musicapi(*RUN, "--timeout", "0.3", "--in-flight", "5", sandbox=slow)
        assert stopped.code == 12
        shown = musicapi("bulk", "status", "songs")
        assert "2 of the accepted are overdue" in shown.out
        assert musicapi("bulk", "status", "songs", "--json").json["overdue"] == 2
        slow.advance(4000)
        assert musicapi(*RUN, sandbox=slow).code == 0
        assert len(slow.tasks) == 2


def test_bulk_without_a_service_pauses_and_says_so(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, 3)
    nowhere = "http://127.0.0.1:9/api/v1"
    done = musicapi(*RUN, "--outage", "1.5", MUSICAPI_BASE_URL=nowhere, MUSICAPI_MAX_ATTEMPTS="1")
    assert done.code == 7
    assert "submissions are paused and tried again for up to 1.5 s" in done.err
    assert "3 not sent yet" in done.out
    assert "--outage 1.5" in done.out


def test_bulk_with_failed_songs_sends_them_again_only_with_retry_failed(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 1)
    failure = Fault(status=200, body={"type": "failed", "message": "generation failed"})
    sandbox.add_fault("GET /sonic/task/{task_id}", failure)
    for _ in range(2):
        done = musicapi(*RUN, sandbox=sandbox)
        assert done.code == 12
        assert "--retry-failed" in done.out
        assert len(sandbox.tasks) == 1
    done = musicapi(*RUN, "--retry-failed", sandbox=sandbox)
    assert "sending 1 failed request again, each charged again" in done.out
    assert (done.code, len(sandbox.tasks)) == (0, 2)


@pytest.mark.parametrize("address", ["s3://bucket/songs", "postgresql://songs@db/songs"])
def test_bulk_status_of_an_address_names_the_option_for_the_journal(musicapi: MusicAPI, address: str) -> None:
    done = musicapi("bulk", "status", address)

    assert done.code == 2
    assert "DIR is an address, and no folder: name the journal of the run with --journal" in done.err
