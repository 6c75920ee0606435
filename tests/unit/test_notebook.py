"""What a notebook shows of clips and songs."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter

from musicapi_async import Clip, Songs

ATTRIBUTES = {"style", "src", "alt", "href", "target", "rel", "controls", "preload", "dir"}
TEXTS = st.text() | st.sampled_from(['"><script>alert(1)</script>', "' onerror='x", "javascript:alert(1)", "http://["])


class Parsed(HTMLParser):
    """The elements, attributes and text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str | None]:
        return [attrs[name] for _, attrs in self.elements if name in attrs]


def shown(value: object) -> Parsed:
    """Return what IPython shows of a value as HTML."""
    formats, _ = DisplayFormatter().format(value)  # type: ignore[no-untyped-call]
    html = formats["text/html"]
    assert isinstance(html, str)
    return Parsed(html)


def clip(**fields: Any) -> Clip:
    return Clip(**{"clip_id": "c-1", "title": "Rain", "state": "succeeded", **fields})


def test_clip_in_a_notebook_has_cover_player_and_lyrics() -> None:
    page = shown(
        clip(
            audio_url="https://cdn.example/a.mp3?x=1&y=2",
            image_url="https://cdn.example/a.jpg",
            duration=185.4,
            lyrics="[Verse]\nLa",
            tags="rock",
        )
    )

    assert page.values("src") == ["https://cdn.example/a.jpg", "https://cdn.example/a.mp3?x=1&y=2"]
    assert page.values("href") == ["https://cdn.example/a.mp3?x=1&y=2"]
    for text in ("Rain", "succeeded, 3:05, rock, clip c-1", "[Verse]\nLa"):
        assert text in page.text


def test_clip_that_still_runs_plays_its_stream() -> None:
    page = shown(clip(state="running", stream_url="https://cdn.example/live"))

    assert page.values("src") == ["https://cdn.example/live"]
    assert "live stream" in page.text


def test_songs_in_a_notebook_show_each_clip_and_why_one_failed() -> None:
    page = shown(Songs(clips=(clip(title="One"),), failed=(clip(title="Two", state="failed", error="moderated"),)))

    assert page.text.index("One") < page.text.index("Two") < page.text.index("moderated")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://["])
def test_address_that_is_not_of_the_web_is_not_in_the_page(url: str) -> None:
    page = shown(clip(audio_url=url, image_url=url))

    assert not page.values("src")
    assert not page.values("href")


def test_lone_surrogate_is_shown_as_its_escape() -> None:
    assert "\\ud800" in shown(clip(title="\ud800")).text


@given(title=TEXTS, lyrics=TEXTS, tags=TEXTS, error=TEXTS, url=TEXTS)
def test_texts_of_the_service_add_no_element_or_attribute(
    title: str, lyrics: str, tags: str, error: str, url: str
) -> None:
    page = shown(clip(title=title, lyrics=lyrics, tags=tags, error=error, audio_url=f"https://cdn.example/{url}"))

    assert {tag for tag, _ in page.elements} <= {"div", "b", "audio", "a", "details", "summary"}
    assert {name for _, attrs in page.elements for name in attrs} <= ATTRIBUTES
    assert not page.open
