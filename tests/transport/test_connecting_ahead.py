"""The connection of a submission whose turn is known is made before its turn, and used once."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import trustme
from scripted import Scripted, raw, respond, scripted

from musicapi_async import MusicAPI, errors, sonic

ACCEPTED = respond(200, {"task_id": "t-1"})
REQUEST = sonic.Describe(description="rain")
RATE = 3.0
"""Submissions a second: the next one is connected as soon as it is queued."""
AUTHORITY = trustme.CA()


def tls_of(scheme: str) -> tuple[ssl.SSLContext | None, dict[str, Any]]:
    """Return what a server needs for the scheme, and the settings of its client."""
    if scheme == "http":
        return None, {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    AUTHORITY.configure_trust(trusting)
    return context, {"ssl_context": trusting}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def client_of(server: Scripted, **settings: Any) -> MusicAPI:
    return MusicAPI("k", base_url=server.base_url, create_rate=RATE, **settings)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_queued_submission_is_connected_before_its_turn(scheme: str) -> None:
    context, settings = tls_of(scheme)
    async with scripted(ACCEPTED, tls=context) as server, client_of(server, **settings) as client:
        await client.submit(REQUEST)
        queued = asyncio.ensure_future(client.submit(REQUEST))
        await until(lambda: server.connections == 2)
        sent_before = len(server.received)
        await queued

    assert sent_before == 1
    assert [one.connection for one in server.received] == [1, 2]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("what", ["ended", "reset", "written to"])
async def test_connection_made_ahead_that_is_not_silent_is_not_used(scheme: str, what: str) -> None:
    context, settings = tls_of(scheme)
    async with scripted(ACCEPTED, tls=context) as server, client_of(server, **settings) as client:
        await client.submit(REQUEST)
        queued = asyncio.ensure_future(client.submit(REQUEST))
        await until(lambda: server.connections == 2)
        idle = server.writers[1]
        if what == "ended":
            idle.close()
        elif what == "reset":
            idle.transport.abort()
        else:
            idle.write(b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"task_id": "no"}')
        task = await queued

    assert task.id == "t-1"
    assert [one.connection for one in server.received] == [1, 3]


async def test_connection_made_ahead_and_not_used_is_closed() -> None:
    async with scripted(ACCEPTED) as server, client_of(server) as client:
        await client.submit(REQUEST)
        queued = asyncio.ensure_future(client.submit(REQUEST))
        await until(lambda: server.connections == 2)
        queued.cancel()
        await until(lambda: server.closed == 2)

        await client.submit(REQUEST)

    assert [one.connection for one in server.received] == [1, 3]


async def test_closing_the_client_closes_a_connection_made_ahead() -> None:
    async with scripted(ACCEPTED) as server:
        async with client_of(server) as client:
            await client.submit(REQUEST)
            queued = asyncio.ensure_future(client.submit(REQUEST))
            await until(lambda: server.connections == 2)
        await until(lambda: server.closed == 2)
        with pytest.raises(errors.ClientClosedError):
            await queued

    assert len(server.received) == 1


async def test_connection_made_ahead_to_another_host_is_not_used() -> None:
    async with scripted(ACCEPTED) as server, scripted(ACCEPTED) as other, client_of(server) as client:
        elsewhere = client.with_options(base_url=other.base_url)
        await client.submit(REQUEST)
        queued = [asyncio.ensure_future(one.submit(REQUEST)) for one in (elsewhere, client)]
        await until(lambda: server.connections == 2)
        await asyncio.gather(*queued)

    assert len(server.received) == 2
    assert len(other.received) == 1


async def test_submission_cut_on_a_connection_made_ahead_is_uncertain_and_keeps_what_was_received() -> None:
    broken = raw(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\nContent-Length: 91\r\n\r\n{"task_id": "t-9"')
    async with scripted(ACCEPTED, broken) as server, client_of(server) as client:
        await client.submit(REQUEST)
        queued = asyncio.ensure_future(client.submit(REQUEST))
        await until(lambda: server.connections == 2)
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await queued

    assert [one.connection for one in server.received] == [1, 2]
    assert caught.value.task_ids == ("t-9",)


async def test_submission_whose_response_comes_before_it_was_written_is_not_written() -> None:
    """Such a response is about something else: to believe it would call a request refused that was then accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        async with MusicAPI("k", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", max_attempts=1) as client:
            sending = asyncio.ensure_future(client.submit(REQUEST))
            accepted: list[socket.socket] = []

            def is_accepted() -> bool:
                with suppress(BlockingIOError):
                    accepted.append(listener.accept()[0])
                return bool(accepted)

            while not is_accepted():
                await asyncio.sleep(0)
            with accepted[0] as connection:
                connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                with pytest.raises(errors.ConnectionFailedError):
                    await sending
                connection.setblocking(False)
                received = b""
                # The response is left unread, so the connection is reset.
                with suppress(ConnectionResetError):
                    received = await asyncio.get_running_loop().sock_recv(connection, 1)

    assert received == b""
