"""The sandbox under odd requests: it responds as the service does, and leaves nothing behind."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from musicapi_async import MusicAPI, errors
from musicapi_async.sandbox import Account, Fault, Sandbox

CREATE = "/sonic/create"


@pytest.fixture
async def plain() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer plain-key"}) as session:
        yield session


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CREATE, b""),
        (CREATE, b"{"),
        (CREATE, b"[]"),
        (CREATE, b"null"),
        (CREATE, b'"text"'),
        (CREATE, b"[" * 100_000),
        (CREATE, b"\xff\xfe\x00"),
        (CREATE, b'{"task_type": []}'),
        (CREATE, b'{"task_type": {"a": 1}}'),
        (CREATE, b'{"custom_mode": []}'),
        (CREATE, b'{"custom_mode": "true", "mv": "sonic-v6"}'),
        (CREATE, b'{"custom_mode": true, "mv": {}}'),
        (CREATE, b'{"custom_mode": true, "mv": "sonic-v6", "prompt": 5}'),
        (CREATE, b'{"custom_mode": true, "mv": "sonic-v6", "prompt": []}'),
        (CREATE, b'{"custom_mode": true, "mv": "sonic-v6", "prompt": "la", "duration": 1e400}'),
        (CREATE, b'{"custom_mode": true, "mv": "sonic-v6", "task_type": "extend_music", "continue_clip_id": {}}'),
        ("/riffusion/create", b'{"custom_mode": [], "mv": "FUZZ-1.1 Pro"}'),
        ("/riffusion/create", b'{"lyrics": {}}'),
        ("/sonic/lyrics", b'{"description": null}'),
        ("/sonic/lyrics", b'{"description": ["rain"]}'),
    ],
)
async def test_sandbox_odd_body_is_refused(
    plain: aiohttp.ClientSession, sandbox: Sandbox, path: str, body: bytes
) -> None:
    async with plain.post(sandbox.base_url + path, data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]

    assert sandbox.tasks == ()
    assert sandbox.account("plain-key").credits == 1000


async def test_sandbox_unknown_path_is_a_gateway_error_and_unknown_task_is_not_found(
    client: MusicAPI, sandbox: Sandbox
) -> None:
    with pytest.raises(errors.GatewayError, match="Check base_url"):
        await client.request("GET", "/sonic/nothing")
    with pytest.raises(errors.NotFoundError, match="task not found."):
        await client.request("GET", "/sonic/task/unknown")
    assert len(sandbox.requests("GET /sonic/task/{task_id}")) == 1


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "x.mp3", "x.png", ".mp3", "stream/x.mp3"])
async def test_sandbox_serves_only_files_of_clips(plain: aiohttp.ClientSession, sandbox: Sandbox, name: str) -> None:
    origin = sandbox.base_url.removesuffix("/api/v1")
    async with plain.get(f"{origin}/files/{name}") as response:
        assert response.status == 404


async def test_sandbox_file_is_served_in_ranges(
    plain: aiohttp.ClientSession, client: MusicAPI, sandbox: Sandbox
) -> None:
    task = await client.sonic.describe(description="rain")
    sandbox.advance(3600)
    songs = await task.wait(timeout=10)
    url = songs[0].audio_url or ""

    async def get(**headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        async with plain.get(
            url, headers={name.replace("_", "-"): value for name, value in headers.items()}
        ) as response:
            return response.status, await response.read(), response.headers

    status, whole, fields = await get()
    tag, size = fields["ETag"], len(whole)
    assert (status, fields["Accept-Ranges"]) == (200, "bytes")

    for known in (tag, fields["Last-Modified"]):
        status, rest, fields = await get(Range="bytes=100-", If_Range=known)
        assert (status, rest) == (206, whole[100:])
        assert (fields["Content-Range"], fields["ETag"]) == (f"bytes 100-{size - 1}/{size}", tag)
    for unknown in ('"another"', f"W/{tag}", "Wed, 01 Jan 2020 10:00:00 GMT"):
        status, content, fields = await get(Range="bytes=100-", If_Range=unknown)
        assert (status, content, fields["ETag"]) == (200, whole, tag)
    status, _, fields = await get(Range=f"bytes={size}-", If_Range=tag)
    assert (status, fields["Content-Range"]) == (416, f"bytes */{size}")


async def test_sandbox_delayed_response_is_the_usual_one(client: MusicAPI, sandbox: Sandbox) -> None:
    sandbox.add_fault("GET /get-credits", Fault(delay=0.02))
    started = asyncio.get_running_loop().time()

    assert (await client.account.credits()).total == 1000
    assert asyncio.get_running_loop().time() - started >= 0.02


async def test_sandbox_account_can_be_read_and_changed(client: MusicAPI, sandbox: Sandbox) -> None:
    sandbox.account("test-key").extra_credits = 5

    assert (await client.account.credits()).total == 1005
    assert sandbox.account("test-key") == Account(1000, 5)
    async with Sandbox(keys=("known",)) as strict:
        with pytest.raises(KeyError):
            strict.account("other")


async def test_sandbox_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with Sandbox(seconds=0) as sandbox, MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        songs = await (await client.sonic.describe(description="rain")).wait()
        await client.download(songs[0], tmp_path / "song")
        assert len(list(tmp_path.iterdir())) == 2
    await sandbox.aclose()

    assert [file.stem for file in tmp_path.iterdir()] == ["song"]


async def test_sandbox_on_a_taken_port_raises_and_leaves_nothing(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    port = int(sandbox.base_url.split(":")[2].split("/")[0])

    with pytest.raises(OSError, match="in use"):
        async with Sandbox(port=port):
            pytest.fail("it listens on a port that is taken")

    assert list(tmp_path.iterdir()) == []


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
async def test_sandbox_listens_on_ipv6() -> None:
    async with Sandbox(host="::1") as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        assert sandbox.base_url.startswith("http://[::1]:")
        assert (await client.account.credits()).total == 1000
