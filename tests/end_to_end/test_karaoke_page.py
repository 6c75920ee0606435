"""The karaoke page in a browser: the word that is sung, the lines that are chosen, cut files and live streams."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from browser import DESKTOP, PHONE, Page, launched, needs_browser, until, write_silence
from media_songs import encode

from musicapi_async import Word, media

pytestmark = needs_browser

WORDS: Final = 400
STEP: Final = 0.5
"""Seconds from word to word; each lasts 0.4."""
PLACES: Final = (0, 1, 7, 8, 44, 137, 199, 250, 398, 399)
SECONDS: Final = 8.0
"""Length of the songs that are cut off, or streamed at first."""
AUDIO: Final = "document.querySelector('audio')"
HOSTILE: Final = "</script><img src=x onerror=alert(1)>"


def word(at: int) -> str:
    """Return the text of a word; one looks like HTML, others are right-to-left or of a script without spaces."""
    return {0: HOSTILE, 44: "\u05d0\u05d1", 137: "雨"}.get(at, f"word{at}")


def timeline() -> media.Timeline:
    words = [Word(word(at), at * STEP, at * STEP + 0.4, at // 8) for at in range(WORDS)]
    # Two signs of a script without blanks stand side by side.
    return media.Timeline.of([Word("[Verse 1]", 0.0, 0.0, 0), *words[:138], Word("の", 68.9, 68.95, 17), *words[138:]])


@contextmanager
def live(first: bytes, whole: bytes) -> Iterator[tuple[str, threading.Event]]:
    """Serve a stream that stops after its first part, and the whole song once the event is set."""
    is_finished, is_over = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            try:
                self.stream() if self.path == "/live" else self.send_song()
            except OSError:
                self.close_connection = True

        def stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "audio/mpeg")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(first), first))
            is_over.wait()

        def send_song(self) -> None:
            is_finished.wait()
            begin = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").partition("-")[0])
            self.send_response(206)
            self.send_header("Content-Type", "audio/mpeg")
            self.send_header("Content-Range", f"bytes {begin}-{len(whole) - 1}/{len(whole)}")
            self.send_header("Content-Length", str(len(whole) - begin))
            self.end_headers()
            self.wfile.write(whole[begin:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", is_finished
    finally:
        is_finished.set()
        is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def whole() -> bytes:
    return encode("mp3", SECONDS)


@pytest.fixture(scope="module")
def server(whole: bytes) -> Iterator[tuple[str, threading.Event]]:
    # Chromium reads 32 KiB at once: of this stream it gets the first half.
    with live(encode("mp3", SECONDS, {"write_xing": "0"}), whole) as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, whole: bytes, server: tuple[str, threading.Event]) -> Path:
    folder = tmp_path_factory.mktemp("karaoke") / "songs 100% #1"
    folder.mkdir()
    write_silence(folder / "harbor.wav", int(WORDS * STEP))
    media.karaoke(folder / "harbor.html", timeline(), audio=folder / "harbor.wav", title=HOSTILE)
    (folder / "cut.mp3").write_bytes(whole[: len(whole) // 2])
    short = media.Timeline.of([Word(word(at), at * STEP, at * STEP + STEP, 0) for at in range(1, 15)])
    media.karaoke(folder / "cut.html", short, audio=folder / "cut.mp3")
    media.karaoke(folder / "live.html", short, audio=(f"{server[0]}/live", f"{server[0]}/song.mp3"))
    return folder


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Any]:
    # Made after the pages: while it is open, a test must not block on files.
    del folder
    with launched() as chromium:
        yield chromium


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Page]]:
    """Open a page; any error or warning of the page fails the test at its end."""
    complaints: list[str] = []
    pages: list[Page] = []

    def opened(path: Path, **options: Any) -> Page:
        page = browser.new_page(**({"viewport": DESKTOP, "reduced_motion": "reduce"} | options))
        pages.append(page)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield opened
    for page in pages:
        page.close()
    assert complaints == []


@pytest.fixture
def page(open_page: Callable[..., Page], folder: Path) -> Page:
    return open_page(folder / "harbor.html")


def seek(page: Page, seconds: float) -> None:
    page.evaluate(f"{AUDIO}.play().then(() => {AUDIO}.pause())")
    page.evaluate(f"{AUDIO}.currentTime = {seconds}")


def sung(page: Page) -> Any:
    return page.evaluate("document.querySelector('.singing')?.textContent")


def test_karaoke_page_marks_the_right_word_at_ten_places(page: Page) -> None:
    assert page.locator(".line > span").count() == WORDS + 1
    assert page.title() == HOSTILE
    for at in PLACES:
        seek(page, at * STEP + 0.2)
        until(page, f"document.querySelector('.singing')?.textContent === {word(at)!r}")
        assert page.locator(".singing").count() == 1
        # The sign beside word 137 is one more.
        assert page.locator(".sung").count() == at + (at > 137)
        line = page.locator("[aria-current]")
        assert line.count() == 1
        assert word(at) in line.inner_text()
        box = line.bounding_box()
        assert 0 <= box["y"] < DESKTOP["height"] - 70
    # Back again, and between two words.
    seek(page, 3.45)
    until(page, "!document.querySelector('.singing')")
    assert page.locator(".sung").count() == 7
    assert page.locator("h3").inner_text().lower() == "verse 1"


def test_karaoke_page_that_plays_marks_the_word_of_its_time(page: Page) -> None:
    page.keyboard.press("Space")
    until(page, f"{AUDIO}.currentTime > 0.6")
    # Read in one call: the playback position moves on between two.
    found = page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done("
        f"[{AUDIO}.currentTime, document.querySelectorAll('.sung').length]))))"
    )
    assert abs(found[0] - 0.1 - STEP * found[1]) < STEP
    page.keyboard.press("Space")
    until(page, f"{AUDIO}.paused")


def test_karaoke_page_plays_from_a_line_that_is_clicked_or_chosen_by_keys(page: Page) -> None:
    page.locator(".line").nth(20).click()
    until(page, f"document.querySelector('.singing')?.textContent === {word(160)!r}")
    assert page.evaluate(f"{AUDIO}.paused") is False
    page.locator(".line").nth(2).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    until(page, f"document.querySelector('.singing')?.textContent === {word(24)!r}")
    assert page.evaluate("document.querySelectorAll('.line[tabindex=\"0\"]').length") == 1


def test_karaoke_page_shows_the_length_of_the_song_and_seeks_before_it_is_loaded(page: Page) -> None:
    assert page.locator("#whole").inner_text() == "3:19"
    page.evaluate(
        "(() => { const s = document.getElementById('seek'); s.value = 100.1; s.dispatchEvent(new Event('input')) })()"
    )
    assert sung(page) == word(200)
    assert page.locator("#at").inner_text() == "1:40"
    page.keyboard.press("Space")
    until(page, f"{AUDIO}.currentTime > 100.1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_karaoke_page_fits_the_screen_in_both_color_schemes(
    scheme: str, viewport: dict[str, int], open_page: Callable[..., Page], folder: Path
) -> None:
    page = open_page(folder / "harbor.html", viewport=viewport, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    colours = "(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor] })()"
    ink, paper = (sum(map(int, found[4:-1].split(","))) for found in page.evaluate(colours))
    assert (ink < paper) is (scheme == "light")


def test_karaoke_page_of_a_cut_file_says_where_it_ends(open_page: Callable[..., Page], folder: Path) -> None:
    page = open_page(folder / "cut.html")
    page.evaluate(f"{AUDIO}.playbackRate = {AUDIO}.defaultPlaybackRate = 8")
    page.keyboard.press("Space")
    until(page, f"{AUDIO}.ended")
    message = page.locator("#message").inner_text()
    assert message in {f"The audio ends at 0:0{at} of 0:07: it is not the whole song." for at in (2, 3, 4)}


def test_karaoke_page_of_a_stream_moves_to_the_finished_file_and_keeps_its_place(
    open_page: Callable[..., Page], folder: Path, server: tuple[str, threading.Event]
) -> None:
    host, is_finished = server
    page = open_page(folder / "live.html")
    page.evaluate(f"{AUDIO}.playbackRate = {AUDIO}.defaultPlaybackRate = 2")
    page.keyboard.press("Space")
    until(page, f"{AUDIO}.currentTime > 1.2")
    assert page.evaluate(f"{AUDIO}.src") == f"{host}/live"
    before = page.evaluate(f"{AUDIO}.currentTime")
    is_finished.set()
    until(page, f"{AUDIO}.src === '{host}/song.mp3' && {AUDIO}.readyState > 2")
    assert page.evaluate(f"{AUDIO}.currentTime") >= before
    assert page.evaluate(f"{AUDIO}.paused") is False
    # What the stream never had.
    until(page, f"{AUDIO}.currentTime > 4.2 && document.querySelectorAll('.sung').length >= 7")
