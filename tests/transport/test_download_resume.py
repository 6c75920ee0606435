"""Downloads that break off resume at the same byte, and never mix two versions of a file."""

import asyncio
import gzip
import os
import random
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from scripted import Scripted, Step, cut, raw, respond, scripted

from musicapi_async import MusicAPI, errors
from musicapi_async._transport.retry import MIN_PROGRESS, RetryBudget

FILE: Final = b"ID3" + random.Random(1).randbytes(299_997)
OTHER: Final = b"ID3" + random.Random(2).randbytes(299_997)
SIZE: Final = len(FILE)
AT: Final = 100_000
TAGGED: Final = {"ETag": '"v1"', "Accept-Ranges": "bytes"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musicapi_async._transport.retry.FIRST_DELAY", 0.001)


def answer(status: int, content: bytes, headers: Mapping[str, str], length: int | None = None) -> Step:
    """Send these bytes, let them be read, and hang up, whatever length is announced."""
    fields = {"Content-Length": str(len(content) if length is None else length), **headers}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in fields.items() if value)]
    return sent("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


def sent(message: bytes) -> Step:
    """Send this, let it be read, and hang up: what comes together with the end is lost to the HTTP library."""

    async def step(writer: asyncio.StreamWriter) -> bool:
        await raw(message)(writer)
        for _ in range(5):
            await asyncio.sleep(0.01)
        return False

    return step


def start(upto: int = AT, file: bytes = FILE, **headers: str) -> Step:
    """Send a file as far as this and hang up."""
    return answer(200, file[:upto], TAGGED | headers, len(file))


def rest(at: int = AT, upto: int = SIZE, headers: Mapping[str, str] | None = None) -> Step:
    """Send a file from here as far as there and hang up."""
    fields = {"Content-Range": f"bytes {at}-{SIZE - 1}/{SIZE}", "ETag": '"v1"', **(headers or {})}
    return answer(206, FILE[at:upto], fields, SIZE - at)


def asked_of(server: Scripted) -> list[str | None]:
    return [request.headers.get("range") for request in server.received]


async def fetched(server: Scripted, folder: Path, **settings: Any) -> bytes:
    async with MusicAPI("secret-key", base_url=server.base_url, **settings) as client:
        saved = await client.download(f"{server.base_url}/song", folder / "song.mp3")
    assert os.listdir(folder) == ["song.mp3"]
    assert saved.size == saved.path.stat().st_size
    assert saved.format == "mp3"
    return saved.path.read_bytes()


@pytest.mark.parametrize("at", [1, 5, 16, AT, SIZE - 1])
async def test_download_cut_off_resumes_at_the_byte(at: int, tmp_path: Path) -> None:
    async with scripted(start(at), rest(at)) as server:
        assert await fetched(server, tmp_path) == FILE

        assert asked_of(server) == [None, f"bytes={at}-"]
        assert server.received[1].headers["if-range"] == '"v1"'


async def test_download_without_an_etag_resumes_by_date(tmp_path: Path) -> None:
    fields = {"Last-Modified": "Wed, 01 Jan 2025 10:00:00 GMT", "Date": "Wed, 01 Jan 2025 11:00:00 GMT", "ETag": ""}
    async with scripted(start(AT, FILE, **fields), rest(AT, SIZE, fields)) as server:
        assert await fetched(server, tmp_path) == FILE

        assert server.received[1].headers["if-range"] == fields["Last-Modified"]


async def test_download_of_a_changed_file_restarts(tmp_path: Path) -> None:
    async with scripted(start(), start(SIZE, OTHER, ETag='"v2"')) as server:
        assert await fetched(server, tmp_path) == OTHER

        assert asked_of(server) == [None, f"bytes={AT}-"]


async def test_download_of_a_file_that_became_shorter_keeps_nothing_old(tmp_path: Path) -> None:
    async with scripted(start(), start(50, OTHER[:50], ETag='"v2"')) as server:
        assert await fetched(server, tmp_path) == OTHER[:50]


async def test_download_of_a_changed_file_cut_off_again_resumes_the_new_one(tmp_path: Path) -> None:
    new = answer(206, OTHER[7:], {"Content-Range": f"bytes 7-{SIZE - 1}/{SIZE}", "ETag": '"v2"'})
    async with scripted(start(), start(7, OTHER, ETag='"v2"'), new) as server:
        assert await fetched(server, tmp_path) == OTHER

        assert [request.headers.get("if-range") for request in server.received] == [None, '"v1"', '"v2"']


@pytest.mark.parametrize(
    "headers",
    [{"ETag": 'W/"v1"'}, {"ETag": ""}, {"Accept-Ranges": "none"}],
    ids=["weak tag", "no tag", "no ranges"],
)
async def test_download_without_a_validator_restarts(headers: dict[str, str], tmp_path: Path) -> None:
    async with scripted(start(AT, FILE, **headers), respond(200, OTHER)) as server:
        assert await fetched(server, tmp_path) == OTHER

        assert asked_of(server) == [None, None]


async def test_download_with_content_encoding_restarts(tmp_path: Path) -> None:
    packed = gzip.compress(FILE)
    headers = TAGGED | {"Content-Encoding": "gzip"}
    async with scripted(
        answer(200, packed[:AT], headers, len(packed)), answer(200, packed, headers, len(packed))
    ) as server:
        assert await fetched(server, tmp_path) == FILE

        assert asked_of(server) == [None, None]


UNTRUSTED: Final = {
    "no such range": respond(416, b"", {"Content-Range": f"bytes */{SIZE}"}),
    "another start": rest(AT - 1),
    "the start": rest(0),
    "another total": rest(headers={"Content-Range": f"bytes {AT}-{SIZE - 1}/{SIZE + 1}"}),
    "no total": rest(headers={"Content-Range": f"bytes {AT}-{SIZE - 1}/*"}),
    "no range": rest(headers={"Content-Range": ""}),
    "another version": rest(headers={"ETag": '"v2"'}),
    "several parts": rest(headers={"Content-Type": "multipart/byteranges; boundary=x"}),
    "packed": rest(headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("step", UNTRUSTED.values(), ids=UNTRUSTED)
async def test_download_with_a_mismatched_range_restarts_in_the_same_attempt(step: Step, tmp_path: Path) -> None:
    """Within the same try: two are enough."""
    async with scripted(start(), step, respond(200, OTHER)) as server:
        assert await fetched(server, tmp_path, max_attempts=2) == OTHER

        assert asked_of(server) == [None, f"bytes={AT}-", None]


async def test_download_answered_with_an_unrequested_206_is_refused(tmp_path: Path) -> None:
    async with scripted(rest()) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(errors.DownloadError, match="206"):
            await client.download(f"{server.base_url}/song", tmp_path / "song.mp3")

        assert len(server.received) == 1
    assert os.listdir(tmp_path) == []


async def test_download_with_more_bytes_than_announced_restarts(tmp_path: Path) -> None:
    endless = raw(
        b"HTTP/1.1 206 X\r\nContent-Range: bytes %d-%d/%d\r\n\r\n" % (AT, SIZE - 1, SIZE) + FILE[AT:] + b"more"
    )
    async with scripted(start(), endless, respond(200, FILE)) as server:
        assert await fetched(server, tmp_path) == FILE

        assert asked_of(server) == [None, f"bytes={AT}-", None]


async def test_download_whose_range_ends_early_resumes(tmp_path: Path) -> None:
    some = answer(206, FILE[AT : 2 * AT], {"Content-Range": f"bytes {AT}-{2 * AT - 1}/{SIZE}"})
    async with scripted(start(), some, rest(2 * AT)) as server:
        assert await fetched(server, tmp_path) == FILE

        assert asked_of(server) == [None, f"bytes={AT}-", f"bytes={2 * AT}-"]


async def test_download_cut_before_the_first_byte_restarts(tmp_path: Path) -> None:
    async with scripted(start(0), respond(200, FILE)) as server:
        assert await fetched(server, tmp_path) == FILE

        assert asked_of(server) == [None, None]


async def test_download_reset_after_the_last_byte_is_complete(tmp_path: Path) -> None:
    async def whole(writer: asyncio.StreamWriter) -> bool:
        await start(SIZE)(writer)
        writer.transport.abort()
        return False

    async with scripted(whole, rest(SIZE - 1)) as server:
        assert await fetched(server, tmp_path) == FILE


async def test_download_with_an_unterminated_range_is_complete(tmp_path: Path) -> None:
    chunk = b"%x\r\n" % (SIZE - AT) + FILE[AT:] + b"\r\n"
    head = b"HTTP/1.1 206 X\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes %d-%d/%d\r\n\r\n"
    async with scripted(start(), sent(head % (AT, SIZE - 1, SIZE) + chunk)) as server:
        assert await fetched(server, tmp_path) == FILE

        assert len(server.received) == 2


async def test_download_without_a_length_resumes(tmp_path: Path) -> None:
    head = b'HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nETag: "v1"\r\n\r\n'
    async with scripted(sent(head + b"%x\r\n" % AT + FILE[:AT] + b"\r\n"), rest()) as server:
        assert await fetched(server, tmp_path) == FILE

        assert asked_of(server) == [None, f"bytes={AT}-"]


async def test_download_resumes_after_failed_attempts(tmp_path: Path) -> None:
    async with scripted(start(), respond(503, b""), respond(404, b""), rest()) as server:
        assert await fetched(server, tmp_path) == FILE

        assert asked_of(server)[1:] == [f"bytes={AT}-"] * 3


async def test_download_resumes_at_the_original_url(tmp_path: Path) -> None:
    """A signed address that a redirect led to may be out of date by then."""
    async with scripted(start()) as first, scripted(rest()) as second:
        there = [respond(302, b"", {"Location": f"{each.base_url}/signed"}) for each in (first, second)]
        async with scripted(*there) as server:
            assert await fetched(server, tmp_path) == FILE

            assert [request.path for request in server.received] == ["/api/v1/song"] * 2
        assert asked_of(second) == [f"bytes={AT}-"]


async def test_redirect_while_resuming_is_checked(tmp_path: Path) -> None:
    away = respond(302, b"", {"Location": "http://169.254.169.254/latest"})
    async with scripted(start(), away) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(errors.DownloadError, match="not a public address"):
            await client.download(f"{server.base_url}/song", tmp_path / "song.mp3")

    assert os.listdir(tmp_path) == []


def flaky(server: Scripted, step: int, file: bytes = FILE) -> Step:
    """Send so many bytes of what is asked for and hang up."""
    size = len(file)

    async def some(writer: asyncio.StreamWriter) -> bool:
        asked = server.received[-1].headers.get("range")
        at = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        fields = {"Content-Range": f"bytes {at}-{size - 1}/{size}"} if asked else TAGGED
        return await answer(206 if asked else 200, file[at : at + step], fields, size - at)(writer)

    return some


async def test_download_that_progresses_uses_no_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryBudget, "FULL", 1.0)
    async with scripted(cut()) as server:
        server.steps = [flaky(server, MIN_PROGRESS)]
        assert await fetched(server, tmp_path, max_attempts=2) == FILE

        assert asked_of(server)[1:] == [f"bytes={at}-" for at in range(MIN_PROGRESS, SIZE, MIN_PROGRESS)]
        assert len(server.received) == 5


@pytest.mark.parametrize("step", [1, MIN_PROGRESS - 1])
async def test_download_with_too_little_progress_ends_after_max_attempts(step: int, tmp_path: Path) -> None:
    async with scripted(cut()) as server, MusicAPI("k", base_url=server.base_url, max_attempts=3) as client:
        server.steps = [flaky(server, step)]
        with pytest.raises(errors.DownloadError, match=f"; {3 * step} bytes were received"):
            await client.download(f"{server.base_url}/song", tmp_path / "song.mp3")

        assert asked_of(server) == [None, f"bytes={step}-", f"bytes={2 * step}-"]
    assert os.listdir(tmp_path) == []


async def test_download_with_max_attempts_one_is_not_resumed(tmp_path: Path) -> None:
    async with scripted(start()) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        with pytest.raises(errors.DownloadError, match="100000 bytes were received"):
            await client.download(f"{server.base_url}/song", tmp_path / "song.mp3")

        assert len(server.received) == 1


async def test_download_that_restarts_each_time_ends_after_max_attempts(tmp_path: Path) -> None:
    async with scripted(start(AT, FILE, ETag="")) as server:
        async with MusicAPI("k", base_url=server.base_url, max_attempts=3) as client:
            with pytest.raises(errors.DownloadError):
                await client.download(f"{server.base_url}/song", tmp_path / "song.mp3")

        assert asked_of(server) == [None] * 3


async def test_download_with_progress_ends_at_the_total_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicapi_async._transport.retrying.backoff_delay", lambda *_: 0.1)
    async with scripted(cut()) as server, MusicAPI("k", base_url=server.base_url, total_timeout=0.3) as client:
        server.steps = [flaky(server, MIN_PROGRESS)]
        with pytest.raises(errors.DownloadError):
            await client.download(f"{server.base_url}/song.mp3", tmp_path / "song.mp3")

        assert 1 < len(server.received) < 5


async def test_download_that_resumes_reports_increasing_progress(tmp_path: Path) -> None:
    content = b"ID3" + random.Random(3).randbytes(3_500_000)
    size = len(content)
    seen: list[tuple[int, int | None]] = []
    async with scripted(cut()) as server, MusicAPI("k", base_url=server.base_url) as client:
        server.steps = [flaky(server, 2_500_000, content)]
        saved = await client.download(
            f"{server.base_url}/song", tmp_path / "song", on_progress=lambda done, total: seen.append((done, total))
        )

        assert None not in asked_of(server)[1:]
    assert saved.path.read_bytes() == content
    assert seen == sorted(seen)
    assert seen[-1] == (size, size)
    assert {total for _, total in seen} == {size}


async def test_download_of_a_large_resumed_file_takes_little_memory(tmp_path: Path) -> None:
    content = b"ID3" + bytes(60_000_000)
    async with scripted(cut()) as server, MusicAPI("k", base_url=server.base_url) as client:

        async def half(writer: asyncio.StreamWriter) -> bool:
            asked = server.received[-1].headers.get("range", "bytes=0-")
            at = int(asked.removeprefix("bytes=").removesuffix("-"))
            await (start(0, content) if not at else _head_of_rest(at, len(content)))(writer)
            for begin in range(at, len(content) if at else 30_000_000, 1_000_000):
                writer.write(content[begin : min(begin + 1_000_000, len(content))])
                await writer.drain()
            return False

        server.steps = [half]
        tracemalloc.start()
        try:
            saved = await client.download(f"{server.base_url}/song", tmp_path / "song")
            _, height = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert asked_of(server)[1] is not None
        assert len(server.received) == 2
    assert saved.path.read_bytes() == content
    assert height < 15_000_000


def _head_of_rest(at: int, size: int) -> Step:
    return answer(206, b"", {"Content-Range": f"bytes {at}-{size - 1}/{size}"}, size - at)
