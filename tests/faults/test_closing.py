"""A client that is closed while a reply is arriving: whoever waits for it is told so, at once and in our own words."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from scripted import raw, scripted

from musicapi_async import MusicAPI, errors

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{"
WAYS: dict[str, Callable[[MusicAPI], Awaitable[object]]] = {
    "poll": lambda client: client.sonic.task("t-1").poll(),
    "wait": lambda client: client.sonic.task("t-1").wait(),
    "credits": lambda client: client.account.credits(),
}


async def half(writer: asyncio.StreamWriter) -> bool:
    """Send half a reply, and nothing more."""
    await raw(HEAD)(writer)
    await asyncio.Event().wait()
    return False


async def drip(writer: asyncio.StreamWriter) -> bool:
    """Send a reply byte by byte, as fast as it is taken."""
    for byte in HEAD + b" " * 399:
        await raw(bytes([byte]))(writer)
        await asyncio.sleep(0)
    return True


@pytest.mark.parametrize("way", WAYS)
async def test_half_a_reply_is_not_waited_for_after_closing(way: str) -> None:
    async with scripted(half) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=20)
        asking = asyncio.ensure_future(WAYS[way](client))
        async with asyncio.timeout(5):
            while not server.received:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        await client.aclose()

        with pytest.raises(errors.MusicAPIError):
            await asyncio.wait_for(asking, timeout=1)


async def test_half_an_answer_to_a_paid_request_ends_as_uncertain_when_its_time_is_over() -> None:
    async with scripted(half) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=0.3)
        asking = asyncio.ensure_future(client.sonic.describe(description="rain"))
        async with asyncio.timeout(5):
            while not server.received:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        await client.aclose()

        with pytest.raises(errors.UncertainSubmissionError, match="no response in time"):
            await asyncio.wait_for(asking, timeout=1)


async def test_a_reply_that_is_arriving_ends_as_our_own_error() -> None:
    async with scripted(drip) as server:
        for turns in range(40, 64):
            client = MusicAPI("k", base_url=server.base_url, max_attempts=1, timeout=0.2)
            asking = asyncio.ensure_future(client.sonic.task("t-1").poll())
            for _ in range(turns):
                await asyncio.sleep(0)
            await client.aclose()

            with pytest.raises(errors.MusicAPIError):
                await asking
