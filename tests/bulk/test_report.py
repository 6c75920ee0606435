"""The report of a folder of songs: titles are always text, and only existing files are linked."""

import json
import re
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import pytest

from musicapi_async.bulk.records import TRANSITIONS, Record, State
from musicapi_async.bulk.report import entry_of, write_report

HOSTILE: Final = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "`${alert(1)}`",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- ]]> &lt;b&gt; &amp;",
    "javascript:alert(1)",
    "a\x00b\x1b[31m\u202egnp",
    "half \ud83d a letter",
)
PRICES: Final = {"sonic.describe": 10.0}
VOID: Final = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.data = ""
        self.open: list[str] = []
        self.feed(path.read_text("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.words += data
        elif self.elements[-1] == ("script", {"type": "application/json", "id": "data"}):
            self.data += data

    def links(self) -> list[str]:
        return [value for _, attributes in self.elements for name in ("src", "href") if (value := attributes.get(name))]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def record(number: int = 1, state: State = "saved", files: Sequence[str] = (), **facts: Any) -> Record:
    fields = {"key": f"key-{number}", "operation": "sonic.describe", "request": {"prompt": "rain"}} | facts
    return Record(number=number, state=state, files=files, **fields)


def clip(**facts: Any) -> dict[str, Any]:
    return {"clip_id": "c", "title": "Rain", "tags": "lofi", "lyrics": "la la", "duration": 61.4} | facts


def page_of(folder: Path, *records: Record) -> Page:
    write_report(folder, lambda: records, PRICES)
    return Page(folder / "index.html")


def touch(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).write_bytes(b"x")
    return list(names)


@pytest.mark.parametrize("text", HOSTILE)
def test_report_of_hostile_text_shows_it_as_text(text: str, tmp_path: Path) -> None:
    files = touch(tmp_path, "a.mp3", "a-cover.png", "a.json")
    fields = clip(title=text, tags=text, lyrics=text, model=text)
    harmless = page_of(tmp_path, record(1, files=files, clips=[clip()]), record(2, "failed", reason="no"))
    page = page_of(
        tmp_path,
        record(1, files=files, clips=[fields], key=text, operation=text, task_id=text),
        record(2, "failed", reason=text, request={text: text}, key=text),
    )
    shown = {name for name, _ in page.elements}
    assert shown == {name for name, _ in harmless.elements}
    assert page.count("script") == 1
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.links() == harmless.links()
    visible = text.encode("utf-8", "backslashreplace").decode().strip()
    assert page.words.count(visible) >= 5


@pytest.mark.parametrize("text", HOSTILE)
def test_large_report_of_hostile_text_has_it_as_data_alone(text: str, tmp_path: Path) -> None:
    files = touch(tmp_path, "a.mp3", "a-cover.png", "a.json")
    fields = clip(title=text, tags=text, lyrics=text, model=text)
    records = [
        record(1, files=files, clips=[fields], key=text, operation=text, task_id=text),
        record(2, "failed", reason=text, request={text: text}, key=text),
    ]
    write_report(tmp_path, lambda: records, PRICES, max_small=1)
    page = Page(tmp_path / "index.html")
    assert page.count("script") == 2
    harmless = [record(1, files=files, clips=[clip()]), record(2, "failed", reason="no")]
    write_report(tmp_path, lambda: harmless, PRICES, max_small=1)
    others = Page(tmp_path / "index.html").elements
    assert [one for one in page.elements if one[0] != "time"] == [one for one in others if one[0] != "time"]
    first, second = json.loads(page.data)
    visible = text.strip()
    song = first["songs"][0]
    assert [song[name] for name in ("title", "tags", "lyrics", "model")] == [visible] * 4
    assert (first["key"], first["operation"], first["task_id"], second["explanation"]) == (text,) * 4
    assert song["audio"] == "a.mp3"


@pytest.mark.parametrize(("count", "elements", "lines"), [(999, 999, 0), (1000, 1, 1000)])
def test_report_of_a_thousand_requests_needs_a_script(count: int, elements: int, lines: int, tmp_path: Path) -> None:
    page = page_of(tmp_path, *map(record, range(1, count + 1)))
    # The specimen of a row is no row of the page.
    assert page.count("li") == elements
    assert len(json.loads(page.data or "[]")) == lines


def test_report_policy_allows_only_its_own_script_and_style(tmp_path: Path) -> None:
    page = page_of(tmp_path, record(1))
    policy = next(attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes)
    assert policy is not None
    rules = {name: rest for name, *rest in (rule.split() for rule in policy.split(";"))}
    assert rules["default-src"] == ["'none'"]
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", " ".join(rules["script-src"]))
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", " ".join(rules["style-src"]))
    assert "unsafe" not in policy
    assert not [attributes for _, attributes in page.elements if "style" in attributes]
    text = (tmp_path / "index.html").read_text("utf-8")
    assert "http://" not in text
    assert "https://" not in text


NOT_LINKED: Final = (
    *("gone.mp3", "../outside.mp3", "/etc/hostname.mp3", "sub/inside.mp3", "sub\\inside.mp3", "folder.mp3"),
    *("page.html", "a.svg", "a.js", "nul\0.mp3", "", ".", "..", "half \ud83d.mp3", "n" * 5000 + ".mp3"),
)
ODD_NAMES: Final = ["a#b.mp3", "100%25 ?x=1&y.mp3", "Grüße 🎵 雨.mp3", 'it\'s "x".mp3', "..mp3"] + (
    [] if sys.platform == "win32" else ["javascript:alert(1).mp3", "data:text.mp3", "new\nline.mp3", "<b>.mp3"]
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_address_of_a_file_of_any_name_leads_to_it(name: str, tmp_path: Path) -> None:
    (link,) = page_of(tmp_path, record(files=touch(tmp_path, name), clips=[clip()])).links()
    assert re.fullmatch(r"[\w.~%-]+", link)
    assert unquote(link) == name
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")


@pytest.mark.parametrize("name", NOT_LINKED)
def test_file_that_is_no_media_of_the_folder_is_not_linked(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    (folder / "sub").mkdir(parents=True)
    (folder / "folder.mp3").mkdir()
    touch(tmp_path, "outside.mp3")
    touch(folder, "page.html", "a.svg", "a.js", "sub/inside.mp3")
    page = page_of(folder, record(files=[name, "x.json", name], clips=[clip()]))
    assert page.links() == []
    assert page.count("button") == page_of(folder, record(clips=[clip()])).count("button")


def test_entry_of_two_songs_has_the_files_of_each(tmp_path: Path) -> None:
    names = touch(tmp_path, "1.mp3", "1-cover.png", "1.json", "2.json", "3.wav", "3.json", "notes.mid")
    clips = [clip(title="one"), clip(title="two"), clip(title="three", duration=None, tags=None, lyrics=None)]
    entry = entry_of(record(files=names, clips=clips), tmp_path, 10.0)
    assert [(song.title, song.audio, song.cover, song.about, song.duration) for song in entry.songs] == [
        ("one", "1.mp3", "1-cover.png", "1.json", "1:01"),
        ("two", None, None, "2.json", "1:01"),
        ("three", "3.wav", None, "3.json", ""),
    ]
    assert entry.others == [("notes.mid", "notes.mid")]


@pytest.mark.parametrize("seconds", ["long", True, float("nan"), float("inf"), -1])
def test_duration_that_is_no_time_is_left_out(seconds: object, tmp_path: Path) -> None:
    (song,) = entry_of(record(clips=[clip(duration=seconds)]), tmp_path, None).songs
    assert song.duration in {"", "0:01"}


def test_entry_without_a_song_shows_its_reason_and_request(tmp_path: Path) -> None:
    states: tuple[State, ...] = ("failed", "refused", "uncertain", "refunded")
    records = [
        record(number, state, reason=f"because {state}", request={"prompt": f"rain {state}"})
        for number, state in enumerate(states, 1)
    ]
    page = page_of(tmp_path, *records, record(5, "failed"))
    for state in states:
        assert f"because {state}" in page.words
        assert json.dumps({"prompt": f"rain {state}"}, indent=2) in page.words
    assert "its credits may be lost" in page.words
    assert "--resend-uncertain" in page.words


def test_summary_of_entries_is_their_total(tmp_path: Path) -> None:
    touch(tmp_path, "1.mp3", "1.json", "2.mp3", "2.json")
    summary = write_report(
        tmp_path,
        lambda: [
            record(1, files=["1.mp3", "1.json", "2.mp3", "2.json"], attempts=1, clips=[clip(), clip(duration=3600)]),
            record(2, "saved", files=["gone.mp3", "gone.json"], attempts=3, refunds=2, clips=[clip()]),
            record(3, "uncertain"),
            record(4, "planned"),
            record(5, "refunded", attempts=2, refunds=2),
            record(6, "saved", attempts=1, operation="unknown.operation"),
        ],
        PRICES,
    )
    assert (summary.requests, summary.songs, summary.duration) == (6, 2, "1:01:01")
    assert (summary.credits, summary.uncertain_credits) == (20.0, 10.0)
    assert summary.counts == {"planned": 1, "saved": 3, "uncertain": 1, "refunded": 1}


@pytest.mark.parametrize("max_small", [0, 999])
def test_report_of_songs_in_an_object_store_names_their_addresses(tmp_path: Path, max_small: int) -> None:
    touch(tmp_path, "2.mp3", "2.json")
    files = ["1.mp3", "1-cover.png", "1.json", "2.mp3", "2.json"]
    records = [record(1, files=files, clips=[clip(), clip()]), record(2, clips=[clip()])]
    at = "s3://bucket/<b>songs"

    summary = write_report(tmp_path, lambda: records, PRICES, stored_at=at, max_small=max_small)

    page = Page(tmp_path / "index.html")
    assert summary.songs == 2, "the second record names no file"
    assert f"The files of these songs are at {at}" in page.words
    shown = page.words if max_small else page.data
    assert shown.count("1.mp3") == 1
    assert (f"{at}/1.mp3" if max_small else json.dumps(f"{at}/1.mp3").replace("<", r"\u003c")) in shown
    assert f"{at}/2.mp3" not in shown, "it was copied into the folder, and is played"


def times_in(page: Page) -> list[str]:
    return [attributes["data-times"] or "" for _, attributes in page.elements if "data-times" in attributes]


def write_times(path: Path, count: int = 2) -> None:
    words = [{"text": f"la{at}", "start": at, "end": at + 0.5, "line_index": at} for at in range(count)]
    path.write_text(json.dumps({"raw": {"clip_id": "c", "timestamp": {"words": words}}}))


def test_report_takes_the_times_of_words_from_the_files_of_songs(tmp_path: Path) -> None:
    names = touch(tmp_path, "1.mp3", "1.json", "#2 %.mp3", "#2 %.json", "3.json", "4.mp3", "4.json")
    write_times(tmp_path / "#2 %.json")
    write_times(tmp_path / "3.json")
    (tmp_path / "4.json").write_text('{"raw": {"clip_id": "c", "timestamp": {"words": [{"text": "[Intro]"}]}}}')
    page = page_of(tmp_path, record(files=names, clips=[clip()] * 4))
    # The third one cannot be played, the fourth has no words.
    assert times_in(page) == ["0,500,3;500,500,3"]
    assert "la0\nla1" in page.words
    assert page.words.count("la la") == 3
    assert "The lyrics of 1 song follow the music" in page.words


def test_report_with_too_many_times_leaves_out_those_of_later_songs(tmp_path: Path) -> None:
    records = []
    for number in range(1, 9):
        write_times(tmp_path / f"{number}.json", 40)
        (tmp_path / f"{number}.mp3").touch()
        records.append(record(number, files=[f"{number}.mp3", f"{number}.json"], clips=[clip()]))
    write_report(tmp_path, lambda: records, PRICES, max_times=1000)
    page = Page(tmp_path / "index.html")
    assert len(times_in(page)) == 2
    assert sum(map(len, times_in(page))) <= 1000
    assert page.words.count("la la") == 6
    assert "musicapi karaoke DIR" in page.words


def test_report_without_prices_shows_no_credits(tmp_path: Path) -> None:
    write_report(tmp_path, lambda: [record()], {})
    assert "redits" not in Page(tmp_path / "index.html").words


@pytest.mark.parametrize("state", TRANSITIONS)
def test_report_of_every_state_shows_each(state: State, tmp_path: Path) -> None:
    page = page_of(tmp_path, record(state=state))
    assert [a["data-state"] for name, a in page.elements if name == "li"] == [state]
    assert page.words.count(state) >= 2


def test_report_of_an_empty_journal_is_a_page(tmp_path: Path) -> None:
    assert page_of(tmp_path).count("li") == 0


def test_report_that_fails_half_way_leaves_the_page_before(tmp_path: Path) -> None:
    write_report(tmp_path, lambda: [record()], PRICES)
    before = (tmp_path / "index.html").read_bytes()
    calls = 0

    def breaking() -> Iterator[Record]:
        nonlocal calls
        calls += 1
        for number in range(1, 5000):
            if calls == 2 and number > 3000:
                assert (tmp_path / "index.html").read_bytes() == before
                raise OSError("the journal's disk is gone")
            yield record(number)

    with pytest.raises(OSError, match="disk is gone"):
        write_report(tmp_path, breaking, PRICES)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_bytes() == before


def test_report_of_twenty_thousand_records_takes_little_memory(tmp_path: Path) -> None:
    lyrics = "la la la\n" * 100

    def records() -> Iterator[Record]:
        return (record(number, clips=[clip(lyrics=lyrics)]) for number in range(1, 20_001))

    write_report(tmp_path, lambda: [record()], PRICES)
    tracemalloc.start()
    try:
        summary = write_report(tmp_path, records, PRICES)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert summary.counts == {"saved": 20_000}
    assert (tmp_path / "index.html").stat().st_size > 20e6
    assert peak < 5e6
