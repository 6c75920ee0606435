"""A file of 10 MB over loopback to the disk: against curl and bare aiohttp; memory and the event loop with 32 at once.

Also the CPU time of `client.stream`, against bare aiohttp, from hosts that name the version of a file and that do not.

The file's host is a process of its own. The package writes in threads, syncs the file to the disk, and gives it its
name when it is whole: its peer is curl, and then fsync. The bare loops do not sync, and one of them writes in the event
loop itself. curl is taken by its own clock: the start of its process is not held against it. The longest stall is the
longest time by which a coroutine that sleeps a millisecond, again and again, was woken too late.
"""

import asyncio
import json
import os
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp
from common import (
    KEY,
    KIB,
    Ratio,
    fake_service,
    in_a_fresh_process,
    print_table,
    print_title,
    ratio,
    resident,
    spread,
    verdict,
)

from musicapi_async import MusicAPI

SIZE: Final = 10_000_000
START: Final = b"ID3\x04\x00\x00\x00\x00\x00\x00"
AT_ONCE: Final = 32
ROUNDS: Final = 15
FEW_ROUNDS: Final = 5
CHUNK: Final = 64 * KIB
STREAMED: Final = 6
"""Files of one measurement of CPU time."""
TAGGED: Final = "/tagged.mp3"
STREAM_TARGET: Final = 1.5
TARGET: Final = 1.1
STALL_TARGET: Final = 50.0
SDK: Final = "musicapi-async"
CURL: Final = "curl, by its own clock"
CURL_SYNCED: Final = "curl, by its own clock, then fsync"
BARE: Final = "bare aiohttp, 64 KiB at a time, written in the event loop"
IDLE: Final = "nothing, for a second"
THREADED: Final = "bare aiohttp, 1 MiB at a time, written in a thread"
RECEIVED: Final = "bare aiohttp"
NAMED: Final = "client.stream, from a host with ETags"
UNNAMED: Final = "client.stream, from a host without"
SYNC: Final = "of musicapi-async's, syncing 10 MB to the disk"

Fetch = Callable[[str, Path], Awaitable[object]]


class _Host(socketserver.BaseRequestHandler):
    """Answers each request of a kept connection with the file."""

    head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: %d\r\n" % SIZE
    content = START + bytes(SIZE - len(START))

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        while data := self.request.recv(CHUNK):
            received += data
            while b"\r\n\r\n" in received:
                request, _, received = received.partition(b"\r\n\r\n")
                tag = b'ETag: "1"\r\n' if TAGGED.encode() in request else b""
                self.request.sendall(self.head + tag + b"\r\n")
                self.request.sendall(self.content)


class _Hosts(socketserver.ThreadingTCPServer):
    request_queue_size = 2 * AT_ONCE
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that leaves."""


def serve() -> None:
    """Serve on a free port, printed on standard output, until standard input ends."""
    with _Hosts(("127.0.0.1", 0), _Host) as hosts:
        print(hosts.server_address[1], flush=True)
        threading.Thread(target=hosts.serve_forever, daemon=True).start()
        sys.stdin.read()
        hosts.shutdown()


def by_curl(url: str, path: Path) -> float:
    """Return curl's own time: that its process has to be started is not held against it."""
    command = ["curl", "--silent", "--write-out", "%{time_total}", "--output", str(path), url]
    process = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return float(process.stdout)


def written_in_the_loop(session: aiohttp.ClientSession) -> Fetch:
    async def fetch(url: str, path: Path) -> None:
        async with session.get(url) as response:
            with path.open("wb") as file:
                async for chunk in response.content.iter_chunked(CHUNK):
                    file.write(chunk)

    return fetch


def written_in_a_thread(session: aiohttp.ClientSession) -> Fetch:
    async def fetch(url: str, path: Path) -> None:
        async with session.get(url) as response:
            with path.open("wb") as file:
                batch = bytearray()
                async for chunk in response.content.iter_any():
                    batch += chunk
                    if len(batch) >= KIB**2:
                        await asyncio.to_thread(file.write, bytes(batch))
                        batch.clear()
                await asyncio.to_thread(file.write, batch)

    return fetch


def sync_alone(path: Path) -> float:
    """Return the seconds that syncing the file to the disk takes once it is written."""
    with path.open("wb") as file:
        file.write(_Host.content)
        file.flush()
        began = time.perf_counter()
        os.fsync(file.fileno())
        return time.perf_counter() - began


def by_curl_synced(url: str, path: Path) -> float:
    """Return curl's own time and that of syncing the file to the disk: what the package promises."""
    taken = by_curl(url, path)
    began = time.perf_counter()
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return taken + time.perf_counter() - began


async def seconds_of(fetch: Any, url: str, path: Path) -> float:
    """Return the seconds a file takes."""
    began = time.perf_counter()
    if fetch in {by_curl, by_curl_synced}:
        taken = await asyncio.to_thread(fetch, url, path)
    else:
        await fetch(url, path)
        taken = time.perf_counter() - began
    os.unlink(path)  # noqa: PTH108 - or the next would be slower: it would overwrite
    return taken


async def one_by_one(url: str, path: Path) -> None:
    """Fetch the file by each way in turns: seconds for each."""
    found: dict[str, list[float]] = {}
    async with MusicAPI(KEY, base_url=url) as client, aiohttp.ClientSession() as session:
        ways: deque[tuple[str, Any]] = deque(
            [
                (SDK, client.download),
                (CURL, by_curl),
                (CURL_SYNCED, by_curl_synced),
                (BARE, written_in_the_loop(session)),
                (THREADED, written_in_a_thread(session)),
            ]
        )
        for turn in range(ROUNDS + 1):
            for name, fetch in ways:
                taken = await seconds_of(fetch, f"{url}/song.mp3", path)
                if turn:
                    found.setdefault(name, []).append(taken)
            ways.rotate()
            found.setdefault(SYNC, []).append(sync_alone(path))
    print_title(f"A file of {SIZE / 1e6:.0f} MB over loopback")
    rows: list[Sequence[str]] = []
    for name, seconds in sorted(found.items(), key=lambda item: median(item[1])):
        is_whole = name != SYNC
        rows.append(
            [
                name,
                f"{spread([each * 1000 for each in seconds]):.1f}",
                f"{SIZE / 1e6 / median(seconds):.0f}" if is_whole else "",
                str(ratio(found[CURL_SYNCED], seconds)) if is_whole else "",
            ]
        )
    print_table(["by", "ms", "MB/s", "rate, of curl's with fsync"], rows)
    rate = ratio(found[CURL_SYNCED], found[SDK])
    verdict(f"{SDK} has {rate} times the rate of {CURL_SYNCED}", rate.median, TARGET, at_least=True)


async def streamed(url: str) -> None:
    """Stream the file by each way in turns: CPU milliseconds for each."""
    found: dict[str, list[float]] = {}
    async with MusicAPI(KEY, base_url=url) as client, aiohttp.ClientSession() as session:

        async def bare(address: str) -> None:
            async with session.get(address) as response:
                async for _ in response.content.iter_any():
                    pass

        async def stream(address: str) -> None:
            async for _ in client.stream(address):
                pass

        ways = deque([(RECEIVED, bare, "/song.mp3"), (NAMED, stream, TAGGED), (UNNAMED, stream, "/song.mp3")])
        for turn in range(ROUNDS + 1):
            for name, receive, path in ways:
                began = time.process_time()
                for _ in range(STREAMED):
                    await receive(url + path)
                if turn:
                    found.setdefault(name, []).append((time.process_time() - began) * 1000)
            ways.rotate()
    print_title(f"{STREAMED} such files to memory, chunk by chunk")
    rows = [[name, f"{spread(cpu):.1f}", str(ratio(cpu, found[RECEIVED]))] for name, cpu in found.items()]
    print_table(["by", "CPU ms", "ratio"], rows)
    cost = ratio(found[NAMED], found[RECEIVED])
    verdict(f"{NAMED} takes {cost} times the CPU of {RECEIVED}", cost.median, STREAM_TARGET)


async def at_once(way: str, url: str, folder: Path) -> dict[str, float]:
    """Fetch 32 files at once, and print the growth of the process at most and the longest stall."""
    async with AsyncExitStack() as stack:
        if way == SDK:
            client = await stack.enter_async_context(MusicAPI(KEY, base_url=url))
            fetch: Fetch = client.download
        elif way == IDLE:
            fetch = _idle
        else:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            fetch = written_in_the_loop(session) if way == BARE else written_in_a_thread(session)
        await fetch(f"{url}/song.mp3", folder / "first.mp3")
        sizes, stalls, before = [resident()], [0.0], resident()
        watching = asyncio.create_task(_watch(sizes, stalls))
        began = time.perf_counter()
        await asyncio.gather(*(fetch(f"{url}/song.mp3", folder / f"{number}.mp3") for number in range(AT_ONCE)))
        taken = time.perf_counter() - began
        watching.cancel()
    return {
        "rate": 0.0 if way == IDLE else AT_ONCE * SIZE / 1e6 / taken,
        "grown": (max(sizes) - before) / KIB**2,
        "stall": max(stalls) * 1000,
    }


async def _idle(_: str, __: Path) -> None:
    await asyncio.sleep(1)


async def _watch(sizes: list[int], stalls: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        stalls.append(time.perf_counter() - began - 0.001)
        sizes.append(resident())


def many_at_once(url: str, folder: Path) -> None:
    found: dict[str, list[dict[str, float]]] = {SDK: [], BARE: [], THREADED: [], IDLE: []}
    for _ in range(FEW_ROUNDS):
        for way, figures in found.items():
            figures.append(in_a_fresh_process(__file__, way, url, str(folder)))
    print_title(f"{AT_ONCE} such files at once, in a fresh process")
    rows = [
        [way, *(f"{_of(figures, name):.1f}" for name in ("rate", "grown", "stall"))] for way, figures in found.items()
    ]
    print_table(["by", "MB/s in all", "MiB grown at most", "longest stall, ms"], rows)
    stall = _of(found[SDK], "stall")
    verdict(f"{SDK} stalls the event loop for {stall:.0f} ms at most", stall.median, STALL_TARGET)


def _of(figures: list[dict[str, float]], name: str) -> Ratio:
    return spread([each[name] for each in figures])


def main() -> None:
    if sys.argv[1:] == ["serve"]:
        serve()
    elif len(sys.argv) > 1:
        _, way, url, folder = sys.argv
        print(json.dumps(asyncio.run(at_once(way, url, Path(folder)))))
    else:
        with tempfile.TemporaryDirectory() as folder, fake_service(__file__, "serve") as url:
            asyncio.run(one_by_one(url, Path(folder) / "song.mp3"))
            asyncio.run(streamed(url))
            many_at_once(url, Path(folder))


if __name__ == "__main__":
    main()
