"""``musicapi bulk`` as a user meets it, against the sandbox."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from commands import HANGUP, KEY, LONG, MusicAPI, finish, line_with, on_unix, read_until, served, started, until

from musicapi_async.sandbox import Fault, Sandbox

CREATE: Final = "POST /sonic/create"
RUN: Final = ("bulk", "requests.jsonl", "--out", "songs", "--operation", "sonic.describe")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(0.1) as quick:
        quick.account(KEY).credits = 100_000
        yield quick


def write(folder: Path, count: int, *more: str) -> None:
    lines = [json.dumps({"description": f"rain {number}", "key": f"k-{number}"}) for number in range(count)]
    (folder / "requests.jsonl").write_text("\n".join([*lines, *more]) + "\n")


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_file_becomes_a_folder_of_songs_and_again_nothing_is_paid(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 5)
    done = musicapi(*RUN, sandbox=sandbox)
    again = musicapi(*RUN, sandbox=sandbox)

    assert (done.code, done.err) == (0, "")
    assert "5 requests, 5 of them new" in done.out
    assert done.out.splitlines()[-1] == "5 saved"
    assert Counter(path.suffix for path in (tmp_path / "songs").iterdir())[".json"] == 10
    assert (again.code, again.out.splitlines()[-1]) == (0, "5 saved")
    assert len(sandbox.accepted) == 5


def test_a_file_that_has_not_changed_is_not_checked_again(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
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
    assert len(sandbox.accepted) == 5


def test_every_bad_line_is_named_before_anything_is_sent(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, 2, "{", '{"operation": "sonic.bpm"}', '{"description": ""}', '{"descriptoin": "x"}', '{"key": 5}')
    done = musicapi(*RUN, sandbox=sandbox)

    assert done.code == 2
    for number, told in ((3, "it is no JSON"), (4, "operation is 'sonic.bpm'"), (5, "description"), (6, "descriptoin")):
        assert any(f"requests.jsonl:{number}: " in line and told in line for line in done.err.splitlines())
    assert "5 of 7 lines invalid; nothing was sent or charged" in done.err
    assert not sandbox.requests[CREATE]

    write(tmp_path, 2)
    assert musicapi(*RUN, sandbox=sandbox).code == 0
    assert len(sandbox.accepted) == 2


@pytest.mark.parametrize(("lines", "options", "code"), [(1, (), 3), (1, ("--names", "{title}.{ext}"), 2), (0, (), 2)])
def test_with_json_every_ending_is_a_line(
    lines: int, options: tuple[str, ...], code: int, musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, lines)
    sandbox.add_fault(CREATE, Fault(status=401, body={"error": "no such key"}))
    done = musicapi(*RUN, "--json", *options, sandbox=sandbox)

    assert done.code == code
    *_, end = events(done.out)
    assert end["event"] == "end"
    assert end["error"]["code"] == code
    assert sandbox.requests[CREATE] == (code == 3)


def test_what_was_refused_is_tried_again_when_its_user_says_so(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 2)
    sandbox.add_fault(CREATE, Fault(status=404, body={"error": "no such path"}))
    assert musicapi(*RUN, "--in-flight", "1", sandbox=sandbox).code == 12
    assert musicapi(*RUN, sandbox=sandbox).code == 12
    assert len(sandbox.accepted) == 1

    assert musicapi(*RUN, "--retry-refused", sandbox=sandbox).code == 0
    assert len(sandbox.accepted) == 2


def test_a_dry_run_counts_and_sends_nothing(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, 3, '{"operation": "producer.create", "sound": "choir"}')
    done = musicapi(*RUN, "--dry-run", "--json", sandbox=sandbox)

    assert done.code == 0
    assert done.told["requests"] == {"sonic.describe": 3, "producer.create": 1}
    assert done.told["credits"]["sonic.describe"] == 60
    assert not sandbox.requests
    assert [path.name for path in tmp_path.iterdir()] == ["requests.jsonl"]


def test_events_are_a_line_each_and_the_last_one_is_the_end(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 3)
    sandbox.add_fault(CREATE, Fault(status=400, body={"error": "no such thing"}))
    done = musicapi(*RUN, "--json", "--in-flight", "1", sandbox=sandbox)

    *told, end = events(done.out)
    assert done.code == 12
    assert [event["event"] for event in told] == ["refused", "saved", "saved"]
    assert told[0]["key"] == "k-0"
    assert "no such thing" in str(told[0]["error"])
    assert all(len(event["files"]) == 6 for event in told[1:])
    assert end["event"] == "end"
    assert end["counts"]["saved"] == 2
    assert "1 refused" in end["error"]["message"]


def test_what_is_uncertain_is_listed_and_settled(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, 4)
    sandbox.add_fault(CREATE, *(Fault(drop=True, accepted=True) for _ in range(3)))
    done = musicapi(*RUN, "--in-flight", "1", sandbox=sandbox)
    assert done.code == 12
    assert "not sent again automatically" in done.err
    assert all(f"k-{number}  sonic.describe" in done.out for number in range(3))

    found = musicapi("bulk", "resolve", "songs", "k-0", sandbox.accepted[0].task_id)
    assert (found.code, found.err) == (0, "")
    assert musicapi("bulk", "resolve", "songs", "k-3", "t").code == 2
    assert musicapi("bulk", "resolve", "nowhere", "k-3", "t").code == 2
    assert musicapi(*RUN, "--resend-uncertain", sandbox=sandbox).code == 0
    assert len(sandbox.accepted) == 6

    sandbox.add_fault(CREATE, Fault(drop=True, accepted=True))
    write(tmp_path, 5)
    musicapi(*RUN, sandbox=sandbox)
    dropped = musicapi(*RUN, "--drop-uncertain", sandbox=sandbox)
    assert dropped.code == 12
    assert "5 saved" not in dropped.out
    assert "4 saved, 1 failed" in dropped.out
    assert musicapi(*RUN, "--drop-uncertain", "--resend-uncertain", sandbox=sandbox).code == 2


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (Fault(status=401, body={"error": "no such key"}), 3, "no such key"),
        (Fault(status=403, body={"error": "You have no credits"}), 4, "no credits"),
    ],
)
def test_what_would_stop_every_song_stops_the_run(
    fault: Fault, code: int, told: str, musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 30)
    sandbox.add_fault(CREATE, Fault(), Fault(), *[fault] * 20)
    done = musicapi(*RUN, "--in-flight", "2", sandbox=sandbox)

    assert done.code == code
    assert told in done.err
    assert "2 saved; 0 paid for and still running on the server; 28 not sent yet; resume with: " in done.out
    assert len(sandbox.accepted) == 2


def test_no_more_is_spent_than_was_allowed(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, 10)
    done = musicapi(*RUN, "--max-credits", "90", sandbox=sandbox)
    assert done.code == 4
    assert "--max-credits is 90 and 80 are spent" in done.err
    assert "--max-credits 90" in done.out
    assert len(sandbox.accepted) == 4


def test_a_trial_begins_anew_and_is_never_taken_for_songs(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, 1)
    for _ in range(2):
        done = musicapi(*RUN, "--sandbox", MUSICAPI_KEY="")
        assert (done.code, done.out.splitlines()[-1]) == (0, "1 saved")
    real = musicapi(*RUN, MUSICAPI_BASE_URL="https://music.example/api/v1")
    assert real.code == 11
    assert "its songs are from 127.0.0.1:" in real.err


def test_a_trial_takes_no_journal_that_is_none(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, 1)
    assert musicapi(*RUN, sandbox=sandbox).code == 0
    for _ in range(2):
        done = musicapi(*RUN, "--sandbox", MUSICAPI_KEY="")
        assert done.code == 11
        assert "its songs are from 127.0.0.1:" in done.err
    assert musicapi(*RUN, sandbox=sandbox).out.splitlines()[-1] == "1 saved"
    assert len(sandbox.accepted) == 1


@on_unix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (HANGUP, 129)])
def test_stopped_it_says_what_is_in_flight_and_goes_on_where_it_was(number: int, code: int, tmp_path: Path) -> None:
    with served(LONG) as slow:
        write(tmp_path, 6)
        with started(*RUN, "--in-flight", "4", cwd=tmp_path, sandbox=slow) as process:
            until(lambda: len(slow.accepted) == 4)
            process.send_signal(number)
            done = finish(process)
        assert done.code == code
        assert "4 paid for and still running on the server; 2 not sent yet; resume with: " in done.out
        assert "--in-flight 4" in done.out

        with started(*RUN, cwd=tmp_path, sandbox=slow) as process:
            until(lambda: len(slow.accepted) == 6)
            slow.advance(2 * LONG)
            done = finish(process)
        assert (done.code, done.out.splitlines()[-1]) == (0, "6 saved")
        assert len(slow.accepted) == 6


@on_unix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_twice_it_leaves_at_once_and_nothing_is_sent_again(number: int, code: int, tmp_path: Path) -> None:
    with served(0.1) as sandbox:
        write(tmp_path, 2)
        sandbox.add_fault(CREATE, Fault(delay=20, accepted=True))
        with started(*RUN, "--in-flight", "1", "--json", cwd=tmp_path, sandbox=sandbox) as process:
            until(lambda: sandbox.requests[CREATE])
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
        assert sandbox.requests[CREATE] == 2


@on_unix
def test_requests_may_come_through_a_pipe(sandbox: Sandbox, tmp_path: Path) -> None:
    command = ("bulk", "/dev/stdin", *RUN[2:])
    for count in (1, 2):
        lines = "".join(f'{{"description": "rain {number}"}}\n' for number in range(count))
        with started(*command, cwd=tmp_path, sandbox=sandbox) as process:
            done = finish(process, lines.encode())
        assert (done.code, done.out.splitlines()[-1]) == (0, f"{count} saved")
    assert len(sandbox.accepted) == 2


@on_unix
def test_a_second_run_is_told_who_is_at_work(tmp_path: Path) -> None:
    with served(LONG) as slow:
        write(tmp_path, 1)
        with started(*RUN, cwd=tmp_path, sandbox=slow) as process:
            until(lambda: slow.accepted)
            with started(*RUN, cwd=tmp_path, sandbox=slow) as other:
                done = finish(other)
            process.send_signal(signal.SIGTERM)
            finish(process)
        assert done.code == 11
        assert f"it is in use by process {process.pid}" in done.err
        assert len(slow.accepted) == 1


@on_unix
def test_on_a_terminal_there_is_a_board(tmp_path: Path) -> None:
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


def test_tasks_that_do_not_end_are_overdue_and_counted_in_the_status(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, 2)
    with served(3600) as slow:
        slow.account(KEY).credits = 100_000
        done = musicapi(*RUN, "--timeout", "0.3", "--in-flight", "5", sandbox=slow)
        assert done.code == 12
        assert "2 accepted" in done.out
        assert len(slow.accepted) == 2
        stopped = musicapi(*RUN, "--timeout", "0.3", "--in-flight", "5", sandbox=slow)
        assert stopped.code == 12
        shown = musicapi("bulk", "status", "songs")
        assert "2 of the accepted are overdue" in shown.out
        assert musicapi("bulk", "status", "songs", "--json").told["overdue"] == 2
        slow.advance(4000)
        assert musicapi(*RUN, sandbox=slow).code == 0
        assert len(slow.accepted) == 2


def test_a_service_that_cannot_be_reached_pauses_the_run_and_says_so(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, 3)
    nowhere = "http://127.0.0.1:9/api/v1"
    done = musicapi(*RUN, "--outage", "1.5", MUSICAPI_BASE_URL=nowhere, MUSICAPI_MAX_ATTEMPTS="1")
    assert done.code == 7
    assert "submissions are paused and tried again for up to 1.5 s" in done.err
    assert "3 not sent yet" in done.out
    assert "--outage 1.5" in done.out


def test_failed_songs_are_sent_again_only_when_their_user_says_so(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, 1)
    failure = Fault(status=200, body={"type": "failed", "message": "generation failed"})
    sandbox.add_fault("GET /sonic/task/{task_id}", failure)
    for _ in range(2):
        done = musicapi(*RUN, sandbox=sandbox)
        assert done.code == 12
        assert "--retry-failed" in done.out
        assert len(sandbox.accepted) == 1
    done = musicapi(*RUN, "--retry-failed", sandbox=sandbox)
    assert "sending 1 failed request again, each charged again" in done.out
    assert (done.code, len(sandbox.accepted)) == (0, 2)
