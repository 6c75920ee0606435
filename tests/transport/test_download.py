"""Downloads: complete or not at all, without the key, named by their format."""

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from scripted import Step, cut, raw, respond, scripted

from musicapi_async import Clip, MusicAPI, SavedFile, errors

MP3 = b"ID3" + b"\x00" * 5000
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt " + b"\x01" * 100


@pytest.fixture
async def fetching() -> AsyncIterator[MusicAPI]:
    async with MusicAPI("secret-key", base_url="http://127.0.0.1:9/api/v1", read_timeout=0.5, max_attempts=1) as client:
        yield client


def clip_at(url: str) -> Clip:
    return Clip(clip_id="c-1", state="succeeded", audio_url=url)


async def test_download_writes_the_whole_file_and_sends_no_key(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, MP3)) as server:
        saved = await fetching.download(clip_at(f"{server.base_url}/song.bin"), tmp_path / "song.mp3")

        assert "authorization" not in server.received[0].headers
    assert saved == SavedFile(path=tmp_path / "song.mp3", size=len(MP3), format="mp3")
    assert Path(saved).read_bytes() == MP3
    assert os.listdir(tmp_path) == ["song.mp3"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("song", MP3, "song.mp3"),
        ("song", WAV, "song.wav"),
        ("Mr. Brightside", MP3, "Mr. Brightside.mp3"),
        ("song v1.2", MP3, "song v1.2.mp3"),
        ("song.mp3", WAV, "song.mp3"),
        ("cover", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "cover.png"),
        ("cover", b"\xff\xd8\xff\xe0" + b"\x00" * 50, "cover.jpg"),
        ("song", b"\xff\xfb\x90\x00" + b"\x00" * 50, "song.mp3"),
        ("song", b"\x00\x00\x00\x20ftypM4A " + b"\x00" * 50, "song.m4a"),
        ("song", b"\x01\x02\x03", "song"),
    ],
)
async def test_download_names_the_file_by_its_first_bytes(
    fetching: MusicAPI, tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    async with scripted(respond(200, content, {"Content-Type": "text/plain"})) as server:
        saved = await fetching.download(f"{server.base_url}/song.exe", tmp_path / name)

    assert saved.path.name == expected
    assert saved.path.read_bytes() == content


@pytest.mark.parametrize("name", ["song.lrc", "cover.svg", "words.json", "notes"])
async def test_download_of_a_text_by_its_url_is_written(fetching: MusicAPI, tmp_path: Path, name: str) -> None:
    async with scripted(respond(200, b"[00:01.00] rain")) as server:
        saved = await fetching.download(f"{server.base_url}/{name}", tmp_path / name)

    assert saved.path.read_bytes() == b"[00:01.00] rain"


async def test_download_of_a_clip_that_is_text_is_refused(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, b"This link has expired.")) as server:
        with pytest.raises(errors.DownloadError, match="sent a text"):
            await fetching.download(clip_at(f"{server.base_url}/song"), tmp_path / "song")

    assert os.listdir(tmp_path) == []


async def test_download_to_a_name_of_another_format_is_kept_with_a_warning(
    fetching: MusicAPI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted(respond(200, WAV)) as server:
        await fetching.download(f"{server.base_url}/song", tmp_path / "song.mp3")

    assert "is wav, not" in caplog.text


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (respond(404, b"gone"), "responded with status 404"),
        (respond(200, b"<html>not here</html>"), "sent a text"),
        (respond(200, b'{"error": "expired"}'), "sent a text"),
        (respond(200, b"This link has expired."), "sent a text"),
        (respond(200, "Zu spät".encode()), "sent a text"),
        (respond(200, b""), "empty"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + MP3), "5003 bytes were received"),
        (cut(), "0 bytes were received"),
    ],
)
async def test_download_that_fails_leaves_no_file(fetching: MusicAPI, tmp_path: Path, step: Step, reason: str) -> None:
    async with scripted(step) as server:
        with pytest.raises(errors.DownloadError, match=reason):
            await fetching.download(f"{server.base_url}/song.mp3", tmp_path / "song.mp3")

    assert os.listdir(tmp_path) == []


async def test_download_that_fails_keeps_the_existing_file(fetching: MusicAPI, tmp_path: Path) -> None:
    (tmp_path / "song.mp3").write_text("the old one")
    async with scripted(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + MP3)) as server:
        with pytest.raises(errors.DownloadError):
            await fetching.download(f"{server.base_url}/song.mp3", tmp_path / "song.mp3")

    assert (tmp_path / "song.mp3").read_text() == "the old one"


async def test_download_from_a_stalled_host_times_out(fetching: MusicAPI, tmp_path: Path) -> None:
    async def half(writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + MP3)
        await asyncio.Event().wait()
        return False

    async with scripted(half) as server:
        with pytest.raises(errors.DownloadError, match="no response in time"):
            await fetching.download(f"{server.base_url}/song.mp3", tmp_path / "song.mp3")

    assert os.listdir(tmp_path) == []


async def test_download_that_is_cancelled_leaves_no_file(fetching: MusicAPI, tmp_path: Path) -> None:
    started = asyncio.Event()

    async def half(writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + MP3)
        started.set()
        await asyncio.Event().wait()
        return False

    async with scripted(half) as server:
        fetch = asyncio.create_task(fetching.download(f"{server.base_url}/song.mp3", tmp_path / "song.mp3"))
        await started.wait()
        fetch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetch

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("state", ["running", "failed", None])
async def test_download_of_a_clip_without_finished_audio_is_refused(
    fetching: MusicAPI, tmp_path: Path, state: str | None
) -> None:
    with pytest.raises(errors.DownloadError, match="no finished audio"):
        await fetching.download(Clip(clip_id="c-1", state=state, stream_url="https://x"), tmp_path / "song")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/etc/passwd", "ftp://host/x", "data:audio/mp3;base64,AA"])
async def test_download_of_a_url_that_is_not_http_is_refused(fetching: MusicAPI, tmp_path: Path, url: str) -> None:
    with pytest.raises(errors.DownloadError, match="http"):
        await fetching.download(url, tmp_path / "song")


async def test_download_into_a_missing_folder_is_a_clear_error(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, MP3)) as server:
        with pytest.raises(errors.DownloadError, match="No such file or directory"):
            await fetching.download(f"{server.base_url}/song.mp3", tmp_path / "missing" / "song.mp3")

        assert server.received == []


async def test_download_to_a_directory_is_a_clear_error(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, MP3)) as server:
        with pytest.raises(errors.DownloadError, match="directory"):
            await fetching.download(f"{server.base_url}/song.mp3", tmp_path)

    assert os.listdir(tmp_path) == []


async def test_download_progress_counts_bytes(fetching: MusicAPI, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    content = b"ID3" + b"\x00" * 3_000_000
    async with scripted(respond(200, content)) as server:
        await fetching.download(
            f"{server.base_url}/song.mp3", tmp_path / "song", on_progress=lambda done, total: seen.append((done, total))
        )

    assert seen[-1] == (len(content), len(content))
    assert len(seen) >= 3
    assert seen == sorted(seen)


async def test_download_follows_a_redirect_without_the_key(fetching: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, MP3)) as elsewhere:
        async with scripted(respond(302, b"", {"Location": f"{elsewhere.base_url}/song"})) as server:
            saved = await fetching.download(f"{server.base_url}/song", tmp_path / "song")

        assert "authorization" not in elsewhere.received[0].headers
    assert saved.size == len(MP3)


async def test_download_of_several_batches_is_written_in_their_order(fetching: MusicAPI, tmp_path: Path) -> None:
    content = b"ID3" + b"".join(number.to_bytes(4) for number in range(900_000))
    async with scripted(respond(200, content)) as server:
        saved = await fetching.download(f"{server.base_url}/song.mp3", tmp_path / "song.mp3")

    assert Path(saved).read_bytes() == content


@pytest.mark.parametrize("limit", [100_000, 2_900_000])  # in the first batch, and in the last one
async def test_download_on_a_full_disk_is_a_clear_error_and_leaves_no_file(tmp_path: Path, limit: int) -> None:
    """A limit on the size of files stands in for a full disk; it can only be set for a whole process."""
    script = """
        import asyncio, resource, signal, sys
        from musicapi_async import MusicAPI, errors

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)

        async def main():
            async with MusicAPI("k", base_url=sys.argv[1]) as client:
                try:
                    await client.download(sys.argv[1], sys.argv[2])
                except errors.DownloadError as error:
                    print(error)

        asyncio.run(main())
    """
    content = b"ID3" + b"\x00" * 3_000_000
    async with scripted(respond(200, content)) as server:
        done = await asyncio.to_thread(
            subprocess.run,
            [
                sys.executable,
                "-c",
                textwrap.dedent(script),
                f"{server.base_url}/song",
                str(tmp_path / "song.mp3"),
                str(limit),
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.stderr == ""
    assert "File too large" in done.stdout
    assert os.listdir(tmp_path) == []
