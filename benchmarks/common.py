"""What the benchmarks share: a fake service in another process, contenders in interleaved rounds, a Markdown table.

CPU time is what counts here: it is the same whether the other core is busy or not, nearly. Wall time is shown beside
it. A ratio is taken within a round, where both contenders met the same machine; the table shows the median ratio and
the middle half of all rounds.
"""

import asyncio
import gc
import json
import os
import platform
import re
import ssl
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple, Protocol, TypeAlias

KEY: Final = "a-key-of-forty-letters-as-the-service-has"
MICROSECONDS: Final = 1e6
MOST_THREADS: Final = 64
KIB: Final = 1024
LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


def _response(status: str, body: bytes) -> bytes:
    # The headers a real response carries are parsed too, so that no contender appears cheaper than it is.
    lines = (
        f"HTTP/1.1 {status}",
        "Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Request-Id: 0f8fad5b-d9cb-469f-a165-70867728950e",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


def _clip(number: bytes) -> bytes:
    return (
        b'{"clip_id":"26c9c592-0566-46cf-bb71-91ac1deaa7b%b","state":"succeeded","title":"Harbor",'
        b'"tags":"sea shanty, calm","lyrics":"[Verse]\\nla","image_url":"https://cdn.test/image_%b.jpeg",'
        b'"audio_url":"https://cdn.test/%b.mp3","video_url":null,"created_at":"2026-07-15T13:13:02.488Z",'
        b'"mv":"sonic-v5-5","gpt_description_prompt":null,"duration":"104.88"}'
    ) % (number, number, number)


# Chosen by the first part of the request's path, so that every contender gets the same bytes under its own paths.
RESPONSES: Final[Mapping[bytes, bytes]] = {
    b"not_ready": _response("202 Accepted", b'{"type":"not_ready","message":"the task is not ready yet"}'),
    b"running": _response(
        "200 OK",
        b'{"code":200,"data":[{"clip_id":"26c9c592-0566-46cf-bb71-91ac1deaa7b5","state":"running","title":"Harbor",'
        b'"tags":"sea shanty, calm","audio_url":"https://audio.test/26c9c592"}],"message":"success"}',
    ),
    # What other services send for a running task, with the fields their SDKs cannot do without.
    b"fal": _response("202 Accepted", b'{"status":"IN_PROGRESS","logs":null,"request_id":"0f8fad5b-d9cb"}'),
    b"replicate": _response(
        "200 OK",
        b'{"id":"0f8fad5b","model":"a/b","version":"1","status":"processing","input":{"prompt":"rain"},"output":null,'
        b'"logs":null,"error":null,"metrics":{},"created_at":"2026-07-15T13:13:02.488Z","started_at":null,'
        b'"completed_at":null,"urls":{}}',
    ),
    b"account": _response("200 OK", b'{"credits":1234.5,"extra_credits":10}'),
    b"finished": _response("200 OK", b'{"code":200,"data":[%s,%s],"message":"success"}' % (_clip(b"1"), _clip(b"2"))),
}
TASK_ID: Final = b"0f8fad5b-d9cb-469f-a165-%012d"


class _Service(asyncio.Protocol):
    """Answers each request with fixed bytes, a POST with a task's id, at a fraction of what any client costs."""

    created = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        while (end := received.find(b"\r\n\r\n") + 4) > 3:  # noqa: PLR2004 - found
            head, rest = received[:end], received[end:]
            if head.startswith(b"POST"):
                length = int(found[1]) if (found := LENGTH.search(head)) else 0
                if len(rest) < length:
                    break
                rest = rest[length:]
            self._transport.write(self._answer(head))
            received = rest
            if b"\r\nConnection: close\r\n" in head:
                self._transport.close()
        self._received = received

    def _answer(self, head: bytes) -> bytes:
        if head.startswith(b"GET"):
            return RESPONSES[head.split(b"/", 2)[1]]
        _Service.created += 1
        return _response("200 OK", b'{"message":"success","task_id":"%b"}' % (TASK_ID % self.created))


def service_protocol() -> asyncio.Protocol:
    """Return the service's end of a connection."""
    return _Service()


async def serve(certificate: str = "") -> None:
    """Serve on a free port, printed on standard output, until standard input ends (so never longer than the parent).

    With the file of a certificate and its key, over TLS.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    context = server_context(certificate) if certificate else None
    server = await loop.create_server(_Service, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()


def server_context(certificate: str) -> ssl.SSLContext:
    """Return the TLS context of a server with this file's certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@contextmanager
def certificate_files() -> Iterator[tuple[str, str]]:
    """Yield the files of a certificate for 127.0.0.1 with its key, and of the authority that issued it."""
    import trustme  # noqa: PLC0415 - it takes ten megabytes

    with TemporaryDirectory() as folder:
        own, authority = Path(folder, "server.pem"), Path(folder, "authority.pem")
        issuer = trustme.CA()
        issuer.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(own)
        issuer.cert_pem.write_to_path(authority)
        yield str(own), str(authority)


@contextmanager
def fake_service(program: str = __file__, *arguments: str) -> Iterator[str]:
    """Start the service, or another program that prints its port, in a process of its own and yield its address."""
    command = [sys.executable, program, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None  # noqa: S101 - for the type checker: both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def in_a_fresh_process(program: str, *arguments: str) -> dict[str, float]:
    """Run a benchmark's own file again with these arguments, and return the figures it prints as JSON."""
    process = subprocess.run([sys.executable, program, *arguments], stdout=subprocess.PIPE, check=True, text=True)
    figures: dict[str, float] = json.loads(process.stdout)
    return figures


def resident() -> int:
    """Return the bytes of memory this process has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Contender(Protocol):
    """One way to send a request."""

    name: str
    share: float
    """Which part of a round's requests it sends: less than 1 where they are slow, to keep a run short."""

    def flood(self, requests: int, concurrency: int) -> None:
        """Send this many requests, this many at a time."""
        ...


Sender: TypeAlias = Callable[[], Awaitable[object]]


class OnALoop:
    """A contender of coroutines, on an event loop of its own that lives through all rounds."""

    def __init__(
        self,
        name: str,
        sender: AbstractAsyncContextManager[Sender],
        stack: ExitStack,
        *,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        share: float = 1.0,
    ) -> None:
        self.name = name
        self.share = share
        self._runner = stack.enter_context(asyncio.Runner(loop_factory=loop_factory))
        opened = AsyncExitStack()
        self._send = self._runner.run(opened.enter_async_context(sender))
        stack.callback(lambda: self._runner.run(opened.aclose()))

    def flood(self, requests: int, concurrency: int) -> None:
        """Send this many requests, this many at a time."""
        self._runner.run(self._flood(requests, concurrency))

    async def _flood(self, requests: int, concurrency: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(self._send_many(requests // concurrency))

    async def _send_many(self, requests: int) -> None:
        for _ in range(requests):
            await self._send()


class OnThreads:
    """A contender of blocking calls, on threads that live through all rounds."""

    def __init__(
        self,
        name: str,
        sender: AbstractContextManager[Callable[[], object]],
        stack: ExitStack,
        *,
        share: float = 1.0,
    ) -> None:
        self.name = name
        self.share = share
        self._send = stack.enter_context(sender)
        self._threads = stack.enter_context(ThreadPoolExecutor(MOST_THREADS))

    def flood(self, requests: int, concurrency: int) -> None:
        """Send this many requests, this many at a time."""
        if concurrency == 1:
            self._send_many(requests)
        else:
            list(self._threads.map(self._send_many, [requests // concurrency] * concurrency))

    def _send_many(self, requests: int) -> None:
        for _ in range(requests):
            self._send()


class Cost(NamedTuple):
    """What one request cost, in microseconds."""

    cpu: float
    wall: float


Costs: TypeAlias = Mapping[tuple[str, int], Sequence[Cost]]
"""What every turn cost, by contender and concurrency."""


def cost_of(contender: Contender, requests: int, concurrency: int) -> Cost:
    """Measure one contender's turn, after a warming-up that opens its connections."""
    contender.flood(concurrency, concurrency)
    requests = max(int(requests * contender.share), concurrency) // concurrency * concurrency
    # No contender pays for the garbage of the one before.
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    contender.flood(requests, concurrency)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(cpu / requests * MICROSECONDS, wall / requests * MICROSECONDS)


def interleaved(
    open_contenders: Callable[[ExitStack], Sequence[Contender]],
    *,
    rounds: int,
    requests: int,
    concurrencies: Sequence[int],
) -> Costs:
    """Let everybody have one turn a round, each round beginning with another one; a first round is not counted.

    Every concurrency gets contenders of its own: some clients walk through all their idle connections for each
    request, and would pay for those of a higher concurrency.
    """
    costs: dict[tuple[str, int], list[Cost]] = {}
    for concurrency in concurrencies:
        with ExitStack() as stack:
            contenders = deque(open_contenders(stack))
            # What the contenders' modules hold is no garbage: no contender's turn pays for walking through it.
            gc.freeze()
            for turn in range(rounds + 1):
                for contender in contenders:
                    cost = cost_of(contender, requests, concurrency)
                    if turn:
                        costs.setdefault((contender.name, concurrency), []).append(cost)
                contenders.rotate()
        gc.unfreeze()
    return costs


class Ratio(NamedTuple):
    """How many times as much, over all rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self:.2f}"

    def __format__(self, spec: str) -> str:
        spec = spec or ".2f"
        return f"{self.median:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


def spread(values: Sequence[float]) -> Ratio:
    """Return the median, and where the middle half lies."""
    low, median, high = statistics.quantiles(values, n=4)
    return Ratio(median, low, high)


def ratio(costs: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """Compare round by round: the median ratio, and where the middle half of them lies."""
    return spread([a / b for a, b in zip(costs, baseline, strict=True)])


def cpu_ratio(costs: Costs, name: str, baseline: str, concurrency: int) -> Ratio:
    """Compare the CPU time of two contenders at one concurrency."""
    return ratio([c.cpu for c in costs[name, concurrency]], [c.cpu for c in costs[baseline, concurrency]])


def print_costs(costs: Costs, *, baseline: str, concurrencies: Sequence[int], unit: str) -> None:
    """Print the table of ``interleaved``'s costs, cheapest in CPU first; ``unit`` holds ``{}`` for the concurrency."""
    last = concurrencies[-1]
    names = sorted({name for name, _ in costs}, key=lambda name: statistics.median(c.cpu for c in costs[name, last]))
    heads = [f"{head}, {unit.format(n)}" for n in concurrencies for head in ("CPU µs", "ratio", "wall µs")]
    rows = []
    for name in names:
        cells = [name]
        for concurrency in concurrencies:
            of_name = costs[name, concurrency]
            cells.append(f"{statistics.median(c.cpu for c in of_name):.0f}")
            cells.append(str(cpu_ratio(costs, name, baseline, concurrency)))
            cells.append(f"{statistics.median(c.wall for c in of_name):.0f}")
        rows.append(cells)
    print_table(["a request through", *heads], rows)


def verdict(what: str, found: float, target: float, *, at_least: bool = False) -> None:
    """Say whether a target was met."""
    word = "met" if (found >= target if at_least else found <= target) else "missed"
    print(f"\n{what}; the target {target:g} is {word}.")


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table: the first column is text, the others are numbers."""
    print(f"\n| {' | '.join(heads)} |")
    print(f"|---|{'---:|' * (len(heads) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def print_title(title: str) -> None:
    """Print what was measured, when, and on what."""
    system = f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} CPUs"
    print(f"\n## {title}\n\n{datetime.now(UTC):%Y-%m-%d}, {system}")


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
