"""The report page of 1,200 songs in a browser: of its rows, only those near the window are elements."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from browser import DESKTOP, PHONE, Page, launched, needs_browser, until, write_silence

from musicapi_async.bulk import Record
from musicapi_async.bulk.records import Attempt, State
from musicapi_async.bulk.report import write_report
from musicapi_async.sandbox.audio import MAKERS

pytestmark = needs_browser

ROWS: Final = 625
FAILED: Final = 25
"""One of so many requests failed."""
SUNG: Final = 620
"""The row whose songs have the times of their words: four words a line, each half a second."""
MAX_NODES: Final = 2000
HOSTILE: Final = '"><img src=x onerror="document.title=1"></script><!--<script>document.title=1</script> & &lt; \\u003c'
NODES: Final = "document.querySelectorAll('*').length"
FIRST: Final = "document.querySelector('.row .number').textContent"
LAST: Final = "document.querySelector('.row:last-child .number').textContent"
NOW: Final = "document.querySelector('#now').textContent"
FOUND: Final = "Number.parseInt(document.querySelector('#shown').textContent)"
"""Script: the number of requests that are found."""
IS_PLAYING: Final = "(() => { const a = document.querySelector('audio'); return !a.paused && a.currentTime > 0 })()"
ROWS_AS_HTML: Final = """[...document.querySelectorAll('.row')].map((row) => {
    const copy = row.cloneNode(true);
    const walker = document.createTreeWalker(copy, NodeFilter.SHOW_TEXT);
    const blank = [];
    while (walker.nextNode()) if (!walker.currentNode.data.trim()) blank.push(walker.currentNode);
    for (const text of blank) text.remove();
    return copy.outerHTML.replace(/\\s+/g, " ");
})"""
"""Script: the rows that are in the page, with all attributes, without the blanks between elements."""


def record(number: int) -> Record:
    known: dict[str, Any] = {"key": f"key-{number}", "operation": "sonic.describe", "request": {"gpt": f"key-{number}"}}
    if number % FAILED == 0:
        return Record(number=number, state="failed", reason=f"no: {HOSTILE}", attempts=1, **known)
    stem = "sung" if number == SUNG else "song"
    clips = [
        {
            "clip_id": letter,
            "title": f"Song {number}{letter}",
            "tags": "shanty",
            "lyrics": "[Verse]\nla\n" * 9,
            "duration": 30,
        }
        for letter in "ab"
    ]
    files = [f"{stem}-{letter}{end}" for letter in "ab" for end in (".wav", "-cover.png", ".json")]
    return Record(number=number, state="saved", task_id=f"task-{number}", files=files, attempts=1, clips=clips, **known)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    words = [
        {"text": f"{text}{at}", "start": at / 2, "end": at / 2 + 0.4, "line_index": at // 4}
        for at, text in enumerate(["the", "harbour", "sleeps", "tonight"] * 12)
    ]
    for stem, known in (("song", {}), ("sung", {"raw": {"clip_id": "c", "timestamp": {"words": words}}})):
        for letter in "ab":
            write_silence(folder / f"{stem}-{letter}.wav", 30)
            (folder / f"{stem}-{letter}-cover.png").write_bytes(MAKERS["png"]("cover"))
            (folder / f"{stem}-{letter}.json").write_text(json.dumps(known))
    summary = write_report(folder, lambda: map(record, range(1, ROWS + 1)), {"sonic.describe": 10.0})
    assert summary.songs == 2 * (ROWS - ROWS // FAILED) == 1200
    return folder


STATES: Final[tuple[State, ...]] = ("planned", "accepted", "saved", "failed", "uncertain", "refunded", "refused")


def odd_records() -> list[Record]:
    """Return records with every part that a row can have, and without."""
    clips: list[dict[str, Any]] = [
        {"title": HOSTILE, "tags": HOSTILE, "lyrics": HOSTILE, "model": HOSTILE, "duration": 61.5},
        {"title": None},
        {"title": "Third", "lyrics": "la\n  la"},
    ]
    files = [
        "sung-a.wav",
        "sung-a-cover.png",
        "sung-a.json",
        "song-a.json",
        "song-b.wav",
        "song-b.json",
        "song-b-cover.png",
    ]
    known: dict[str, Any] = {"operation": "sonic.describe", "request": {HOSTILE: ["deep", HOSTILE]}}
    return [
        record
        for number, state in enumerate(STATES)
        for record in (
            Record(
                number=2 * number + 1,
                state=state,
                key=HOSTILE,
                task_id="t",
                files=files,
                clips=clips,
                attempts=1,
                **known,
            ),
            Record(number=2 * number + 2, state=state, key="bare", **known),
        )
    ]


@pytest.fixture(scope="module")
def twins(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Return two folders of the same songs: one with a page as large ones are, one with a small page."""
    records = odd_records()
    extra = Attempt(reference="r", record=records[4], task_id=f"task {HOSTILE}", files=["song-a.wav"])
    folders = []
    for max_small in (0, 999):
        twin = tmp_path_factory.mktemp("twin")
        for path in folder.glob("s*"):
            (twin / path.name).hardlink_to(path)
        write_report(twin, lambda: records, {"sonic.describe": 10.0}, [extra], max_small=max_small)
        folders.append(twin)
    return folders


@pytest.fixture(scope="module")
def browser(folder: Path, twins: Sequence[Path]) -> Iterator[Any]:
    # Made after the folders: while it is open, this thread can run no other event loop.
    del folder, twins
    with launched() as chromium:
        yield chromium


@pytest.fixture
def open_page(browser: Any, folder: Path) -> Iterator[Callable[..., Page]]:
    """Open the page; any error or warning of the page fails the test at its end."""
    complaints: list[str] = []
    pages: list[Page] = []

    def opened(folder: Path = folder, **options: Any) -> Page:
        page = browser.new_page(**({"viewport": DESKTOP} | options))
        pages.append(page)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((folder / "index.html").as_uri())
        return page

    yield opened
    for page in pages:
        page.close()
    assert complaints == []


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_large_report_page_scrolled_to_the_end_shows_the_last_with_few_nodes(
    viewport: dict[str, int], open_page: Callable[..., Page]
) -> None:
    page = open_page(viewport=viewport)
    assert page.evaluate(FOUND) == ROWS
    assert page.evaluate(FIRST) == "1"
    assert page.evaluate(NODES) < MAX_NODES
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    until(page, f"{LAST} === '{ROWS}'")
    until(page, "document.querySelector('footer').getBoundingClientRect().bottom < innerHeight")
    assert page.evaluate(NODES) < MAX_NODES
    assert page.locator(".row").last.get_attribute("aria-posinset") == str(ROWS)
    page.evaluate("scrollTo(0, 0)")
    until(page, f"{FIRST} === '1'")


def test_large_report_page_song_far_away_is_found_and_plays_on_out_of_sight(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type(f"SONG {SUNG}B")
    until(page, f"{FOUND} === 1")
    page.locator(".play").nth(1).click()
    until(page, IS_PLAYING)
    assert page.evaluate(NOW) == f"Song {SUNG}b"
    assert page.locator(".current .lyrics").is_visible()
    page.locator("#search").fill("")
    until(page, f"{FOUND} === {ROWS}")
    assert page.locator(".current").count() == 0
    before = page.evaluate("document.querySelector('audio').currentTime")
    until(page, f"document.querySelector('audio').currentTime > {before}")
    assert page.evaluate("!document.querySelector('audio').paused")
    # Its row comes back as it was left, with the word that is sung by now.
    page.evaluate("(() => { const a = document.querySelector('audio'); a.pause(); a.currentTime = 20.2 })()")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    until(page, "document.querySelector('.current .singing')?.textContent === 'the40'")
    until(page, "document.querySelector('.current .lyrics').scrollTop > 20")
    page.evaluate("scrollTo(0, 0)")
    until(page, f"{FIRST} === '1'")
    page.locator("h1").click()
    page.keyboard.press("j")
    until(page, f"{NOW} === 'Song {SUNG + 1}a'")
    until(page, "document.activeElement.className === 'song current playing'")
    box = page.locator(".current").bounding_box()
    assert 0 <= box["y"] <= DESKTOP["height"] - box["height"]


def test_large_report_page_song_that_ends_out_of_sight_starts_the_next(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.locator(".play").nth(1).click()
    until(page, IS_PLAYING)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    until(page, f"{LAST} === '{ROWS}'")
    # The focus is not taken from an element that the user is in.
    page.locator(".request summary").last.focus()
    page.evaluate("(() => { const a = document.querySelector('audio'); a.currentTime = a.duration - 0.1 })()")
    until(page, f"{NOW} === 'Song 2a'")
    assert page.evaluate(LAST) == str(ROWS)
    page.evaluate("scrollTo(0, 0)")
    until(page, f"{FIRST} === '1'")
    assert page.locator(".current").get_attribute("aria-label") == "Song 2a"
    assert page.locator(".current .play").get_attribute("aria-label") == "Pause Song 2a"
    assert page.locator(".playing.song").count() == 1


def test_large_report_page_row_that_returns_is_as_it_was_left(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.locator(".song summary").nth(2).focus()
    page.keyboard.press("Enter")
    assert page.locator(".song details[open]").count() == 1
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    until(page, f"{LAST} === '{ROWS}'")
    assert page.locator(".song details[open]").count() == 0
    page.evaluate("scrollTo(0, 0)")
    until(page, f"{FIRST} === '1'")
    assert page.locator(".song details").nth(2).get_attribute("open") == ""
    assert page.evaluate("document.activeElement === document.querySelectorAll('.song summary')[2]")


def test_large_report_page_filter_shows_only_rows_of_its_state(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.locator(".filters button", has_text="failed").click()
    assert page.evaluate(FOUND) == ROWS // FAILED
    assert page.evaluate(FIRST) == str(FAILED)
    assert page.locator(".row:not(.troubled)").count() == 0
    assert page.locator(".row").first.bounding_box()["y"] > 0


def test_row_made_by_the_script_is_that_of_the_template(twins: Sequence[Path], open_page: Callable[..., Page]) -> None:
    large, small = (
        open_page(folder, viewport={"width": 1280, "height": 9000}).evaluate(ROWS_AS_HTML) for folder in twins
    )
    assert len(small) == 2 * len(STATES)
    for one, other in zip(large, small, strict=True):
        assert one == other
