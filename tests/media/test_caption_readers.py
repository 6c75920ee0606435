"""Captions as programs show them: ffmpeg of the system, libass in it, and Chromium."""

import io
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import av
import pytest
from browser import Page, launched, needs_browser, write_silence

from musicapi_async import Word, media

needs_ffmpeg: Final = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg: apt-get install ffmpeg")
SONG: Final = media.Timeline.of(
    [
        Word("The", 0.5, 0.9, 0),
        Word("sea", 1.25, 1.25, 0),
        Word("rock & roll <3 --> <i>you</i>", 2.004, 3.126, 1),
        Word("{\\an8} {b}", 3.5, 4.0, 2),
        Word("海は", 4.0, 4.0, 3),
        Word("眠る", 4.5, 4.9, 3),
    ]
)
PAINTED_WITHIN: Final = 10
"""Seconds."""
LATE: Final = media.Timeline.of([Word("late", 3599.996, 3600.5, 0), Word("later", 6000.25, 6001.5, 1)])


def run(*command: str | Path, folder: Path | None = None) -> bytes:
    return subprocess.run([*map(str, command)], capture_output=True, check=True, cwd=folder).stdout


def probed(path: Path) -> list[tuple[float, float]]:
    """Return the start and end of each cue that ffprobe finds."""
    packets = json.loads(run("ffprobe", "-v", "error", "-of", "json", "-show_packets", path))["packets"]
    starts = [float(packet["pts_time"]) for packet in packets]
    lengths = [float(packet.get("duration_time") or 0) for packet in packets]
    return [(start, start + length) for start, length in zip(starts, lengths, strict=True)]


@needs_ffmpeg
@pytest.mark.parametrize("timeline", [SONG, LATE], ids=["song", "late"])
def test_ffprobe_finds_the_same_times(timeline: media.Timeline, tmp_path: Path) -> None:
    expected = [(line.start, line.end) for line in timeline.lines]

    for suffix, step in (("srt", 0.001), ("vtt", 0.001), ("ass", 0.01)):
        found = probed(timeline.save(tmp_path / f"song.{suffix}"))
        for times, line in zip(found, expected, strict=True):
            assert times == pytest.approx(line, abs=step / 2 + 2e-6)
    # An LRC file holds no ends: a line lasts until the next one, and the last stamp ends the last line.
    starts = [*(start for start, _ in expected), expected[-1][1]]
    assert [start for start, _ in probed(timeline.save(tmp_path / "song.lrc"))] == pytest.approx(starts, abs=0.005002)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["lrc", "srt", "vtt"])
def test_ffmpeg_shows_the_same_text(suffix: str, tmp_path: Path) -> None:
    shown = run("ffmpeg", "-v", "error", "-i", SONG.save(tmp_path / f"song.{suffix}"), "-f", "srt", "-").decode()

    # The last stamp of an LRC file is a cue without a text.
    lines = [block.split("\n", 2)[2] for block in shown.strip().split("\n\n") if block.count("\n") > 1]
    text = "rock & roll <3 --> <i>you</i>"
    # SubRip has no escapes, so the arrow is one letter, and an invisible one keeps a tag from being one.
    assert lines[1].replace("\N{WORD JOINER}", "") == (text.replace("-->", "→") if suffix == "srt" else text)
    assert (lines[0], lines[3]) == ("The sea", "海は眠る")


@needs_ffmpeg
def test_karaoke_is_filled_word_by_word_by_libass(tmp_path: Path) -> None:
    SONG.save(tmp_path / "song.ass")
    source = ("-f", "lavfi", "-i", "color=black:s=640x360:r=20:d=2.1", "-vf", "ass=song.ass")
    video = run("ffmpeg", "-v", "error", *source, "-f", "rawvideo", "-pix_fmt", "gbrp", "-", folder=tmp_path)

    size = 640 * 360

    def painted(seconds: float) -> tuple[int, int]:
        """Return how many points have the colour of what is sung (no blue), and of what is not (white)."""
        start = round(seconds * 20) * size * 3
        blue, red = video[start + size : start + 2 * size], video[start + 2 * size : start + 3 * size]
        white = sum(value > 200 for value in blue)
        return sum(value > 200 for value in red) - white, white

    assert painted(0.45) == (0, 0)
    first, half = painted(0.7), painted(1.1)
    assert 0 < first[0] < half[0]
    # Between 0.9 and 1.25 nothing is sung.
    assert painted(1.2) == half
    assert half[1] > 0
    assert painted(1.6)[0] > half[0]
    assert painted(1.95)[1] == 0 < painted(1.6)[1]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Return a page with a video of six silent seconds and the captions of the song."""
    folder = tmp_path_factory.mktemp("page")
    write_silence(folder / "silence.wav", 6)
    (folder / "page.html").write_text(
        "<!doctype html><style>body{background:black} video{width:640px;height:360px}"
        "::cue{color:white;background:black;font:40px sans-serif} ::cue(:past){color:#f00}</style>"
        "<video src='silence.wav'></video>",
        "utf-8",
    )
    script = """async text => {
        const track = document.createElement("track");
        track.kind = "subtitles"; track.src = URL.createObjectURL(new Blob([text], {type: "text/vtt"}));
        document.querySelector("video").append(track); track.track.mode = "showing";
        await new Promise((done, fail) => { track.onload = done; track.onerror = fail; });
    }"""
    with launched() as browser:
        page = browser.new_page(viewport={"width": 700, "height": 400})
        page.goto((folder / "page.html").as_uri())
        page.evaluate(script, SONG.to_vtt())
        yield page


def seek(page: Page, seconds: float) -> list[str]:
    """Move to a time, and return the texts of the cues that are active then."""
    script = """async seconds => {
        const video = document.querySelector("video");
        await new Promise(done => { video.onseeked = done; video.currentTime = seconds; });
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        return [...video.textTracks[0].activeCues].map(cue => cue.getCueAsHTML().textContent);
    }"""
    found: list[str] = page.evaluate(script, seconds)
    return found


@needs_browser
def test_chromium_reads_cues_and_word_stamps(page: Page) -> None:
    script = """() => [...document.querySelector("video").textTracks[0].cues].map(cue => {
        const shown = cue.getCueAsHTML();
        const walk = node => [...node.childNodes].flatMap(one =>
            one.nodeType === 7 ? [one.data] : one.childNodes.length ? walk(one) : []);
        return [cue.startTime, cue.endTime, shown.textContent, walk(shown)];
    })"""
    found = page.evaluate(script)

    assert [tuple(cue[:3]) for cue in found] == [(line.start, line.end, line.text) for line in SONG.lines]
    assert [cue[3] for cue in found] == [["00:00:01.250"], [], [], ["00:00:04.500"]]


@needs_browser
def test_chromium_shows_each_line_at_its_time(page: Page) -> None:
    for at, line in enumerate(SONG.lines):
        middle = (line.start + line.end) / 2
        after = SONG.lines[at + 1].start if at + 1 < len(SONG.lines) else 6.0
        assert seek(page, middle) == [line.text]
        assert seek(page, line.start + 0.002) == [line.text]
        assert seek(page, line.end - 0.002) == [line.text]
        if after - line.end > 0.01:
            assert seek(page, line.end + 0.002) == []


def colours(page: Page) -> tuple[int, int]:
    """Return how many points are red, and how many grey: Chromium's own colour of what is not yet sung."""
    image: Any
    with av.open(io.BytesIO(page.screenshot()), "r") as file:
        image = next(file.decode(video=0)).reformat(format="gbrp")
    green, _, red = (bytes(plane) for plane in image.planes)
    return sum(value > 200 for value in red), sum(value > 100 for value in green)


def painted(page: Page, is_expected: Callable[[int, int], bool]) -> tuple[int, int]:
    """Return the red and the grey points, once they are as expected: a frame is painted some time after a seek."""
    limit = time.monotonic() + PAINTED_WITHIN
    while not is_expected(*(found := colours(page))):
        assert time.monotonic() < limit, found
    return found


@needs_browser
def test_chromium_styles_the_words_that_are_past(page: Page) -> None:
    seek(page, 0.2)
    # A few points may be anything: the edges of letters are blended with the background.
    painted(page, lambda red, grey: max(red, grey) < 10)
    seek(page, 1.2)
    sung, left = painted(page, lambda red, grey: min(red, grey) > 100)
    seek(page, 1.3)
    painted(page, lambda red, grey: red > sung * 1.5 and grey < left / 10)
