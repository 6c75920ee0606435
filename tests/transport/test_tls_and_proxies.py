"""TLS, proxies and IPv6: trusted and refused connections, and submissions that were not accepted."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
import trustme
from scripted import Scripted, respond, scripted

from musicapi_async import Credits, MusicAPI, errors, sonic

BALANCE: Final = respond(200, {"credits": 50})
ACCEPTED: Final = respond(200, {"message": "success", "task_id": "t-1"})
REQUEST: Final = sonic.Describe(description="rain")
HOST: Final = "api.example"
"""A name that only a proxy can look up."""
AUTHORITY: Final = trustme.CA()
ANOTHER: Final = trustme.CA()


def serving(authority: trustme.CA = AUTHORITY, *, wants_client: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "::1", HOST).configure_cert(context)
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        AUTHORITY.configure_trust(context)
    return context


def trusting(authority: trustme.CA = AUTHORITY, *, known_as: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if known_as is not None:
        AUTHORITY.issue_cert(known_as).configure_cert(context)
    return context


def client_of(server: Scripted, **settings: Any) -> MusicAPI:
    return MusicAPI("secret-key", base_url=server.base_url, **settings)


@attrs.define
class Proxy:
    """What a proxy for tunnels was asked."""

    port: int = 0
    asked: list[str] = attrs.field(factory=list)
    logins: list[str | None] = attrs.field(factory=list)


@asynccontextmanager
async def tunnels(port: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> AsyncIterator[Proxy]:
    """Serve a proxy that answers every CONNECT so, and leads the good ones to this port of loopback."""
    proxy = Proxy()
    running: set[asyncio.Task[Any]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        there = None
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            proxy.asked.append(first)
            proxy.logins.append(next((line for line in lines if line.startswith("proxy-authorization")), None))
            writer.write(answer)
            if b" 200 " in answer:
                back, there = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.wait(
                    {asyncio.create_task(carry(reader, there)), asyncio.create_task(carry(back, writer))},
                    return_when=asyncio.FIRST_COMPLETED,
                )
        running.discard(task)
        for one in (writer, there):
            if one is not None:
                one.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for one in list(running):
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_ssl_context_with_a_custom_authority_is_trusted(tmp_path: Path) -> None:
    async with scripted(BALANCE, ACCEPTED, respond(200, b"ID3xxx"), tls=serving()) as server:
        async with client_of(server, ssl_context=trusting()) as client:
            assert await client.account.credits() == Credits(50.0)
            assert (await client.submit(REQUEST)).id == "t-1"
            assert (await client.download(f"{server.origin}/song", tmp_path / "song")).size == 6

        assert len(server.received) == 3


@pytest.mark.parametrize("settings", [{}, {"ssl_context": trusting(ANOTHER)}], ids=["the usual", "another authority"])
async def test_certificate_that_is_not_trusted_is_refused_once(settings: dict[str, Any]) -> None:
    async with scripted(ACCEPTED, tls=serving()) as server, client_of(server, **settings) as client:
        for what in (client.account.credits, lambda: client.submit(REQUEST)):
            before = server.connections
            with pytest.raises(errors.ConnectionFailedError, match="certificate"):
                await what()

            assert server.connections - before <= 1
        assert server.received == []


async def test_certificate_of_another_name_is_refused() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("files.example").configure_cert(context)
    async with scripted(ACCEPTED, tls=context) as server, client_of(server, ssl_context=trusting()) as client:
        with pytest.raises(errors.ConnectionFailedError, match="certificate"):
            await client.submit(REQUEST)

        assert server.received == []


async def test_download_from_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    async with scripted(BALANCE, tls=serving()) as server, client_of(server) as client:
        with pytest.raises(errors.DownloadError, match="certificate"):
            await client.download(f"{server.origin}/song", tmp_path / "song")

        assert server.received == []


async def test_client_certificate_is_sent_when_requested() -> None:
    known = trusting(known_as="me@example.org")
    async with (
        scripted(BALANCE, ACCEPTED, tls=serving(wants_client=True)) as server,
        client_of(server, ssl_context=known) as client,
    ):
        assert await client.account.credits() == Credits(50.0)
        assert (await client.submit(REQUEST)).id == "t-1"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_client_certificate_missing_means_nothing_is_accepted(version: ssl.TLSVersion) -> None:
    """With TLS 1.3 the refusal comes after the request was written: it stands for the whole connection all the same."""
    context = trusting()
    context.maximum_version = version
    async with scripted(ACCEPTED, tls=serving(wants_client=True)) as server:
        async with client_of(server, ssl_context=context, max_attempts=2) as client:
            with pytest.raises(errors.ConnectionFailedError):
                await client.account.credits()
            with pytest.raises((errors.ConnectionFailedError, errors.UncertainSubmissionError)):
                await client.submit(REQUEST)

        assert server.received == []


async def test_submit_to_a_server_closing_in_the_handshake_was_not_accepted() -> None:
    async with scripted(ACCEPTED) as plain:  # no TLS: what it reads is no request
        plain_url = plain.base_url.replace("http:", "https:")
        async with MusicAPI("k", base_url=plain_url, max_attempts=2, timeout=0.5) as client:
            with pytest.raises(errors.ConnectionFailedError):
                await client.submit(REQUEST)

    closed = 0

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal closed
        closed += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with MusicAPI("k", base_url=url, max_attempts=2) as client:
            with pytest.raises(errors.ConnectionFailedError, match="could not connect.*: [a-zA-Z]"):
                await client.submit(REQUEST)

    # Safe to repeat, and repeated.
    assert closed >= 2


@pytest.mark.parametrize("secure", [False, True])
async def test_ipv6_loopback_is_reached(tmp_path: Path, *, secure: bool) -> None:
    steps = (BALANCE, ACCEPTED, respond(200, b"ID3xxx"))
    async with scripted(*steps, host="::1", tls=serving() if secure else None) as server:
        assert "//[::1]:" in server.base_url
        async with client_of(server, ssl_context=trusting()) as client:
            assert await client.account.credits() == Credits(50.0)
            assert (await client.submit(REQUEST)).id == "t-1"
            assert (await client.download(f"{server.origin}/song", tmp_path / "song")).size == 6

        assert server.received[0].headers["host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize("login", ["", "user:p%40ss@"])
async def test_proxy_for_https_gets_a_tunnel_and_no_key(login: str, tmp_path: Path) -> None:
    steps = (BALANCE, ACCEPTED, respond(200, b"ID3xxx"))
    async with scripted(*steps, tls=serving()) as server, tunnels(server.port) as proxy:
        address = f"http://{login}127.0.0.1:{proxy.port}"
        settings: dict[str, Any] = {"proxy": address, "ssl_context": trusting()}
        async with MusicAPI("secret-key", base_url=f"https://{HOST}/api/v1", **settings) as client:
            assert await client.account.credits() == Credits(50.0)
            assert (await client.submit(REQUEST)).id == "t-1"
            assert (await client.download(f"https://{HOST}/song", tmp_path / "song")).size == 6

        assert set(proxy.asked) == {f"connect {HOST}:443 http/1.1"}
        wanted = f"proxy-authorization: basic {base64.b64encode(b'user:p@ss').decode().lower()}" if login else None
        assert set(proxy.logins) == {wanted}
        assert [request.headers.get("authorization") for request in server.received] == ["Bearer secret-key"] * 2 + [
            None
        ]
        assert not [request for request in server.received if "proxy-authorization" in request.headers]


@pytest.mark.parametrize("status", [403, 407, 502, 503])
async def test_submit_through_a_proxy_that_refuses_the_tunnel_was_not_accepted(status: int) -> None:
    refusal = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status
    async with tunnels(0, refusal) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        async with MusicAPI("k", base_url=f"https://{HOST}/api/v1", proxy=address, max_attempts=2) as client:
            with pytest.raises(errors.ConnectionFailedError, match=rf"proxy refuses the tunnel \({status} "):
                await client.submit(REQUEST)

        assert len(proxy.asked) == 2


async def test_certificate_that_is_not_trusted_behind_a_proxy_is_refused() -> None:
    async with scripted(ACCEPTED, tls=serving(ANOTHER)) as server, tunnels(server.port) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        settings: dict[str, Any] = {"proxy": address, "ssl_context": trusting()}
        async with MusicAPI("k", base_url=f"https://{HOST}/api/v1", **settings) as client:
            with pytest.raises(errors.ConnectionFailedError, match="certificate"):
                await client.submit(REQUEST)

        assert (len(proxy.asked), server.received) == (1, [])


@pytest.mark.parametrize("by", ["proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "without a scheme"])
async def test_proxy_for_http_gets_absolute_urls(by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with scripted(BALANCE, ACCEPTED, respond(200, b"ID3xxx")) as proxy:
        settings: dict[str, Any] = {}
        if by == "proxy":
            settings["proxy"] = f"http://user:pass@127.0.0.1:{proxy.port}"
        elif by == "without a scheme":
            monkeypatch.setenv("http_proxy", f"user:pass@127.0.0.1:{proxy.port}")
        else:
            monkeypatch.setenv(by, f"http://user:pass@127.0.0.1:{proxy.port}")
        async with MusicAPI("secret-key", base_url=f"http://{HOST}/api/v1", **settings) as client:
            await client.account.credits()
            await client.submit(REQUEST)
            await client.download("http://files.example/song", tmp_path / "song")

        assert [request.path for request in proxy.received] == [
            f"http://{HOST}/api/v1/get-credits",
            f"http://{HOST}/api/v1/sonic/create",
            "http://files.example/song",
        ]
        login = f"Basic {base64.b64encode(b'user:pass').decode()}"
        assert {request.headers["proxy-authorization"] for request in proxy.received} == {login}
        assert "authorization" not in proxy.received[2].headers


@pytest.mark.parametrize(
    ("variables", "settings"),
    [
        ({"NO_PROXY": "127.0.0.1,.example"}, {}),
        ({"no_proxy": "*"}, {}),
        ({}, {"trust_env": False}),
    ],
)
async def test_proxy_of_the_environment_can_be_disabled(
    variables: dict[str, str], settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted(BALANCE) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        # This name does not exist: it is resolved here, and by no proxy.
        async with MusicAPI("k", base_url=f"http://{HOST}:1", max_attempts=1, timeout=5, **settings) as client:
            with pytest.raises(errors.ConnectionFailedError):
                await client.account.credits()

        assert proxy.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
@pytest.mark.parametrize("by", ["setting", "environment"])
async def test_proxy_is_not_used_for_loopback(host: str, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        scripted(BALANCE) as proxy,
        scripted(BALANCE, host=host.strip("[]").replace("localhost", "127.0.0.1")) as server,
    ):
        monkeypatch.setenv("http_proxy", proxy.origin)
        settings: dict[str, Any] = {"proxy": proxy.origin} if by == "setting" else {}
        async with MusicAPI("k", base_url=f"http://{host}:{server.port}/api/v1", **settings) as client:
            await client.account.credits()

        assert (proxy.connections, len(server.received)) == (0, 1)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://[bad", "http://"])
async def test_proxy_of_the_environment_that_is_invalid_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    async with MusicAPI("k") as client:
        with pytest.raises(errors.InvalidRequestError, match="HTTPS_PROXY"):
            await client.submit(REQUEST)


async def test_download_from_a_private_address_through_a_proxy_is_refused(tmp_path: Path) -> None:
    async with scripted(BALANCE) as proxy:
        async with MusicAPI("k", base_url=f"http://{HOST}", proxy=proxy.origin) as client:
            for host in ("169.254.169.254", "10.0.0.1", "2130706433", "[fd00::1]"):
                with pytest.raises(errors.DownloadError, match="allow_private_addresses=True"):
                    await client.download(f"http://{host}/song", tmp_path / "song")

        assert proxy.connections == 0
