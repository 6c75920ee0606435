"""The player of HTML pages: its script and style, the timed lyrics in its format, and a page's security policy.

``player.js`` and ``player.css`` are part of every page with songs: the karaoke page and the report of a bulk run.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from typing import Final, NamedTuple

from musicapi_async.media.lines import Line
from musicapi_async.media.pieces import printable
from musicapi_async.media.timeline import Timeline
from musicapi_async.results import Word

__all__ = ["PlayerLyrics", "lyrics_for_player", "page_policy", "player_resource"]

MILLISECONDS: Final = 1000


class PlayerLyrics(NamedTuple):
    """Lyrics as the player reads them from an element."""

    text: str
    """The content of the element: the lines, with the section tags on lines of their own."""
    times: str
    """Its attribute ``data-times``: one part for each line of the text, separated by semicolons. That of a line that is
    sung has three integers for each word, separated by commas: milliseconds from the end of the word before it,
    milliseconds that it lasts, and its characters. Words are separated by blanks; other lines have an empty part."""


def lyrics_for_player(timeline: Timeline) -> PlayerLyrics:
    """Return the lyrics of a timeline for a page's player."""
    texts: list[str] = []
    times: list[str] = []
    section: str | None = None
    at = 0
    for line in timeline.lines:
        if line.section != section:
            section = line.section
            heading = [f"[{_one_line(section)}]"] if section else []
            added = ["", *heading] if texts else heading
            texts += added
            times += [""] * len(added)
        text, part, at = _line(line, at)
        texts.append(text)
        times.append(part)
    return PlayerLyrics("\n".join(texts), ";".join(times))


def _line(line: Line, at: int) -> tuple[str, str, int]:
    """Return the text of a line, the times of its words, and the end of the last one in milliseconds."""
    parts: list[str] = []
    for word in line.words or (Word(line.text, line.start, line.end),):
        # Each time is rounded by itself, so that errors do not add up; in a line made by hand it may be missing.
        start = at if word.start is None else max(at, round(word.start * MILLISECONDS))
        end = start if word.end is None else max(start, round(word.end * MILLISECONDS))
        parts.append(f"{start - at},{end - start},{len(_one_line(word.text))}")
        at = end
    return _one_line(line.text), " ".join(parts), at


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())


def player_resource(name: str) -> str:
    """Return the text of a file of this folder."""
    return files("musicapi_async.media").joinpath(name).read_text("utf-8")


def page_policy(script: str, style: str, origins: Sequence[str] = ()) -> str:
    """Return the content security policy of a page: this script, this style, images and media of these origins."""
    sources = " ".join(["'self'", *origins])
    return (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; img-src {sources}; "
        f"media-src {sources}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
