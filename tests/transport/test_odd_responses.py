"""Responses that no API should send: none may crash the client, lose a payment, or leak the key."""

import asyncio
import gzip
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import BOTH_PATHS, path_settings
from scripted import Scripted, Step, cut, raw, respond, scripted

from musicapi_async import Credits, MusicAPI, errors, sonic
from musicapi_async._responses.response import read_raw_response

pytestmark = BOTH_PATHS

BALANCE = respond(200, {"credits": 50})
ACCEPTED = respond(200, {"message": "success", "task_id": "t-1"})
REQUEST = sonic.Describe(description="rain")


def client_of(server: Scripted, **settings: Any) -> MusicAPI:
    return MusicAPI("secret-key", base_url=server.base_url, **path_settings(), **settings)


def packed(content: bytes) -> Step:
    return respond(200, content, {"Content-Encoding": "gzip"})


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


TASK = b'{"message": "success", "task_id": "t-1"}'
LENGTH = b"Content-Length: %d\r\n" % len(TASK)
OK = b"HTTP/1.1 200 OK\r\n"
ACCEPTED_BADLY = {
    "bytes behind the end": raw(OK + LENGTH + b"\r\n" + TASK + b"\r\n\r\nHTTP?"),
    "two lengths": raw(OK + LENGTH + b"Content-Length: 9\r\n\r\n" + TASK),
    "a length that is none": raw(OK + b"Content-Length: -1\r\n\r\n" + TASK),
    "length and chunks": raw(OK + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n28\r\n" + TASK + b"\r\n0\r\n\r\n"),
    "chunks, compressed": raw(
        OK
        + LENGTH
        + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(gzip.compress(TASK))
        + gzip.compress(TASK)
        + b"\r\n0\r\n\r\n"
    ),
    "no gzip": packed(TASK),
    "no deflate": respond(200, TASK, {"Content-Encoding": "deflate"}),
    "early hints before it": raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + LENGTH * 2 + b"\r\n" + TASK + b"x"),
    "a header without a name": raw(OK + b": nothing\r\n" + LENGTH + b"\r\n" + TASK),
    "UTF-16": respond(200, TASK.decode().encode("utf-16")),
    "UTF-16 without a mark": respond(200, TASK.decode().encode("utf-16-le")),
    "UTF-8 with a mark": respond(200, b"\xef\xbb\xbf" + TASK),
}


@pytest.mark.parametrize("step", ACCEPTED_BADLY.values(), ids=ACCEPTED_BADLY)
async def test_submit_with_a_complete_but_misframed_response_is_accepted(step: Step) -> None:
    async with scripted(step) as server, client_of(server) as client:
        task = await client.submit(REQUEST)

        assert len(server.received) == 1
    assert task.id == "t-1"


async def test_submit_with_a_truncated_misframed_response_names_its_task() -> None:
    step = raw(OK + LENGTH * 2 + b"Content-Length: 9\r\n\r\n" + TASK[:-1])
    async with scripted(step) as server, client_of(server) as client:
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await client.submit(REQUEST)

        assert len(server.received) == 1
    assert caught.value.task_ids == ("t-1",)


async def test_submit_with_a_misframed_refusal_is_uncertain_and_hides_the_key() -> None:
    key = "sk-" + "0123456789" * 4
    body = b'{"error": "bad key %s"}' % key.encode()
    step = raw(b"HTTP/1.1 500 X\r\nContent-Length: 1\r\nContent-Length: 2\r\nX-Request-Id: r-7\r\n\r\n" + body)
    async with scripted(step) as server, MusicAPI(key, base_url=server.base_url, **path_settings()) as client:
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await client.submit(REQUEST)

        assert len(server.received) == 1
    assert caught.value.status == 500
    assert key not in str(caught.value) + repr(vars(caught.value)) + repr(caught.value.__cause__)


@given(received=st.binary(max_size=300))
def test_read_raw_response_of_any_bytes_does_not_raise(received: bytes) -> None:
    for head in (b"", OK + b"\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"):
        found = read_raw_response(head + received)
        assert found is None or found.status >= 200


@pytest.mark.parametrize(
    "step",
    [
        packed(gzip.compress(b'{"credits": 50}')),
        raw(CHUNKED + b'8\r\n{"credit\r\n7\r\ns": 50}\r\n0\r\n\r\n'),
        raw(b'HTTP/1.0 200 OK\r\n\r\n{"credits": 50}'),
        raw(b'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"credits": 50}'),
        respond(200, {"credits": 50}, {"Content-Type": "text/html; charset=latin-1"}),
        respond(201, {"credits": 50}),
    ],
    ids=["gzip", "chunks", "HTTP/1.0", "early hints", "wrong type", "201"],
)
async def test_unusual_but_valid_response_is_read(step: Step) -> None:
    async with scripted(step) as server, client_of(server) as client:
        assert await client.account.credits() == Credits(50.0)


async def test_compressed_response_above_the_maximum_size_is_unreadable() -> None:
    """A megabyte of gzip may hold a gigabyte."""
    bomb = packed(gzip.compress(b" " * 50_000_000))
    async with scripted(bomb) as server, client_of(server, max_response_size=1_000_000) as client:
        with pytest.raises(errors.InvalidResponseError, match="larger than 1000000 bytes"):
            await client.account.credits()


async def test_submit_with_a_too_large_response_is_uncertain() -> None:
    large = respond(200, {"task_id": "t-1", "more": "x" * 2000})
    async with scripted(large) as server, client_of(server, max_response_size=1000) as client:
        with pytest.raises(errors.UncertainSubmissionError, match="larger than 1000 bytes"):
            await client.submit(REQUEST)

        assert len(server.received) == 1


async def test_submit_cut_while_it_is_written_is_uncertain_and_sent_once() -> None:
    """The server reads the head alone and cuts: what it has read may be all it needs."""
    heads = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heads
        await reader.readuntil(b"\r\n\r\n")
        heads += 1
        writer.transport.abort()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with MusicAPI("k", base_url=f"http://127.0.0.1:{port}", **path_settings()) as client:
            with pytest.raises(errors.UncertainSubmissionError):
                await client.sonic.create(lyrics="la " * 1600)

    assert heads == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_of_a_read_is_not_followed(status: int) -> None:
    async with scripted(BALANCE) as elsewhere:
        moved = respond(status, {}, {"Location": f"{elsewhere.base_url}/get-credits"})
        async with scripted(moved) as server, client_of(server) as client:
            with pytest.raises(errors.APIStatusError) as caught:
                await client.account.credits()
            with pytest.raises(errors.APIStatusError):
                await client.request("GET", "/get-credits")

        assert elsewhere.connections == 0
    assert caught.value.status == status


async def test_cookies_are_neither_stored_nor_sent() -> None:
    biscuit = respond(200, {"credits": 50}, {"Set-Cookie": "session=1; Path=/"})
    async with scripted(biscuit) as server:
        # By name: no library keeps the cookies of a bare address.
        async with MusicAPI("k", base_url=f"http://localhost:{server.port}", **path_settings()) as client:
            await client.account.credits()
            await client.account.credits()

        assert len(server.received) == 2

        assert not [request for request in server.received if "cookie" in request.headers]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_key_is_not_sent_to_a_proxy_of_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(BALANCE) as proxy, scripted(BALANCE) as server:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        async with client_of(server) as client:
            await client.account.credits()

        assert (proxy.connections, len(server.received)) == (0, 1)


async def test_view_sends_its_own_key_to_its_own_host() -> None:
    async with scripted(BALANCE) as first, scripted(BALANCE) as second, client_of(first) as client:
        view = client.with_options(api_key="other-key", base_url=second.base_url)
        await client.account.credits()
        await view.account.credits()

        assert [request.headers["authorization"] for request in first.received] == ["Bearer secret-key"]
        assert [request.headers["authorization"] for request in second.received] == ["Bearer other-key"]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"<html>down</html>", "not JSON"), (b'{"code": 200, "data', "not JSON"), (b"[]", "list")]
)
async def test_poll_that_cannot_be_read_shows_its_beginning(content: bytes, reason: str) -> None:
    async with scripted(respond(200, content, {"cf-ray": "r-9"})) as server, client_of(server) as client:
        with pytest.raises(errors.InvalidResponseError, match=reason) as caught:
            await client.sonic.task("t-1").poll()

    assert (caught.value.status, caught.value.start, caught.value.request_id) == (200, content, "r-9")
    assert "GET /sonic/task/t-1" in str(caught.value)


async def test_response_sent_before_the_request_was_read_is_used() -> None:
    early = respond(400, {"error": "The prompt character length should be less than 5000."})

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n")
        await early(writer)
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with MusicAPI("k", base_url=f"http://127.0.0.1:{port}", **path_settings()) as client:
            with pytest.raises(errors.InvalidRequestError, match="less than 5000"):
                await client.sonic.create(lyrics="la " * 1600)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, "half \ud83d", 10**30, {1, 2}, object()],
    ids=["nan", "infinity", "lone surrogate", "too large", "a set", "an object"],
)
async def test_client_request_with_a_value_that_is_not_json_is_refused(value: Any) -> None:
    """Whichever JSON library is installed: what is no JSON is not sent, and not turned into something else."""
    async with scripted(ACCEPTED) as server, client_of(server) as client:
        with pytest.raises(errors.InvalidRequestError, match="JSON"):
            await client.request("POST", "/sonic/new", json={"a": value})

        assert server.received == []


async def test_task_id_with_a_lone_surrogate_is_refused() -> None:
    async with scripted(ACCEPTED) as server, client_of(server) as client:
        with pytest.raises(errors.InvalidRequestError, match="task_id"):
            await client.sonic.task("half \ud83d").poll()

        assert server.received == []


async def test_submit_with_a_long_retry_after_is_not_retried() -> None:
    busy = respond(503, {"error": "server is busy"}, {"Retry-After": "3600"})
    async with scripted(busy) as server, client_of(server) as client:
        with pytest.raises(errors.ServerError, match="busy"):
            await client.submit(REQUEST)

        assert len(server.received) == 1


async def test_client_request_retries_a_get_and_never_a_post() -> None:
    async with scripted(cut(), cut(), respond(200, {"new": 1})) as server, client_of(server) as client:
        with pytest.raises(errors.UncertainSubmissionError):
            await client.request("POST", "/sonic/new", json={"a": 1})
        posts = [json.loads(request.body) for request in server.received]
        found = await client.request("GET", "/sonic/new?page=2&after=%C3%A9")

        assert (posts, found) == ([{"a": 1}], {"new": 1})
        assert server.received[-1].path == "/api/v1/sonic/new?page=2&after=%C3%A9"
