"""How long a submission takes over a link with a round trip of 50 ms and TLS, from its turn to its response.

The link is a proxy on loopback that passes on what comes 25 ms later, either way. The kernel answers a connection to a
loopback address at once, so that the proxy passes nothing on before another 50 ms: the round trip of TCP. The client
has a ``create_rate``, as the service documents one: each turn is known, and its connection made before it.
"""

import asyncio
import ssl
import statistics
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from common import (
    KEY,
    certificate_files,
    fake_service,
    print_table,
    print_title,
    server_context,
    service_protocol,
    verdict,
)

from musicapi_async import MusicAPI, sonic

ROUND_TRIP: Final = 0.05
SUBMISSIONS: Final = 20
RATE: Final = 3.0
"""Submissions a second."""
TARGET: Final = 1.4
"""Round trips of the link, at most: one, and what both ends compute."""
SDK: Final = "musicapi-async, create_rate"
MILLISECONDS: Final = 1000
REQUEST: Final = sonic.Create(lyrics="[Verse] la", title="Harbor", tags="sea shanty")


class Link(asyncio.Protocol):
    """One end of a connection through the proxy: passes what it receives to the other end, later."""

    def __init__(self, ready_at: float, other: "Link | None" = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.other = other
        self._ready_at = ready_at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, which is that of a socket."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on."""
        self._later(lambda to: to.write(data))

    def connection_lost(self, _: Exception | None) -> None:
        """Close the other end."""
        self._later(lambda to: to.close())

    def _later(self, action: Callable[[asyncio.Transport], None]) -> None:
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self._ready_at) + ROUND_TRIP / 2
        loop.call_at(at, lambda: self.other and self.other.transport and action(self.other.transport))


async def serve(certificate: str) -> None:
    """Serve over TLS, and a proxy with a round trip, whose port is printed, until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(service_protocol, "127.0.0.1", 0, ssl=server_context(certificate))
    port = server.sockets[0].getsockname()[1]

    def accept() -> Link:
        near = Link(loop.time() + ROUND_TRIP)
        near.other = Link(0.0, near)
        connecting = loop.create_task(loop.create_connection(lambda: near.other or near, "127.0.0.1", port))
        CONNECTING.add(connecting)
        return near

    proxy = await loop.create_server(accept, "127.0.0.1", 0)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    print(proxy.sockets[0].getsockname()[1], flush=True)
    await ended.wait()


CONNECTING: Final[set[asyncio.Task[object]]] = set()


async def milliseconds_of_the_sdk(url: str, trusting: ssl.SSLContext) -> list[float]:
    loop, taken = asyncio.get_running_loop(), []
    async with MusicAPI(KEY, base_url=f"{url}/musicapi", ssl_context=trusting, create_rate=RATE) as client:
        for _ in range(SUBMISSIONS):
            began = loop.time()
            # The first has its turn at once, and the second a known time later.
            first, second = (asyncio.create_task(client.submit(REQUEST)) for _ in range(2))
            await second
            taken.append((loop.time() - began - 1 / RATE) * MILLISECONDS)
            await first
            await asyncio.sleep(1 / RATE)
    return taken


@asynccontextmanager
async def bare(trusting: ssl.SSLContext, *, fresh: bool) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=trusting, force_close=fresh)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def milliseconds_of_aiohttp(url: str, trusting: ssl.SSLContext, *, fresh: bool) -> list[float]:
    loop, taken = asyncio.get_running_loop(), []
    async with bare(trusting, fresh=fresh) as session:
        for _ in range(SUBMISSIONS):
            began = loop.time()
            async with session.post(f"{url}/musicapi/sonic/create", json=REQUEST.to_wire()) as response:
                await response.json()
            taken.append((loop.time() - began) * MILLISECONDS)
    return taken


async def measure(url: str, trusting: ssl.SSLContext) -> dict[str, list[float]]:
    """Return the milliseconds of each submission but the first, in which modules and names are looked up."""
    found = {
        SDK: await milliseconds_of_the_sdk(url, trusting),
        "bare aiohttp, a fresh connection each": await milliseconds_of_aiohttp(url, trusting, fresh=True),
        "bare aiohttp, one kept connection": await milliseconds_of_aiohttp(url, trusting, fresh=False),
    }
    return {name: taken[1:] for name, taken in found.items()}


def main() -> None:
    with certificate_files() as (certificate, authority), fake_service(__file__, certificate) as url:
        trusting = ssl.create_default_context(cafile=authority)
        found = asyncio.run(measure(url.replace("http:", "https:"), trusting))
    print_title("A submission over a link of 50 ms")
    rows = [
        [name, f"{statistics.median(taken):.0f}", f"{max(taken):.0f}", f"{_round_trips(taken):.1f}"]
        for name, taken in found.items()
    ]
    print_table(["a submission over TLS through", "ms, median", "ms, at most", "round trips"], rows)
    trips = _round_trips(found[SDK])
    verdict(f"{SDK} takes {trips:.2f} times the round trip of the link", trips, TARGET)


def _round_trips(taken: list[float]) -> float:
    return statistics.median(taken) / MILLISECONDS / ROUND_TRIP


if __name__ == "__main__":
    if sys.argv[1:]:
        asyncio.run(serve(sys.argv[1]))
    else:
        main()
