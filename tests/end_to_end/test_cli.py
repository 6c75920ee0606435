"""The ``musicapi`` command as a user meets it, against the sandbox.

What needs a process of its own (signals, pipes, terminals) gets one; everything else calls the same ``main`` here.
"""

import importlib.util
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from commands import (
    KEY,
    LONG,
    MusicAPI,
    finish,
    line_with,
    names_in,
    on_unix,
    read_until,
    resume_in,
    served,
    started,
)

from musicapi_async import TaskState
from musicapi_async.cli.progress import Lines
from musicapi_async.sandbox import Fault, Sandbox

IDEA: Final = "a calm sea shanty"
CREATE: Final = "POST /sonic/create"
FILE: Final = "GET /files/{name}"
TASK_ID: Final = "[0-9a-f]{8}-[0-9a-f-]{27}"
AUDIO: Final = ".mp3" if importlib.util.find_spec("lameenc") else ".wav"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox that is quick."""
    with served(0.1) as quick:
        yield quick


def suffixes_in(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def test_generate_with_embedded_sandbox_saves_two_songs_without_key_or_network(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    nothing = {"MUSICAPI_KEY": "", "MUSICAPI_POLL_INTERVAL": "", "MUSICAPI_BASE_URL": "http://127.0.0.1:1"}
    with started("generate", IDEA, "--sandbox", "--out", str(out), cwd=tmp_path, env=nothing) as process:
        done = finish(process)
    assert (done.code, done.err) == (0, "")
    assert suffixes_in(out) == sorted([".json", AUDIO, ".png"] * 2)
    assert all(f"{out / name}\n" in done.out for name in names_in(out))
    for path in out.glob("*.json"):
        about = json.loads(path.read_bytes())
        assert about["task_id"] in done.out.splitlines()[0]
        assert about["request"]["gpt_description_prompt"] == IDEA
        assert about["clip"]["clip_id"] == about["raw"]["clip_id"]
        assert about["clip"]["duration"] == 6.0
        assert (out / about["files"]["audio"]).stat().st_size > 10_000
        assert (out / about["files"]["cover"]).read_bytes().startswith(b"\x89PNG")


def test_generate_into_a_pipe_prints_plain_lines_and_safe_names(slow_sandbox: Sandbox, tmp_path: Path) -> None:
    title = 'CON: "a/b\\c" ..\x1b[31m\u6d77\u306e\u6b4c \N{MULTIPLE MUSICAL NOTES}.mp3'
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    with started("generate", IDEA, "--title", title, cwd=tmp_path, sandbox=slow_sandbox, env=ascii_only) as process:
        first = line_with("", process.stdout)
        slow_sandbox.advance(LONG / 2)
        second = line_with(": running", process.stdout)
        slow_sandbox.advance(2 * LONG)
        done = finish(process)
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(rf"sonic task {TASK_ID} accepted\n", first)
    assert all(line.isprintable() for line in (first + second + done.out).split("\n"))
    assert len(names_in(tmp_path)) == 6
    safe = r"CON-a-b-c-31m\u6d77\u306e\u6b4c-mp3-[0-9a-f]{8}(-cover)?\.\w+"
    assert all(re.fullmatch(safe, name) for name in names_in(tmp_path))


def test_generate_with_json_prints_one_object_to_stdout(sandbox: Sandbox, tmp_path: Path) -> None:
    options = ("--title", "Harbor", "--style", "sea shanty", "--model", "sonic-v6-mini", "--out", "songs", "--json")
    with started("generate", "--lyrics", "-", *options, cwd=tmp_path, sandbox=sandbox) as process:
        done = finish(process, "\ufeff[Verse]\nSalt on the rope\n".encode())
    assert done.code == 0
    assert done.json["task_id"] == sandbox.tasks[0].task_id
    assert done.json["task_id"] in done.err
    request = done.json["request"]
    assert request["prompt"] == "[Verse]\nSalt on the rope\n"
    assert [request[name] for name in ("title", "tags", "mv")] == ["Harbor", "sea shanty", "sonic-v6-mini"]
    assert done.json["failed"] == []
    assert [clip["state"] for clip in done.json["clips"]] == ["succeeded"] * 2
    files = [path for clip in done.json["clips"] for path in clip["files"].values()]
    assert sorted(files) == [str(Path("songs") / name) for name in names_in(tmp_path / "songs")]


def test_generate_with_lyrics_file_and_riffusion_sends_its_fields(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "lyrics.txt").write_text("[Verse]\nSalt on the rope", encoding="utf-8")
    options = ("--family", "riffusion", "--style", "choir", "--instrumental", "--json")
    done = musicapi("generate", "--lyrics", "lyrics.txt", *options, sandbox=sandbox)
    assert done.code == 0
    assert done.json["request"]["sound"] == "choir"
    assert done.json["request"]["make_instrumental"] is True


@on_unix
def test_generate_on_a_terminal_shows_a_live_display(slow_sandbox: Sandbox, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    env = {"TERM": "xterm", "COLUMNS": "100", "FORCE_COLOR": "", "PYTHONIOENCODING": "utf-8"}
    arguments = ("generate", IDEA, "--out", "songs")
    with started(*arguments, cwd=tmp_path, sandbox=slow_sandbox, env=env, terminal=slave) as process:
        os.close(slave)
        shown = read_until(b"accepted", master)
        slow_sandbox.advance(LONG / 2)
        shown += read_until(b"running", master)
        slow_sandbox.advance(2 * LONG)
        shown += read_until(None, master)
        assert process.wait() == 0
    os.close(master)
    hidden, visible = "\x1b[?25l", "\x1b[?25h"
    live, _, final = shown.decode().rpartition(visible)
    assert hidden in live, "the cursor is hidden while the board is drawn"
    assert hidden not in final, "and comes back"
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in live
    assert all(f"{Path('songs') / name}\r\n" in final for name in names_in(tmp_path / "songs"))


@pytest.mark.parametrize(
    ("code", "words", "fault"),
    [
        (3, "MUSICAPI_KEY", Fault(status=401, body={"error": f"Invalid API key {KEY}."})),
        (4, "subscription", Fault(status=403, body={"error": "You need a subscription."})),
        (5, "moderation", Fault(status=403, body={"error": "Refused by moderation: 'harm'."})),
        (5, "not for you", Fault(status=403, body={"error": "This is not for you."})),
        (6, "gone", Fault(status=410, body={"error": "It is gone."})),
        (7, "slow down", Fault(status=429, body={"error": "slow down"}, headers={"Retry-After": "9999"})),
        (7, "Check MUSICAPI_BASE_URL", Fault(status=404, body=b"<html>nothing here</html>")),
        (10, "may have been accepted", Fault(status=500)),
    ],
)
def test_generate_refused_by_the_service_exits_with_its_code_and_one_sentence(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path, code: int, words: str, fault: Fault
) -> None:
    sandbox.add_fault(CREATE, fault, fault)
    done = musicapi("generate", IDEA, sandbox=sandbox)
    assert (done.code, done.out) == (code, "")
    assert re.fullmatch(rf"musicapi: [^\n]*{words}[^\n]*\n", done.err)
    assert "client." not in done.err, "advice is for the command line, not for Python"
    result = musicapi("generate", IDEA, "--json", sandbox=sandbox)
    assert result.json["error"]["code"] == result.code == code
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "words", "arguments"),
    [
        (2, "title has 81 characters; the service takes at most 80", ("generate", IDEA, "--title", "x" * 81)),
        (2, "it takes description, model", ("generate", IDEA, "--family", "riffusion", "--title", "Harbor")),
        (2, "use one of: riffusion, sonic", ("generate", IDEA, "--family", "polka")),
        (2, "use one of: nuro, producer", ("task", "some-id", "--family", "../account")),
        (2, "--timeout", ("generate", IDEA, "--timeout", "nan")),
        (2, "give an idea", ("generate",)),
        (2, "not both", ("generate", IDEA, "--lyrics", "missing")),
        (2, "cannot read", ("generate", "--lyrics", "missing")),
        (2, "not UTF-8", ("generate", "--lyrics", "latin")),
        (2, "see 'musicapi generate --help'", ("generate", IDEA, "--colour", "red")),
        (2, "No such command 'reprot'. Did you mean 'report'", ("bulk", "reprot", "songs")),
        (2, "needs quotes: musicapi generate '", ("generate", "a", "calm", "shanty")),
        (11, "cannot write", ("generate", IDEA, "--out", f"latin{os.sep}songs")),
        (11, "cannot write latin: Not a directory", ("generate", IDEA, "--out", "latin")),
        (11, "cannot write", ("task", "some-id", "--download", f"latin{os.sep}songs")),
    ],
)
def test_command_with_invalid_arguments_fails_before_anything_is_sent(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path, code: int, words: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    done = musicapi(*arguments, sandbox=sandbox)
    assert (done.code, done.out) == (code, "")
    assert re.fullmatch(rf"musicapi: [^\n]*{words}[^\n]*\n", done.err)
    result = musicapi(*arguments, "--json", sandbox=sandbox)
    assert result.json["error"]["code"] == result.code == code
    assert not sandbox.requests()
    assert names_in(tmp_path) == ["latin"]


@pytest.mark.parametrize("command", [("generate", IDEA), ("credits",), ("task", "some-id")])
def test_command_without_a_key_exits_with_3(musicapi: MusicAPI, sandbox: Sandbox, command: tuple[str, ...]) -> None:
    done = musicapi(*command, sandbox=sandbox, MUSICAPI_KEY="")
    assert (done.code, done.out) == (3, "")
    assert "MUSICAPI_KEY" in done.err
    assert not sandbox.requests()


def test_base_url_that_is_invalid_is_named_by_its_variable(musicapi: MusicAPI) -> None:
    done = musicapi("credits", MUSICAPI_BASE_URL="nowhere")
    assert done.code == 2
    assert done.err.startswith("musicapi: MUSICAPI_BASE_URL is 'nowhere'")


def test_bulk_without_a_command_shows_its_help(musicapi: MusicAPI) -> None:
    done = musicapi("bulk")
    assert done.code == 2
    assert "resolve" in done.out + done.err
    assert "musicapi: a command is missing; see 'musicapi bulk --help'\n" in done.err


def test_generate_without_enough_credits_exits_with_4(musicapi: MusicAPI, sandbox: Sandbox) -> None:
    sandbox.account(KEY).credits = 3
    done = musicapi("generate", IDEA, "--json", sandbox=sandbox)
    assert done.code == done.json["error"]["code"] == 4
    assert done.json["error"]["type"] == "InsufficientCreditsError"
    balance = musicapi("credits", sandbox=sandbox)
    assert (balance.code, balance.out.split()[:2]) == (0, ["3", "credits"])


def test_generate_with_unreachable_host_exits_with_7(musicapi: MusicAPI) -> None:
    with served(0) as gone:
        pass
    done = musicapi("generate", IDEA, sandbox=gone)
    assert done.code == 7
    assert "nothing was accepted" in done.err
    assert done.err.count("\n") == 1


def test_generate_whose_task_fails_exits_with_8_and_no_resume_command(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.end_next("failed")
    done = musicapi("generate", IDEA, sandbox=sandbox)
    task_id = sandbox.tasks[0].task_id
    assert done.code == 8
    assert task_id in done.err
    assert "musicapi task" not in done.err, "there is nothing to resume"
    assert names_in(tmp_path) == []
    shown = musicapi("task", task_id, "--json", sandbox=sandbox)
    assert (shown.code, shown.json["status"], shown.json["error"]["type"]) == (8, "failed", "TaskFailedError")


def test_generate_that_times_out_names_the_command_that_resumes_its_task(
    musicapi: MusicAPI, slow_sandbox: Sandbox, tmp_path: Path
) -> None:
    arguments = ("generate", IDEA, "--out", "my songs", "--timeout", "0.2", "--json")
    done = musicapi(*arguments, sandbox=slow_sandbox)
    task_id = slow_sandbox.tasks[0].task_id
    assert done.code == done.json["error"]["code"] == 9
    assert done.json["error"]["task_id"] == task_id
    assert resume_in(done.json["error"]["resume"]) == resume_in(done.err)
    (task_file,) = (tmp_path / "my songs").iterdir()
    assert resume_in(json.loads(task_file.read_bytes())["resume"]) == resume_in(done.err)
    elsewhere = musicapi(*resume_in(done.err), sandbox=slow_sandbox, MUSICAPI_KEY="another-account")
    assert (elsewhere.code, task_file.exists()) == (6, True)
    slow_sandbox.advance(2 * LONG)
    again = musicapi(*resume_in(done.err), sandbox=slow_sandbox)
    assert again.code == 0
    assert suffixes_in(tmp_path / "my songs") == sorted([".json", AUDIO, ".png"] * 2), "the task file is removed"
    for _ in range(2):
        for path in (tmp_path / "my songs").glob("*.json"):
            request = json.loads(path.read_bytes())["request"]
            assert request["gpt_description_prompt"] == IDEA, "what was asked for stays known"
        assert musicapi(*resume_in(done.err), sandbox=slow_sandbox).code == 0
    assert len(slow_sandbox.tasks) == 1


def test_task_shows_status_and_addresses_of_clips(musicapi: MusicAPI, slow_sandbox: Sandbox) -> None:
    musicapi("generate", IDEA, "--timeout", "0.1", sandbox=slow_sandbox)
    task_id = slow_sandbox.tasks[0].task_id
    waiting = musicapi("task", task_id, sandbox=slow_sandbox)
    assert (waiting.code, waiting.out) == (0, f"sonic task {task_id}: waiting\n")
    slow_sandbox.advance(LONG / 2)
    running = musicapi("task", task_id, sandbox=slow_sandbox)
    assert running.out.count("/files/stream/") == 2
    slow_sandbox.advance(2 * LONG)
    for arguments in (("task", task_id), ("task", task_id, "--wait")):
        assert musicapi(*arguments, sandbox=slow_sandbox).out.count("/files/") == 2
        assert len(musicapi(*arguments, "--json", sandbox=slow_sandbox).json["clips"]) == 2


@pytest.mark.parametrize("more", [(), ("--wait",), ("--download", "songs")])
def test_task_with_unknown_id_exits_with_6(musicapi: MusicAPI, sandbox: Sandbox, more: tuple[str, ...]) -> None:
    done = musicapi("task", "nowhere", *more, "--json", sandbox=sandbox)
    assert done.code == 6
    assert "not found" in done.err
    assert "resume" not in done.json["error"]


def test_generate_with_one_failed_clip_saves_the_other_and_warns(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.end_next("partial", "partial")
    plain = musicapi("generate", IDEA, "--out", "songs", sandbox=sandbox)
    assert plain.code == 0
    assert "failed: The generation of this clip failed." in plain.err
    assert "1 of 2 clips" in plain.out
    assert suffixes_in(tmp_path / "songs") == sorted([".json", AUDIO, ".png"])
    result = musicapi("generate", IDEA, "--json", sandbox=sandbox)
    assert (result.code, len(result.json["clips"]), len(result.json["failed"])) == (0, 1, 1)


def test_generate_with_missing_cover_warns(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    # Both songs are downloaded first, then both covers.
    sandbox.add_fault(FILE, Fault(delay=0.2), Fault(delay=0.2), Fault(status=410), Fault(status=410))
    done = musicapi("generate", IDEA, sandbox=sandbox)
    assert done.code == 0
    assert done.err.count("warning: no cover for") == 2
    assert suffixes_in(tmp_path) == sorted([".json", AUDIO] * 2)


@pytest.mark.parametrize(
    "body", [b"<html>", b"\xff\xfe" + "<html>".encode("utf-16-le"), b"ID3\x04\x00", b"\x00\x01\x02"]
)
def test_generate_with_a_page_in_place_of_a_cover_warns(
    body: bytes, musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    pages = (Fault(status=200, body=body), Fault(status=200, body=body))
    sandbox.add_fault(FILE, Fault(delay=0.2), Fault(delay=0.2), *pages)
    done = musicapi("generate", IDEA, sandbox=sandbox)
    assert done.code == 0
    assert done.err.count("warning: no cover for") == 2
    assert suffixes_in(tmp_path) == sorted([".json", AUDIO] * 2)


def test_generate_with_missing_audio_exits_with_11_and_can_be_resumed(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.add_fault(FILE, Fault(status=410))  # missing for good; a 404 is retried
    done = musicapi("generate", IDEA, "--json", sandbox=sandbox)
    assert done.code == done.json["error"]["code"] == 11
    assert sorted("download_error" in clip for clip in done.json["clips"]) == [False, True]
    assert suffixes_in(tmp_path).count(AUDIO) == 1
    again = musicapi(*resume_in(done.json["error"]["resume"]), sandbox=sandbox)
    assert again.code == 0
    assert suffixes_in(tmp_path) == sorted([".json", AUDIO, ".png"] * 2)


@on_unix
def test_sandbox_serves_until_it_is_stopped(musicapi: MusicAPI, tmp_path: Path) -> None:
    with started("sandbox", "--port", "0", "--seconds", "60", "--credits", "50", cwd=tmp_path) as server:
        (base_url,) = re.findall(r"http://[\d.:]+/api/v1", line_with("the sandbox is running at", server.stdout))
        port = base_url.split(":")[2].partition("/")[0]
        assert musicapi("generate", IDEA, "--timeout", "0.1", MUSICAPI_BASE_URL=base_url).code == 9
        balance = musicapi("credits", "--json", MUSICAPI_BASE_URL=base_url)
        assert balance.json == {"credits": 30.0, "extra_credits": 0.0, "total": 30.0}
        taken = musicapi("sandbox", "--port", port)
        assert (taken.code, taken.err.count("\n")) == (2, 1)
        server.send_signal(signal.SIGINT)
        done = finish(server)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(("seconds", "expected"), [(9.9, 0), (10.0, 1), (45.0, 4)])
def test_piped_progress_speaks_up_after_ten_seconds_of_silence(seconds: float, expected: int) -> None:
    now, printed = 0.0, list[str]()
    lines = Lines(printed.append, lambda: now)
    lines.show(TaskState(task_id="t", family="sonic", status="waiting"))
    del printed[:]
    while (due := now + lines.remind()) <= seconds:
        now = due
        lines.remind()

    assert len(printed) == expected
    assert printed == [f"0:{number}0  still waiting" for number in range(1, expected + 1)]
