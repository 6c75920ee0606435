"""``musicapi webhooks listen`` as a user meets it: verified events, refused ones, and its end."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from commands import Finished, MusicAPI, finish, line_with, on_unix, read_until, started
from signing import SECRET, body_of, headers_of

import musicapi_async
from musicapi_async.sandbox import EventFault, Sandbox

LISTEN = ("webhooks", "listen", "--port", "0")
ENVIRONMENT = {"MUSICAPI_WEBHOOK_SECRET": SECRET, "MUSICAPI_KEY": ""}
FORGED = "another-secret-" * 3


@contextmanager
def listening(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the command into pipes, and yield its process and the URL at which it listens."""
    with started(*LISTEN, *arguments, cwd=tmp_path, env=ENVIRONMENT) as process:
        yield process, event_in(process.stdout, "listening")["url"]


def event_in(stream: IO[bytes] | None, event: str) -> Mapping[str, Any]:
    """Return the next event of a type that the command prints."""
    found: Mapping[str, Any] = json.loads(line_with(f'"event": "{event}"', stream))
    return found


def stop(process: subprocess.Popen[bytes]) -> Finished:
    process.send_signal(signal.SIGINT)
    return finish(process)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - of this machine
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


@on_unix
def test_listen_prints_the_events_of_the_service_as_lines_of_json(tmp_path: Path) -> None:
    async def make_song(url: str) -> str:
        async with (
            Sandbox(seconds=0.1) as sandbox,
            musicapi_async.MusicAPI(
                "key", base_url=sandbox.base_url, poll_interval=0.05, webhook_url=url, webhook_secret=SECRET
            ) as client,
        ):
            sandbox.add_event_fault("song.streaming", EventFault(forged=True))
            sandbox.add_event_fault("song.completed", EventFault(doubled=True))
            task = await client.sonic.describe(description="rain")
            async with asyncio.timeout(20):
                while len(sandbox.deliveries) < 4:
                    await asyncio.sleep(0.01)
            return task.id

    with listening(tmp_path) as (process, url):
        task_id = asyncio.run(make_song(url))
        refused = event_in(process.stdout, "refused")
        verified = [event_in(process.stdout, "verified") for _ in range(3)]
        done = stop(process)

    assert (refused["status"], refused["reason"]) == (401, "signature")
    assert [event["type"] for event in verified] == ["song.streaming", "song.completed", "song.completed"]
    assert {event["task_id"] for event in verified} == {task_id}
    assert [event["duplicate"] for event in verified] == [False, False, True]
    assert [clip["state"] for clip in verified[1]["clips"]] == ["succeeded"] * 2
    assert done.code == 0
    assert done.json == {"event": "end", "verified": 3, "refused": 1}
    assert SECRET not in done.out + done.err


@on_unix
@pytest.mark.parametrize(
    ("status", "reason", "path", "headers", "body"),
    [
        (401, "signature", "", headers_of(body_of(), FORGED), body_of()),
        (401, "missing", "", {}, b"{}"),
        (401, "expired", "", headers_of(body_of(), age=1000), body_of()),
        (404, "path", "/more", headers_of(body_of()), body_of()),
        (413, "too_large", "", headers_of(b"x"), b"x" * 1_100_000),
    ],
)
def test_listen_says_why_a_request_is_refused(
    tmp_path: Path, status: int, reason: str, path: str, headers: Mapping[str, str], body: bytes
) -> None:
    with listening(tmp_path) as (process, url):
        assert post(f"{url}{path}?musicapi_attempt=f00d", body, headers) == status
        refused = event_in(process.stdout, "refused")
        done = stop(process)

    assert (refused["status"], refused["reason"]) == (status, reason)
    assert refused["message"]
    shown = done.out + done.err + str(refused)
    assert not any(secret in shown for secret in (SECRET, FORGED, "f00d"))


@on_unix
def test_listen_on_a_terminal_shows_a_live_table_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    env = {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100", "FORCE_COLOR": "", "PYTHONIOENCODING": "utf-8"}
    with started(*LISTEN, "--path", "/hooks/mine", cwd=tmp_path, env=env, terminal=slave) as process:
        os.close(slave)
        shown = read_until(b"stop it with", master).decode()
        url = shown.partition("listening at ")[2].partition(";")[0]
        body = body_of("song.failed", data=[], message="a lyric\x1b[2J was refused")
        assert post(url, body, headers_of(body, event="song.failed")) == 200
        live = read_until(b"was refused", master).decode()
        process.send_signal(signal.SIGINT)
        final = read_until(None, master).decode().rpartition("\x1b[?25h")[2]
        assert process.wait() == 0
    os.close(master)

    assert url.endswith("/hooks/mine")
    assert "1 event verified, 0 refused" in live
    assert "\x1b[2J" not in live + final
    assert "song.failed  t-1  a lyric [2J was refused\r\n" in final


@pytest.mark.parametrize(
    ("arguments", "secret", "words"),
    [
        ((), "", "MUSICAPI_WEBHOOK_SECRET is not set"),
        ((), "gehört", "webhook_secret must be text in ASCII"),
        (("--path", "hooks"), SECRET, "--path is 'hooks'; it must begin with /"),
        (("--path", "/hooks?a=1"), SECRET, "no query"),
        (("--host", "256.0.0.1"), SECRET, "cannot listen"),
    ],
)
def test_listen_with_wrong_settings_exits_with_2(
    musicapi: MusicAPI, arguments: tuple[str, ...], secret: str, words: str
) -> None:
    done = musicapi(*LISTEN, *arguments, MUSICAPI_WEBHOOK_SECRET=secret)

    assert done.code == 2
    assert words in done.err
    assert "gehört" not in done.out + done.err


def test_listen_on_a_port_in_use_exits_with_2(musicapi: MusicAPI) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = musicapi("webhooks", "listen", "--port", port, "--json", MUSICAPI_WEBHOOK_SECRET=SECRET)

    assert done.code == 2
    assert (
        done.json["error"]["message"]
        == "the command cannot listen: the port is already in use; try another --port or --host"
    )
