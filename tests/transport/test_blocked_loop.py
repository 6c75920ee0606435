"""A blocked event loop or a stopped process beyond its timeouts uses the responses that arrived meanwhile."""

import asyncio
import json
import signal
import socket
import ssl
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs
import pytest
import trustme

from musicapi_async import MusicAPI, errors, sonic

REQUEST = sonic.Describe(description="rain")
DONE = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
STILL = 1.0


@attrs.define
class Peer:
    """A server in threads of its own, which works on while the event loop of the test stands still."""

    base_url: str = ""
    received: list[bytes] = attrs.field(factory=list)
    has_answered: threading.Event = attrs.field(factory=threading.Event)
    open: int = 0

    async def left(self) -> None:
        """Return when every connection is closed; over TLS both sides have to say so."""
        while self.open:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)


def parts_of(body: object, padding: int = 0) -> list[bytes]:
    content = json.dumps(body).encode() + b" " * padding
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
    return [head[:20], head[20:], content[:10], content[10:]]


@contextmanager
def peer(*answers: list[bytes], tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """Answer one request after the other, each in its parts; the last answer for ever."""
    peer, left = Peer(), list(answers)
    listening = socket.create_server(("127.0.0.1", 0))
    peer.base_url = f"http{'s' if tls else ''}://127.0.0.1:{listening.getsockname()[1]}/api/v1"

    def converse(connection: socket.socket) -> None:
        with connection if tls is None else tls.wrap_socket(connection, server_side=True) as wire:
            came = b""
            while part := wire.recv(65536):
                came += part
                head, end, body = came.partition(b"\r\n\r\n")
                length = next(
                    (int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), 0
                )
                if not end or len(body) < length:
                    continue
                came = b""
                peer.received.append(head.partition(b"\r\n")[0])
                for piece in left.pop(0) if len(left) > 1 else left[0]:
                    wire.sendall(piece)
                    time.sleep(0.02)
                peer.has_answered.set()

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            peer.open += 1
            threading.Thread(target=quietly, args=(connection,), daemon=True).start()

    def quietly(connection: socket.socket) -> None:
        try:
            converse(connection)
        except OSError:
            pass  # the client went away
        finally:
            peer.open -= 1

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield peer
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def stand_still(seconds: float = STILL) -> None:
    """Block the event loop, as an application may."""
    time.sleep(seconds)


async def stand_still_when(happened: Callable[[], object], seconds: float = STILL) -> None:
    while not happened():
        await asyncio.sleep(0)
    stand_still(seconds)


@pytest.mark.parametrize("limits", [{"timeout": 0.3}, {"read_timeout": 0.3}], ids=["timeout", "read_timeout"])
@pytest.mark.parametrize("padding", [0, 300_000], ids=["small", "large"])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_submit_answered_while_the_loop_is_blocked_returns_the_task(
    limits: dict[str, float],
    padding: int,
    is_tls: bool,  # noqa: FBT001
) -> None:
    authority = trustme.CA()
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    with peer(parts_of({"task_id": "t-1"}, padding), tls=server_side if is_tls else None) as server:
        context = client_side if is_tls else None
        async with MusicAPI("k", base_url=server.base_url, ssl_context=context, **limits) as client:  # type: ignore[arg-type]  # numbers by name
            submitting = asyncio.create_task(client.submit(REQUEST))
            await stand_still_when(lambda: server.received)

            assert (await submitting).id == "t-1"
        await server.left()
    assert len(server.received) == 1


@pytest.mark.parametrize("limits", [{"timeout": 0.3}, {"read_timeout": 0.3}], ids=["timeout", "read_timeout"])
async def test_submit_not_answered_while_the_loop_is_blocked_is_uncertain(limits: dict[str, float]) -> None:
    with peer([]) as server:
        async with MusicAPI("k", base_url=server.base_url, **limits) as client:  # type: ignore[arg-type]  # numbers by name
            submitting = asyncio.create_task(client.submit(REQUEST))
            await stand_still_when(lambda: server.received)
            began = time.monotonic()

            with pytest.raises(errors.UncertainSubmissionError, match="no response in time"):
                await submitting
            assert time.monotonic() - began < 5


async def test_submit_whose_connection_is_made_while_the_loop_is_blocked_is_sent() -> None:
    with peer(parts_of({"task_id": "t-1"})) as server:
        for turns in range(12):
            server.received.clear()
            async with MusicAPI("k", base_url=server.base_url, connect_timeout=0.1, max_attempts=1) as client:
                submitting = asyncio.create_task(client.submit(REQUEST))
                for _ in range(turns):
                    await asyncio.sleep(0)
                stand_still(0.15)

                assert (await submitting).id == "t-1"
            assert len(server.received) == 1


async def test_poll_answered_while_the_loop_is_blocked_returns_the_state() -> None:
    with peer(parts_of({"data": [DONE, DONE]})) as server:
        async with MusicAPI("k", base_url=server.base_url, timeout=0.3, max_attempts=1) as client:
            polling = asyncio.create_task(client.sonic.task("t-1").poll())
            await stand_still_when(lambda: server.received)

            assert (await polling).status == "finished"
    assert len(server.received) == 1


async def test_wait_whose_deadline_passes_while_the_loop_is_blocked_uses_the_response_that_arrived() -> None:
    with peer(parts_of({"data": [DONE, DONE]})) as server:
        async with MusicAPI("k", base_url=server.base_url, timeout=0.3) as client:
            waiting = asyncio.create_task(client.sonic.task("t-1").wait(timeout=0.5))
            # Longer than a wait is held for the response to its last poll.
            await stand_still_when(lambda: server.received, 3.0)

            assert len(await waiting) == 2
    assert len(server.received) == 1


async def test_wait_whose_deadline_passes_between_two_polls_polls_once_more() -> None:
    running = parts_of({"data": [{"clip_id": "c", "state": "running"}]})
    with peer(running, parts_of({"data": [DONE, DONE]})) as server:
        async with MusicAPI("k", base_url=server.base_url, poll_interval=2.5) as client:
            waiting = asyncio.create_task(client.sonic.task("t-1").wait(timeout=2.2))
            await asyncio.to_thread(server.has_answered.wait)
            await asyncio.sleep(0.1)
            stand_still(2.7)

            assert len(await waiting) == 2
    assert len(server.received) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="it stops a process by a signal")
@pytest.mark.parametrize("limit", ["timeout", "read_timeout"])
async def test_submit_answered_while_the_process_is_stopped_returns_the_task(limit: str) -> None:
    script = """
        import asyncio, sys
        from musicapi_async import MusicAPI

        async def main():
            async with MusicAPI("k", base_url=sys.argv[1], **{sys.argv[2]: 1.0}) as client:
                print((await client.sonic.describe(description="rain")).id, flush=True)

        asyncio.run(main())
    """
    released = threading.Event()

    class Held(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            released.wait()
            return iter(parts_of({"task_id": "t-1"}))

    with peer(Held()) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", textwrap.dedent(script), server.base_url, limit, stdout=asyncio.subprocess.PIPE
        )
        while not server.received:
            await asyncio.sleep(0.001)
        process.send_signal(signal.SIGSTOP)
        released.set()
        await asyncio.sleep(1.3)
        process.send_signal(signal.SIGCONT)
        said, _ = await process.communicate()

    assert (process.returncode, said) == (0, b"t-1\n")
