"""Requests written directly to a connection, and those that take the HTTP library's own path (`trace_configs`)."""

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from scripted import respond, scripted

import musicapi_async
import musicapi_sync
from musicapi_async import MusicAPI, errors, sonic

ACCEPTED = respond(200, {"task_id": "t-1"})
BALANCE = respond(200, {"credits": 5, "extra_credits": 0})
RUNNING = respond(202, {"type": "not_ready", "message": "still working"})


async def requests_of(**settings: Any) -> list[tuple[object, ...]]:
    """Send one request of each type, and return what the server received."""
    steps = (BALANCE, ACCEPTED, RUNNING, respond(200, {"ok": 1}), respond(200, {"new": 1}))
    async with scripted(*steps) as server, MusicAPI("secret-key", base_url=server.base_url, **settings) as client:
        await client.account.credits()
        task = await client.submit(sonic.Describe(description="rain"))
        await task.poll()
        await client.request("POST", "/lyrics", json={"a": 1})
        await client.request("GET", "/new?a=%20b", json={"a": "é"})
        port = str(server.port)
    return [
        (one.method, one.path, one.body, {name: value.replace(port, "PORT") for name, value in one.headers.items()})
        for one in server.received
    ]


async def test_requests_of_both_paths_are_the_same() -> None:
    directly = await requests_of()

    assert len(directly) == 5
    assert directly == await requests_of(trace_configs=[aiohttp.TraceConfig()])


@asynccontextmanager
async def closing_at_once() -> AsyncIterator[int]:
    """Accept connections and close each in the same turn of the loop, before the client can write."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        def close_next() -> None:
            listener.accept()[0].close()

        loop.add_reader(listener, close_next)
        yield listener.getsockname()[1]
        loop.remove_reader(listener)


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="the end is not seen on this system")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_submit_on_a_connection_that_is_closed_at_once_is_certainly_not_accepted(scheme: str) -> None:
    uncertain: list[errors.UncertainSubmissionError] = []
    async with closing_at_once() as port:
        url = f"{scheme}://127.0.0.1:{port}"
        async with MusicAPI("k", base_url=url, max_attempts=2, on_uncertain=uncertain.append) as client:
            for _ in range(5):
                with pytest.raises(errors.ConnectionFailedError, match="could not connect"):
                    await client.submit(sonic.Describe(description="rain"))
    assert not uncertain


def counting(seen: list[str]) -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def note(_: aiohttp.ClientSession, __: SimpleNamespace, request: aiohttp.TraceRequestStartParams) -> None:
        seen.append(f"{request.method} {request.url.path}")

    trace.on_request_start.append(note)
    return trace


async def test_trace_configs_are_called_for_each_request() -> None:
    seen: list[str] = []
    async with (
        scripted(ACCEPTED, RUNNING) as server,
        MusicAPI("k", base_url=server.base_url, trace_configs=[counting(seen)]) as client,
    ):
        task = await client.submit(sonic.Describe(description="rain"))
        await task.poll()

    assert seen == ["POST /api/v1/sonic/create", "GET /api/v1/sonic/task/t-1"]


async def test_trace_configs_of_the_blocking_client_are_called() -> None:
    seen: list[str] = []

    def read(base_url: str) -> None:
        with musicapi_sync.MusicAPI("k", base_url=base_url, trace_configs=[counting(seen)]) as client:
            client.account.credits()

    async with scripted(BALANCE) as server:
        await asyncio.to_thread(read, server.base_url)

    assert seen == ["GET /api/v1/get-credits"]


async def test_trace_hook_that_raises_after_a_submission_was_sent_is_reported_as_uncertain() -> None:
    uncertain: list[errors.UncertainSubmissionError] = []
    trace = aiohttp.TraceConfig()

    async def fail(*_: object) -> None:
        raise ValueError("a bug in the hook")

    trace.on_request_end.append(fail)
    async with scripted(ACCEPTED) as server:
        settings: dict[str, Any] = {"trace_configs": [trace], "on_uncertain": uncertain.append}
        async with MusicAPI("k", base_url=server.base_url, **settings) as client:
            with pytest.raises(ValueError, match="a bug in the hook"):
                await client.submit(sonic.Describe(description="rain"))

    assert len(server.received) == len(uncertain) == 1


@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
def test_trace_configs_of_another_type_are_refused(package: Any) -> None:
    for wrong in (["x"], 3, [ssl.create_default_context()]):
        with pytest.raises(errors.InvalidRequestError, match="trace_configs must hold aiohttp.TraceConfig objects"):
            package.MusicAPI("k", trace_configs=wrong)


async def test_interim_responses_are_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.write(early * 2)
        return await BALANCE(writer)

    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        assert (await client.account.credits()).total == 5
