"""Downloads to memory: the whole file as bytes, and its chunks as they arrive."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
import pytest
from scripted import Scripted, Step, cut, endless, raw, respond, scripted, stall, trickle

from musicapi_async import Clip, DownloadFile, MusicAPI, errors
from musicapi_async.sandbox import Sandbox

MP3 = b"ID3" + bytes(range(256)) * 20
OTHER = b"ID3" + b"\x01" * (len(MP3) - 3)
OK = b"HTTP/1.1 200 OK\r\n"
HALF = OK + b"Content-Length: %d\r\n\r\n" % len(MP3) + MP3[:3000]
LIVE = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def client() -> AsyncIterator[MusicAPI]:
    async with MusicAPI("secret-key", base_url="http://127.0.0.1:9/api/v1", read_timeout=0.5, max_attempts=2) as client:
        yield client


def clip_at(server: Scripted) -> Clip:
    return Clip(clip_id="c-1", state="succeeded", audio_url=f"{server.base_url}/song")


def running_clip_at(server: Scripted) -> Clip:
    return Clip(clip_id="c-1", state="running", stream_url=f"{server.base_url}/live")


def in_chunks(*chunks: bytes) -> bytes:
    return LIVE + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


async def until_closed(server: Scripted, number: int) -> None:
    with anyio.fail_after(5):
        while server.closed < number:
            await asyncio.sleep(0.01)


async def collect(client: MusicAPI, source: Clip | DownloadFile | str, received: list[bytes] | None = None) -> bytes:
    received = [] if received is None else received
    async for chunk in client.stream(source):
        received.append(chunk)
    return b"".join(received)


async def test_read_returns_the_whole_file_and_sends_no_key(client: MusicAPI) -> None:
    async with scripted(respond(200, MP3)) as server:
        assert await client.read(clip_at(server)) == MP3
        assert await client.read(DownloadFile(f"{server.base_url}/song.mp3")) == MP3
        assert await client.read(f"{server.base_url}/song.mp3") == MP3

    assert [one for one in server.received if "authorization" in one.headers] == []
    assert len(server.received) == 3


async def test_read_of_a_file_that_breaks_off_starts_again(client: MusicAPI) -> None:
    async with scripted(raw(HALF), respond(200, OTHER)) as server:
        assert await client.read(clip_at(server)) == OTHER


async def test_read_of_a_file_that_breaks_off_resumes_by_its_tag(client: MusicAPI) -> None:
    size = len(MP3)
    first = OK + b'ETag: "1"\r\nContent-Length: %d\r\n\r\n' % size + MP3[:3000]
    headers = {"Content-Range": f"bytes 3000-{size - 1}/{size}", "ETag": '"1"'}
    async with scripted(raw(first), respond(206, MP3[3000:], headers)) as server:
        assert await client.read(clip_at(server)) == MP3

    assert server.received[1].headers["range"] == "bytes=3000-"


@pytest.mark.parametrize(
    "step",
    [respond(200, MP3), raw(OK + b"\r\n" + MP3), endless(OK + b"\r\n", MP3)],
    ids=["sized", "to the end", "endless"],
)
async def test_read_of_a_file_above_max_size_is_refused(client: MusicAPI, step: Step) -> None:
    async with scripted(step) as server:
        with pytest.raises(errors.DownloadError, match=f"larger than max_size, {len(MP3) - 1} bytes"):
            await client.read(clip_at(server), max_size=len(MP3) - 1)

    assert len(server.received) == 1


async def test_read_of_a_file_of_max_size_is_returned(client: MusicAPI) -> None:
    async with scripted(respond(200, MP3)) as server:
        assert await client.read(clip_at(server), max_size=len(MP3)) == MP3


async def test_read_is_limited_by_max_file_size(client: MusicAPI) -> None:
    async with scripted(respond(200, MP3)) as server:
        with pytest.raises(errors.DownloadError, match="larger than max_file_size, 100 bytes"):
            await client.with_options(max_file_size=100).read(clip_at(server))


@pytest.mark.parametrize("max_size", [0, -1, True, 1.5, "9"])
async def test_read_with_a_wrong_max_size_is_refused_before_a_request(client: MusicAPI, max_size: int) -> None:
    async with scripted(respond(200, MP3)) as server:
        with pytest.raises(errors.InvalidRequestError, match="max_size is"):
            await client.read(clip_at(server), max_size=max_size)

    assert server.received == []


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (respond(404, b"gone"), "responded with status 404"),
        (respond(200, b"<html>not here</html>"), "sent a text"),
        (respond(200, b"\x89PNG\r\n\x1a\n" + b"\0" * 2000), "sent a picture"),
        (respond(200, b""), "empty"),
        (raw(HALF), "3000 bytes were received"),
        (cut(), "0 bytes were received"),
    ],
)
async def test_read_and_stream_that_fail_raise_and_yield_no_error_page(
    client: MusicAPI, step: Step, reason: str
) -> None:
    async with scripted(step) as server:
        with pytest.raises(errors.DownloadError, match=reason):
            await client.read(clip_at(server))
        received: list[bytes] = []
        with pytest.raises(errors.DownloadError, match=reason):
            await collect(client, clip_at(server), received)

    assert MP3.startswith(b"".join(received))


async def test_read_of_a_running_clip_is_refused(client: MusicAPI) -> None:
    async with scripted(respond(200, MP3)) as server:
        with pytest.raises(errors.DownloadError, match="no finished audio"):
            await client.read(running_clip_at(server))

    assert server.received == []


async def test_stream_yields_chunks_before_the_file_ends(client: MusicAPI) -> None:
    more = asyncio.Event()

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.write(in_chunks(MP3[:2000])[: -len(b"0\r\n\r\n")])
        await more.wait()
        writer.write(in_chunks(MP3[2000:]).removeprefix(LIVE))
        await writer.drain()
        return True

    async with scripted(step) as server, aclosing(client.stream(running_clip_at(server))) as chunks:
        assert await anext(chunks) == MP3[:2000]
        more.set()
        assert b"".join([chunk async for chunk in chunks]) == MP3[2000:]

    assert "authorization" not in server.received[0].headers


async def test_stream_of_a_finished_clip_prefers_its_file(client: MusicAPI) -> None:
    async with scripted(respond(200, MP3)) as server:
        clip = Clip(state="succeeded", audio_url=f"{server.base_url}/song", stream_url=f"{server.base_url}/live")
        assert await collect(client, clip) == MP3

    assert server.received[0].path == "/api/v1/song"


async def test_stream_that_breaks_off_and_comes_again_unchanged_has_no_gap(client: MusicAPI) -> None:
    async with scripted(raw(HALF), respond(200, MP3)) as server:
        assert await collect(client, clip_at(server)) == MP3


@pytest.mark.parametrize("second", [OTHER, MP3[:2999]], ids=["another file", "a shorter file"])
async def test_stream_that_breaks_off_and_has_changed_raises(client: MusicAPI, second: bytes) -> None:
    received: list[bytes] = []
    async with scripted(raw(HALF), respond(200, second)) as server:
        with pytest.raises(errors.DownloadError, match="after 3000 bytes, and the file has changed"):
            await collect(client, clip_at(server), received)

    assert b"".join(received) == MP3[:3000]


def tagged(tag: str, content: bytes, size: int = len(MP3)) -> Step:
    """Return a response that may be cut off, with the tag of its version."""
    return raw(OK + b'ETag: "%s"\r\nContent-Length: %d\r\n\r\n' % (tag.encode(), size) + content)


async def test_stream_that_breaks_off_resumes_by_its_tag(client: MusicAPI) -> None:
    size = len(MP3)
    headers = {"Content-Range": f"bytes 3000-{size - 1}/{size}", "ETag": '"1"'}
    async with scripted(tagged("1", MP3[:3000]), respond(206, MP3[3000:], headers)) as server:
        assert await collect(client, clip_at(server)) == MP3


async def test_stream_that_breaks_off_and_comes_again_under_its_tag_has_no_gap(client: MusicAPI) -> None:
    async with scripted(tagged("1", MP3[:3000]), tagged("1", MP3[:2000]), tagged("1", MP3)) as server:
        assert await collect(client.with_options(max_attempts=3), clip_at(server)) == MP3


@pytest.mark.parametrize(
    "second",
    [tagged("2", OTHER), tagged("1", MP3 + MP3, 2 * len(MP3)), respond(200, OTHER)],
    ids=["another tag", "another size", "no tag"],
)
async def test_stream_that_breaks_off_and_comes_in_another_version_raises(client: MusicAPI, second: Step) -> None:
    received: list[bytes] = []
    async with scripted(tagged("1", MP3[:3000]), second) as server:
        with pytest.raises(errors.DownloadError, match="after 3000 bytes, and the file has changed"):
            await collect(client, clip_at(server), received)

    assert b"".join(received) == MP3[:3000]


async def test_stream_that_breaks_off_before_its_first_byte_takes_the_next_version(client: MusicAPI) -> None:
    async with scripted(tagged("1", b""), tagged("2", OTHER)) as server:
        assert await collect(client, clip_at(server)) == OTHER


async def test_stream_of_a_short_text_by_its_url_is_yielded(client: MusicAPI) -> None:
    async with scripted(respond(200, b"[00:01.00] rain")) as server:
        assert await collect(client, f"{server.base_url}/song.lrc") == b"[00:01.00] rain"


@pytest.mark.parametrize("source", [None, 3, [Clip()]])
async def test_stream_of_a_wrong_source_raises_at_the_call(client: MusicAPI, source: object) -> None:
    with pytest.raises(errors.InvalidRequestError, match="source is"):
        client.stream(source)  # type: ignore[arg-type]


async def test_stream_of_a_clip_without_audio_raises_at_the_call(client: MusicAPI) -> None:
    with pytest.raises(errors.DownloadError, match="neither finished audio nor a stream"):
        client.stream(Clip(clip_id="c-1", state="pending"))


async def test_stream_left_early_and_dropped_releases_its_connection(client: MusicAPI) -> None:
    async with scripted(endless(OK + b"\r\n", MP3)) as server:
        async for chunk in client.stream(clip_at(server)):
            assert chunk.startswith(b"ID3")
            break
        gc.collect()
        await until_closed(server, 1)


async def test_streams_left_early_release_their_slots(client: MusicAPI) -> None:
    """More than the 32 files that may be received at once."""
    async with scripted(endless(OK + b"\r\n", MP3)) as server:
        with anyio.fail_after(20):
            for _ in range(40):
                async with aclosing(client.stream(clip_at(server))) as chunks:
                    assert await anext(chunks)
        await until_closed(server, 40)


async def test_stream_that_is_not_consumed_is_not_received(client: MusicAPI) -> None:
    sent = 0

    async def step(writer: asyncio.StreamWriter) -> bool:
        nonlocal sent
        writer.write(OK + b"\r\n")
        while True:
            writer.write(MP3)
            await writer.drain()
            sent += len(MP3)

    async with scripted(step) as server, aclosing(client.stream(clip_at(server))) as chunks:
        await anext(chunks)
        before = -1
        with anyio.fail_after(10):
            while before != sent:  # the buffers of both sockets fill up
                before = sent
                await asyncio.sleep(0.2)

    assert sent < 64 * 1024 * 1024


async def test_stream_that_is_cancelled_releases_its_connection(client: MusicAPI) -> None:
    async with scripted(trickle(OK + b"\r\n", b"\xff", every=0.05)) as server:
        with anyio.move_on_after(0.2) as scope:
            await collect(client, clip_at(server))
        await until_closed(server, 1)

    assert scope.cancelled_caught


async def test_stream_on_a_client_that_is_closed_meanwhile_raises() -> None:
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url)
        chunks = client.stream(clip_at(server))
        first = asyncio.ensure_future(anext(chunks))
        while not server.received:
            await asyncio.sleep(0.01)
        await client.aclose()

        with pytest.raises(errors.ClientClosedError):
            await first
    with pytest.raises(errors.ClientClosedError):
        await anext(client.stream("http://127.0.0.1:9/song"))


async def test_stream_that_is_never_continued_after_its_client_closed_reports_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scripted(endless(OK + b"\r\n", MP3)) as server:
        client = MusicAPI("k", base_url=server.base_url)
        chunks = client.stream(clip_at(server))
        await anext(chunks)
        with anyio.fail_after(5):
            await client.aclose()
        del chunks
        gc.collect()
        await asyncio.sleep(0)

    assert caplog.text == ""


async def test_stream_of_a_clip_that_still_runs_is_its_live_stream() -> None:
    async with Sandbox(seconds=2) as sandbox, MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        songs = await client.sonic.describe(description="rain").wait(until="stream")
        (song, *_) = [song for song in songs if song.stream_url]

        assert song.audio_url is None
        assert len(await collect(client, song)) > 1000


async def test_read_and_stream_of_the_sandbox_are_the_downloaded_file() -> None:
    async with Sandbox(seconds=0.05) as sandbox, MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        (song, *_) = await client.sonic.describe(description="rain").wait()

        data = await client.read(song)
        assert await collect(client, song) == data
        assert len(data) > 1000
