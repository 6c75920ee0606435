"""The examples run to their end, and pay for nothing twice when they are killed on the way."""

import json
import signal
import socket
import sqlite3
import urllib.error
import urllib.request
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from commands import LONG, finish, line_with, on_unix, served, started, until
from signing import SECRET

from musicapi_async.sandbox import Fault, Sandbox

ROOT = Path(__file__).parents[2]
CREATE = "POST /sonic/create"
LYRICS = "POST /sonic/lyrics"

POLL = "GET /sonic/task/{task_id}"

SONGS = 6
IDEAS = [f"rain in month {n}" for n in range(SONGS)]
BOTS = {
    "aiohttp": (str(ROOT / "examples" / "webhook_bot_aiohttp.py"),),
    "fastapi": ("-m", "uvicorn", "--app-dir", str(ROOT / "examples"), "webhook_bot_fastapi:app", "--port"),
}
PARTS = "[Bridge] And the rain goes on"


def run(name: str, *arguments: str, folder: Path, sandbox: Sandbox, kill_at: tuple[str, int] | None = None) -> int:
    """Run an example in its folder, at most two songs at once; kill it when a route was asked so often."""
    program = (str(ROOT / "examples" / f"{name}.py"),)
    # The package of this checkout, wherever another one is installed.
    env = {"PYTHONPATH": str(ROOT)}
    given = (*arguments, "--in-flight", "2")
    with started(*given, cwd=folder, sandbox=sandbox, env=env, program=program) as process:
        if kill_at is not None:
            route, count = kill_at
            until(lambda: len(sandbox.requests(route)) >= count or process.poll() is not None)
            process.kill()
        return finish(process).code


def prompts(folder: Path, sandbox: Sandbox, kill_at: tuple[str, int] | None = None) -> int:
    lines = [f'{idea},"calm, sea shanty"' for idea in IDEAS]
    (folder / "prompts.csv").write_text("\n".join(["description,tags", *lines]))
    return run("prompts_from_csv", "prompts.csv", "songs", folder=folder, sandbox=sandbox, kill_at=kill_at)


def extend(folder: Path, sandbox: Sandbox, kill_at: tuple[str, int] | None = None) -> int:
    return run("extend_and_join", "songs", "--lyrics", PARTS, folder=folder, sandbox=sandbox, kill_at=kill_at)


def lyrics(folder: Path, sandbox: Sandbox, kill_at: tuple[str, int] | None = None) -> int:
    (folder / "ideas.txt").write_text("\n".join(IDEAS))
    return run(
        "lyrics_first", "ideas.txt", "songs", "--tags", "shanty", folder=folder, sandbox=sandbox, kill_at=kill_at
    )


def check_charges(sandbox: Sandbox, *journals: Path) -> None:
    """Compare what was charged with what the journals know: each request once, and none that is in no journal."""
    charged = Counter((task.request.operation_name, str(task.request.to_wire())) for task in sandbox.tasks)
    assert set(charged.values()) == {1}
    records = [record for journal in journals for record in records_in(journal)]
    uncertain = [state for _, state in records].count("uncertain")
    assert {state for _, state in records} <= {"saved", "uncertain"}
    # What was in flight when it was killed is uncertain, and has no id.
    known = {task_id for task_id, _ in records}
    assert len([task for task in sandbox.tasks if task.task_id not in known]) <= uncertain <= len(records) / 2


def records_in(journal: Path) -> list[tuple[str | None, str]]:
    with closing(sqlite3.connect(journal)) as connection:
        return connection.execute("SELECT task_id, state FROM row").fetchall()


def audio_in(folder: Path) -> int:
    return len(list(folder.glob("*.mp3")))


def test_csv_and_extend_examples_make_every_song_once(tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    with served(0.1) as sandbox:
        assert prompts(tmp_path, sandbox) == 0
        assert audio_in(songs) == SONGS * 2
        assert extend(tmp_path, sandbox) == 0
        assert audio_in(songs / "whole") == SONGS

        check_charges(sandbox, *(songs / f"{name}.db" for name in ("journal", "extended", "joined")))
        operations = Counter(task.request.operation_name for task in sandbox.tasks)
    assert operations == {"sonic.describe": SONGS, "sonic.extend": SONGS, "sonic.concat": SONGS}


def test_csv_example_killed_resumes_without_paying_twice(tmp_path: Path) -> None:
    with served(0.1) as sandbox:
        prompts(tmp_path, sandbox, kill_at=(CREATE, 4))
        assert len(sandbox.tasks) < SONGS
        prompts(tmp_path, sandbox)

        check_charges(sandbox, tmp_path / "songs" / "journal.db")


def test_extend_example_killed_in_each_step_resumes_without_paying_twice(tmp_path: Path) -> None:
    with served(0.1) as sandbox:
        prompts(tmp_path, sandbox)
        extend(tmp_path, sandbox, kill_at=(CREATE, SONGS + 3))
        assert SONGS < len(sandbox.tasks) < SONGS * 2
        extend(tmp_path, sandbox, kill_at=(CREATE, SONGS * 2 + 3))
        assert len(sandbox.tasks) < SONGS * 3
        extend(tmp_path, sandbox)

        check_charges(sandbox, *(tmp_path / "songs" / f"{name}.db" for name in ("journal", "extended", "joined")))


def test_lyrics_example_makes_every_song_once(tmp_path: Path) -> None:
    with served(0.1) as sandbox:
        assert lyrics(tmp_path, sandbox) == 0

        assert len(sandbox.requests(LYRICS)) == SONGS
        check_charges(sandbox, tmp_path / "songs" / "journal.db")
    assert audio_in(tmp_path / "songs") == SONGS * 2


@pytest.mark.parametrize("kill_at", [(LYRICS, 3), (CREATE, 3)])
def test_lyrics_example_killed_resumes_without_paying_twice(tmp_path: Path, kill_at: tuple[str, int]) -> None:
    with served(0.1) as sandbox:
        lyrics(tmp_path, sandbox, kill_at=kill_at)
        assert len(sandbox.tasks) < SONGS
        lyrics(tmp_path, sandbox)

        # The draft that was in flight, or about to be, is not requested again.
        assert SONGS - 1 <= len(sandbox.requests(LYRICS)) <= SONGS
        check_charges(sandbox, tmp_path / "songs" / "journal.db")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def is_listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def ask(port: int, **fields: str) -> tuple[int, dict[str, str | None]]:
    """Ask a bot for a song; return the status and the JSON of its response."""
    url, headers = f"http://127.0.0.1:{port}/songs", {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(fields).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            return int(response.status), json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, {}


@on_unix
@pytest.mark.parametrize("program", BOTS.values(), ids=BOTS)
def test_webhook_bot_prints_songs_when_their_event_comes_and_names_the_others(
    program: tuple[str, ...], tmp_path: Path
) -> None:
    port = free_port()
    env = {
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "MUSICAPI_POLL_INTERVAL": "",
        "MUSICAPI_WEBHOOK_SECRET": SECRET,
        "MUSICAPI_WEBHOOK_URL": f"http://127.0.0.1:{port}/hooks/musicapi",
    }
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(seconds=LONG * 100)) as sandbox,
        started(str(port), cwd=tmp_path, sandbox=sandbox, env=env, program=program) as process,
    ):
        until(lambda: is_listening(port) or process.poll() is not None)
        assert ask(port, description="rain") == (202, {"task_id": sandbox.tasks[0].task_id})
        portal.call(sandbox.advance, LONG * 300)
        line = line_with(sandbox.tasks[0].task_id, process.stdout)
        assert line.count(sandbox.base_url.removesuffix("/api/v1")) == 2
        assert not len(sandbox.requests(POLL))

        sandbox.add_fault(CREATE, Fault(drop=True, accepted=True))
        assert ask(port, description="sun") == (202, {"task_id": None})
        portal.call(sandbox.advance, LONG * 300)
        assert "http" in line_with(sandbox.tasks[1].task_id, process.stdout)

        assert ask(port, description="")[0] in {400, 422}
        assert ask(port, title="snow")[0] in {400, 422}
        assert ask(port, description="snow")[0] == 202
        process.send_signal(signal.SIGINT)
        ended = finish(process)

    assert len(sandbox.tasks) == len(sandbox.requests(CREATE)) == 3
    assert f"client.sonic.task('{sandbox.tasks[2].task_id}')" in ended.out + ended.err
