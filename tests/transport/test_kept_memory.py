"""What a client of a long service keeps: nothing for ever of keys, runs and tasks that are no longer used."""

import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from scripted import respond, scripted

from musicapi_async import MusicAPI, errors
from musicapi_async.sandbox import Sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(seconds=0, credits=1e6) as served:
        yield served


async def kept_by(step: Callable[[int], Awaitable[None]], count: int, warm_up: int) -> float:
    """Return the bytes that each step leaves allocated by the client's code."""
    # What the sandbox keeps, in this process too, is not the client's.
    filters = [tracemalloc.Filter(False, "*/sandbox/*"), tracemalloc.Filter(True, "*/musicapi_async/*")]
    tracemalloc.start()
    try:
        for number in range(warm_up):
            await step(number)
        gc.collect()
        before = tracemalloc.take_snapshot().filter_traces(filters)
        for number in range(warm_up, warm_up + count):
            await step(number)
        gc.collect()
        after = tracemalloc.take_snapshot().filter_traces(filters)
    finally:
        tracemalloc.stop()
    return sum(one.size_diff for one in after.compare_to(before, "filename")) / count


async def test_views_with_many_keys_keep_nothing_of_each(sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url) as client:

        async def use(number: int) -> None:
            await client.with_options(api_key=f"key-{number:020d}").account.credits()

        assert await kept_by(use, 200, warm_up=120) < 100


async def test_balance_of_a_key_is_known_to_the_next_view_with_it() -> None:
    balance, lost = respond(200, {"credits": 50, "extra_credits": 0}), respond(200, b"<html>no JSON</html>")
    async with scripted(balance, lost, balance) as server, MusicAPI("k", base_url=server.base_url) as client:
        await client.with_options(api_key="other").account.credits()
        gc.collect()
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await client.with_options(api_key="other").sonic.describe(description="rain")

    assert caught.value.balance == 50
