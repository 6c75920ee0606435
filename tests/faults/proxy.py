"""A proxy over real sockets that plays faults between any client and a server: a network that fails often."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

import attrs
from faults.fault_plan import Fault, FaultPlan

__all__ = ["FaultProxy"]

HOST: Final = "127.0.0.1"
END: Final = b"\r\n\r\n"
RESET_AT_ONCE: Final = struct.pack("ii", 1, 0)
TROUBLE: Final = ("500 Internal Server Error", "502 Bad Gateway", "504 Gateway Timeout")
GARBAGE: Final = b"\x16\x03\x01 what is this\r\n\r\n"
MOST_TORN: Final = 300
"""Bytes of a request that may be read before it is torn."""
GRACE: Final = 10.0
"""Seconds for requests in flight to end."""


def _whole(status: str, body: bytes, lines: Sequence[str]) -> bytes:
    head = (f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *lines)
    return "\r\n".join(head).encode() + END + body


LIMITED: Final = b'{"error": "too many requests"}'
TROUBLED: Final = b'{"error": "upstream trouble"}'
MADE_UP: Final[Mapping[Fault, tuple[Sequence[str], bytes, Sequence[str]]]] = {
    Fault.ERROR_BEFORE: (TROUBLE, TROUBLED, ()),
    Fault.ERROR_AFTER: (TROUBLE, TROUBLED, ()),
    Fault.BUSY: (["503 Service Unavailable"], b'{"error": "The server is busy."}', ()),
    Fault.LIMITED: (["429 Too Many Requests"], LIMITED, ()),
    Fault.LIMITED_AT_ONCE: (["429 Too Many Requests"], LIMITED, ["Retry-After: 0"]),
    Fault.HTML_AFTER: (["200 OK"], b"<html>welcome</html>", ()),
    Fault.NAMELESS_AFTER: (["200 OK"], b'{"message": "success"}', ()),
}
"""Responses that do not come from the server: one of several statuses, a body, further headers."""


@attrs.define(eq=False)
class FaultProxy:
    """Listens at ``port`` and passes requests on to the ``server`` port, with the faults that the ``plan`` draws."""

    server: int
    plan: FaultPlan
    port: int = 0
    requests: int = 0
    """Whole requests that were read."""
    _listening: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = attrs.field(factory=set)

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hang_up()
        for handler in tuple(self._open):
            handler.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}/api/v1"

    @property
    def connections(self) -> int:
        """Connections that are open, or carry what is still on its way to the server."""
        return len(self._open)

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Refuse new connections meanwhile, as the system does for a port without a listener."""
        self._hang_up()
        try:
            yield
        finally:
            await self._listen()

    async def drained(self) -> None:
        """Return when no connection is left; raises TimeoutError when clients keep some open."""
        async with asyncio.timeout(GRACE):
            while self._open:
                await asyncio.sleep(0.005)

    async def _listen(self) -> None:
        self._listening = await asyncio.start_server(self._connected, HOST, self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    def _hang_up(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.current_task()
        assert handler is not None
        self._open.add(handler)
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away
        except asyncio.CancelledError:
            pass  # the proxy is closed
        finally:
            self._open.discard(handler)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault, draw = self.plan.of_connection()
        if fault is not None:
            if fault is Fault.TORN:
                await reader.read(draw.randint(1, MOST_TORN))
            _reset(writer)
            return
        is_open = True
        while is_open:
            head = await reader.readuntil(END)
            body = await reader.readexactly(_length(head))
            self.requests += 1
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            fault, draw = self.plan.of_request(method, path, body)
            response = await self._pass_on(head + body) if fault is None or fault.is_served else b""
            is_open = await _play(fault, draw, response, reader, writer) and b"connection: close" not in head.lower()

    async def _pass_on(self, request: bytes) -> bytes:
        """Have a request served, even if its sender goes away."""
        reader, writer = await asyncio.open_connection(HOST, self.server)
        try:
            writer.write(request)
            head = await reader.readuntil(END)
            return head + await reader.readexactly(_length(head))
        finally:
            writer.close()


async def _play(
    fault: Fault | None,
    draw: random.Random,
    response: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    """Answer, or fail to; returns whether the connection stays open."""
    made_up = None if fault is None else MADE_UP.get(fault)
    match fault:
        case _ if made_up is not None:
            statuses, body, lines = made_up
            writer.write(_whole(draw.choice(statuses), body, lines))
        case Fault.CUT_BEFORE | Fault.CUT_AFTER:
            _reset(writer)
        case Fault.STALLED_BEFORE | Fault.STALLED_AFTER:
            await reader.read()  # until the client has had enough
        case Fault.HALF_HEAD_AFTER:
            writer.write(response[: draw.randrange(1, response.index(END))])
        case Fault.HALF_BODY_AFTER | Fault.STALLED_HALF_AFTER:
            writer.write(response[: draw.randrange(response.index(END) + len(END), len(response))])
            if fault is Fault.STALLED_HALF_AFTER:
                await reader.read()
        case Fault.GARBAGE_AFTER:
            writer.write(GARBAGE)
        case Fault.DRIPPED_AFTER:
            await _drip(response, writer)
        case _:
            writer.write(response)
    if writer.is_closing():
        return False
    await writer.drain()
    return made_up is not None or fault in {None, Fault.DRIPPED_AFTER}


async def _drip(response: bytes, writer: asyncio.StreamWriter) -> None:
    part = max(1, len(response) // 20)
    for start in range(0, len(response), part):
        if writer.is_closing():
            return
        writer.write(response[start : start + part])
        await writer.drain()
        await asyncio.sleep(0.001)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection the hard way: what the other side has not read yet is lost."""
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
    writer.transport.abort()
