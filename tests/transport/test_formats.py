"""Formats by the first bytes: audio formats are recognized, and text of every charset is refused as audio."""

import codecs
import gzip
import json
import logging
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Scripted, respond, scripted

from musicapi_async import Clip, DownloadFile, MusicAPI, errors
from musicapi_async.media.formats import FIRST_BYTES, format_of, is_text

REST: Final = random.Random(1).randbytes(2000)
HTML: Final = "<!DOCTYPE html><html><body>Zug\u00e4nge: this link has expired.</body></html>"
PAGES: Final = {
    "utf-8 with a mark": codecs.BOM_UTF8 + HTML.encode(),
    "utf-16-le with a mark": codecs.BOM_UTF16_LE + HTML.encode("utf-16-le"),
    "utf-16-be with a mark": codecs.BOM_UTF16_BE + HTML.encode("utf-16-be"),
    "utf-32-le with a mark": codecs.BOM_UTF32_LE + HTML.encode("utf-32-le"),
    "utf-32-be with a mark": codecs.BOM_UTF32_BE + HTML.encode("utf-32-be"),
    "utf-16-le": HTML.encode("utf-16-le"),
    "utf-16-be": HTML.encode("utf-16-be"),
    "utf-32-le": HTML.encode("utf-32-le"),
    "latin-1": HTML.encode("latin-1"),
    "cyrillic": "\u0421\u0441\u044b\u043b\u043a\u0430 \u0443\u0441\u0442\u0430\u0440\u0435\u043b\u0430".encode(
        "cp1251"
    ),
    "shift-jis": "\u30ea\u30f3\u30af\u306e\u671f\u9650".encode("shift-jis"),
    "iso-2022-jp": "\u30ea\u30f3\u30af\u306e\u671f\u9650".encode("iso2022_jp"),
    "no markup, with a mark": codecs.BOM_UTF16_LE + "Too late".encode("utf-16-le"),
    "blank lines first": b"\r\n" * 700 + HTML.encode(),
    "a mark and blank lines": codecs.BOM_UTF8 + b" \r\n\t" + HTML.encode(),
    "xml": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "json": json.dumps({"error": {"message": "expired"}}).encode(),
    "json with a mark": codecs.BOM_UTF8 + b'{"detail": "expired"}',
    "a stray control character": b"<html>\x00\x01\x02" + HTML.encode(),
    "one letter": b"x",
}
SONGS: Final = {
    "MPEG-1 Layer III": (b"\xff\xfb\x90\x64", "mp3"),
    "MPEG-1 Layer III with a checksum": (b"\xff\xfa\x90\x64", "mp3"),
    "MPEG-2 Layer III": (b"\xff\xf3\x80\xc4", "mp3"),
    "MPEG-2.5 Layer III": (b"\xff\xe3\x18\xc4", "mp3"),
    "MPEG-1 Layer II": (b"\xff\xfd\x84\x04", "mp3"),
    "free format": (b"\xff\xfb\x00\x00", "mp3"),
    "ID3": (b"ID3\x04\x00\x00\x00\x00\x00\x21", "mp3"),
    "ADTS, MPEG-4": (b"\xff\xf1\x50\x80", "aac"),
    "ADTS, MPEG-2": (b"\xff\xf9\x50\x80", "aac"),
    "ADTS with a checksum": (b"\xff\xf0\x4c\x80", "aac"),
    "FLAC": (b"fLaC\x00\x00\x00\x22", "flac"),
    "Ogg": (b"OggS\x00\x02", "ogg"),
    "WAV": (b"RIFF\x24\x00\x00\x00WAVEfmt ", "wav"),
    "WAV of 64 bits": (b"RF64\xff\xff\xff\xffWAVEds64", "wav"),
    "broadcast WAV": (b"BW64\xff\xff\xff\xffWAVEds64", "wav"),
    "AIFF": (b"FORM\x00\x00\x10\x00AIFFCOMM", "aiff"),
    "WebM": (b"\x1a\x45\xdf\xa3\x9fB\x86", "webm"),
    "M4A": (b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00", "m4a"),
    "M4B": (b"\x00\x00\x00\x20ftypM4B \x00\x00\x00\x00", "m4a"),
    "MP4": (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "mp4"),
    "MIDI": (b"MThd\x00\x00\x00\x06", "mid"),
}
NO_FRAMES: Final = {
    "reserved version": b"\xff\xeb\x90\x64" + REST,
    "reserved sample rate": b"\xff\xfb\x9c\x64" + REST,
    "reserved bit rate": b"\xff\xfb\xf0\x64" + REST,
    "all bits set": b"\xff\xff\xff\xff" + REST,
    "layer 0 that is no ADTS": b"\xff\xe1\x50\x80" + REST,
    "ADTS with a reserved rate": b"\xff\xf1\x7c\x80" + REST,
    "too short": b"\xff\xfb\x00",
    "packed": gzip.compress(HTML.encode()),
}
BRANDS: Final = ("isom", "iso5", "iso6", "dash", "mp42", "mp41", "M4A ", "M4B ")


def mp4(brand: str) -> bytes:
    return b"\x00\x00\x00\x20ftyp" + brand.encode() + b"\x00\x00\x02\x00" + REST


@pytest.fixture
async def client() -> AsyncIterator[MusicAPI]:
    async with MusicAPI("k", base_url="http://127.0.0.1:9/v1", trust_env=False, max_attempts=1) as client:
        yield client


def clip_of(server: Scripted, path: str = "/song") -> Clip:
    return Clip(clip_id="c-1", state="succeeded", audio_url=f"{server.origin}{path}")


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
async def test_page_in_the_place_of_a_song_is_refused(page: bytes, client: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, page, {"Content-Type": "audio/mpeg"})) as server:
        url = f"{server.origin}/song.mp3"
        sources: list[tuple[Clip | str, str]] = [
            (clip_of(server), "a"),
            (clip_of(server), "a.mp3"),
            (url, "b.mp3"),
            (url, "b"),
        ]
        for source, name in sources:
            with pytest.raises(errors.DownloadError, match="sent a text"):
                await client.download(source, tmp_path / name)
        with pytest.raises(errors.DownloadError, match="sent a text"):
            await client.download(DownloadFile(f"{server.origin}/x"), tmp_path / "c")

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
async def test_page_that_is_asked_for_by_its_address_is_written(page: bytes, client: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, page)) as server:
        saved = await client.download(f"{server.origin}/page", tmp_path / "page.html")

    assert (saved.format, saved.path.read_bytes()) == (None, page)


@pytest.mark.parametrize(("start", "file_format"), SONGS.values(), ids=SONGS)
async def test_song_is_named_by_its_first_bytes(
    start: bytes, file_format: str, client: MusicAPI, tmp_path: Path
) -> None:
    async with scripted(respond(200, start + REST, {"Content-Type": "text/html"})) as server:
        saved = await client.download(clip_of(server, "/song.exe"), tmp_path / "song")

    assert (saved.format, saved.path.name) == (file_format, f"song.{file_format}")
    assert saved.path.read_bytes() == start + REST


@pytest.mark.parametrize("content", NO_FRAMES.values(), ids=NO_FRAMES)
async def test_song_of_no_known_format_is_kept_with_a_warning(
    content: bytes, client: MusicAPI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted(respond(200, content)) as server:
        saved = await client.download(clip_of(server), tmp_path / "song")

    assert (saved.format, saved.path.name, saved.path.read_bytes()) == (None, "song", content)
    assert "none of the known media formats" in caplog.text


async def test_picture_in_the_place_of_a_song_is_refused(client: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, b"\x89PNG\r\n\x1a\n" + REST)) as server:
        with pytest.raises(errors.DownloadError, match=r"sent a picture \(png\)"):
            await client.download(clip_of(server), tmp_path / "song")
        assert (await client.download(f"{server.origin}/cover", tmp_path / "cover")).format == "png"

    assert os.listdir(tmp_path) == ["cover.png"]


@pytest.mark.parametrize("brand", BRANDS)
async def test_mp4_declared_as_audio_is_m4a(
    brand: str, client: MusicAPI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    content = mp4(brand)
    typed = respond(200, content, {"Content-Type": "Audio/MP4; codecs=mp4a.40.2"})
    video = {"Content-Type": "video/mp4"}
    async with scripted(typed) as server:
        by_type = await client.download(clip_of(server), tmp_path / "type")
        by_type_too = await client.download(clip_of(server, "/x.mp4"), tmp_path / "type2.m4a")
        server.steps[:] = [respond(200, content, video)]
        by_address = await client.download(clip_of(server, "/Song.M4A?x=.mp4#y"), tmp_path / "address")
        by_format = await client.download(DownloadFile(f"{server.origin}/x", "m4a"), tmp_path / "format")
        server.steps[:] = [respond(302, b"", {"Location": "/elsewhere.m4a"}), respond(200, content)]
        by_redirect = await client.download(clip_of(server), tmp_path / "redirect")

    found = [by_type, by_type_too, by_address, by_format, by_redirect]
    assert [saved.format for saved in found] == ["m4a"] * 5
    assert [saved.path.suffix for saved in found] == [".m4a"] * 5
    assert caplog.text == ""


async def test_mp4_not_declared_as_audio_is_mp4(client: MusicAPI, tmp_path: Path) -> None:
    async with scripted(respond(200, mp4("isom"), {"Content-Type": "video/mp4"})) as server:
        saved = await client.download(f"{server.origin}/v?x=.m4a", tmp_path / "video")

    assert (saved.format, saved.path.name) == ("mp4", "video.mp4")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.m4a", mp4("iso5")),
        ("d.mp4", mp4("M4A ")),
        ("d.M4B", mp4("isom")),
        ("e.opus", b"OggS" + REST),
        ("e.oga", b"OggS" + REST),
        ("f.aif", b"FORM\x00\x00\x10\x00AIFC" + REST),
        ("g.jpeg", b"\xff\xd8\xff\xe0" + REST),
        ("h.midi", b"MThd\x00\x00\x00\x06" + REST),
        ("i.aac", b"\xff\xf1\x50\x80" + REST),
        ("j.weba", b"\x1a\x45\xdf\xa3" + REST),
    ],
)
async def test_usual_suffix_of_a_format_is_not_warned_about(
    name: str, content: bytes, client: MusicAPI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted(respond(200, content)) as server:
        saved = await client.download(f"{server.origin}/song", tmp_path / name)

    assert saved.path.name == name
    assert "its suffix says" not in caplog.text


@pytest.mark.parametrize(
    ("name", "start", "file_format"),
    [("a.mp3", b"\xff\xf1\x50\x80", "aac"), ("a.ogg", b"\xff\xfb\x90\x64", "mp3")],
)
async def test_suffix_of_another_format_is_warned_about(
    name: str, start: bytes, file_format: str, client: MusicAPI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted(respond(200, start + REST)) as server:
        await client.download(f"{server.origin}/song", tmp_path / name)

    assert f"{name} is {file_format}, not what its suffix says" in caplog.text


TEXT: Final = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(text=TEXT, charset=st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]))
def test_any_text_with_a_byte_order_mark_is_text(text: str, charset: str) -> None:
    start = text.encode(charset)[:FIRST_BYTES]

    assert format_of(start) is None
    assert is_text(start)


@given(text=TEXT.filter(lambda text: not text.startswith(("ID3", "fLaC", "OggS", "MThd", "GIF8", "RIFF", "FORM"))))
def test_any_utf8_text_is_text_wherever_it_is_cut(text: str) -> None:
    start = text.encode()[:FIRST_BYTES]

    assert format_of(start) is None
    assert is_text(start)


@given(first=st.characters(exclude_categories=["Cs"]), rest=TEXT, charset=st.sampled_from(["utf-16-le", "utf-16-be"]))
def test_utf16_without_a_mark_is_an_audio_frame_only_for_rare_first_characters(
    first: str, rest: str, charset: str
) -> None:
    """The bound: such a text begins with a form of an Arabic letter, a halfwidth sign or private use."""
    file_format = format_of((first + rest).encode(charset))

    if not 0xE000 <= ord(first) <= 0xFFFF:
        assert file_format not in {"mp3", "aac"}
