"""Downloads that are cancelled at any point, or to impossible paths: no partial file, and clear errors."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import respond, scripted

from musicapi_async import Clip, MusicAPI, errors
from musicapi_async.media.formats import FIRST_BYTES, format_of, is_text

MP3 = b"ID3" + b"\x00" * 5000
UNPRIVILEGED = 65534


@pytest.fixture
async def fetching() -> AsyncIterator[MusicAPI]:
    async with MusicAPI("secret-key", base_url="http://127.0.0.1:9/api/v1", timeout=5) as client:
        yield client


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the right to write into a folder; root always has it, so root becomes an unprivileged user meanwhile."""
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(UNPRIVILEGED)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.parametrize("steps", range(14))
async def test_download_cancelled_at_any_point_leaves_no_partial_file(
    fetching: MusicAPI, tmp_path: Path, steps: int
) -> None:
    async with scripted(respond(200, MP3)) as server:
        for _ in range(10):
            fetch = asyncio.create_task(fetching.download(f"{server.base_url}/song", tmp_path / "song.mp3"))
            for _ in range(steps):
                await asyncio.sleep(0)
            fetch.cancel()
            await asyncio.gather(fetch, return_exceptions=True)

    assert set(os.listdir(tmp_path)) <= {"song.mp3"}


async def test_download_after_a_cancelled_one_works(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, MP3)) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await fetching.download(f"{server.base_url}/song", tmp_path / "song")
        saved = await fetching.download(f"{server.base_url}/song", tmp_path / "song")

    assert saved.path.read_bytes() == MP3


async def test_download_into_a_read_only_folder_is_a_clear_error(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, MP3)) as server:
        with read_only(tmp_path), pytest.raises(errors.DownloadError, match="Permission denied"):
            await fetching.download(f"{server.base_url}/song", tmp_path / "song")

        assert server.received == []
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["", ".", "/", "..", "a\0b", "x" * 300, "song.txt/song"])
async def test_download_to_an_impossible_path_is_a_download_error(
    fetching: MusicAPI, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.txt").touch()
    async with scripted(respond(200, MP3)) as server:
        with pytest.raises(errors.DownloadError) as caught:
            await fetching.download(f"{server.base_url}/song", path)

    assert caught.value.source.endswith("/song")
    assert os.listdir(tmp_path) == ["song.txt"]


async def test_download_to_the_longest_name_keeps_it(fetching: MusicAPI, tmp_path: Path) -> None:
    name = "x" * 251 + ".mp3"
    async with scripted(respond(200, MP3)) as server:
        saved = await fetching.download(f"{server.base_url}/song", tmp_path / name)

    assert os.listdir(tmp_path) == [name]
    assert saved.size == len(MP3)


async def test_download_whose_progress_callback_raises_raises_its_error(fetching: MusicAPI, tmp_path: Path) -> None:
    def on_progress(_: int, __: int | None) -> None:
        raise ZeroDivisionError

    async with scripted(respond(200, MP3)) as server:
        with pytest.raises(ZeroDivisionError):
            await fetching.download(f"{server.base_url}/song", tmp_path / "song", on_progress=on_progress)

    assert os.listdir(tmp_path) == []


async def test_download_whose_progress_callback_raises_os_error_raises_that(fetching: MusicAPI, tmp_path: Path) -> None:
    def on_progress(_: int, __: int | None) -> None:
        raise BrokenPipeError("the output is no longer read")

    async with scripted(respond(200, b"ID3" + b"\x00" * 2_000_000)) as server:
        with pytest.raises(BrokenPipeError, match="no longer read"):
            await fetching.download(f"{server.base_url}/song", tmp_path / "song", on_progress=on_progress)

    assert os.listdir(tmp_path) == []


async def test_download_is_ended_by_close(tmp_path: Path) -> None:
    half_sent = asyncio.Event()

    async def half(writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + MP3)
        half_sent.set()
        await asyncio.Event().wait()
        return False

    async with scripted(half) as server:
        client = MusicAPI("k", base_url=server.base_url)
        fetch = asyncio.create_task(client.download(f"{server.base_url}/song", tmp_path / "song"))
        await half_sent.wait()
        await client.aclose()
        with pytest.raises((errors.DownloadError, errors.ClientClosedError)):
            await fetch
        with pytest.raises(errors.ClientClosedError):
            await client.download(f"{server.base_url}/song", tmp_path / "song")

    assert os.listdir(tmp_path) == []


async def test_downloads_in_parallel_share_few_connections(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, MP3)) as server:
        clips = [
            Clip(clip_id=str(number), state="succeeded", audio_url=f"{server.base_url}/{number}")
            for number in range(60)
        ]
        saved = await asyncio.gather(*(fetching.download(clip, tmp_path / clip.clip_id) for clip in clips))

        assert server.connections <= 32
    assert {file.path.name for file in saved} == {f"{number}.mp3" for number in range(60)} == set(os.listdir(tmp_path))


@given(start=st.binary(max_size=FIRST_BYTES))
def test_format_of_any_first_bytes_is_one_or_none(start: bytes) -> None:
    file_format = format_of(start)

    assert file_format is None or file_format.isalnum()
    assert format_of(b"ID3" + start) == "mp3"
    assert format_of(b"RIFF\x00\x00\x00\x00WAVE" + start) == "wav"
    # The sync bits alone are no music: those of UTF-16's byte order mark are set, too.
    assert not is_text(b"\xff\xfb\x90\x00" + start)
    assert not (is_text(start) and file_format)


@given(part=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), shift=st.integers(1, 4))
def test_is_text_of_any_cut_text_is_true(part: str, shift: int) -> None:
    assert is_text(("~" * shift + part * FIRST_BYTES).encode()[:FIRST_BYTES])


@pytest.mark.parametrize("steps", range(8))
async def test_download_cancelled_while_it_fails_logs_no_unretrieved_error(
    fetching: MusicAPI, tmp_path: Path, steps: int, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        fetch = asyncio.create_task(fetching.download("http://127.0.0.1:9/song", tmp_path / "missing" / "song"))
        for _ in range(steps):
            await asyncio.sleep(0)
        fetch.cancel()
        await asyncio.gather(fetch, return_exceptions=True)
    del fetch
    gc.collect()

    assert "never retrieved" not in caplog.text
