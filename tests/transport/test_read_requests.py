"""Reads: they are retried, an invalid body is a typed error, and the key is sent only to the API."""

import asyncio
import logging

import pytest
from scripted import Held, Scripted, cut, raw, respond, scripted, stall

from musicapi_async import MusicAPI, errors

BALANCE = respond(200, {"credits": 50, "extra_credits": "2.5"})


def client_of(server: Scripted, *, timeout: float = 5.0, max_response_size: int | None = None) -> MusicAPI:
    return MusicAPI("secret-key", base_url=server.base_url, timeout=timeout, max_response_size=max_response_size)


async def test_read_from_a_dead_service_ends_after_max_attempts() -> None:
    async with scripted(cut()) as server, client_of(server) as client:
        with pytest.raises(errors.ConnectionFailedError):
            await client.with_options(max_attempts=2).account.credits()

        # The HTTP library sends a GET (never a POST) once more by itself when a connection is cut.
        assert 2 <= len(server.received) <= 4


async def test_read_from_a_silent_service_times_out() -> None:
    async with scripted(stall()) as server, client_of(server, timeout=0.05) as client:
        with pytest.raises(errors.ConnectionFailedError, match="no response in time"):
            await client.with_options(max_attempts=1).account.credits()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>hello</html>", "not JSON"),
        (b'{"credits": 5', "not JSON"),
        (b"", "empty"),
        (b"[1, 2]", "list"),
        (b"null", "null"),
        (b'"text"', "str"),
        (b"\xff\xfe", "not JSON"),
        (b"\x00\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"credits": "many"}', r"a number is missing at \$\.credits"),
        (b"{}", "credits is missing"),
    ],
)
async def test_read_with_an_invalid_body_raises_unreadable(content: bytes, reason: str) -> None:
    async with scripted(respond(200, content)) as server, client_of(server) as client:
        with pytest.raises(errors.InvalidResponseError, match=reason) as caught:
            await client.account.credits()

    assert caught.value.status == 200
    assert caught.value.start == content[:4000]


async def test_read_with_a_too_large_body_raises_unreadable() -> None:
    endless = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 200_000, close=False)
    async with scripted(endless) as server, client_of(server, max_response_size=100_000) as client:
        with pytest.raises(errors.InvalidResponseError, match="larger than 100000 bytes"):
            await client.account.credits()


async def test_key_is_in_no_log_or_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted(cut(), respond(401, {"error": "Invalid API key."}, {"x-request-id": "r-7"})) as server:
        client = client_of(server)
        with pytest.raises(errors.AuthenticationError, match="r-7") as caught:
            await client.account.credits()
        await client.aclose()

    logged = caplog.text + str(caught.value) + repr(caught.value) + repr(client) + repr(client.settings)
    assert "GET /get-credits" in logged
    assert "secret-key" not in logged


async def test_client_in_another_event_loop_is_refused() -> None:
    async with scripted(BALANCE) as server:
        client = client_of(server)
        await client.account.credits()

        def elsewhere() -> None:
            asyncio.run(client.account.credits())

        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(elsewhere)
        await client.aclose()


async def test_client_closed_twice_raises_client_closed_when_used() -> None:
    async with scripted(BALANCE) as server:
        client = client_of(server)
        await client.account.credits()
        await client.aclose()
        await client.aclose()

        with pytest.raises(errors.ClientClosedError):
            await client.account.credits()


async def test_view_that_is_closed_leaves_its_client_open() -> None:
    async with scripted(BALANCE) as server, client_of(server) as client:
        async with client.with_options(timeout=1) as view:
            await view.account.credits()

        assert (await client.account.credits()).total == 52.5
        assert {request.connection for request in server.received} == {1}


async def test_close_waits_for_the_response_to_a_submission() -> None:
    held = Held(respond(200, {"task_id": "t-1"}))
    async with scripted(held) as server:
        client = client_of(server)
        submitting = asyncio.create_task(client.sonic.describe(description="rain"))
        await held.arrived.wait()
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        held.released.set()

        assert (await submitting).id == "t-1"
        await closing


async def test_requests_in_flight_never_exceed_max_requests() -> None:
    together = 0
    most = 0

    async def step(writer: asyncio.StreamWriter) -> bool:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await asyncio.sleep(0)
        together -= 1
        return await BALANCE(writer)

    async with scripted(step) as server:
        async with MusicAPI("k", base_url=server.base_url, max_requests=3) as client:
            await asyncio.gather(*(client.account.credits() for _ in range(30)))

        assert len(server.received) == 30
    assert most <= 3


async def test_client_request_sends_path_and_json_as_given() -> None:
    async with scripted(respond(200, {"data": {"new": [1]}})) as server, client_of(server) as client:
        found = await client.request("POST", "/sonic/new thing", json={"a": [1, None]})

        assert (server.received[0].path, server.received[0].body) == ("/api/v1/sonic/new%20thing", b'{"a":[1,null]}')
    assert found == {"data": {"new": [1]}}


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("PUT", "/x", "method"),
        ("get", "/x", "method"),
        ("GET", "x", "path"),
        ("GET", "https://elsewhere/x", "path"),
    ],
)
async def test_client_request_with_invalid_arguments_is_refused(method: str, path: str, field: str) -> None:
    async with MusicAPI("k") as client:
        with pytest.raises(errors.InvalidRequestError, match=field) as caught:
            await client.request(method, path)

    assert caught.value.field == field
