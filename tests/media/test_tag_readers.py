"""Tagged files as others read them: ffmpeg of the system, FFmpeg in PyAV, mutagen, tinytag, eyeD3 and Chromium."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Any, Final

import attrs
import av
import eyed3
import mutagen
import pytest
from browser import Page, launched, needs_browser
from media_songs import JPEG, Lyrics, chapters_by_av, clip, decoded, encode, found_by_av, write_cover
from tinytag import TinyTag

from musicapi_async import media

needs_ffmpeg: Final = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="no ffmpeg: apt-get install ffmpeg")
VERSIONS: Final = {
    "mp3": ("2.4", "2.3"),
    "m4a": ("2.4",),
    "flac": ("2.4",),
    "opus": ("2.4",),
    "ogg": ("2.4",),
    "wav": ("2.4", "2.3"),
}
NAMES: Final = [(suffix, version) for suffix, versions in VERSIONS.items() for version in versions]
CHAPTERS: Final = [("Intro", 1.0), ("A much longer name of a verse", 2.004), ("End", 3.5)]


@attrs.frozen(kw_only=True)
class Found:
    """What a reader finds in a file."""

    title: object
    artist: object
    album: object
    track: object
    genre: object
    date: object
    lyrics: object
    cover: object


EXPECTED: Final = Found(
    title=clip().title,
    artist="The Gulls / AC",
    album="Harbors",
    track="3",
    genre="sea shanty, calm",
    date="2026-10-16",
    lyrics=clip().lyrics,
    cover=md5(JPEG).hexdigest(),  # noqa: S324 - ffprobe's
)


@attrs.frozen
class Tagged:
    """A file before and after."""

    plain: Path
    song: Path


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Tagged]:
    folder = tmp_path_factory.mktemp("songs")
    found = {}
    for suffix, version in NAMES:
        plain, song = folder / f"plain.{suffix}", folder / f"{version}.{suffix}"
        if not plain.exists():
            plain.write_bytes(encode(suffix))
        shutil.copyfile(plain, song)
        media.tag(
            song,
            clip(created_at=datetime(2026, 10, 16, 12, tzinfo=UTC)),
            cover=write_cover(folder),
            timeline=Lyrics(),
            album="Harbors",
            artist="The Gulls / AC",
            track=3,
            id3_version=version,  # type: ignore[arg-type]
        )
        found[suffix, version] = Tagged(plain, song)
    return found


@pytest.fixture(params=NAMES, ids=[f"{suffix}-{version}" for suffix, version in NAMES])
def tagged(request: pytest.FixtureRequest, songs: dict[tuple[str, str], Tagged]) -> Tagged:
    return songs[request.param]


def probed(path: Path) -> dict[str, Any]:
    shown = ("-show_format", "-show_streams", "-show_chapters", "-show_packets", "-show_data_hash", "md5")
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", *shown, path],  # noqa: S607 - as the system finds it
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def by_ffprobe(path: Path) -> Found:
    found = probed(path)
    audio, picture = found["streams"]
    tags = {name.lower(): text for name, text in {**audio.get("tags", {}), **found["format"].get("tags", {})}.items()}
    (cover,) = (one["data_hash"] for one in found["packets"] if one["stream_index"] == picture["index"])
    return of_ffmpeg(tags, cover.removeprefix("MD5:"))


def by_av(path: Path) -> Found:
    with av.open(path) as file:
        cover = next(bytes(packet) for packet in file.demux(video=0))
    return of_ffmpeg(found_by_av(path), md5(cover).hexdigest())  # noqa: S324 - ffprobe's


def of_ffmpeg(tags: dict[str, str], cover: str) -> Found:
    names = ("title", "artist", "album", "track", "genre", "date")
    lyrics = tags.get("lyrics", tags.get("lyrics-und"))
    return Found(**{name: tags.get(name) for name in names}, lyrics=lyrics, cover=cover)


def by_tinytag(path: Path) -> Found:
    tag = TinyTag.get(path, image=True)
    (lyrics, *_) = tag.other.get("lyrics", [None])
    cover = tag.images.any
    return Found(
        title=tag.title,
        artist=tag.artist,
        album=tag.album,
        track=str(tag.track),
        genre=tag.genre,
        date=tag.year,
        lyrics=lyrics,
        cover=cover and md5(cover.data).hexdigest(),  # noqa: S324 - ffprobe's
    )


def by_eyed3(path: Path) -> Found:
    tag = eyed3.load(path).tag
    return Found(
        title=tag.title,
        artist=tag.artist,
        album=tag.album,
        track=str(tag.track_num[0]),
        genre=tag.genre.name,
        date=str(tag.getBestDate()),
        lyrics=tag.lyrics[0].text,
        cover=md5(tag.images[0].image_data).hexdigest(),  # noqa: S324 - ffprobe's
    )


def by_mutagen(path: Path) -> dict[str, str]:
    """Return the texts that mutagen's own uniform view of the formats shows."""
    found: Any = mutagen.File(path, easy=True)
    names = {"tracknumber": "track"} | {name: name for name in ("title", "artist", "album", "genre", "date")}
    return {name: found[label][0] for label, name in names.items()}


@pytest.mark.parametrize("reader", [by_av, by_tinytag, pytest.param(by_ffprobe, marks=needs_ffmpeg)])
def test_tags_are_the_same_for_every_reader(tagged: Tagged, reader: Callable[[Path], Found]) -> None:
    expected = EXPECTED
    if reader is by_tinytag and tagged.song.name == "2.3.mp3":
        # In ID3v2.3 the day stands in a frame of its own, which it does not read.
        expected = attrs.evolve(expected, date="2026")
    if reader is by_ffprobe and tagged.song.suffix == ".wav":
        # FFmpeg 5 reads no texts of the ID3 chunk where there is a LIST chunk, which has no lyrics.
        expected = attrs.evolve(expected, lyrics=None)

    assert reader(tagged.song) == expected


@pytest.mark.parametrize("version", ["2.4", "2.3"])
def test_tags_of_mp3_are_the_same_for_eyed3(songs: dict[tuple[str, str], Tagged], version: str) -> None:
    song = songs["mp3", version].song

    found = eyed3.load(song).tag
    assert found.version[:2] == ((2, 4) if version == "2.4" else (2, 3))
    assert {one.description: one.text for one in found.user_text_frames}["MUSICAPI_CLIP_ID"] == "c-1"
    chapters = sorted(found.chapters, key=lambda one: one.times)
    assert [(one.title, one.times[0] / 1000) for one in chapters] == CHAPTERS
    assert by_eyed3(song) == EXPECTED


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "flac", "opus", "ogg"])
def test_tags_are_the_same_for_mutagen(songs: dict[tuple[str, str], Tagged], suffix: str) -> None:
    for version in VERSIONS[suffix]:
        found = by_mutagen(songs[suffix, version].song)
        assert found == {name: text for name, text in attrs.asdict(EXPECTED).items() if name in found}
        assert len(found) == 6


def test_chapters_are_found_by_av(tagged: Tagged) -> None:
    assert chapters_by_av(tagged.song) == CHAPTERS


@needs_ffmpeg
def test_chapters_are_found_by_ffprobe(tagged: Tagged) -> None:
    assert [(one["tags"]["title"], float(one["start_time"])) for one in probed(tagged.song)["chapters"]] == CHAPTERS


def test_audio_is_decoded_to_the_same_samples_by_av(tagged: Tagged) -> None:
    before = decoded(tagged.plain)

    assert decoded(tagged.song) == before
    assert len(before) > 150_000


@needs_ffmpeg
def test_audio_is_decoded_to_the_same_samples_by_ffmpeg(tagged: Tagged) -> None:
    def samples(path: Path) -> bytes:
        command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a", "-f", "s16le", "-"]
        return subprocess.run(command, capture_output=True, check=True).stdout

    before = samples(tagged.plain)
    assert samples(tagged.song) == before
    assert len(before) > 150_000


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with launched() as browser:
        yield browser.new_page()


@needs_browser
def test_audio_is_decoded_to_the_same_samples_by_chromium(tagged: Tagged, page: Page) -> None:
    script = """async files => {
        const context = new OfflineAudioContext(1, 1, 48000);
        const decode = async file => (await context.decodeAudioData(
            Uint8Array.from(atob(file), one => one.charCodeAt(0)).buffer)).getChannelData(0);
        const [before, after] = await Promise.all(files.map(decode));
        return [before.length, after.length, before.every((sample, at) => sample === after[at])];
    }"""
    files = [base64.b64encode(path.read_bytes()).decode() for path in (tagged.plain, tagged.song)]

    before, after, is_same = page.evaluate(script, files)
    assert before == after
    assert before > 90_000
    assert is_same
