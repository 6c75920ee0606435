"""Hostile responses, or responses of something else than the API: each soon ends in a typed error, in little memory."""

import asyncio
import gzip
import json
import math
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from paths import BOTH_PATHS, path_settings
from scripted import Scripted, Step, endless, half_head, raw, respond, scripted, stall, trickle

from musicapi_async import Credits, MusicAPI, errors, sonic

pytestmark = BOTH_PATHS

REQUEST: Final = sonic.Describe(description="rain")
OK: Final = b"HTTP/1.1 200 OK\r\n"
MEGABYTE: Final = 1024 * 1024
LIMITS: Final = {"max_response_size": MEGABYTE, "timeout": 3.0, "max_attempts": 1}
MEMORY: Final = 12 * MEGABYTE
"""Peak memory for one response of at most a megabyte, the server's own buffers included."""
SECONDS: Final = 30


def client_of(server: Scripted, **settings: Any) -> MusicAPI:
    return MusicAPI("secret-key", base_url=server.base_url, **{**path_settings(), **LIMITS, **settings})


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, height = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert height < MEMORY


def inflating(encoding: str, size: int) -> Step:
    """A small body that becomes one of this size."""
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    content = b"".join(packer.compress(b" " * MEGABYTE) for _ in range(size // MEGABYTE)) + packer.flush()
    return respond(200, content, {"Content-Encoding": encoding})


SOME: Final = b"x" * 65_536
PACKED: Final = gzip.compress(b" " * MEGABYTE)
TOO_LARGE: Final = {
    "a declared gigabyte": endless(OK + b"Content-Length: 1073741824\r\n\r\n", SOME),
    "chunks without end": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + SOME + b"\r\n"),
    "a body without end": endless(OK + b"\r\n", SOME),
    "blanks without end": endless(OK + b"\r\n{", b" " * 65_536),
    "a small gzip of a quarter gigabyte": inflating("gzip", 256 * MEGABYTE),
    "a small deflate of the same": inflating("deflate", 256 * MEGABYTE),
    "a gzip in chunks, one after the other": endless(
        OK + b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n",
        b"%x\r\n%b\r\n" % (len(PACKED), PACKED),
    ),
}
ENDLESS_HEADS: Final = {
    "headers without end": endless(OK, b"X-More: and more\r\n"),
    "one header without end": endless(OK + b"X-Long: ", SOME),
    "a status without end": endless(b"HTTP/1.1 200 ", SOME),
    "no line at all": endless(b"", SOME),
    "early answers without end": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
}
NEVER_WHOLE: Final = {
    "a byte now and then": trickle(OK + b"Content-Length: 1000\r\n\r\n", b" ", 0.05),
    "a header now and then": trickle(OK, b"X-More: and more\r\n", 0.05),
    "half a header": half_head(close=False),
    "half a header and the end": half_head(),
    "nothing": stall(),
}
HARM: Final = TOO_LARGE | ENDLESS_HEADS | NEVER_WHOLE
QUICK: Final = {**dict.fromkeys(NEVER_WHOLE, 0.4), "early answers without end": 1.0}
"""Timeouts of the responses that only a timeout ends."""


@pytest.mark.parametrize("name", HARM)
async def test_read_with_a_hostile_response_ends_soon_in_little_memory(name: str) -> None:
    async with scripted(HARM[name]) as server, client_of(server, timeout=QUICK.get(name, 10.0)) as client:
        with little_memory(), pytest.raises((errors.ConnectionFailedError, errors.InvalidResponseError)):
            async with asyncio.timeout(SECONDS):
                await client.account.credits()

        # A GET may be sent again by the HTTP library, once.
        assert len(server.received) <= 2


@pytest.mark.parametrize("name", HARM)
async def test_submit_with_a_hostile_response_is_uncertain_and_sent_once(name: str) -> None:
    settings = {"timeout": QUICK.get(name, 10.0), "max_attempts": 4}
    async with scripted(HARM[name]) as server, client_of(server, **settings) as client:
        with little_memory(), pytest.raises(errors.UncertainSubmissionError):
            async with asyncio.timeout(SECONDS):
                await client.submit(REQUEST)

        assert len(server.received) == 1
        assert server.connections == 1


DEEP: Final = b"[" * 200_000 + b"]" * 200_000
UNREADABLE: Final = {
    "a page": respond(200, b"<html>Sign in to the hotel's network</html>", {"Content-Type": "text/html"}),
    "zeros": respond(200, b"\x00" * 500),
    "no UTF-8": respond(200, b'{"credits": "\xff\xfe"'),
    "a nest": respond(200, DEEP),
    "a nest in an object": respond(200, b'{"credits": 50, "task_id": "t-1", "more": ' + DEEP + b"}"),
    "half": respond(200, b'{"credits": 50, "task_id": "t-'),
    "two": respond(200, b'{"credits": 50, "task_id": "t-1"}{"credits": 50, "task_id": "t-2"}'),
    "a number": respond(200, b"42"),
    "nothing": respond(200, b""),
    "no content": respond(204, b""),
}


@pytest.mark.parametrize("step", UNREADABLE.values(), ids=UNREADABLE)
async def test_unusable_response_is_unreadable_for_a_read_and_uncertain_for_a_submission(step: Step) -> None:
    async with scripted(step) as server, client_of(server, max_attempts=4) as client:
        with pytest.raises(errors.InvalidResponseError):
            await client.account.credits()
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await client.submit(REQUEST)

        assert [request.method for request in server.received] == ["GET", "POST"]
    assert caught.value.status in {200, 204}


ODD: Final = {
    "NaN and Infinity": b'{"credits": 50, "task_id": "t-1", "price": NaN, "wait": -Infinity}',
    "a key twice": b'{"credits": 7, "task_id": "t-0", "credits": 50, "task_id": "t-1"}',
    "a zero in a text": b'{"credits": 50, "task_id": "t-1", "title": "a\\u0000b"}',
    "lone surrogate": b'{"credits": 50, "task_id": "t-1", "title": "\\ud800"}',
    "a very large number": b'{"credits": 50, "task_id": "t-1", "more": 1e999}',
    "the wrong type": b'{"credits": "50", "task_id": "t-1"}',
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
async def test_odd_response_that_names_the_task_is_accepted(content: bytes) -> None:
    step = respond(200, content, {"Content-Type": "application/octet-stream"})
    async with scripted(step) as server, client_of(server) as client:
        assert await client.account.credits() == Credits(50.0)
        assert (await client.submit(REQUEST)).id == "t-1"


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
async def test_balance_that_is_not_finite_is_never_returned(value: bytes) -> None:
    async with scripted(respond(200, b'{"credits": ' + value + b"}")) as server, client_of(server) as client:
        try:
            found = (await client.account.credits()).credits
        except errors.InvalidResponseError:
            return
    assert math.isfinite(found)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_of_an_api_request_is_not_followed(status: int) -> None:
    async with scripted(respond(200, {"credits": 1, "task_id": "t-1"})) as elsewhere:
        moved = respond(status, b"", {"Location": f"{elsewhere.base_url}/sonic/create"})
        async with scripted(moved) as server, client_of(server) as client:
            with pytest.raises(errors.APIStatusError):
                await client.account.credits()
            # What a host that redirects did with it is unknown.
            with pytest.raises((errors.APIStatusError, errors.UncertainSubmissionError)):
                await client.submit(REQUEST)

            assert [request.method for request in server.received] == ["GET", "POST"]
        assert elsewhere.connections == 0


IDS: Final = ["a/b", "a?b=1", "a#b", "../../get-credits", "..%2f..", "a b", "a\nb", "ü", "%", "a\x00b", "x" * 5000]


@pytest.mark.parametrize("task_id", IDS)
async def test_task_id_with_any_characters_cannot_change_the_path(task_id: str) -> None:
    answer = respond(200, {"data": [{"clip_id": "c", "state": "running"}]})
    async with scripted(answer) as server, client_of(server) as client:
        try:
            await client.sonic.task(task_id).poll()
        except (errors.InvalidRequestError, errors.ConnectionFailedError):
            assert server.received == []
            return

        (request,) = server.received
    prefix = "/api/v1/sonic/task/"
    assert request.path.startswith(prefix)
    assert not set(request.path.removeprefix(prefix)) & set("/?#\r\n \x00")


async def test_task_accepted_with_an_odd_id_is_polled_under_it() -> None:
    wild = "../../get-credits?x=1#y"
    steps = (respond(200, {"task_id": wild}), respond(200, {"data": [{"clip_id": "c", "state": "running"}]}))
    async with scripted(*steps) as server, client_of(server) as client:
        task = await client.submit(REQUEST)
        await task.poll()

        assert task.id == wild
        assert server.received[1].path == "/api/v1/sonic/task/..%2F..%2Fget-credits%3Fx%3D1%23y"


async def test_response_of_exactly_the_maximum_size_is_read() -> None:
    content = json.dumps({"credits": 50, "more": "x" * 500_000}).encode()
    step = raw(OK + b"Content-Length: %d\r\n\r\n" % len(content) + content)
    async with scripted(step) as server, client_of(server, max_response_size=len(content)) as client:
        assert await client.account.credits() == Credits(50.0)
