"""The page of a folder of songs: ``index.html``, which needs nothing but the files beside it.

``page.html`` is its template; ``page.css``, ``rows.js`` and ``page.js``, with the player of ``media``, are put into it.
Texts of the service or the user are escaped, and the page's content security policy allows only these, and files of
its own folder.

A small page has all rows as elements, and shows them without JavaScript too. A large one has them as JSON, which no
browser lays out: its script makes elements of those near the window.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

import attrs

from musicapi_async.bulk.meanings import MEANINGS
from musicapi_async.bulk.records import Attempt, Record
from musicapi_async.bulk.report.entries import SPECIMEN, Entry, Song, Summary, entry_of, moved, with_extras
from musicapi_async.media.player import lyrics_for_player, page_policy, player_resource
from musicapi_async.media.sidecar import read_timeline

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.environment import TemplateStream

__all__ = ["MAX_SMALL", "PAGE", "write_report"]

PAGE: Final = "index.html"
EXTRA_HINT: Final = "a report needs jinja2: pip install 'musicapi-async[cli]'"
MAX_SMALL: Final = 999
"""Maximum number of songs, and of requests, of a page that has all rows as elements."""
ITEMS_AT_ONCE: Final = 500
"""Pieces of the page that are written at once."""
MAX_TIMES: Final = 8_000_000
"""Characters of all times of words on the page: those of some 2,000 songs, which take seconds to write."""


def write_report(
    folder: Path,
    records: Callable[[], Iterable[Record]],
    prices: Mapping[str, float | None],
    extras: Iterable[Attempt] = (),
    other_credits: float = 0.0,
    stored_at: str | None = None,
    max_times: int = MAX_TIMES,
    max_small: int = MAX_SMALL,
    page: Path | None = None,
) -> Summary:
    """Write the page about a folder's records, as a stream, atomically.

    ``page`` is its file; None for ``index.html`` in the folder.

    ``records`` is called twice, to add up and to write; ``prices`` are credits by operation; ``extras`` are attempts
    that were paid for besides their records; ``other_credits`` were paid for the times of words; ``stored_at`` is the
    address of the object store with the files that are not in the folder; ``max_times`` is the number of characters of
    all times of words, beyond which further songs are shown without theirs; ``max_small`` is the number of songs or
    requests beyond which the page needs JavaScript.

    Raises OSError, and ModuleNotFoundError with what to install when jinja2 is missing.
    """
    template = _template()
    by_number: dict[int, list[Attempt]] = {}
    for extra in extras:
        by_number.setdefault(extra.record.number, []).append(extra)

    def entries() -> Iterator[Entry]:
        for record in records():
            entry = entry_of(record, folder, prices.get(record.operation), stored_at)
            yield with_extras(entry, by_number[record.number], folder) if record.number in by_number else entry

    summary = Summary.of(entries(), other_credits)
    page = folder / PAGE if page is None else page
    singer, prefix = _Singer(folder, max_times), _prefix(folder, page)
    sung = (moved(singer.add_times(entry), prefix) for entry in entries())
    is_small = max(summary.songs, summary.requests) <= max_small
    stream = template.stream(
        name=folder.resolve().name or "songs",
        summary=summary,
        meanings=MEANINGS,
        entries=sung if is_small else (),
        lines=() if is_small else map(_line, sung),
        specimen=None if is_small else SPECIMEN,
        singer=singer,
        stored_at=stored_at,
        written_at=datetime.now(UTC),
        **_resources(),
    )
    stream.enable_buffering(ITEMS_AT_ONCE)
    _write_stream(stream, page)
    return summary


def _prefix(folder: Path, page: Path) -> str:
    """Return what leads from a page to the files of a folder; empty where they are beside it."""
    folder, beside = folder.resolve(), page.parent.resolve()
    if folder == beside:
        return ""
    try:
        return f"{quote(os.fsencode(Path(os.path.relpath(folder, beside)).as_posix()))}/"
    except ValueError:  # another drive, on Windows
        return f"{folder.as_uri()}/"


def _line(entry: Entry) -> str:
    # With < escaped, no text can end the script element that it is in.
    return json.dumps(entry.data(), ensure_ascii=False, separators=(",", ":")).replace("<", r"\u003c")


def _write_stream(stream: "TemplateStream", page: Path) -> None:
    partial = page.with_name(f".{page.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("xb") as file:
            # A lone surrogate (the service's JSON may contain one) becomes its escape.
            stream.dump(file, encoding="utf-8", errors="backslashreplace")
        partial.replace(page)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


class _Singer:
    """Adds the times of their words to songs, from the files beside them, as long as the page is not too large."""

    def __init__(self, folder: Path, max_times: int) -> None:
        self._folder = folder
        self._left = max_times
        self.songs = 0
        """Songs that have got their times."""
        self.is_full = False
        """True when the times of a song were left out."""

    def add_times(self, entry: Entry) -> Entry:
        """Return an entry with the times of its songs."""
        return attrs.evolve(entry, songs=[self._sung(song) for song in entry.songs])

    def _sung(self, song: Song) -> Song:
        if song.audio is None or song.about is None or self.is_full:
            return song
        timeline = read_timeline(self._folder / os.fsdecode(unquote_to_bytes(song.about)))
        if timeline is None:
            return song
        lyrics = lyrics_for_player(timeline)
        if len(lyrics.times) > self._left:
            self.is_full = True
            return song
        self._left -= len(lyrics.times)
        self.songs += 1
        return attrs.evolve(song, lyrics=lyrics.text, times=lyrics.times)


def _template() -> "Template":
    try:
        from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - it needs the extra
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(EXTRA_HINT, name="jinja2") from error
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return page.from_string(_read_resource("page.html"))


def _resources() -> dict[str, str]:
    """Return the script and the style of the page, and the policy that allows them."""
    script = player_resource("player.js") + _read_resource("rows.js") + _read_resource("page.js")
    style = player_resource("player.css") + _read_resource("page.css")
    return {"script": script, "style": style, "policy": page_policy(script, style)}


def _read_resource(name: str) -> str:
    return files(__package__ or "").joinpath(name).read_text("utf-8")
