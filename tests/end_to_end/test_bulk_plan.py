"""``musicapi bulk plan`` and ``work``, and the commands on a journal that is named by ``--journal``."""

import json
import signal
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from commands import KEY, LONG, Finished, MusicAPI, finish, line_with, on_unix, served, started, until
from end_to_end.bulk_folder import CREATE, made, quick_sandbox, write  # noqa: F401 - the fixture

from musicapi_async.sandbox import Fault, Sandbox

PLAN: Final = ("bulk", "plan", "requests.jsonl", "--journal", "j.db", "--operation", "sonic.describe")
WORK: Final = ("bulk", "work", "--journal", "j.db", "--out", "songs")
ADDRESS: Final = "postgresql://songs:open-sesame@db.invalid/songs"


def status(musicapi: MusicAPI, *arguments: str) -> dict[str, Any]:
    return musicapi("bulk", "status", *(arguments or ("--journal", "j.db")), "--json").json


# Plan and work.


def test_plan_keeps_the_options_and_work_makes_the_songs_with_them(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain", "snow", "hail")
    options = ("--in-flight", "2", "--max-credits", "100", "--create-rate", "50", "--names", "{key}-{clip_id}.{ext}")
    planned = musicapi(*PLAN, *options)
    assert (planned.code, planned.err) == (0, "")
    assert "3 requests planned, 3 of them new, in j.db" in planned.out
    assert "at most 60 credits at list prices" in planned.out
    assert "no more than 100 credits are spent on this journal" in planned.out
    assert planned.out.splitlines()[-1] == "nothing is sent yet; next: musicapi bulk work --journal j.db --out DIR"
    assert not sandbox.requests()
    assert status(musicapi)["options"] == {
        "in_flight": 2,
        "max_credits": 100,
        "create_rate": 50,
        "names": "{key}-{clip_id}.{ext}",
        "operation": "sonic.describe",
    }

    done = musicapi(*WORK, sandbox=sandbox)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-2:] == [
        "the songs are in songs; a page to play them: musicapi bulk report --journal j.db --out songs.html",
        "3 saved",
    ]
    names = [path.name for path in (tmp_path / "songs").iterdir()]
    assert all(name.startswith(("k-0-", "k-1-", "k-2-")) for name in names)
    assert sorted(map(str, made(sandbox))) == ["hail", "rain", "snow"]


def test_plan_again_with_other_limits_replaces_them_without_reading_the_file(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain", "snow", "hail")
    assert musicapi(*PLAN, "--max-credits", "40", "--in-flight", "1").code == 0
    stopped = musicapi(*WORK, sandbox=sandbox)
    assert stopped.code == 4
    assert "1 not sent yet; resume with: musicapi bulk work --journal j.db --out songs" in stopped.out

    again = musicapi(*PLAN, "--max-credits", "60", "--json").json
    assert (again["requests"], again["new"], again["credits"]) == (3, 0, 60)
    assert again["options"] == {"max_credits": 60, "operation": "sonic.describe"}
    assert musicapi(*WORK, sandbox=sandbox).code == 0
    assert len(sandbox.tasks) == 3


def test_plan_with_bad_lines_or_options_changes_nothing(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, "rain")
    assert musicapi(*PLAN, "--max-credits", "40").code == 0
    write(tmp_path, "snow", lines=("{",))
    bad = musicapi(*PLAN, "--max-credits", "60")
    assert bad.code == 2
    assert "1 of 2 lines invalid; nothing was sent or charged" in bad.err
    for options, sentence in (
        (("--create-rate", "0"), "create_rate is 0.0; it must be a number of requests a second above 0"),
        (("--names", "{title}.{ext}"), "names is '{title}.{ext}'"),
        (("--operation", "sonic.bpm"), "operation is 'sonic.bpm'"),
        (("--in-flight", "0"), "in-flight"),
    ):
        wrong = musicapi(*PLAN, *options)
        assert (wrong.code, sentence in wrong.err) == (2, True)
    assert status(musicapi)["options"]["max_credits"] == 40
    assert status(musicapi)["total"] == 1


def test_plan_with_unknown_prices_says_so(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, "rain", lines=('{"operation": "nuro.instrumental", "description": "calm", "duration": 60}',))
    planned = musicapi(*PLAN)

    assert planned.code == 0
    assert "nuro.instrumental" in planned.out or "at most" in planned.out


def test_work_with_songs_missing_at_the_end_exits_as_a_run_does(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain", "snow")
    musicapi(*PLAN, "--in-flight", "1")
    sandbox.add_fault(CREATE, Fault(drop=True))
    done = musicapi(*WORK, "--json", sandbox=sandbox)
    *outcomes, end = map(json.loads, done.out.splitlines())

    assert (done.code, end["error"]["code"]) == (12, 12)
    assert [one["event"] for one in outcomes] == ["uncertain", "saved"]
    assert (end["counts"]["saved"], end["out"]) == (1, "songs")
    assert "musicapi bulk resolve --journal j.db KEY TASK_ID" in done.err
    assert musicapi("bulk", "resolve", "--journal", "j.db", "--not-sent", "k-0").code == 0
    assert musicapi(*WORK, sandbox=sandbox).code == 0
    assert sorted(map(str, made(sandbox))) == ["rain", "snow"]


def test_work_without_a_plan_has_nothing_to_do(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    missing = musicapi(*WORK, sandbox=sandbox)
    assert missing.code == 2
    assert "there is no journal j.db; 'musicapi bulk plan FILE --journal ...' creates one" in missing.err
    assert not (tmp_path / "j.db").exists()
    assert musicapi("bulk", "work", "--out", "songs", sandbox=sandbox).code == 2


def test_work_that_is_to_stay_with_a_journal_in_a_file_is_refused(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain")
    musicapi(*PLAN)
    refused = musicapi(*WORK, "--stay", sandbox=sandbox)

    assert refused.code == 2
    assert "no other can plan requests for this worker" in refused.err
    assert not sandbox.tasks


def test_work_in_the_folder_of_a_run_resumes_it_without_its_file(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain", "snow", "hail")
    command = (
        "bulk",
        "requests.jsonl",
        "--out",
        "songs",
        "--operation",
        "sonic.describe",
        "--names",
        "{clip_id}.{ext}",
    )
    assert musicapi(*command, "--max-credits", "20", "--in-flight", "1", sandbox=sandbox).code == 4
    (tmp_path / "requests.jsonl").unlink()
    assert musicapi("bulk", "work", "--out", "songs", sandbox=sandbox).code == 4
    assert len(sandbox.tasks) == 1


@on_unix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_work_stopped_waits_for_responses_and_another_worker_resumes(number: int, tmp_path: Path) -> None:
    with served(LONG) as slow:
        slow.account(KEY).credits = 100_000
        write(tmp_path, *(f"rain {number}" for number in range(6)))
        with started(*PLAN, "--in-flight", "4", cwd=tmp_path, sandbox=slow) as process:
            assert finish(process).code == 0
        slow.add_fault(CREATE, Fault(delay=1.0, accepted=True))
        with started(*WORK, cwd=tmp_path, sandbox=slow) as process:
            until(lambda: len(slow.requests(CREATE)) == 4)
            process.send_signal(number)
            done = finish(process)
        assert done.code == 0
        assert "stopping: waiting for responses to the paid requests in flight" in done.err
        assert "2 not sent yet; resume with: musicapi bulk work --journal j.db --out songs" in done.out
        assert "uncertain" not in done.out

        slow.advance(2 * LONG)
        with started(*WORK, cwd=tmp_path, sandbox=slow) as process:
            until(lambda: len(slow.tasks) == 6)
            slow.advance(2 * LONG)
            done = finish(process)
        assert (done.code, done.out.splitlines()[-1]) == (0, "6 saved")
        assert len(slow.tasks) == 6


@on_unix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_work_stopped_twice_leaves_at_once_and_sends_nothing_again(number: int, tmp_path: Path) -> None:
    with served(0.1) as sandbox:
        write(tmp_path, "rain", "snow")
        with started(*PLAN, "--in-flight", "1", cwd=tmp_path, sandbox=sandbox) as process:
            finish(process)
        sandbox.add_fault(CREATE, Fault(delay=20, accepted=True))
        with started(*WORK, cwd=tmp_path, sandbox=sandbox) as process:
            until(lambda: len(sandbox.requests(CREATE)))
            process.send_signal(number)
            line_with("again to exit at once", process.stderr)
            process.send_signal(number)
            done = finish(process)
        assert done.code == 128 + number
        assert "exited at once" in done.err
        with started(*WORK, cwd=tmp_path, sandbox=sandbox) as process:
            done = finish(process)
        assert done.code == 12
        assert "1 saved, 1 uncertain" in done.out
        assert len(sandbox.requests(CREATE)) == 2


# The journal of a command.


def test_journal_of_a_run_may_be_elsewhere(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, "rain")
    command = ("bulk", "requests.jsonl", "--operation", "sonic.describe", "--out", "songs", "--journal", "kept/j.db")
    assert musicapi(*command, sandbox=sandbox).out.splitlines()[-1] == "1 saved"
    assert not (tmp_path / "songs" / "journal.db").exists()
    assert musicapi(*command, sandbox=sandbox).code == 0
    assert len(sandbox.tasks) == 1
    assert status(musicapi, "--journal", "kept/j.db")["counts"]["saved"] == 1


def test_report_of_a_journal_links_the_songs_where_they_are(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain")
    musicapi(*PLAN)
    musicapi("bulk", "work", "--journal", "j.db", "--out", "all songs/new", sandbox=sandbox)
    (tmp_path / "pages").mkdir()
    written = musicapi("bulk", "report", "--journal", "j.db", "--out", "pages/songs.html")
    page = (tmp_path / "pages" / "songs.html").read_text("utf-8")

    assert written.code == 0
    assert written.out.startswith("2 songs")
    assert page.count('href="../all%20songs/new/00001-') == page.count('src="../all%20songs/new/') * 2 == 4
    assert musicapi("bulk", "report", "--journal", "j.db").code == 2


@pytest.mark.parametrize("command", ["status", "report"])
def test_command_on_a_journal_takes_a_folder_or_a_journal(
    command: str, musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain")
    musicapi("bulk", "requests.jsonl", "--operation", "sonic.describe", "--out", "songs", sandbox=sandbox)
    out = ("--out", "page.html") if command == "report" else ()
    both = musicapi("bulk", command, "songs", "--journal", "songs/journal.db", *out)
    assert (both.code, "give DIR or --journal, not both" in both.err) == (2, True)
    neither = musicapi("bulk", command, *out)
    assert (neither.code, "name a journal: DIR" in neither.err) == (2, True)
    for arguments, env in (
        (("songs",), {}),
        (("songs",), {"MUSICAPI_JOURNAL": "elsewhere.db"}),
        (("--journal", "songs/journal.db"), {"MUSICAPI_JOURNAL": "elsewhere.db"}),
        ((), {"MUSICAPI_JOURNAL": "songs/journal.db"}),
    ):
        shown = musicapi("bulk", command, *arguments, *out, "--json", **env)
        assert (shown.code, shown.json["counts"]["saved"]) == (0, 1)


def test_resolve_finds_its_journal_and_its_keys(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, "rain", "snow", "hail", "wind", "sun")
    sandbox.add_fault(CREATE, *[Fault(drop=True)] * 5)
    command = ("bulk", "requests.jsonl", "--operation", "sonic.describe", "--out", "songs", "--in-flight", "1")
    assert musicapi(*command, sandbox=sandbox).code == 12
    here = {"MUSICAPI_JOURNAL": "songs/journal.db"}
    for arguments, env in (
        (("songs", "k-0", "t-0"), {}),
        (("songs", "k-1", "t-1"), {"MUSICAPI_JOURNAL": "elsewhere.db"}),
        (("--journal", "songs/journal.db", "k-2", "t-2"), {}),
        (("k-3", "t-3"), here),
        (("--not-sent", "k-4"), here),
    ):
        resolved = musicapi("bulk", "resolve", *arguments, **env)
        assert (resolved.code, resolved.err) == (0, "")
    assert not (tmp_path / "elsewhere.db").exists()
    both = musicapi("bulk", "resolve", "songs", "--journal", "songs/journal.db", "--not-sent", "--all")
    assert (both.code, "not both" in both.err) == (2, True)
    assert status(musicapi, "songs")["counts"] | {"planned": 1, "accepted": 4} == status(musicapi, "songs")["counts"]


@pytest.mark.parametrize(
    ("journal", "sentence"),
    [
        ("", "--journal is empty"),
        ("songs", "--journal is the folder songs; name the file: songs/journal.db"),
        ("postgresql://songs:a b@db/songs", "--journal is an address with blanks"),
    ],
)
def test_journal_that_cannot_be_one_is_refused(journal: str, sentence: str, musicapi: MusicAPI, tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    refused = musicapi("bulk", "status", "--journal", journal)

    assert refused.code == 2
    assert sentence in refused.err


# Passwords.


def password_shown(done: Finished) -> bool:
    return "open-sesame" in done.out + done.err


@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize(
    "command",
    [
        ("plan", "requests.jsonl", "--operation", "sonic.describe", "--journal", ADDRESS),
        ("work", "--out", "songs", "--journal", ADDRESS),
        ("requests.jsonl", "--operation", "sonic.describe", "--out", "songs", "--journal", ADDRESS),
        ("requests.jsonl", "--operation", "sonic.describe", "--out", "songs", "--journal", ADDRESS, "--dry-run"),
        ("status", "--journal", ADDRESS),
        ("status", ADDRESS),
        ("resolve", "--journal", ADDRESS, "k-0", "t-0"),
        ("resolve", ADDRESS, "k-0", "t-0"),
        ("report", "--journal", ADDRESS, "--out", "page.html"),
        ("copy", "songs", "--journal", ADDRESS),
        ("status", f"--{ADDRESS}"),
        (ADDRESS, "--out", "songs"),
    ],
)
def test_password_of_a_journal_is_in_no_output(
    command: tuple[str, ...], as_json: tuple[str, ...], musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain")
    done = musicapi("bulk", *command, *as_json, sandbox=sandbox)

    assert done.code != 0
    assert not password_shown(done)
    assert not list(tmp_path.glob("postgresql*"))


def test_password_of_a_journal_in_the_environment_is_in_no_output(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain")
    for command in (PLAN[:3], ("bulk", "work", "--out", "songs"), ("bulk", "status"), ("bulk", "resolve", "a", "b")):
        done = musicapi(*command, sandbox=sandbox, MUSICAPI_JOURNAL=ADDRESS)
        assert done.code != 0
        assert not password_shown(done)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the title of a process as Linux shows it")
def test_password_of_a_journal_is_not_in_the_title_of_the_process(sandbox: Sandbox, tmp_path: Path) -> None:
    command = ("bulk", "-", "--journal", ADDRESS, "--out", "songs", "--operation", "sonic.describe")
    with started(*command, cwd=tmp_path, sandbox=sandbox) as process:
        title = Path(f"/proc/{process.pid}/cmdline")
        until(lambda: b"musicapi bulk - --journal postgresql://songs@db.invalid/songs" in title.read_bytes())
        shown = title.read_bytes()
        done = finish(process, b'{"description": "rain"}')
    assert b"open-sesame" not in shown
    assert not password_shown(done)


def test_password_on_the_command_line_without_setproctitle_is_warned_about(sandbox: Sandbox, tmp_path: Path) -> None:
    program = (
        "-c",
        "import sys; sys.modules['setproctitle'] = None; from musicapi_async.cli import main; sys.exit(main())",
    )
    with started("bulk", "status", "--journal", ADDRESS, cwd=tmp_path, sandbox=sandbox, program=program) as process:
        done = finish(process)
    assert "an address with a password is on the command line" in done.err
    assert "MUSICAPI_JOURNAL" in done.err
    assert not password_shown(done)


# Requests.


def test_requests_are_read_from_standard_input(sandbox: Sandbox, tmp_path: Path) -> None:
    lines = b'{"description": "rain"}\n{"description": "snow"}\n'
    command = ("bulk", "-", "--operation", "sonic.describe", "--out", "songs")
    for expected in ("2 requests, 2 of them new", "- has not changed since it was planned"):
        with started(*command, cwd=tmp_path, sandbox=sandbox) as process:
            done = finish(process, lines)
        assert (done.code, done.out.splitlines()[-1]) == (0, "2 saved")
        assert expected in done.out
    with started(*command, cwd=tmp_path, sandbox=sandbox) as process:
        bad = finish(process, b"{]")
    assert (bad.code, "-:1: it is not JSON" in bad.err) == (2, True)
    assert len(sandbox.tasks) == 2


@pytest.mark.parametrize("name", ["plan", "work", "copy"])
def test_requests_file_called_like_a_command_is_given_with_its_folder(
    name: str, musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / name).write_text('{"description": "rain"}\n')
    done = musicapi("bulk", f"./{name}", "--operation", "sonic.describe", "--out", "songs", sandbox=sandbox)

    assert (done.code, done.out.splitlines()[-1]) == (0, "1 saved")


def test_help_of_bulk_shows_its_commands_and_what_a_file_takes(musicapi: MusicAPI) -> None:
    for arguments in (("bulk", "--help"), ("bulk",)):
        shown = musicapi(*arguments, COLUMNS="120", FORCE_COLOR="").out
        for expected in (
            "plan",
            "work",
            "migrate",
            "status",
            "resolve",
            "report",
            "copy",
            "--out",
            "--max-credits",
            "--dry-run",
        ):
            assert f" {expected} " in shown


def test_dry_run_says_what_is_in_the_journal_already(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    run = ("bulk", "requests.jsonl", "--operation", "sonic.describe", "--out", "songs")
    write(tmp_path, "rain", "snow")
    sandbox.add_fault(CREATE, Fault(drop=True))
    musicapi(*run, "--in-flight", "1", sandbox=sandbox)
    write(tmp_path, "rain", "snow", "hail")
    shown = musicapi(*run, "--dry-run", sandbox=sandbox)
    assert "2 of them are in the journal songs/journal.db already (1 uncertain, 1 saved); 1 are new" in shown.out
    assert musicapi(*run, "--dry-run", "--json").json["in_journal"] == {"saved": 1, "uncertain": 1}
    assert len(sandbox.requests(CREATE)) == 2


def test_base_url_is_that_of_the_run_and_of_the_command_that_resumes_it(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain", "snow")
    command = ("bulk", "requests.jsonl", "--operation", "sonic.describe", "--out", "songs", "--max-credits", "20")
    done = musicapi(*command, "--base-url", sandbox.base_url)

    assert done.code == 4
    assert f"--base-url {sandbox.base_url}" in done.out
    assert len(sandbox.tasks) == 1


def test_work_with_another_key_is_refused_until_it_is_said_to_be_of_the_same_account(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain")
    musicapi(*PLAN)
    assert musicapi(*WORK, sandbox=sandbox).code == 0
    changed = {"MUSICAPI_KEY": "mk-another-key-0123456789"}
    refused = musicapi(*WORK, sandbox=sandbox, **changed)
    accepted = musicapi(*WORK, "--same-account", sandbox=sandbox, **changed)

    assert refused.code == 11
    assert "its songs were made with another API key" in refused.err
    assert "--same-account" in refused.err
    assert (accepted.code, musicapi(*WORK, sandbox=sandbox, **changed).code) == (0, 0)


# Copies.


def test_copy_moves_a_half_finished_journal_and_closes_the_old_one(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    run = ("bulk", "requests.jsonl", "--operation", "sonic.describe", "--out", "songs", "--in-flight", "1")
    write(tmp_path, "rain", "snow", "hail")
    sandbox.add_fault(CREATE, Fault(drop=True))
    assert musicapi(*run, "--max-credits", "40", sandbox=sandbox).code == 4
    copied = musicapi("bulk", "copy", "songs", "--journal", "j.db")
    assert (copied.code, copied.err) == (0, "")
    assert copied.out.splitlines() == [
        "3 requests moved to j.db (1 planned, 1 saved, 1 uncertain)",
        "songs/journal.db is closed for good, and remains as a backup; the songs stay where they are",
        "next: musicapi bulk work --journal j.db --out songs",
    ]

    for command in (run, ("bulk", "status", "songs"), ("bulk", "resolve", "songs", "k-0", "t-1")):
        refused = musicapi(*command, sandbox=sandbox)
        assert refused.code == 11
        assert f"its records were moved to {tmp_path / 'j.db'}, and it is closed for good" in refused.err
    assert musicapi(*WORK, sandbox=sandbox).code == 4
    assert musicapi(*PLAN, sandbox=sandbox).code == 0
    done = musicapi(*WORK, sandbox=sandbox)
    assert (done.code, "2 saved, 1 uncertain" in done.out) == (12, True)
    assert sorted(map(str, made(sandbox))) == ["hail", "snow"]


def test_copy_with_invalid_arguments_names_the_usage(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, "rain")
    musicapi(*PLAN)
    for arguments, sentence in (
        (("songs", "--journal", "new.db"), "there is no journal.db in songs"),
        (("j.db", "--journal", "j.db"), "--journal is j.db, the journal that is copied"),
        (("j.db",), "name a journal"),
    ):
        refused = musicapi("bulk", "copy", *arguments)
        assert refused.code == 2
        assert sentence in refused.err
    assert musicapi("bulk", "copy", "j.db", "--journal", "new.db").code == 0
    assert musicapi("bulk", "work", "--journal", "new.db", "--out", "songs", sandbox=sandbox).code == 0
