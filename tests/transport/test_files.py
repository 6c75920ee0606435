"""Retries and redirects of downloads, and the refusal of private addresses."""

import asyncio
import gzip
import os
import socket
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from clock import Clock
from scripted import Scripted, Step, cut, half_head, hang_up, raw, respond, scripted, stall

from musicapi_async import Clip, MusicAPI, errors
from musicapi_async._transport.retry import RetryBudget

MP3: Final = b"ID3" + bytes(range(256)) * 40
OK: Final = b"HTTP/1.1 200 OK\r\n"
HALF: Final = raw(OK + b"Content-Length: 9999\r\n\r\n" + MP3[:4000])
WHOLE: Final = respond(200, MP3)
NAME: Final = "files.example"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musicapi_async._transport.retry.FIRST_DELAY", 0.001)


def client_of(server: Scripted, **settings: Any) -> MusicAPI:
    return MusicAPI("secret-key", base_url=server.base_url, **settings)


@pytest.fixture
async def afar() -> AsyncIterator[MusicAPI]:
    """A client of a service that is not on this machine, and is never asked."""
    async with MusicAPI("secret-key", base_url="https://api.example/api/v1", trust_env=False) as client:
        yield client


FAULTS: Final = {
    "refused": hang_up(),
    "cut": cut(),
    "half a header": half_head(),
    "half a file": HALF,
    "half of chunks": raw(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nID3x\r\n"),
    "not there yet": respond(404, b"no such key"),
    "not allowed yet": respond(403, b"AccessDenied"),
    "trouble": respond(500, b""),
    "a gateway": respond(502, b""),
    "too many": respond(429, b"", {"Retry-After": "0"}),
    "silence": stall(),
}


@pytest.mark.parametrize("step", FAULTS.values(), ids=FAULTS)
async def test_download_that_fails_once_is_retried(step: Step, tmp_path: Path) -> None:
    seen: list[int] = []
    async with scripted(step, WHOLE) as server, client_of(server, read_timeout=0.3) as client:
        clip = Clip(clip_id="c-1", state="succeeded", audio_url=f"{server.base_url}/song")
        saved = await client.download(clip, tmp_path / "song", on_progress=lambda done, _: seen.append(done))

    assert saved.path.read_bytes() == MP3
    assert (saved.size, seen[-1]) == (len(MP3), len(MP3))
    assert os.listdir(tmp_path) == ["song.mp3"]


async def test_download_progress_goes_back_when_the_file_restarts(tmp_path: Path) -> None:
    content = b"ID3" + b"\x00" * 3_000_000
    half = raw(OK + b"Content-Length: %d\r\n\r\n" % len(content) + content[:2_500_000])
    seen: list[int] = []
    async with scripted(half, respond(200, content)) as server, client_of(server) as client:
        saved = await client.download(
            f"{server.base_url}/song", tmp_path / "song", on_progress=lambda done, _: seen.append(done)
        )

    assert seen != sorted(seen)
    assert seen[-1] == saved.size == saved.path.stat().st_size == len(content)


# The HTTP library resends by itself when it was cut off before a header came: each attempt is two requests then.
@pytest.mark.parametrize(("step", "asked"), [(HALF, 3), (respond(404, b""), 3), (respond(500, b""), 3), (cut(), 6)])
async def test_download_that_keeps_failing_ends_after_max_attempts(step: Step, asked: int, tmp_path: Path) -> None:
    async with scripted(step) as server, client_of(server, max_attempts=3) as client:
        with pytest.raises(errors.DownloadError):
            await client.download(f"{server.base_url}/song", tmp_path / "song.mp3")

        assert len(server.received) == asked
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "step", [respond(400, b""), respond(401, b""), respond(410, b""), respond(200, b"<html>"), respond(200)]
)
async def test_download_that_is_refused_is_not_retried(step: Step, tmp_path: Path) -> None:
    async with scripted(step) as server, client_of(server) as client:
        with pytest.raises(errors.DownloadError):
            await client.download(f"{server.base_url}/song", tmp_path / "song.mp3")

        assert len(server.received) == 1


async def test_download_with_a_long_retry_after_is_not_retried(tmp_path: Path) -> None:
    later = respond(429, b"", {"Retry-After": "3600"})
    async with scripted(later) as server, client_of(server) as client:
        with pytest.raises(errors.DownloadError, match="429") as caught:
            await client.download(f"{server.base_url}/song", tmp_path / "song")

        assert len(server.received) == 1
    assert caught.value.status == 429


async def test_download_after_the_total_timeout_is_not_retried(clock: Clock, tmp_path: Path) -> None:
    later = respond(429, b"", {"Retry-After": "50"})
    async with scripted(later) as server, client_of(server, max_attempts=100, total_timeout=120) as client:
        fetching = asyncio.create_task(client.download(f"{server.base_url}/song", tmp_path / "song"))
        await clock.run(10, fetching)
        with pytest.raises(errors.DownloadError):
            await fetching

        assert len(server.received) == 3


async def test_download_retry_budget_limits_retries_of_a_failing_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RetryBudget, "FULL", 5.0)
    async with scripted(respond(500, b"")) as server, client_of(server) as client:
        await asyncio.gather(
            *(client.download(f"{server.base_url}/{at}", tmp_path / str(at)) for at in range(20)),
            return_exceptions=True,
        )

        assert len(server.received) == 25


async def test_download_waiting_for_a_retry_is_ended_by_close(tmp_path: Path) -> None:
    later = respond(429, b"", {"Retry-After": "100"})
    async with scripted(later) as server:
        client = client_of(server)
        fetching = asyncio.create_task(client.download(f"{server.base_url}/song", tmp_path / "song"))
        while not server.received:
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await client.aclose()
            with pytest.raises((errors.ClientClosedError, errors.DownloadError)):
                await fetching

    assert os.listdir(tmp_path) == []


async def test_download_asks_for_identity_and_decodes_gzip(tmp_path: Path) -> None:
    seen: list[int | None] = []
    packed = respond(200, gzip.compress(MP3), {"Content-Encoding": "gzip"})
    async with scripted(packed) as server, client_of(server) as client:
        url = f"{server.base_url}/song"
        saved = await client.download(url, tmp_path / "song", on_progress=lambda _, total: seen.append(total))

        assert server.received[0].headers["accept-encoding"] == "identity"
    assert saved.path.read_bytes() == MP3
    assert seen == [None]


async def test_download_of_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    part = b"\x00" * 1_000_000

    async def large(writer: asyncio.StreamWriter) -> bool:
        writer.write(OK + b"Content-Length: %d\r\n\r\nID3" % (60 * len(part) + 3))
        for _ in range(60):
            writer.write(part)
            await writer.drain()
        return True

    async with scripted(large) as server, client_of(server) as client:
        tracemalloc.start()
        try:
            saved = await client.download(f"{server.base_url}/song", tmp_path / "song")
            _, height = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert saved.size == 60_000_003
    assert height < 15_000_000


async def test_download_in_a_redirect_loop_ends(tmp_path: Path) -> None:
    async with scripted(respond(302, b"", {"Location": "/again"})) as server, client_of(server) as client:
        with pytest.raises(errors.DownloadError, match="redirects more than 5 times"):
            await client.download(f"{server.base_url}/song", tmp_path / "song")

        assert len(server.received) == 6


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/x", "http://[::1/x", f"http://{'ä' * 70}.example/x"])
async def test_download_of_an_invalid_url_is_a_download_error(url: str, tmp_path: Path) -> None:
    async with MusicAPI("k") as client:
        with pytest.raises(errors.DownloadError, match="not a valid address"):
            await client.download(Clip(clip_id="c", audio_url=url), tmp_path / "song")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://files.example/a", "data:audio/mp3;base64,AA", "x:y"])
async def test_redirect_to_another_scheme_is_refused(target: str, tmp_path: Path) -> None:
    async with scripted(respond(302, b"", {"Location": target})) as server, client_of(server) as client:
        with pytest.raises(errors.DownloadError, match="http"):
            await client.download(f"{server.base_url}/song", tmp_path / "song")


PRIVATE: Final = [
    "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
    "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]",
    "[fe80::1]", "[fec0::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "2130706433", "0x7f000001",
    "0177.0.0.1", "127.1", "0x7f.1", "localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1.",
    "\uff11\uff12\uff17.0.0.1", "\u246027.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
async def test_download_from_a_private_address_is_refused(host: str, afar: MusicAPI, tmp_path: Path) -> None:
    async with scripted(WHOLE) as server:
        clip = Clip(clip_id="c-1", state="succeeded", audio_url=f"http://{host}:{server.port}/song")
        with pytest.raises(errors.DownloadError, match="not a public address.*allow_private_addresses=True"):
            await afar.download(clip, tmp_path / "song")

        assert server.connections == 0
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"])
async def test_download_from_a_name_with_a_private_address_is_refused(
    address: str, afar: MusicAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads_to(monkeypatch, address)
    async with scripted(WHOLE) as server:
        with pytest.raises(errors.DownloadError, match="files.example leads to .*allow_private_addresses=True"):
            await afar.download(f"http://{NAME}:{server.port}/song", tmp_path / "song")

        assert server.connections == 0


async def test_redirect_from_the_api_host_to_a_private_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads_to(monkeypatch, "127.0.0.1")
    async with scripted(WHOLE) as inner:
        for host in ("169.254.169.254", NAME):
            there = respond(302, b"", {"Location": f"http://{host}:{inner.port}/song"})
            async with scripted(there) as server, client_of(server) as client:
                with pytest.raises(errors.DownloadError, match="allow_private_addresses=True"):
                    await client.download(f"{server.base_url}/song", tmp_path / "song")

                assert len(server.received) == 1
        assert inner.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", NAME])
async def test_download_from_a_private_address_can_be_allowed(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads_to(monkeypatch, "127.0.0.1")
    async with (
        scripted(WHOLE) as server,
        MusicAPI("k", base_url="https://api.example/api/v1", allow_private_addresses=True) as client,
    ):
        saved = await client.download(f"http://{host}:{server.port}/song", tmp_path / "song")

    assert saved.size == len(MP3)


async def test_download_from_the_host_of_a_view_is_allowed(afar: MusicAPI, tmp_path: Path) -> None:
    async with scripted(WHOLE) as server:
        view = afar.with_options(base_url="http://127.0.0.1:9/api/v1")
        saved = await view.download(f"http://127.0.0.1:{server.port}/song", tmp_path / "song")

    assert saved.size == len(MP3)


async def test_redirect_of_a_download_carries_no_key_or_cookie(tmp_path: Path) -> None:
    async with scripted(WHOLE) as second:
        there = {"Location": f"{second.base_url}/song", "Set-Cookie": "a=1"}
        async with scripted(respond(307, b"", there)) as first, client_of(first) as client:
            await client.download(f"{first.base_url}/song", tmp_path / "song")

            for request in (*first.received, *second.received):
                assert not {"authorization", "cookie", "referer"} & set(request.headers)
                assert "secret-key" not in str(request)


def leads_to(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let the system's resolver answer for a name that does not exist."""
    known = socket.getaddrinfo

    def answer(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host != NAME:
            return known(host, port, *more, **named)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        target = (address, port, 0, 0) if ":" in address else (address, port)
        return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", target)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
