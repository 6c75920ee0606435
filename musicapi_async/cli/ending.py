"""How what a command has opened is put in order: to the end, whatever comes meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from musicapi_async._transport import shielding

__all__ = ["in_order", "outlast"]

T = TypeVar("T")


@asynccontextmanager
async def in_order(opening: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Enter a context, and leave it to its end: a second signal must not replace what is to be told of the first."""
    opened = await opening.__aenter__()
    try:
        yield opened
    finally:
        await outlast(opening.__aexit__(None, None, None))


async def outlast(ending: Awaitable[object]) -> None:
    """Wait for an end that comes soon, however often the waiting is cancelled; raises what it raises."""
    task = asyncio.ensure_future(ending)
    await shielding.outlast(task)
    await task
