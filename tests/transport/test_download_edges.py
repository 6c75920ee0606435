"""Downloads that are cancelled at any moment, or aimed at places that cannot be: no half file stays, no odd error."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import reply, scripted

from musicapi_async import Clip, MusicAPI, errors
from musicapi_async.media.formats import FIRST_BYTES, format_of, is_text

MP3 = b"ID3" + b"\x00" * 5000
NOBODY = 65534


@pytest.fixture
async def fetching() -> AsyncIterator[MusicAPI]:
    async with MusicAPI("secret-key", base_url="http://127.0.0.1:9/api/v1", timeout=5) as client:
        yield client


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the right to write into a folder; root has it everywhere, so root is nobody meanwhile."""
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.parametrize("steps", range(14))
async def test_a_download_that_is_cancelled_at_any_moment_leaves_no_half_file(
    fetching: MusicAPI, tmp_path: Path, steps: int
) -> None:
    async with scripted(reply(200, MP3)) as server:
        for _ in range(10):
            fetch = asyncio.create_task(fetching.download(f"{server.base_url}/song", tmp_path / "song.mp3"))
            for _ in range(steps):
                await asyncio.sleep(0)
            fetch.cancel()
            await asyncio.gather(fetch, return_exceptions=True)

    assert set(os.listdir(tmp_path)) <= {"song.mp3"}


async def test_a_cancelled_download_can_be_tried_again(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(reply(200, MP3)) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await fetching.download(f"{server.base_url}/song", tmp_path / "song")
        saved = await fetching.download(f"{server.base_url}/song", tmp_path / "song")

    assert saved.path.read_bytes() == MP3


async def test_a_folder_that_must_not_be_written_to_is_a_clear_error(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(reply(200, MP3)) as server:
        with read_only(tmp_path), pytest.raises(errors.DownloadError, match="Permission denied"):
            await fetching.download(f"{server.base_url}/song", tmp_path / "song")

        assert server.received == []
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["", ".", "/", "..", "a\0b", "x" * 300, "song.txt/song"])
async def test_a_path_that_cannot_be_is_a_download_error(
    fetching: MusicAPI, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.txt").touch()
    async with scripted(reply(200, MP3)) as server:
        with pytest.raises(errors.DownloadError) as caught:
            await fetching.download(f"{server.base_url}/song", path)

    assert caught.value.source.endswith("/song")
    assert os.listdir(tmp_path) == ["song.txt"]


async def test_a_name_as_long_as_the_disk_allows_is_kept(fetching: MusicAPI, tmp_path: Path) -> None:
    name = "x" * 251 + ".mp3"
    async with scripted(reply(200, MP3)) as server:
        saved = await fetching.download(f"{server.base_url}/song", tmp_path / name)

    assert os.listdir(tmp_path) == [name]
    assert saved.size == len(MP3)


async def test_an_error_of_the_callers_own_progress_is_the_callers(fetching: MusicAPI, tmp_path: Path) -> None:
    def on_progress(_: int, __: int | None) -> None:
        raise ZeroDivisionError

    async with scripted(reply(200, MP3)) as server:
        with pytest.raises(ZeroDivisionError):
            await fetching.download(f"{server.base_url}/song", tmp_path / "song", on_progress=on_progress)

    assert os.listdir(tmp_path) == []


async def test_a_progress_that_cannot_be_shown_is_not_taken_for_a_failed_download(
    fetching: MusicAPI, tmp_path: Path
) -> None:
    def on_progress(_: int, __: int | None) -> None:
        raise BrokenPipeError("nobody reads our output any more")

    async with scripted(reply(200, b"ID3" + b"\x00" * 2_000_000)) as server:
        with pytest.raises(BrokenPipeError, match="nobody reads"):
            await fetching.download(f"{server.base_url}/song", tmp_path / "song", on_progress=on_progress)

    assert os.listdir(tmp_path) == []


async def test_closing_the_client_ends_a_download(tmp_path: Path) -> None:
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


async def test_many_downloads_at_once(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(reply(200, MP3)) as server:
        clips = [
            Clip(clip_id=str(number), state="succeeded", audio_url=f"{server.base_url}/{number}")
            for number in range(60)
        ]
        saved = await asyncio.gather(*(fetching.download(clip, tmp_path / clip.clip_id) for clip in clips))

        assert server.connections <= 32
    assert {file.path.name for file in saved} == {f"{number}.mp3" for number in range(60)} == set(os.listdir(tmp_path))


@given(start=st.binary(max_size=FIRST_BYTES))
def test_any_beginning_of_a_file_has_one_kind_or_none(start: bytes) -> None:
    kind = format_of(start)

    assert kind is None or kind.isalnum()
    assert format_of(b"ID3" + start) == "mp3"
    assert format_of(b"RIFF\x00\x00\x00\x00WAVE" + start) == "wav"
    # The sync bits alone are no music: those of UTF-16's byte order mark are set, too.
    assert not is_text(b"\xff\xfb\x90\x00" + start)
    assert not (is_text(start) and kind)


@given(part=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), shift=st.integers(1, 4))
def test_any_text_is_a_text_wherever_it_is_cut(part: str, shift: int) -> None:
    assert is_text(("~" * shift + part * FIRST_BYTES).encode()[:FIRST_BYTES])


@pytest.mark.parametrize("steps", range(8))
async def test_a_cancelled_download_that_fails_as_well_says_nothing_of_it(
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
