"""Clients closed while a response is arriving: the call that waits for it ends at once, with a typed error."""

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
    """Send half a response, and nothing more."""
    await raw(HEAD)(writer)
    await asyncio.Event().wait()
    return False


async def drip(writer: asyncio.StreamWriter) -> bool:
    """Send a response byte by byte, as fast as it is taken."""
    for byte in HEAD + b" " * 399:
        await raw(bytes([byte]))(writer)
        await asyncio.sleep(0)
    return True


@pytest.mark.parametrize("way", WAYS)
async def test_read_with_half_a_response_ends_at_close(way: str) -> None:
    async with scripted(half) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=20)
        pending = asyncio.ensure_future(WAYS[way](client))
        async with asyncio.timeout(5):
            while not server.received:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        await client.aclose()

        with pytest.raises(errors.MusicAPIError):
            await asyncio.wait_for(pending, timeout=1)


async def test_submit_with_half_a_response_during_close_is_uncertain_at_its_timeout() -> None:
    async with scripted(half) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=0.3)
        pending = asyncio.ensure_future(client.sonic.describe(description="rain"))
        async with asyncio.timeout(5):
            while not server.received:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        await client.aclose()

        with pytest.raises(errors.UncertainSubmissionError, match="no response in time"):
            await asyncio.wait_for(pending, timeout=1)


async def test_poll_whose_response_is_arriving_at_close_raises_a_typed_error() -> None:
    async with scripted(drip) as server:
        for turns in range(40, 64):
            client = MusicAPI("k", base_url=server.base_url, max_attempts=1, timeout=0.2)
            pending = asyncio.ensure_future(client.sonic.task("t-1").poll())
            for _ in range(turns):
                await asyncio.sleep(0)
            await client.aclose()

            with pytest.raises(errors.MusicAPIError):
                await pending
