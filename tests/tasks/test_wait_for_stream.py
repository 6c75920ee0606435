"""How soon ``wait(until="stream")`` offers the first sound: with events, with a fixed interval, and with neither."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

import pytest
from clock import Clock
from receiving import hook_server
from signing import SECRET

from musicapi_async import MusicAPI
from musicapi_async.sandbox import EventFault, Sandbox

SONGS = 20
POLL = "GET /sonic/task/{task_id}"
NURO_POLL = "GET /nuro/task/{task_id}"
STREAM_APPEARS = 0.3
"""The share of a song's time after which the sandbox has its stream."""
STEP = 0.1


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(seconds=60, credits=10_000) as sandbox:
        yield sandbox


@asynccontextmanager
async def with_events(client: MusicAPI) -> AsyncIterator[MusicAPI]:
    """Serve a client's handler of events, and yield the view whose tasks report to it."""
    async with hook_server(client.webhooks.aiohttp) as url:
        yield client.with_options(webhook_url=url)


async def run(clock: Clock, sandbox: Sandbox, waiting: "asyncio.Future[Any]") -> None:
    """Let time pass, for the client and the sandbox alike, until the waiting one is done."""
    while not waiting.done():
        sandbox.advance(STEP)
        clock.ahead += STEP
        events = -1
        while events != clock.events:
            events = clock.events
            await asyncio.sleep(0.001)


async def lateness(client: MusicAPI, sandbox: Sandbox, clock: Clock) -> list[float]:
    """Return by how many seconds each of twenty songs is heard late."""
    loop = asyncio.get_running_loop()

    async def listen() -> float:
        task = await client.sonic.describe(description="rain")
        made = next(made for made in sandbox.tasks if made.task_id == task.id)
        (first, *_) = await task.wait(until="stream")
        assert first.stream_url
        return loop.time() - made.accepted_at - STREAM_APPEARS * made.takes

    waiting = asyncio.gather(*(listen() for _ in range(SONGS)))
    await run(clock, sandbox, waiting)
    return await waiting


async def test_wait_until_stream_with_events_returns_at_once_without_polls(sandbox: Sandbox, clock: Clock) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, webhook_secret=SECRET) as client, with_events(client) as view:
        late = await lateness(view, sandbox, clock)

    assert median(late) < 1
    assert len(sandbox.requests(POLL)) == 0


async def test_wait_until_stream_whose_event_is_lost_polls_when_it_is_overdue(sandbox: Sandbox, clock: Clock) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, webhook_secret=SECRET) as client, with_events(client) as view:
        await lateness(view, sandbox, clock)
        sandbox.add_event_fault("song.streaming", *[EventFault(lost=True)] * SONGS)
        late = await lateness(view, sandbox, clock)

    # The next event, of the finished song, would be 42 seconds late.
    assert 1 < median(late) < 15
    assert len(sandbox.requests(POLL)) <= 2 * SONGS


async def test_wait_until_stream_with_an_interval_polls_at_each(sandbox: Sandbox, clock: Clock) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=2.0) as client:
        assert median(await lateness(client, sandbox, clock)) < 2


async def test_wait_until_stream_polls_when_it_is_expected(sandbox: Sandbox, clock: Clock) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url) as client:
        first, polls = await lateness(client, sandbox, clock), len(sandbox.requests(POLL))
        late = await lateness(client, sandbox, clock)

    assert median(first) < 4
    assert median(late) < 2
    assert polls <= 5 * SONGS
    assert len(sandbox.requests(POLL)) - polls <= 4 * SONGS


async def test_wait_until_stream_after_another_wait_polls_when_it_is_expected(sandbox: Sandbox, clock: Clock) -> None:
    """A wait for the whole song has put off its first poll."""
    async with MusicAPI("k", base_url=sandbox.base_url) as client:
        task = await client.sonic.describe(description="rain")
        whole = asyncio.create_task(task.wait())
        await asyncio.sleep(0)
        await run(clock, sandbox, asyncio.ensure_future(task.wait(until="stream")))
        heard_at = asyncio.get_running_loop().time()
        await run(clock, sandbox, whole)

    (made,) = sandbox.tasks
    assert heard_at - made.accepted_at < 0.5 * made.takes


async def test_wait_until_stream_of_a_task_without_streams_learns_when_it_ends(sandbox: Sandbox, clock: Clock) -> None:
    polls = []
    async with MusicAPI("k", base_url=sandbox.base_url) as client:
        for _ in range(2):
            before = len(sandbox.requests(NURO_POLL))
            tasks = [await client.nuro.vocal(lyrics="la " * 100) for _ in range(10)]
            await run(clock, sandbox, asyncio.gather(*(task.wait(until="stream") for task in tasks)))
            polls.append(len(sandbox.requests(NURO_POLL)) - before)

    assert 0 < polls[1] < 0.9 * polls[0]
