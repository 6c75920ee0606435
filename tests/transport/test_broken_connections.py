"""Connections that break before, while or after a request is sent: what is sent again and what is not.

The servers' counts are the truth about what was sent.
"""

import asyncio
from typing import Any

import aiohttp
import pytest
from paths import BOTH_PATHS, path_settings
from scripted import Scripted, close_when, cut, hang_up, respond, scripted

from musicapi_async import Credits, MusicAPI, errors, sonic

pytestmark = BOTH_PATHS

BALANCE = respond(200, {"credits": 50})
ACCEPTED = respond(200, {"message": "success", "task_id": "t-1"})
REQUEST = sonic.Describe(description="rain")


def client_of(server: Scripted, **settings: Any) -> MusicAPI:
    return MusicAPI("secret-key", base_url=server.base_url, **path_settings(), **settings)


def methods(server: Scripted) -> list[str]:
    return [request.method for request in server.received]


@pytest.mark.parametrize("notices", [True, False], ids=["the client sees it", "the client has not seen it yet"])
async def test_submit_after_an_idle_connection_closed_is_sent_once(*, notices: bool) -> None:
    idle = asyncio.Event()
    steps = (BALANCE, close_when(idle, 200, {"credits": 50}), ACCEPTED)
    async with scripted(*steps) as server, client_of(server) as client:
        await client.account.credits()
        await client.account.credits()
        assert server.connections == 1
        idle.set()
        if notices:
            while server.closed < 1:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
        task = await client.submit(REQUEST)

        assert task.id == "t-1"
        assert methods(server) == ["GET", "GET", "POST"]
        # Over a connection of its own: the state of the others does not matter.
        assert [request.connection for request in server.received] == [1, 1, 2]


async def test_submissions_each_use_a_fresh_connection() -> None:
    async with scripted(ACCEPTED) as server, client_of(server, create_rate=1000) as client:
        for _ in range(3):
            await client.submit(REQUEST)

        assert [request.connection for request in server.received] == [1, 2, 3]
        assert {request.headers["connection"] for request in server.received} == {"close"}


async def test_read_on_a_cut_connection_is_resent_and_a_submission_is_not() -> None:
    async with scripted(BALANCE, cut(), BALANCE) as server, client_of(server, max_attempts=1) as client:
        await client.account.credits()
        # One attempt of ours: what is sent again here is sent again by the HTTP library.
        assert await client.account.credits() == Credits(50.0)

        assert methods(server) == ["GET"] * 3
    async with scripted(BALANCE, cut(), ACCEPTED) as server, client_of(server) as client:
        await client.account.credits()
        with pytest.raises(errors.UncertainSubmissionError):
            await client.submit(REQUEST)

        assert methods(server) == ["GET", "POST"]


async def test_aiohttp_on_a_cut_kept_alive_connection_does_not_resend_a_post() -> None:
    """The second net: even over a kept-alive connection a POST that was cut is not sent again."""
    async with scripted(BALANCE, cut(), ACCEPTED) as server, aiohttp.ClientSession() as http:
        async with http.get(server.base_url) as response:
            await response.read()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await http.post(server.base_url, data=b"{}")

        assert methods(server) == ["GET", "POST"]
        assert server.connections == 1


async def test_submit_reset_after_it_was_read_is_uncertain_and_sent_once() -> None:
    async with scripted(cut(), ACCEPTED) as server, client_of(server) as client:
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await client.submit(REQUEST)

        assert methods(server) == ["POST"]
    assert caught.value.request == REQUEST


@pytest.mark.parametrize("after", [0, 1, 200], ids=["at once", "after a byte", "in the middle"])
async def test_submit_reset_before_it_was_read_is_uncertain_and_sent_once(after: int) -> None:
    """The server may have got more than it read: the outcome is unknown, so it is not sent again."""
    async with scripted(hang_up(after), ACCEPTED) as server, client_of(server) as client:
        with pytest.raises(errors.UncertainSubmissionError):
            await client.sonic.create(lyrics="la " * 100)

        assert (server.connections, methods(server)) == (1, [])
        assert [len(start) for start in server.begun] == ([after] if after else [])
        # The client stays usable.
        assert (await client.submit(REQUEST)).id == "t-1"


@pytest.mark.parametrize("after", [0, 1, 60], ids=["at once", "after a byte", "in the middle"])
async def test_read_on_a_connection_that_breaks_is_retried(after: int) -> None:
    async with scripted(hang_up(after), BALANCE) as server, client_of(server) as client:
        assert await client.account.credits() == Credits(50.0)

        assert server.connections == 2
