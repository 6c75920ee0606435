"""The key and a proxy's password are in no log, repr, error, traceback, pickle or file, whatever happens."""

import asyncio
import base64
import copy
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import textwrap
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import aiohttp
import pytest
from paths import BOTH_PATHS, path_settings
from scripted import Scripted, Step, cut, half_head, hang_up, raw, respond, scripted, stall

import musicapi_async
import musicapi_sync
from musicapi_async import Clip, MusicAPI, Secret, errors, sonic
from musicapi_async.sandbox import Sandbox

KEY: Final = "sk-d41d8cd98f00b204e9800998ecf8427e"
PASSWORD: Final = "pass-5f4dcc3b5aa765d61d8327deb882cf99"
SECRETS: Final = (
    KEY,
    PASSWORD,
    base64.b64encode(f"user:{PASSWORD}".encode()).decode(),
    base64.b64encode(f"Bearer {KEY}".encode()).decode(),
)
REQUEST: Final = sonic.Describe(description="rain")
OK: Final = b"HTTP/1.1 200 OK\r\n"
MP3: Final = b"ID3" + b"\x00" * 500
ECHO: Final = {"error": f"unknown key {KEY}", "headers": {"Authorization": f"Bearer {KEY}"}}

STEPS: Final[dict[str, Step]] = {
    "success": respond(200, {"credits": 50, "task_id": "t-1"}),
    "echo": respond(200, {"credits": 50, "task_id": "t-1", "echo": ECHO}),
    "unreadable echo": respond(200, f"you sent Authorization: Bearer {KEY}".encode()),
    **{f"refusal {status}": respond(status, ECHO) for status in (400, 401, 402, 403, 404, 410, 418, 429, 500, 503)},
    "failed task": respond(200, {"code": 200, "type": "failed", "error": f"no {KEY}", "data": []}),
    "no task": respond(200, {}),
    "cut": cut(),
    "id echo": respond(500, {"error": "no"}, {"X-Request-Id": f"to {KEY}"}),
    "header line echo": raw(OK + f"Bearer {KEY}\r\n\r\n".encode()),
    "status line echo": raw(f"HTTP/1.1 2x0 {KEY}\r\n\r\n".encode()),
    "chunk echo": raw(OK + f"Transfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode()),
    "refused": hang_up(),
    "half read": hang_up(50),
    "half a header": half_head(),
    "half a body": raw(OK + b"Content-Length: 999\r\n\r\n{"),
    "bad header": raw(OK + b"X: " + b"x" * 99_999 + b"\r\n\r\n"),
    "no HTTP": raw(b"220 smtp.example\r\n\r\n"),
    "silence": stall(),
}


class Output:
    """All output that could be written down, as one text."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def note(self, value: object) -> None:
        self.stream.write(f"{value!r}\n{value}\n")

    def note_error(self, error: BaseException) -> None:
        self.note(error)
        self.note([getattr(error, "__notes__", None), error.args, vars(error)])
        formatted = traceback.TracebackException(type(error), error, _without_ours(error), capture_locals=True)
        self.stream.write("".join(formatted.format(chain=True)))
        # The traceback shows either the cause or the context, and locals are cut short nowhere: check all of it.
        for one in _chain(error):
            self.note(one)
            for frame, _ in traceback.walk_tb(one.__traceback__):
                if frame.f_code.co_filename != __file__:
                    self.stream.write("".join(map(_shown, frame.f_locals.values())))
        if isinstance(error, musicapi_async.errors.MusicAPIError):
            self.stream.write(repr(pickle.dumps(error, 0)))

    def assert_clean(self) -> None:
        text = self.stream.getvalue()
        assert len(text) > 100
        for secret in SECRETS:
            at = text.find(secret)
            assert at == -1, text[max(0, at - 700) : at + 100]


def _without_ours(error: BaseException) -> TracebackType | None:
    """Leave out the frames of the test: a user's own hold what the user puts there."""
    found = error.__traceback__
    while found is not None and found.tb_frame.f_code.co_filename == __file__:
        found = found.tb_next
    return found


def _shown(value: object) -> str:
    try:
        return f"{value!r}\n"
    except AttributeError:
        return ""  # a client in the making


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop()
        if one is not None and one not in found:
            found.append(one)
            queue += [one.__cause__, one.__context__]
    return found


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Any:
    output = Output()
    handler = logging.StreamHandler(output.stream)
    names = ("musicapi", "asyncio", "aiohttp", "backoff", "concurrent", "anyio", "")
    before = [(logger, logger.level) for logger in map(logging.getLogger, names)]
    for logger, _ in before:
        logger.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    monkeypatch.setattr("musicapi_async._transport.retry.FIRST_DELAY", 0.001)
    yield output
    logging.getLogger().removeHandler(handler)
    for logger, level in before:
        logger.setLevel(level)


@asynccontextmanager
async def client_of(server: Scripted, output: Output, **settings: Any) -> AsyncIterator[MusicAPI]:
    asyncio.get_running_loop().set_debug(True)
    given = {"timeout": 0.4, "max_attempts": 2, "create_rate": 1000, **settings}
    async with MusicAPI(KEY, base_url=server.base_url, on_uncertain=output.note_error, **given) as client:
        output.note([client, client.settings, client.account, client.sonic, vars(client)])
        yield client
    asyncio.get_running_loop().set_debug(False)


async def attempt(output: Output, what: Callable[[], Awaitable[object]]) -> None:
    try:
        result = await what()
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - each is searched
        output.note_error(error)
    else:
        output.note(result)
        if not isinstance(result, musicapi_async.Task):
            output.stream.write(repr(pickle.dumps(result, 0)))


@BOTH_PATHS
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_secrets_with_any_response_are_written_nowhere(step: Step, output: Output) -> None:
    async with scripted(step) as server, client_of(server, output, **path_settings()) as client:
        await attempt(output, client.account.credits)
        await attempt(output, lambda: client.submit(REQUEST))
        await attempt(output, lambda: client.sonic.task("t-1").poll())
        await attempt(output, lambda: client.request("POST", "/x", json={"a": 1}))

        assert {request.headers["authorization"] for request in server.received} <= {f"Bearer {KEY}"}
    output.assert_clean()


# A file's host does not know the key, so it cannot repeat it.
@pytest.mark.parametrize("name", [name for name in STEPS if "echo" not in name and "failed" not in name])
async def test_secrets_with_any_download_are_written_nowhere(name: str, output: Output, tmp_path: Path) -> None:
    step = respond(int(name[-3:]), b"") if name.startswith("refusal") else STEPS[name]
    async with scripted(step) as server, client_of(server, output, read_timeout=0.3) as client:
        clip = Clip(clip_id="c", state="succeeded", audio_url=f"{server.base_url}/song")
        await attempt(output, lambda: client.download(clip, tmp_path / "song"))
        await attempt(output, lambda: client.download(f"{server.base_url}/song", tmp_path / "song"))

        assert not [request for request in server.received if "authorization" in request.headers]
    for path in tmp_path.iterdir():
        output.note(path.read_bytes())
    output.assert_clean()


@pytest.mark.parametrize("turns", range(0, 30, 2))
async def test_secrets_in_a_call_cancelled_at_any_point_are_written_nowhere(turns: int, output: Output) -> None:
    async with scripted(stall()) as server, client_of(server, output, timeout=0.2) as client:
        for what in (client.account.credits, lambda: client.submit(REQUEST)):
            running = asyncio.create_task(what())
            for _ in range(turns):
                await asyncio.sleep(0)
            output.note([running, running.get_stack()])
            running.cancel()
            (end,) = await asyncio.gather(running, return_exceptions=True)
            assert isinstance(end, BaseException)
            output.note_error(end)
    output.assert_clean()


async def test_secrets_in_a_request_cut_while_written_are_written_nowhere(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HTTP library's frames then hold the whole head, as bytes."""

    def closing(_: object, chunk: bytes) -> None:
        raise aiohttp.ClientConnectionResetError(f"Cannot write {len(chunk)} bytes to closing transport")

    monkeypatch.setattr("aiohttp.http_writer.StreamWriter._write", closing)
    monkeypatch.setattr("aiohttp.http_writer.StreamWriter._writelines", closing)
    async with scripted(stall()) as server, client_of(server, output) as client:
        await attempt(output, client.account.credits)
        await attempt(output, lambda: client.submit(REQUEST))
    output.assert_clean()


async def test_callers_exception_being_handled_keeps_its_traceback() -> None:
    async with MusicAPI(KEY, base_url="http://127.0.0.1:9", max_attempts=1) as client:
        try:
            int("the user's own trouble")
        except ValueError as own:
            with pytest.raises(errors.ConnectionFailedError) as caught:
                await client.account.credits()

            assert own in _chain(caught.value)
            assert own.__traceback__ is not None


@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": -1},
        {"base_url": "x"},
        {"on_uncertain": 3},
        {"api_key": f"{KEY} {KEY}"},
        {"proxy": f"user:{PASSWORD}@host"},
        {"trust_env": 3},
        {},
    ],
)
async def test_secrets_with_an_invalid_setting_are_written_nowhere(
    package: Any, wrong: dict[str, Any], output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSICAPI_KEY", KEY)
    if not wrong:
        monkeypatch.setenv("MUSICAPI_POLL_INTERVAL", "often")
    given = {"api_key": KEY, "proxy": f"http://user:{PASSWORD}@127.0.0.1:9", **wrong}
    for settings in (given, {name: value for name, value in given.items() if name != "api_key"}):
        try:
            package.MusicAPI(**settings)
        except errors.InvalidRequestError as error:
            output.note_error(error)
    output.assert_clean()


async def test_secrets_of_a_view_are_written_nowhere(output: Output) -> None:
    async with MusicAPI("other", trust_env=False) as client:
        with pytest.raises(errors.InvalidRequestError) as caught:
            client.with_options(api_key=KEY, timeout=-1)
        output.note_error(caught.value)
        output.note([client.with_options(api_key=KEY), client.with_options(api_key=KEY).settings])
    output.assert_clean()


async def test_secret_of_the_settings_reveals_its_text_and_shows_dots() -> None:
    address = f"http://user:{PASSWORD}@host:1"
    async with MusicAPI(Secret(f"Bearer {KEY}"), proxy=address) as client:
        key, proxy = client.settings.api_key, client.settings.proxy

        assert (key.reveal(), proxy and proxy.reveal()) == (KEY, address)
        assert [f"{key}", repr(key), f"{key!s:.90}", "%s" % key] == ["Secret('...')"] * 4  # noqa: UP031 - as users log
        assert (key, hash(key)) == (Secret(KEY), hash(Secret(KEY)))
        assert key != KEY
        assert pickle.loads(pickle.dumps(key)) == copy.deepcopy(key) == key  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    "take_apart", [len, iter, list, "".join, json.dumps, lambda key: key[:80], lambda key: key + ""]
)
def test_secret_taken_apart_as_text_raises_type_error(take_apart: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError):
        take_apart(Secret(KEY))


@pytest.mark.parametrize("status", [200, 407, 502])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("by", ["proxy", "environment"])
async def test_proxy_password_with_any_response_is_written_nowhere(
    status: int, scheme: str, by: str, output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted(respond(status, {"credits": 50})) as server:
        proxy = f"http://user:{PASSWORD}@127.0.0.1:{server.port}"
        if by == "environment":
            monkeypatch.setenv(f"{scheme}_proxy", proxy)
        settings: dict[str, Any] = {"proxy": proxy} if by == "proxy" else {}
        url = f"{scheme}://api.example/api/v1"
        async with MusicAPI(KEY, base_url=url, max_attempts=1, timeout=0.5, connect_timeout=0.5, **settings) as client:
            output.note([client, client.settings])
            await attempt(output, client.account.credits)
            await attempt(output, lambda: client.submit(REQUEST))
            await attempt(output, lambda: client.download(f"{url}/song", tmp_path / "song"))

        assert {request.headers["proxy-authorization"] for request in server.received} == {f"Basic {SECRETS[2]}"}
    output.assert_clean()


async def test_proxy_password_of_an_unreachable_proxy_is_written_nowhere(output: Output, tmp_path: Path) -> None:
    proxy = f"http://user:{PASSWORD}@127.0.0.1:9"
    async with MusicAPI(KEY, base_url="https://api.example", proxy=proxy, max_attempts=1) as client:
        await attempt(output, client.account.credits)
        await attempt(output, lambda: client.submit(REQUEST))
        await attempt(output, lambda: client.download("https://files.example/song", tmp_path / "song"))
    output.assert_clean()


def test_secrets_in_the_blocking_package_are_written_nowhere(output: Output) -> None:
    with musicapi_sync.MusicAPI(KEY, base_url="http://127.0.0.1:9", max_attempts=1) as client:
        output.note([client, client.settings, vars(client)])
        for what in (client.account.credits, lambda: client.submit(REQUEST)):
            with pytest.raises(errors.ConnectionFailedError) as caught:
                what()
            output.note_error(caught.value)
    output.assert_clean()


CRASH: Final = """
    import sys
    import musicapi_async.cli.task as generate
    from musicapi_async.cli import main

    def crash(*_):
        raise RuntimeError("a deliberate crash, with " + KEY)

    KEY = __import__("os").environ["MUSICAPI_KEY"]
    if sys.argv[1] == "crash":
        generate._announce = crash
        sys.argv[1:2] = []
    sys.exit(main())
"""


@pytest.mark.parametrize("how", ["well", "crash", "refused", "json"])
async def test_secrets_of_the_command_are_written_nowhere(how: str, output: Output, tmp_path: Path) -> None:
    async with Sandbox(seconds=0) as sandbox:
        if how == "refused":
            fault = musicapi_async.sandbox.Fault(status=401, body=ECHO)
            sandbox.add_fault("POST /sonic/create", fault, fault)
        words = [*(["crash"] if how == "crash" else []), "generate", "rain", "--out", str(tmp_path)]
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-X", "dev", "-c", textwrap.dedent(CRASH), *words, *(["--json"] if how == "json" else [])],
            env={**os.environ, "MUSICAPI_KEY": KEY, "MUSICAPI_BASE_URL": sandbox.base_url, "PYTHONASYNCIODEBUG": "1"}
            | {"MUSICAPI_POLL_INTERVAL": "0.05"},
            capture_output=True,
            text=True,
            check=False,
        )
    output.note([done.stdout, done.stderr])
    for path in tmp_path.rglob("*"):
        output.note(path)
        output.stream.write(path.read_bytes().decode("latin-1"))
    assert (done.returncode == 0) == (how in {"well", "json"}), done
    assert "Traceback" not in done.stderr
    output.assert_clean()


async def test_key_with_a_slash_escaped_in_json_is_hidden(output: Output) -> None:
    key = KEY[:12] + "/" + KEY[12:]
    step = respond(401, b'{"error": "no such key: ' + key.replace("/", "\\/").encode() + b'"}')
    async with scripted(step) as server, MusicAPI(key, base_url=server.base_url) as client:
        with pytest.raises(errors.AuthenticationError) as caught:
            await client.account.credits()
        output.note_error(caught.value)

    assert "[the key]" in str(caught.value)
    assert key not in output.stream.getvalue()
