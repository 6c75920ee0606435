"""Karaoke pages: the lyrics and their times in the file, text that stays text, and the files that it refers to."""

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import musicapi_sync
from musicapi_async import Word, errors, media

SONG: Final = media.Timeline.of(
    [
        Word("[Verse 1]\n", 0.0, 0.0),
        Word("The ", 0.5, 0.9),
        Word("har", 1.0, 1.2),
        Word("bour\n", 1.2, 1.5),
        Word("sleeps\n\n[Chorus]\n", 2.0, 2.4),
        Word("Oh", 3.0, 3.5),
    ]
)
HOSTILE: Final = (
    "<script>alert(1)</script>",
    "</script></style></div><img src=x onerror=alert(1)>",
    '"\' onload=\'alert(1)" x="',
    "$title ${policy} $$",
    "<!-- ]]> &lt;b&gt; &amp;",
    "a\x00b\x1b[31m\u202egnp",
    "half \ud83d a letter",
)


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the texts of some."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.inside = ""
        self.feed(path.read_text("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = dict(attrs).get("id") or tag

    def handle_endtag(self, _: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        self.texts[self.inside] = self.texts.get(self.inside, "") + data

    @property
    def lyrics(self) -> dict[str, str]:
        found = next(attributes for _, attributes in self.elements if attributes.get("id") == "lyrics")
        return {name: value or "" for name, value in found.items()}

    def sung(self) -> Iterator[tuple[str, float, float]]:
        """Yield the words as the page's script reads them."""
        at = 0
        rows = self.texts["lyrics"].split("\n")
        for row, times in zip(rows, self.lyrics["data-times"].split(";"), strict=True):
            rest = row
            for part in times.split():
                pause, length, count = map(int, part.split(","))
                rest = rest.lstrip(" ")
                yield rest[:count], (at + pause) / 1000, (at + pause + length) / 1000
                rest = rest[count:]
                at += pause + length
            assert not times or not rest


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    path = tmp_path / "harbor.mp3"
    path.touch()
    return path


def test_karaoke_is_the_same_in_both_packages() -> None:
    assert musicapi_sync.media.karaoke is media.karaoke


def test_karaoke_page_has_the_lyrics_their_sections_and_times(tmp_path: Path, audio: Path) -> None:
    path = media.karaoke(tmp_path / "harbor.html", SONG, audio=audio, title="Harbor")
    page = Page(path)
    assert page.texts["title"] == page.texts["h1"] == "Harbor"
    assert page.texts["lyrics"] == "[Verse 1]\nThe harbour\nsleeps\n\n[Chorus]\nOh"
    assert [(word.text, word.start, word.end) for line in SONG.lines for word in line.words] == list(page.sung())
    assert page.lyrics["data-audio"] == "harbor.mp3"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["雨の", "[Verse]", "שלום", ""]
)
times = st.none() | st.floats(allow_nan=True) | st.floats(0, 300)
words = st.builds(Word, text=texts, start=times, end=times, line=st.none() | st.integers(0, 5))


@settings(max_examples=50)
@given(found=st.lists(words, max_size=30))
def test_karaoke_page_of_any_words_has_each_at_its_time(
    tmp_path_factory: pytest.TempPathFactory, found: list[Word]
) -> None:
    timeline = media.Timeline.of(found)
    if not timeline.lines:
        return
    page = Page(media.karaoke(tmp_path_factory.getbasetemp() / "any.html", timeline, audio="https://h/a.mp3"))
    expected = [word for line in timeline.lines for word in line.words]
    assert [text for text, _, _ in page.sung()] == [" ".join(word.text.split()) for word in expected]
    for word, (_, start, end) in zip(expected, page.sung(), strict=True):
        assert word.start is not None
        assert word.end is not None
        assert abs(start - word.start) <= 0.0006
        assert abs(end - word.end) <= 0.0006


def test_karaoke_page_of_lines_without_words_marks_whole_lines(tmp_path: Path) -> None:
    timeline = media.Timeline((media.Line("The harbour", 1.0, 2.0), media.Line("sleeps", 2.5, 3.0)))
    page = Page(media.karaoke(tmp_path / "a.html", timeline, audio="https://h/a.mp3"))
    assert list(page.sung()) == [("The harbour", 1.0, 2.0), ("sleeps", 2.5, 3.0)]


@pytest.mark.parametrize("text", HOSTILE)
def test_karaoke_page_of_hostile_text_shows_it_as_text(text: str, tmp_path: Path, audio: Path) -> None:
    harmless = Page(media.karaoke(tmp_path / "a.html", SONG, audio=audio, title="Harbor"))
    line = media.Line(text, 1.0, 2.0, (Word(text, 1.0, 2.0),), text)
    timeline = media.Timeline((line, line), title=text, artist=None)
    page = Page(media.karaoke(tmp_path / "b.html", timeline, audio=audio))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in harmless.elements]
    assert [set(attributes) for _, attributes in page.elements] == [set(known) for _, known in harmless.elements]
    visible = re.sub("[\x00\x1b]", "", text).replace("\ud83d", "?")
    assert page.texts["h1"] == visible
    assert page.texts["lyrics"].splitlines() == [f"[{visible}]", visible, visible]
    assert [word for word, _, _ in page.sung()] == [visible, visible]


def test_karaoke_page_needs_nothing_from_elsewhere(tmp_path: Path, audio: Path) -> None:
    path = media.karaoke(tmp_path / "harbor.html", SONG, audio=audio)
    page = Page(path)
    policy = next(attributes["content"] or "" for _, attributes in page.elements if "http-equiv" in attributes)
    assert "default-src 'none'" in policy
    assert "media-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in html.unescape(path.read_text("utf-8")).replace("http-equiv", "")
    assert not [tag for tag, attributes in page.elements if tag == "link" or attributes.get("src")]


def test_karaoke_page_refers_to_files_relative_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "songs" / "files").mkdir(parents=True)
    names = ("songs/100% #1?.mp3", "songs/files/Grüße 雨.png")
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    page = Page(media.karaoke("songs/harbor.html", SONG, audio=names[0], cover=names[1]))
    image = next(attributes["src"] or "" for tag, attributes in page.elements if tag == "img")
    assert re.fullmatch(r"[\w.~%/-]+", page.lyrics["data-audio"] + image)
    assert unquote(page.lyrics["data-audio"]) == "100% #1?.mp3"
    assert unquote(image) == "files/Grüße 雨.png"


def test_karaoke_page_of_a_running_song_has_its_stream_and_the_file_to_come(tmp_path: Path) -> None:
    stream = "https://host:8443/live?a=1&b=<2>"
    page = Page(media.karaoke(tmp_path / "a.html", SONG, audio=(stream, tmp_path / "harbor.mp3")))
    assert (page.lyrics["data-audio"], page.lyrics["data-finished"]) == (stream, "harbor.mp3")
    policy = next(attributes["content"] or "" for _, attributes in page.elements if "http-equiv" in attributes)
    assert "media-src 'self' https:;" in policy


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"path": "a.mp3"}, "path"),
        ({"path": "a"}, "path"),
        ({"path": "a\0.html"}, "path"),
        ({"path": b"a.html"}, "path"),
        ({"timeline": media.Timeline()}, "timeline"),
        ({"timeline": [Word("la", 0.0, 1.0)]}, "timeline"),
        ({"audio": "missing.mp3"}, "audio"),
        ({"audio": "../outside.mp3"}, "audio"),
        ({"audio": "."}, "audio"),
        ({"audio": "a\0.mp3"}, "audio"),
        ({"audio": ("harbor.mp3", "../outside.mp3")}, "audio"),
        ({"audio": None}, "audio"),
        ({"audio": ("harbor.mp3",)}, "audio"),
        ({"audio": "https://"}, "audio"),
        ({"audio": "https://host/a b"}, "audio"),
        ({"audio": "https://[host/"}, "audio"),
        ({"cover": "missing.png"}, "cover"),
        ({"cover": 7}, "cover"),
        ({"title": 7}, "title"),
    ],
)
def test_karaoke_with_a_wrong_argument_names_it_and_writes_nothing(
    changes: dict[str, Any], field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    (folder / "harbor.mp3").touch()
    (tmp_path / "outside.mp3").touch()
    monkeypatch.chdir(folder)
    arguments: dict[str, Any] = {"path": "a.html", "timeline": SONG, "audio": "harbor.mp3"} | changes
    with pytest.raises(errors.InvalidRequestError) as caught:
        media.karaoke(arguments.pop("path"), arguments.pop("timeline"), **arguments)
    assert caught.value.field == field
    assert [path.name for path in folder.iterdir()] == ["harbor.mp3"]


def test_karaoke_page_that_cannot_be_written_leaves_no_part(tmp_path: Path, audio: Path) -> None:
    (tmp_path / "harbor.html").mkdir()
    with pytest.raises(OSError, match="harbor"):
        media.karaoke(tmp_path / "harbor.html", SONG, audio=audio)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["harbor.html", "harbor.mp3"]
