"""However long a key or password is, no way to show a traceback's locals shows a part of it."""

import asyncio
import copy
import io
import json
import logging
import pickle
import pprint
import reprlib
import textwrap
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Any, Final

import aiohttp
import pytest
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback
from scripted import cut, respond, scripted, stall
from signing import headers_of

import musicapi_async
import musicapi_sync
from musicapi_async import MusicAPI, Secret, errors, sonic

PART: Final = "SECRETSECRET"
"""Every part of a key of 12 letters holds it."""
SIZES: Final = (40, 81, 1000)
ACCEPTED: Final = respond(200, {"task_id": "t-1"})
OTHER_KEY: Final = "another-key-of-the-service"
REQUEST: Final = sonic.Describe(description="rain")


def key_of(size: int) -> str:
    return (PART * (size // len(PART) + 1))[:size]


def without_ours(error: BaseException) -> TracebackType | None:
    """Leave out the frames of the test: a user's own hold what the user puts there."""
    found = error.__traceback__
    while found is not None and found.tb_frame.f_code.co_filename == __file__:
        found = found.tb_next
    return found


def shown(error: BaseException) -> str:
    """Return an error as rich, the standard library and a test runner show it, with all locals."""
    trace = without_ours(error)
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    rich = Traceback.extract(type(error), error, trace, show_locals=True, locals_max_string=80, locals_max_length=50)
    console.print(Traceback(rich, show_locals=True))
    stream.write("".join(traceback.TracebackException(type(error), error, trace, capture_locals=True).format()))
    for frame, _ in traceback.walk_tb(trace):
        for value in frame.f_locals.values():
            stream.writelines(show(value) for show in SHOWING)
    return stream.getvalue()


SHOWING: Final[tuple[Callable[[object], str], ...]] = (
    repr,
    str,
    reprlib.repr,
    pprint.pformat,
    lambda value: pretty_repr(value, max_string=30),
    lambda value: pretty_repr(vars(value), max_string=30) if hasattr(value, "__dict__") else "",
)


def assert_hidden(error: BaseException) -> None:
    text = shown(error)
    at = text.find(PART[:6])
    assert len(text) > 100
    assert at == -1, text[max(0, at - 700) : at + 100]


async def error_of(what: Callable[[], Awaitable[object]]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any error is searched
        await what()
    return caught.value


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
@pytest.mark.parametrize(
    "wrong", [{"timeout": -1}, {"base_url": "x"}, {"create_rate": 0}, {"on_uncertain": 3}, {"webhook_url": "x"}]
)
def test_client_with_invalid_settings_shows_no_part_of_its_key(size: int, package: Any, wrong: dict[str, Any]) -> None:
    key = key_of(size)
    for make in (package.MusicAPI, package.Settings, package.Settings.load):
        with pytest.raises(errors.InvalidRequestError) as caught:
            make(
                api_key=key,
                proxy=f"http://user:{key}@127.0.0.1:9",
                webhook_secret=key,
                headers={"X-Token": key},
                **wrong,
            )
        assert_hidden(caught.value)


@pytest.mark.parametrize(("size", "traces"), [(40, 0), (81, 0), (81, 1), (1000, 0)])
@pytest.mark.parametrize("step", [respond(401, {"error": "no"}), cut(), respond(200, b"<html>"), stall()])
async def test_call_that_fails_shows_no_part_of_its_key(size: int, traces: int, step: Any) -> None:
    # With a trace it takes the other path of a request.
    settings: dict[str, Any] = {"trace_configs": [aiohttp.TraceConfig()] * traces, "timeout": 0.2, "max_attempts": 1}
    settings["headers"] = {"X-Token": key_of(size)}
    async with scripted(step) as server, MusicAPI(key_of(size), base_url=server.base_url, **settings) as client:
        for what in (client.account.credits, lambda: client.submit(REQUEST), lambda: client.sonic.task("t").poll()):
            assert_hidden(await error_of(what))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("turns", range(0, 30, 5))
async def test_call_that_is_cancelled_shows_no_part_of_its_key(size: int, turns: int) -> None:
    async with scripted(stall()) as server, MusicAPI(key_of(size), base_url=server.base_url, timeout=0.5) as client:
        running = asyncio.ensure_future(client.account.credits())
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        (end,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(end, BaseException)
        assert PART[:6] not in shown(end)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_that_fails_shows_no_part_of_its_password(size: int, scheme: str) -> None:
    password = key_of(size)
    async with scripted(respond(407, {"error": "no"})) as server:
        proxy = f"http://user:{password}@127.0.0.1:{server.port}"
        async with MusicAPI("k", base_url=f"{scheme}://api.example", proxy=proxy, max_attempts=1) as client:
            assert_hidden(await error_of(client.account.credits))
            assert_hidden(await error_of(lambda: client.download(f"{scheme}://files.example/x", "never")))
        assert server.received[0].headers["proxy-authorization"].startswith("Basic ")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [respond(401, {"error": "no"}), respond(500, b"<html>"), cut(), stall()])
async def test_submission_that_fails_shows_no_part_of_its_webhook_secret(
    size: int, step: Any, caplog: pytest.LogCaptureFixture
) -> None:
    secret = key_of(size)
    async with (
        scripted(step) as server,
        MusicAPI(
            OTHER_KEY,
            base_url=server.base_url,
            timeout=0.2,
            max_attempts=1,
            webhook_url="https://app.example/hooks",
            webhook_secret=secret,
        ) as client,
    ):
        with caplog.at_level(logging.DEBUG):
            error = await error_of(lambda: client.submit(REQUEST))
        assert_hidden(error)
        assert_hidden(pickle.loads(pickle.dumps(error)))  # noqa: S301 - our own
        assert PART[:6] not in repr(client) + repr(client.webhooks) + caplog.text
        assert json.loads(server.received[0].body)["webhook_secret"] == secret


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("turns", range(0, 30, 5))
async def test_submission_that_is_cancelled_shows_no_part_of_its_webhook_secret(size: int, turns: int) -> None:
    hooks: Any = {"webhook_url": "https://app.example/hooks", "webhook_secret": key_of(size)}
    async with (
        scripted(stall()) as server,
        MusicAPI(OTHER_KEY, base_url=server.base_url, timeout=0.5, **hooks) as client,
    ):
        running = asyncio.ensure_future(client.submit(REQUEST))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        (end,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(end, BaseException)
        assert PART[:6] not in shown(end)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("body", [b"{}", b"[]", b"no JSON"])
async def test_event_that_is_refused_shows_no_part_of_the_webhook_secret(
    size: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    secret = key_of(size)
    signed = dict(headers_of(body, secret))
    changes = [{"X-Webhook-Signature": f"sha256={'0' * 64}"}, {"X-Webhook-Timestamp": "1"}]
    changes += [{}] if body != b"{}" else []
    async with MusicAPI("k", base_url="http://127.0.0.1:9", webhook_secret=secret) as client:
        expected = signed["X-Webhook-Signature"].removeprefix("sha256=")
        with caplog.at_level(logging.DEBUG):
            for changed in changes:
                error = await error_of(partial(client.webhooks.receive, body, signed | changed, "/hooks"))
                assert isinstance(error, errors.WebhookVerificationError)
                assert_hidden(error)
                assert expected not in str(error) + repr(error)
        assert PART[:6] not in caplog.text


@pytest.mark.parametrize("size", SIZES)
async def test_event_that_reaches_a_closed_client_shows_no_part_of_the_webhook_secret(size: int) -> None:
    secret = key_of(size)
    client = MusicAPI("k", base_url="http://127.0.0.1:9", webhook_secret=secret)
    await client.aclose()
    error = await error_of(lambda: client.webhooks.receive(b"{}", headers_of(b"{}", secret), "/hooks"))
    assert isinstance(error, errors.ClientClosedError)
    assert_hidden(error)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [respond(500, b"<html>"), cut(), stall()])
async def test_request_with_a_webhook_secret_of_its_own_that_fails_shows_no_part_of_it(size: int, step: Any) -> None:
    request = sonic.Describe(description="rain", webhook_url="https://app.example/", webhook_secret=key_of(size))
    async with (
        scripted(step) as server,
        MusicAPI(OTHER_KEY, base_url=server.base_url, timeout=0.2, max_attempts=1) as client,
    ):
        assert_hidden(await error_of(lambda: client.submit(request)))


@pytest.mark.parametrize("size", SIZES[::2])
@pytest.mark.parametrize("wrong", [{"description": ""}, {"description": "x" * 5000}, {"model": 3}, {"colour": "red"}])
async def test_request_that_is_refused_shows_no_part_of_its_webhook_secret(size: int, wrong: dict[str, Any]) -> None:
    hook = {"webhook_url": "https://app.example/", "webhook_secret": key_of(size)}
    fields: Any = {"description": "rain", **hook, **wrong}
    valid = sonic.Describe(description="rain")
    async with MusicAPI(OTHER_KEY, base_url="http://127.0.0.1:9") as client:
        makers: tuple[Callable[[], object], ...] = (
            lambda: sonic.Describe(**fields),
            lambda: valid.replace(**fields),
            lambda: client.sonic.describe(**fields),
        )
        for make in makers:
            with pytest.raises(errors.InvalidRequestError) as caught:
                make()
            assert_hidden(caught.value)


@pytest.mark.parametrize("size", SIZES)
def test_request_with_a_webhook_secret_that_is_refused_shows_no_part_of_it(size: int) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        sonic.Describe(description="rain", webhook_secret=key_of(size) + "\ud800")
    assert_hidden(caught.value)


@pytest.mark.parametrize("size", SIZES[::2])
def test_blocking_request_that_is_refused_shows_no_part_of_its_webhook_secret(size: int) -> None:
    with (
        musicapi_sync.MusicAPI(OTHER_KEY, base_url="http://127.0.0.1:9") as client,
        pytest.raises(errors.InvalidRequestError) as caught,
    ):
        client.sonic.describe(description="", webhook_secret=key_of(size))
    assert_hidden(caught.value)


@pytest.mark.parametrize("size", SIZES)
def test_blocking_call_that_fails_shows_no_part_of_its_key(size: int) -> None:
    key = key_of(size)
    with musicapi_sync.MusicAPI(key, base_url="http://127.0.0.1:9", max_attempts=1) as client:
        for what in (client.account.credits, lambda: client.submit(REQUEST), client.sonic.task("t").poll):
            with pytest.raises(errors.ConnectionFailedError) as caught:
                what()
            assert_hidden(caught.value)


@pytest.mark.parametrize("size", SIZES)
async def test_wait_that_fails_shows_no_part_of_its_key(size: int) -> None:
    failed = respond(200, {"code": 200, "type": "failed", "error": "no"})
    async with (
        scripted(ACCEPTED, failed) as server,
        MusicAPI(key_of(size), base_url=server.base_url, poll_interval=0.01) as client,
    ):
        task = await client.submit(REQUEST)
        assert_hidden(await error_of(task.wait))


@pytest.mark.parametrize("size", SIZES)
def test_secret_used_as_text_raises_and_shows_nothing(size: int) -> None:
    secret = Secret(key_of(size))
    for show in (*SHOWING, "{}".format, "{:}".format, "%s".__mod__):
        assert PART[:6] not in show(secret)
    misuses: tuple[Callable[[Any], object], ...] = (
        len,
        iter,
        json.dumps,
        lambda one: one[:80],
        lambda one: one + "x",
        lambda one: "x" + one,
        "".join,
        lambda one: ",".join((one,) * 2),
        lambda one: f"{one:>100}",
        textwrap.dedent,
    )
    for misuse in misuses:
        with pytest.raises((TypeError, AttributeError)):
            misuse(secret)


def test_secret_with_the_same_text_is_equal_and_survives_copies() -> None:
    secret = Secret("k-1")

    assert secret == Secret("k-1")
    assert hash(secret) == hash(Secret("k-1"))
    assert secret != Secret("k-2")
    assert secret != "k-1"
    for again in (copy.deepcopy(secret), pickle.loads(pickle.dumps(secret)), Secret(secret)):  # noqa: S301 - our own
        assert again.reveal() == "k-1"


@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
def test_client_given_a_secret_uses_it_as_its_key(package: Any) -> None:
    assert package.MusicAPI(Secret(" Bearer k-1 ")).settings.api_key.reveal() == "k-1"


async def test_proxy_of_the_environment_that_is_invalid_shows_no_part_of_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    password = key_of(200)
    monkeypatch.setenv("https_proxy", f"socks5://user:{password}@proxy.example:1")
    async with MusicAPI("k", base_url="https://api.example") as client:
        error = await error_of(client.account.credits)
    assert "HTTPS_PROXY" in str(error)
    assert_hidden(error)
