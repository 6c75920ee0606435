"""Bodies that never end, or come too slowly: none holds a slot or fills a disk for ever."""

import asyncio
import gzip
import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest
from clock import Clock
from scripted import Scripted, Step, endless, raw, respond, scripted, trickle

import musicapi_sync
from musicapi_async import MusicAPI, errors, sonic

OK: Final = b"HTTP/1.1 200 OK\r\n"
GIGABYTES: Final = 3 * 1024**3
HUGE: Final = OK + b"Content-Length: %d\r\n\r\n" % GIGABYTES
UNSIZED: Final = OK + b"\r\n"
REQUEST: Final = sonic.Describe(description="rain")


def client_of(server: Scripted, **settings: Any) -> MusicAPI:
    return MusicAPI("k", base_url=server.base_url, max_attempts=1, **settings)


def bytes_every_second(size: int, seconds: int, *, head: bytes = b"") -> Step:
    """Send so many bytes a second, so many times, and end."""

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.write(head or OK + b"Content-Length: %d\r\n\r\n" % (size * seconds))
        for _ in range(seconds):
            writer.write(b"\xff\xfb\x90\x00".ljust(size, b"\0")[:size])
            await writer.drain()
            await asyncio.sleep(1)
        return True

    return step


@pytest.mark.parametrize("start", [HUGE.replace(b"%d" % GIGABYTES, b"999999"), UNSIZED])
@pytest.mark.parametrize("more", [b"\xff", b"\xff" * 200])
async def test_download_below_the_minimum_rate_is_given_up_after_a_minute(
    start: bytes, more: bytes, clock: Clock, tmp_path: Path
) -> None:
    async with scripted(trickle(start, more, every=0.2)) as server, client_of(server) as client:
        began = asyncio.get_running_loop().time()
        fetching = asyncio.create_task(client.download(f"{server.base_url}/song", tmp_path / "song.mp3"))
        await clock.run(0.2, fetching)
        took = asyncio.get_running_loop().time() - began

        with pytest.raises(
            errors.DownloadError, match=r"bytes were received in 60 s, below the minimum rate of 1024 bytes per s"
        ):
            fetching.result()
        assert 59 < took < 80
    assert os.listdir(tmp_path) == []


async def test_download_that_becomes_slow_is_given_up_after_a_minute(clock: Clock, tmp_path: Path) -> None:
    start = OK + b"Content-Length: 9999999\r\n\r\n" + b"\xff" * 3_000_000
    async with scripted(trickle(start, b"\xff", every=0.5)) as server, client_of(server) as client:
        began = asyncio.get_running_loop().time()
        fetching = asyncio.create_task(client.download(f"{server.base_url}/song", tmp_path / "song"))
        await clock.run(0.5, fetching)

        with pytest.raises(errors.DownloadError, match="minimum rate"):
            fetching.result()
        assert asyncio.get_running_loop().time() - began < 90


async def test_download_of_a_trickling_file_that_ends_within_a_minute_is_saved(clock: Clock, tmp_path: Path) -> None:
    async with scripted(bytes_every_second(4, 50)) as server, client_of(server) as client:
        fetching = asyncio.create_task(client.download(f"{server.base_url}/song", tmp_path / "song"))
        await clock.run(1, fetching)

        assert fetching.result().size == 200


async def test_download_just_above_the_minimum_rate_is_saved(clock: Clock, tmp_path: Path) -> None:
    async with scripted(bytes_every_second(1500, 200)) as server, client_of(server) as client:
        fetching = asyncio.create_task(client.download(f"{server.base_url}/song", tmp_path / "song"))
        await clock.run(0.5, fetching)

        assert fetching.result().size == 300_000


async def test_download_rate_excludes_time_the_process_stood_still(clock: Clock, tmp_path: Path) -> None:
    async with scripted(bytes_every_second(2000, 100)) as server, client_of(server, read_timeout=9999) as client:
        fetching = asyncio.create_task(client.download(f"{server.base_url}/song", tmp_path / "song"))
        for _ in range(10):
            for _ in range(5):
                clock.ahead += 1
                await asyncio.sleep(0.003)
            clock.ahead += 300
            await asyncio.sleep(0.003)
        await clock.run(0.5, fetching)

        assert fetching.result().size == 200_000


async def test_download_rate_excludes_time_of_a_slow_callback(clock: Clock, tmp_path: Path) -> None:
    def on_progress(_: int, __: int | None) -> None:
        clock.ahead += 100

    content = b"ID3" + bytes(4_000_000)
    async with scripted(respond(200, content)) as server, client_of(server, read_timeout=9999) as client:
        saved = await client.download(f"{server.base_url}/song", tmp_path / "song", on_progress=on_progress)

    assert saved.size == len(content)


@pytest.mark.parametrize(
    "step",
    [trickle(OK, b"X-More: 1\r\n", every=0.2), trickle(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", every=0.2)],
    ids=["header", "interim responses"],
)
async def test_download_whose_header_never_ends_is_given_up(step: Step, clock: Clock, tmp_path: Path) -> None:
    async with scripted(step) as server, client_of(server) as client:
        fetching = asyncio.create_task(client.download(f"{server.base_url}/song", tmp_path / "song"))
        await clock.run(0.5, fetching)

        with pytest.raises(errors.DownloadError):
            fetching.result()


async def test_downloads_that_wait_for_a_slot_do_not_time_out(clock: Clock, tmp_path: Path) -> None:
    async with scripted(bytes_every_second(2000, 50)) as server, client_of(server, timeout=20) as client:
        # The slots are taken by others for two and a half minutes.
        downloads = (client.download(f"{server.base_url}/{at}", tmp_path / f"{at}") for at in range(120))
        fetching = asyncio.gather(*downloads)
        await clock.run(0.5, fetching)

        assert {saved.size for saved in fetching.result()} == {100_000}


async def test_download_announced_above_max_file_size_is_refused_at_once(tmp_path: Path) -> None:
    async with scripted(raw(HUGE, close=False)) as server, client_of(server) as client:
        async with asyncio.timeout(10):
            with pytest.raises(errors.DownloadError) as caught:
                await client.download(f"{server.base_url}/song", tmp_path / "song")

    assert f"max_file_size, {1024**3} bytes: {GIGABYTES} are announced" in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "step",
    [
        endless(UNSIZED, b"\xff" * 65536),
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"\xff" * 65536 + b"\r\n"),
        respond(200, gzip.compress(bytes(50_000_000)), {"Content-Encoding": "gzip"}),
    ],
    ids=["no length", "chunked", "packed"],
)
async def test_download_that_grows_above_max_file_size_is_stopped(step: Step, tmp_path: Path) -> None:
    async with scripted(step) as server, client_of(server) as client:
        view = client.with_options(max_file_size=1_000_000)
        with pytest.raises(errors.DownloadError, match="larger than max_file_size, 1000000 bytes"):
            await view.download(f"{server.base_url}/song", tmp_path / "song")

        assert len(server.received) == 1
    assert os.listdir(tmp_path) == []


async def test_download_that_resumes_counts_the_size_of_all_attempts(tmp_path: Path) -> None:
    first = raw(OK + b'ETag: "v1"\r\nTransfer-Encoding: chunked\r\n\r\n92800\r\n' + bytes(0x92800) + b"\r\n")
    rest = {"ETag": '"v1"', "Content-Range": f"bytes {0x92800}-1999999/2000000"}
    async with scripted(first, respond(206, bytes(2_000_000 - 0x92800), rest)) as server:
        async with MusicAPI("k", base_url=server.base_url, max_file_size=1_000_000) as client:
            with pytest.raises(errors.DownloadError, match="max_file_size, 1000000 bytes: 2000000 are announced"):
                await client.download(f"{server.base_url}/song", tmp_path / "song")

        assert server.received[1].headers["range"] == f"bytes={0x92800}-"
    assert os.listdir(tmp_path) == []


async def test_download_of_exactly_max_file_size_is_saved(tmp_path: Path) -> None:
    async with scripted(respond(200, b"ID3" + bytes(997))) as server, client_of(server, max_file_size=1000) as client:
        saved = await client.download(f"{server.base_url}/song", tmp_path / "song")

    assert saved.size == 1000


async def test_download_with_the_blocking_client_keeps_max_file_size(tmp_path: Path) -> None:
    def fetch() -> None:
        with musicapi_sync.MusicAPI("k", base_url=server.base_url, max_file_size=100) as client:
            with pytest.raises(errors.DownloadError, match="max_file_size, 100 bytes: 1000 are announced"):
                client.download(f"{server.base_url}/song", tmp_path / "song")
            view = client.with_options(max_file_size=1000)
            assert view.download(f"{server.base_url}/song", tmp_path / "song").size == 1000

    async with scripted(respond(200, b"ID3" + bytes(997))) as server:
        await asyncio.to_thread(fetch)


async def test_response_announced_above_max_response_size_is_refused_at_once() -> None:
    async with scripted(raw(HUGE + b'{"credits": 5', close=False)) as server, client_of(server) as client:
        async with asyncio.timeout(10):
            with pytest.raises(errors.InvalidResponseError) as caught:
                await client.account.credits()
            while not server.closed:
                await asyncio.sleep(0)

    assert f"larger than 8388608 bytes (max_response_size): {GIGABYTES} are announced" in str(caught.value)
    assert caught.value.start == b'{"credits": 5'


async def test_paid_response_announced_above_max_response_size_is_uncertain_with_what_came() -> None:
    async with (
        scripted(raw(HUGE + b'{"task_id": "t-1", "more": "', close=False)) as server,
        client_of(server) as client,
    ):
        async with asyncio.timeout(10):
            with pytest.raises(errors.UncertainSubmissionError, match="max_response_size") as caught:
                await client.submit(REQUEST)

        assert len(server.received) == 1
    assert (caught.value.status, "t-1" in str(caught.value.body)) == (200, True)


STOPPED: Final = """
    import asyncio, sys
    from musicapi_async import MusicAPI

    async def main(url, path):
        async with MusicAPI("k", base_url=url, read_timeout=1, connect_timeout=1, timeout=1, total_timeout=2) as client:
            saved = await client.download(f"{url}/song", path, on_progress=lambda done, total: print(done, flush=True))
            print("saved", saved.size, flush=True)

    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut meanwhile", "kept"])
async def test_download_of_a_process_that_was_stopped_beyond_every_limit_is_saved(
    *, is_cut: bool, tmp_path: Path
) -> None:
    content = b"ID3" + bytes(4_000_000)
    stopped = asyncio.Event()

    async def in_halves(writer: asyncio.StreamWriter) -> bool:
        writer.write(OK + b'ETag: "v1"\r\nContent-Length: %d\r\n\r\n' % len(content) + content[:2_000_000])
        await stopped.wait()
        if is_cut:
            return False
        writer.write(content[2_000_000:])
        return True

    rest = respond(206, content[2_000_000:], {"ETag": '"v1"', "Content-Range": "bytes 2000000-4000002/4000003"})
    async with scripted(in_halves, rest) as server:
        script = [sys.executable, "-c", textwrap.dedent(STOPPED), server.base_url, str(tmp_path / "song")]
        process = await asyncio.create_subprocess_exec(*script, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        await process.stdout.readline()
        await asyncio.sleep(0.4)  # until it waits for the second half
        process.send_signal(signal.SIGSTOP)
        stopped.set()
        await asyncio.sleep(2.5)
        process.send_signal(signal.SIGCONT)
        out, _ = await process.communicate()

    assert out.splitlines()[-1] == b"saved 4000003"
