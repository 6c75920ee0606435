"""The live streams of the sandbox: how they are served, how they grow and end, and what a client makes of them."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing

import aiohttp
import pytest

from musicapi_async import Clip, MusicAPI, errors
from musicapi_async.sandbox import Ending, Fault, Sandbox

STREAM = "GET /files/stream/{name}"
FFMPEG = shutil.which("ffmpeg")
FILE = "GET /files/{name}"
STREAM_APPEARS = 0.3
"""The share of a song's time after which its streams begin."""
LATER = 1800
"""Seconds after which a song of an hour has its streams, and after further ones its end."""


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def streaming(client: MusicAPI, sandbox: Sandbox, ending: Ending = "songs") -> Clip:
    """Return a clip whose stream has just begun."""
    sandbox.end_next(ending)
    task = await client.sonic.describe(description="rain")
    sandbox.advance(STREAM_APPEARS * sandbox.tasks[-1].takes)
    return (await task.wait(until="stream"))[0]


def stream_url_of(clip: Clip) -> str:
    assert clip.stream_url
    return clip.stream_url


async def test_live_stream_is_served_as_a_growing_file(
    client: MusicAPI, sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    url = stream_url_of(await streaming(client, sandbox))
    async with http.get(url, headers={"Range": "bytes=0-"}) as response:
        first = await response.content.readany()

    assert response.status == 200
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.headers["Content-Type"].startswith("audio/")
    assert not {"Content-Length", "Accept-Ranges", "ETag", "Last-Modified"} & response.headers.keys()
    assert len(first) > 4000
    assert b"Info" not in first
    assert b"Xing" not in first
    async with http.head(url) as response:
        assert response.status == 405


async def test_live_stream_grows_with_the_clock_and_ends_with_the_finished_song(
    client: MusicAPI, sandbox: Sandbox
) -> None:
    clip = await streaming(client, sandbox)
    received = bytearray()
    sizes = []
    async with aclosing(client.stream(clip)) as chunks:
        received += await anext(chunks)
        for _ in range(2):
            sizes.append(len(received))
            sandbox.advance(1)
            received += await anext(chunks)
        sandbox.advance(2 * LATER)
        async for chunk in chunks:
            received += chunk
    (song, *_) = await client.resume(type(sandbox.tasks[0].request), sandbox.tasks[0].task_id).wait()
    data = await client.read(song)

    assert received == data
    # Browsers begin to play with so much.
    assert sizes[0] > 32 * 1024
    assert sizes[0] < sizes[1] < 0.9 * len(data)


@pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg: apt-get install ffmpeg")
async def test_live_stream_is_decoded_by_ffmpeg_to_its_end(client: MusicAPI, sandbox: Sandbox) -> None:
    url = stream_url_of(await streaming(client, sandbox))
    process = await asyncio.create_subprocess_exec(
        str(FFMPEG), "-hide_banner", "-i", url, "-f", "null", "-", stderr=asyncio.subprocess.PIPE
    )
    while not len(sandbox.requests(STREAM)):
        await asyncio.sleep(0.01)
    sandbox.advance(2 * LATER)
    _, output = await process.communicate()

    assert process.returncode == 0
    assert b"Duration: N/A" in output
    assert b"time=00:00:06" in output
    assert b"Error" not in output


async def test_live_stream_of_a_finished_song_is_all_there_at_once(client: MusicAPI, sandbox: Sandbox) -> None:
    clip = await streaming(client, sandbox)
    sandbox.advance(5000)

    assert len(b"".join([chunk async for chunk in client.stream(clip)])) > 40_000


@pytest.mark.parametrize("before", [0, LATER], ids=["not begun", "no such clip"])
async def test_live_stream_that_does_not_exist_is_not_found(
    client: MusicAPI, sandbox: Sandbox, http: aiohttp.ClientSession, before: int
) -> None:
    await client.sonic.describe(description="rain")
    sandbox.advance(before)
    clip_id = sandbox.tasks[0].clip_ids[0] if not before else "c-1"
    suffix = stream_url_of(await streaming(client, sandbox)).rpartition(".")[2] if before else "mp3"
    origin = sandbox.base_url.removesuffix("/api/v1")
    async with http.get(f"{origin}/files/stream/{clip_id}.{suffix}") as response:
        assert response.status == 404


@pytest.mark.parametrize("ending", ["failed", "all_failed"])
async def test_stream_of_a_song_that_fails_raises(sandbox: Sandbox, ending: Ending) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01, max_attempts=1) as client:
        clip = await streaming(client, sandbox, ending)
        async with aclosing(client.stream(clip)) as chunks:
            await anext(chunks)
            sandbox.advance(5000)
            with pytest.raises(errors.DownloadError, match="bytes were received|status 404"):
                [chunk async for chunk in chunks]


async def test_stream_that_is_cut_once_is_received_whole(client: MusicAPI, sandbox: Sandbox) -> None:
    clip = await streaming(client, sandbox)
    sandbox.add_fault(STREAM, Fault(cut_after=9000))
    chunks = [chunk async for chunk in _until_the_end(client, sandbox, clip)]

    assert len(sandbox.requests(STREAM)) == 2
    assert len(chunks) > 1
    assert len(b"".join(chunks)) > 40_000


async def test_stream_that_is_cut_for_good_raises(sandbox: Sandbox) -> None:
    async with MusicAPI("test-key", base_url=sandbox.base_url, poll_interval=0.01, max_attempts=2) as client:
        clip = await streaming(client, sandbox)
        sandbox.add_fault(STREAM, *[Fault(cut_after=9000)] * 2)
        received = bytearray()
        with pytest.raises(errors.DownloadError, match="9000 bytes were received"):
            await _collect(received, _until_the_end(client, sandbox, clip))

    assert len(received) == 9000


async def test_file_that_is_cut_is_resumed(client: MusicAPI, sandbox: Sandbox) -> None:
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)
    (song, *_) = await task.wait()
    data = await client.read(song)
    sandbox.add_fault(FILE, Fault(cut_after=9000))

    assert await client.read(song) == data
    assert len(sandbox.requests(FILE)) == 3


async def test_stream_that_is_left_early_leaves_a_sandbox_that_closes_at_once() -> None:
    async with (
        Sandbox(seconds=3600) as sandbox,
        MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client,
    ):
        async with aclosing(client.stream(await streaming(client, sandbox))) as chunks:
            await anext(chunks)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await sandbox.aclose()

        assert loop.time() - began < 2


async def _collect(received: bytearray, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        received += chunk


async def _until_the_end(client: MusicAPI, sandbox: Sandbox, clip: Clip) -> AsyncIterator[bytes]:
    """Yield the chunks of a stream, of a song that is finished after the first one."""
    async with aclosing(client.stream(clip)) as chunks:
        yield await anext(chunks)
        sandbox.advance(5000)
        async for chunk in chunks:
            yield chunk
