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


@pytest.mark.parametrize("traces", [0, 1])
async def test_headers_of_the_setting_are_sent_with_every_request(traces: int) -> None:
    settings: dict[str, Any] = {"trace_configs": [aiohttp.TraceConfig()] * traces, "headers": {"X-Team": "music"}}
    async with (
        scripted(BALANCE, ACCEPTED, RUNNING, BALANCE) as server,
        MusicAPI("k", base_url=server.base_url, **settings) as client,
    ):
        await client.account.credits()
        task = await client.submit(sonic.Describe(description="rain"))
        await task.poll()
        await client.with_options(headers={"User-Agent": "bot/1"}).account.credits()

    assert [one.headers.get("x-team") for one in server.received] == ["music", "music", "music", None]
    assert server.received[-1].headers["user-agent"] == "bot/1"
    assert {one.headers["authorization"] for one in server.received} == {"Bearer k"}


async def test_headers_of_the_setting_are_not_sent_to_the_host_of_a_file() -> None:
    async with scripted(respond(200, {"bytes": 1}), host="localhost") as server:
        settings: dict[str, Any] = {"headers": {"X-Team": "music"}, "allow_private_addresses": True}
        async with MusicAPI("k", base_url="http://127.0.0.1:9", **settings) as client:
            await client.read(server.base_url)

    assert "x-team" not in server.received[0].headers


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Authorization": "Bearer x"}, "headers has Authorization, which only the client sets"),
        ({"content-type": "text/plain"}, "headers has content-type, which only the client sets"),
        ({"HOST": "x"}, "headers has HOST"),
        ({"Connection": "close"}, "headers has Connection"),
        ({"X Team": "x"}, "headers has the name the text 'X Team'"),
        ({"X-Team": "a\r\nX-Other: b"}, "headers has a value of X-Team that cannot be sent"),
        ({"X-Team": "é"}, "headers has a value of X-Team"),
        ({"X-Team": 3}, "headers has a value of X-Team"),
        ("X-Team: a", "headers must be a mapping"),
    ],
)
@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
def test_headers_that_cannot_be_set_are_refused(package: Any, headers: Any, message: str) -> None:
    with pytest.raises(errors.InvalidRequestError, match=message) as found:
        package.MusicAPI("k", headers=headers)

    assert "Bearer x" not in repr(vars(found.value))


class FixedResolver(aiohttp.abc.AbstractResolver):
    """A resolver that knows one host, and counts what it is asked and whether it was closed."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        self.asked.append(host)
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        self.closed += 1


async def test_resolver_of_the_setting_is_asked_for_the_host_and_closed_with_the_client() -> None:
    made: list[FixedResolver] = []

    def resolver() -> FixedResolver:
        made.append(FixedResolver())
        return made[-1]

    async with scripted(BALANCE, ACCEPTED) as server:
        url = f"http://api.example:{server.port}/api/v1"
        async with MusicAPI("k", base_url=url, resolver=resolver) as client:
            await client.account.credits()
            await client.submit(sonic.Describe(description="rain"))

    (one,) = made
    assert (set(one.asked), one.closed) == ({"api.example"}, 1)


def test_resolver_that_is_no_function_is_refused() -> None:
    with pytest.raises(errors.InvalidRequestError, match="resolver must be a function that returns a resolver"):
        MusicAPI("k", resolver="8.8.8.8")  # type: ignore[arg-type]


async def test_interim_responses_are_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.write(early * 2)
        return await BALANCE(writer)

    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        assert (await client.account.credits()).total == 5
