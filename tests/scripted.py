"""A server that plays a script and counts what it received: the truth about what was sent.

Each whole request takes the next step of the script (the last one for ever). A step is what is done with the
connection: ``reply(...)``, ``raw(...)``, ``cut()``, ``stall()``.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import attrs

__all__ = ["Received", "Scripted", "cut", "raw", "reply", "scripted", "stall"]

Step = Callable[[asyncio.StreamWriter], Awaitable[bool]]
"""Answers one request; returns whether the connection stays open."""


@attrs.frozen
class Received:
    """One request, read to its end."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


@attrs.define
class Scripted:
    """What the server was told and what it saw."""

    steps: list[Step]
    received: list[Received] = attrs.field(factory=list)
    connections: int = 0
    port: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    def next_step(self) -> Step:
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]


def reply(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> Step:
    """Answer with JSON (or with bytes as they are) and keep the connection open."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(content)}",
        *(f"{k}: {v}" for k, v in (headers or {}).items()),
    ]
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + content, close=False)


def raw(content: bytes, *, close: bool = True) -> Step:
    """Send these bytes."""

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.write(content)
        await writer.drain()
        return not close

    return step


def cut() -> Step:
    """Cut the connection without an answer."""

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.transport.abort()
        return False

    return step


def stall() -> Step:
    """Never answer."""

    async def step(_: asyncio.StreamWriter) -> bool:
        await asyncio.Event().wait()
        return False

    return step


@asynccontextmanager
async def scripted(*steps: Step) -> AsyncIterator[Scripted]:
    """Serve a script on a free port of loopback."""
    script = Scripted(list(steps))
    handlers: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            await _converse(script, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            handlers.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
        for handler in list(handlers):
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


async def _converse(script: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    script.connections += 1
    connection = script.connections
    is_open = True
    while is_open:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        script.received.append(Received(method, path, headers, body, connection))
        is_open = await script.next_step()(writer)
