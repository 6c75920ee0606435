"""Servers that receive the sandbox's events, and requests that name them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import web
from signing import SECRET

from musicapi_async import TaskRequest, sonic
from musicapi_async.sandbox import Delivery, Sandbox

__all__ = ["Arrival", "Receiver", "attempts", "describe", "hook_server", "receiving"]


@attrs.frozen
class Arrival:
    """A request that the receiver got."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return self.headers["X-Webhook-Event"]

    @property
    def id(self) -> str:
        return self.headers["X-Webhook-Id"]


@attrs.define
class Receiver:
    """A server that keeps what it gets, and answers with one status after the other, the last one for ever."""

    url: str = ""
    statuses: list[int] = attrs.field(factory=lambda: [200])
    arrived: asyncio.Queue[Arrival] = attrs.field(factory=asyncio.Queue)
    begun: asyncio.Event = attrs.field(factory=asyncio.Event)
    waits_for: asyncio.Event | None = None

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.begun.set()
        if self.waits_for is not None:
            await self.waits_for.wait()
        self.arrived.put_nowait(Arrival(request.headers.copy(), body))
        return web.Response(status=self.statuses[0] if len(self.statuses) == 1 else self.statuses.pop(0))

    async def take(self, count: int) -> Sequence[Arrival]:
        return [await asyncio.wait_for(self.arrived.get(), 10) for _ in range(count)]

    async def take_types(self, count: int) -> Sequence[str]:
        return [arrival.type for arrival in await self.take(count)]


@asynccontextmanager
async def hook_server(
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]], path: str = "/hooks"
) -> AsyncIterator[str]:
    """Pass events to a handler, and yield the URL to send them to."""
    app = web.Application()
    app.router.add_post(path, handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with hook_server(receiver.handle, "/hooks/musicapi") as receiver.url:
        yield receiver


def describe(receiver: Receiver, **fields: Any) -> TaskRequest[Any]:
    return sonic.Describe(**{"description": "rain", "webhook_url": receiver.url, "webhook_secret": SECRET, **fields})


async def attempts(sandbox: Sandbox, count: int) -> Sequence[Delivery]:
    """Wait until so many attempts have ended: the sandbox notes them after the receiver has answered."""
    async with asyncio.timeout(10):
        while len(sandbox.deliveries) < count:
            await asyncio.sleep(0.001)
    return sandbox.deliveries
