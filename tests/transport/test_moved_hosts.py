"""Hosts that move: after a failed connection the name is resolved again, without the cache."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from scripted import respond, scripted

from musicapi_async import MusicAPI, errors, sonic

HOST = "api.moving.example"
BALANCE = respond(200, {"credits": 50})
ACCEPTED = respond(200, {"message": "success", "task_id": "t-1"})
REQUEST = sonic.Describe(description="rain")


@attrs.define
class Names:
    """The addresses that the system's resolver returns for the host, and the number of lookups."""

    address: str = "127.0.0.1"
    then: str | None = None
    """Its address from the second time on."""
    asked: int = 0


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names, real = Names(), socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        if host != HOST:
            return real(host, port, *args, **more)
        names.asked += 1
        address = names.address if names.then is None or names.asked == 1 else names.then
        return real(address, port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Listen at 127.0.0.2 without ever accepting, the queue full: connecting there takes for ever."""
    with socket.create_server(("127.0.0.2", 0), backlog=0) as server:
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for one in waiting:
            one.close()


async def test_calls_after_a_refused_connection_look_the_name_up_again(names: Names) -> None:
    async with scripted(BALANCE, ACCEPTED) as server:
        async with MusicAPI("k", base_url=f"http://{HOST}:{server.port}", max_attempts=1) as client:
            names.address = "127.0.0.2"
            for call in (client.account.credits, lambda: client.submit(REQUEST)):
                with pytest.raises(errors.ConnectionFailedError):
                    await call()
            names.address = "127.0.0.1"

            assert (await client.account.credits()).credits == 50
            assert (await client.submit(REQUEST)).id == "t-1"
        assert len(server.received) == 2


async def test_submit_finds_a_host_that_moves_between_two_attempts(names: Names) -> None:
    async with scripted(ACCEPTED) as server:
        names.address, names.then = "127.0.0.2", "127.0.0.1"
        async with MusicAPI("k", base_url=f"http://{HOST}:{server.port}") as client:
            task = await client.submit(REQUEST)

        assert (task.id, names.asked, len(server.received)) == ("t-1", 2, 1)


async def test_wait_finds_a_host_that_moves(names: Names) -> None:
    done = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
    async with scripted(respond(200, {"data": [done, done]})) as server:
        names.address, names.then = "127.0.0.2", "127.0.0.1"
        async with MusicAPI("k", base_url=f"http://{HOST}:{server.port}", poll_interval=0.01) as client:
            assert len(await client.sonic.task("t-1").wait(timeout=5)) == 2


async def test_call_after_a_connection_that_timed_out_looks_the_name_up_again(names: Names, deaf_port: int) -> None:
    names.address = "127.0.0.2"
    async with MusicAPI("k", base_url=f"http://{HOST}:{deaf_port}", max_attempts=1) as client:
        for asked in (1, 2):
            with pytest.raises(errors.ConnectionFailedError):
                await client.with_options(connect_timeout=0.1).account.credits()
            assert names.asked == asked


async def test_calls_that_connect_look_a_name_up_once(names: Names) -> None:
    async with (
        scripted(ACCEPTED) as server,
        MusicAPI("k", base_url=f"http://{HOST}:{server.port}", create_rate=1000.0) as client,
    ):
        for _ in range(5):
            await client.submit(REQUEST)

    assert names.asked == 1


async def test_download_finds_a_host_that_has_moved(names: Names, tmp_path: Path) -> None:
    async with scripted(respond(200, b"ID3two")) as server:
        url = f"http://{HOST}:{server.port}"
        names.address, names.then = "127.0.0.2", "127.0.0.1"
        async with MusicAPI("k", base_url=url, allow_private_addresses=True) as client:
            await client.download(f"{url}/two", tmp_path / "two.mp3")

    assert (tmp_path / "two.mp3").read_bytes() == b"ID3two"
