"""A server that plays a script and counts what it received: the truth about what was sent.

Each whole request takes the next step of the script (the last one for ever). A step is what is done with the
connection: ``respond(...)``, ``raw(...)``, ``cut()``, ``stall()``, ``trickle(...)``, ``endless(...)``,
``close_when(...)``, ``Held(...)``. ``hang_up(...)`` does not wait for a whole request: a connection that is accepted
while it is next takes it.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

__all__ = [
    "HangUp",
    "Held",
    "Received",
    "Scripted",
    "Step",
    "close_when",
    "cut",
    "endless",
    "half_head",
    "hang_up",
    "raw",
    "respond",
    "scripted",
    "stall",
    "trickle",
]

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


@attrs.frozen
class HangUp:
    """Read at most so many bytes of whatever comes, then reset the connection (or close it, having read nothing)."""

    after: int

    async def __call__(self, writer: asyncio.StreamWriter) -> bool:
        """Cut a connection that was kept alive until now, and has sent a whole request."""
        writer.transport.abort()
        return False


@attrs.frozen
class Held:
    """Hold a request that has arrived, until the test releases it to another step."""

    step: Step
    arrived: asyncio.Event = attrs.field(factory=asyncio.Event)
    released: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def __call__(self, writer: asyncio.StreamWriter) -> bool:
        """Wait to be released, and take the step."""
        self.arrived.set()
        await self.released.wait()
        return await self.step(writer)

    async def cancel(self, call: Coroutine[Any, Any, object]) -> asyncio.CancelledError:
        """Cancel a call while its request is held, release the request, and return the error that ended the call."""
        calling = asyncio.create_task(call)
        await self.arrived.wait()
        calling.cancel()
        self.released.set()
        with pytest.raises(asyncio.CancelledError) as caught:
            await calling
        return caught.value


@attrs.define
class Scripted:
    """The script of the server and what it received."""

    steps: list[Step]
    received: list[Received] = attrs.field(factory=list)
    begun: list[bytes] = attrs.field(factory=list)
    """What was read of requests that were not read to their end."""
    connections: int = 0
    closed: int = 0
    writers: list[asyncio.StreamWriter] = attrs.field(factory=list)
    """The connections, in the order in which they were accepted."""
    port: int = 0
    host: str = "127.0.0.1"
    scheme: str = "http"
    tls: ssl.SSLContext | None = None
    server: asyncio.Server | None = None
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None

    async def listen(self) -> None:
        """Accept connections, after ``refuse`` on the same port."""
        assert self.serve is not None
        self.server = await asyncio.start_server(self.serve, self.host, self.port, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse new connections; those that are open stay."""
        assert self.server is not None
        self.server.close()

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/api/v1"

    def next_step(self) -> Step:
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]


def respond(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> Step:
    """Answer with JSON (or with bytes as they are) and keep the connection open."""
    return raw(_message(status, body, headers), close=False)


def raw(content: bytes, *, close: bool = True) -> Step:
    """Send these bytes."""

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.write(content)
        await writer.drain()
        return not close

    return step


def half_head(*, close: bool = True) -> Step:
    """Send half a header, and then nothing or the end."""
    return raw(b"HTTP/1.1 200 OK\r\nContent-Le", close=close)


def trickle(start: bytes, more: bytes, every: float) -> Step:
    """Send a start, and then a little more again and again, so many seconds apart."""

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.write(start)
        while True:
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(every)

    return step


def endless(start: bytes, more: bytes) -> Step:
    """Send a start, and then more for as long as anybody reads it."""

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.write(start)
        while True:
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0)

    return step


def close_when(idle: asyncio.Event, status: int, body: object = None) -> Step:
    """Answer as if the connection were kept alive, and close it when it has been idle for long enough."""

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.write(_message(status, body, None))
        await writer.drain()
        await idle.wait()
        return False

    return step


def cut() -> Step:
    """Cut the connection without an answer."""

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.transport.abort()
        return False

    return step


def hang_up(after: int = 0) -> Step:
    """Close a new connection before anything is read, or reset it after so many bytes of the request."""
    return HangUp(after)


def stall() -> Step:
    """Never answer."""

    async def step(_: asyncio.StreamWriter) -> bool:
        await asyncio.Event().wait()
        return False

    return step


@asynccontextmanager
async def scripted(
    *steps: Step, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Scripted]:
    """Serve a script on a port of loopback (``::1`` for IPv6), by default a free one; with TLS by a context."""
    script = Scripted(list(steps), host=host, port=port, scheme="http" if tls is None else "https", tls=tls)
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
            script.closed += 1

    script.serve = connected
    await script.listen()
    try:
        yield script
    finally:
        script.refuse()
        for handler in list(handlers):
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


async def _converse(script: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    script.connections += 1
    script.writers.append(writer)
    connection = script.connections
    if isinstance(script.steps[0], HangUp):
        await _hang_up(script, reader, writer)
        return
    is_open = True
    while is_open:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        script.received.append(Received(method, path, headers, body, connection))
        is_open = await script.next_step()(writer)


async def _hang_up(script: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    step = script.next_step()
    assert isinstance(step, HangUp)
    if step.after:
        script.begun.append(await reader.readexactly(step.after))
        writer.transport.abort()


def _message(status: int, body: object, headers: Mapping[str, str] | None) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(content)}",
        *(f"{k}: {v}" for k, v in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
