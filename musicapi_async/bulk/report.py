"""A folder of songs as one page: ``index.html``, which needs nothing but the files beside it.

``report.html`` is its template; ``report.css`` and ``report.js``, with the player of ``media``, are put into it. Texts
of the service or the user are escaped, and the page's content security policy allows only these, and files of its own
folder.
"""

import json
import math
import os
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote_to_bytes

import attrs

from musicapi_async.bulk.journal import TRANSITIONS, Attempt, Record, State
from musicapi_async.media.player import lyrics_for_player, page_policy, player_resource
from musicapi_async.media.sidecar import read_timeline

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.environment import TemplateStream

__all__ = ["MEANINGS", "PAGE", "Entry", "Song", "Summary", "entry_of", "write_report"]

PAGE: Final = "index.html"
EXTRA_HINT: Final = "a report needs jinja2: pip install 'musicapi-async[cli]'"
MEANINGS: Final[Mapping[State, str]] = {
    "planned": "not sent yet",
    "sending": "being sent now, or interrupted while it was sent",
    "accepted": "accepted and paid for; the service is making it",
    "finished": "finished; not all of its files are saved yet",
    "saved": "finished; its files are saved",
    "failed": "failed, or abandoned by you; its credits may be lost",
    "refunded": "failed; its credits were refunded",
    "uncertain": "it may or may not have been accepted and charged",
    "refused": "not accepted; nothing was charged",
}
TROUBLED: Final[frozenset[State]] = frozenset({"failed", "refunded", "uncertain", "refused"})
"""States that are explained on the page."""
# The only files that are linked: no browser runs anything in them.
AUDIO: Final = frozenset({"mp3", "wav", "flac", "ogg", "m4a", "mp4", "aac", "aiff", "webm"})
IMAGES: Final = frozenset({"png", "jpg", "jpeg", "gif", "webp", "avif"})
OTHERS: Final = frozenset({"json", "mid", "heic", "zip"})
ITEMS_AT_ONCE: Final = 500
"""Pieces of the page that are written at once."""
MAX_TIMES: Final = 8_000_000
"""Characters of all times of words on the page: those of some 2,000 songs, which take seconds to write."""


@attrs.frozen(kw_only=True)
class Song:
    """A clip as the page shows it; ``audio``, ``cover`` and ``about`` are addresses of files that are there."""

    title: str
    tags: str = ""
    lyrics: str = ""
    times: str = ""
    """The times of its words, for the player; empty where they are not known."""
    model: str = ""
    seconds: float | None = None
    audio: str | None = None
    cover: str | None = None
    about: str | None = None

    @property
    def duration(self) -> str:
        """Length of the song, as text."""
        return "" if self.seconds is None else clock(self.seconds)


@attrs.frozen(kw_only=True)
class Entry:
    """A record as the page shows it; ``credits`` are those it has cost, or may have, where the price is known."""

    number: int
    key: str
    operation: str
    state: State
    task_id: str | None
    reason: str | None
    request: str | None
    credits: float | None
    songs: Sequence[Song]
    others: Sequence[tuple[str, str]] = ()
    """Names and addresses of files that belong to no clip."""
    paid_twice: Sequence[str] = ()
    """Ids of tasks that were paid for besides the record's own; their files are among ``others``."""

    @property
    def is_troubled(self) -> bool:
        """True when the page explains why there is no song."""
        return self.state in TROUBLED

    @property
    def meaning(self) -> str:
        """Explanation of its state."""
        return MEANINGS[self.state]


@attrs.frozen(kw_only=True)
class Summary:
    """Totals of all records of a journal."""

    counts: Mapping[State, int]
    songs: int
    seconds: float
    credits: float | None
    """Credits paid, by the prices that are known; None where none is."""
    uncertain_credits: float

    @property
    def requests(self) -> int:
        """Number of requests."""
        return sum(self.counts.values())

    @property
    def uncertain(self) -> int:
        """Number of requests that may have been paid for."""
        return self.counts.get("uncertain", 0)

    @property
    def duration(self) -> str:
        """Length of all songs together, as text."""
        return clock(self.seconds)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Summary":
        """Return the totals of entries."""
        counts: Counter[State] = Counter()
        paid = {False: 0.0, True: 0.0}
        songs, seconds, is_priced = 0, 0.0, False
        for entry in entries:
            counts[entry.state] += 1
            saved = [song for song in entry.songs if song.audio is not None]
            songs += len(saved)
            seconds += sum(song.seconds or 0 for song in saved)
            if entry.credits is not None:
                is_priced = True
                paid[entry.state == "uncertain"] += entry.credits
        return cls(
            counts={state: counts[state] for state in TRANSITIONS if counts[state]},
            songs=songs,
            seconds=seconds,
            credits=paid[False] if is_priced else None,
            uncertain_credits=paid[True],
        )


def write_report(
    folder: Path,
    records: Callable[[], Iterable[Record]],
    prices: Mapping[str, float | None],
    extras: Iterable[Attempt] = (),
    max_times: int = MAX_TIMES,
) -> Summary:
    """Write the page about a folder's records, as a stream, atomically.

    ``records`` is called twice, to add up and to write; ``prices`` are credits by operation; ``extras`` are attempts
    that were paid for besides their records; ``max_times`` is the number of characters of all times of words, beyond
    which further songs are shown without theirs. Raises OSError, and ModuleNotFoundError with what to install when
    jinja2 is missing.
    """
    template = _template()
    by_number: dict[int, list[Attempt]] = {}
    for extra in extras:
        by_number.setdefault(extra.record.number, []).append(extra)

    def entries() -> Iterator[Entry]:
        for record in records():
            entry = entry_of(record, folder, prices.get(record.operation))
            yield _with_extras(entry, by_number[record.number], folder) if record.number in by_number else entry

    summary = Summary.of(entries())
    script = player_resource("player.js") + _read_resource("report.js")
    style = player_resource("player.css") + _read_resource("report.css")
    singer = _Singer(folder, max_times)
    stream = template.stream(
        name=folder.resolve().name or "songs",
        summary=summary,
        meanings=MEANINGS,
        entries=map(singer.add_times, entries()),
        singer=singer,
        written_at=datetime.now(UTC),
        script=script,
        style=style,
        policy=page_policy(script, style),
    )
    stream.enable_buffering(ITEMS_AT_ONCE)
    _write_stream(stream, folder)
    return summary


def _write_stream(stream: "TemplateStream", folder: Path) -> None:
    partial = folder / f".{PAGE}.{secrets.token_hex(4)}.part"
    try:
        with partial.open("xb") as file:
            # A lone surrogate (the service's JSON may contain one) becomes its escape.
            stream.dump(file, encoding="utf-8", errors="backslashreplace")
        partial.replace(folder / PAGE)
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


def entry_of(record: Record, folder: Path, price: float | None) -> Entry:
    """Return the page's entry for a record."""
    groups, others = _by_song(record)
    songs = [_song(clip, group, folder) for clip, group in zip(record.clips, groups, strict=False)]
    is_troubled = record.state in TROUBLED
    is_explained = is_troubled or record.overdue_at is not None
    return Entry(
        number=record.number,
        key=record.key,
        operation=record.operation,
        state=record.state,
        task_id=record.task_id,
        reason=record.reason or None if is_explained else None,
        request=json.dumps(record.request, indent=2, ensure_ascii=False) if is_troubled else None,
        credits=_credits(record, price),
        songs=songs,
        others=[(name, url) for name in others if (url := _address(name, folder)) is not None],
    )


def _with_extras(entry: Entry, extras: Sequence[Attempt], folder: Path) -> Entry:
    names = [name for extra in extras for name in extra.files or ()]
    files = [(name, url) for name in names if (url := _address(name, folder)) is not None]
    task_ids = [extra.task_id or "" for extra in extras]
    return attrs.evolve(entry, others=[*entry.others, *files], paid_twice=task_ids)


def _credits(record: Record, price: float | None) -> float | None:
    """Return the credits a record has cost, or may have; by the listed price if it has no recorded charge."""
    if record.charge is not None:
        return record.charged or None
    # Including earlier attempts that were not refunded.
    paid = record.attempts - record.refunds + (record.state == "uncertain")
    return None if price is None or not paid else paid * price


def clock(seconds: float) -> str:
    """Return a time as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _by_song(record: Record) -> tuple[list[list[str]], list[str]]:
    """Return the files of each clip, and those that belong to none."""
    groups, count = record.files_by_clip(), len(record.clips)
    groups += [[] for _ in range(count - len(groups))]
    return groups[:count], [name for group in groups[count:] for name in group]


def _song(clip: Mapping[str, Any], names: Sequence[str], folder: Path) -> Song:
    seconds = clip.get("duration")
    is_time = isinstance(seconds, (int, float)) and math.isfinite(seconds) and seconds >= 0
    return Song(
        title=_text(clip, "title") or "Untitled",
        tags=_text(clip, "tags"),
        lyrics=_text(clip, "lyrics"),
        model=_text(clip, "model"),
        seconds=seconds if is_time else None,
        audio=_first(names, AUDIO, folder),
        cover=_first(names, IMAGES, folder),
        about=_first(names, {"json"}, folder),
    )


def _text(clip: Mapping[str, Any], name: str) -> str:
    value = clip.get(name)
    return "" if value is None else str(value).strip()


def _first(names: Sequence[str], suffixes: Collection[str], folder: Path) -> str | None:
    found = (_address(name, folder) for name in names if _suffix(name) in suffixes)
    return next((address for address in found if address is not None), None)


def _address(name: str, folder: Path) -> str | None:
    """Return a file's address, relative to the page; None when it is not there, not in the folder, or no media."""
    if _suffix(name) not in AUDIO | IMAGES | OTHERS or "/" in name or "\\" in name:
        return None
    try:
        is_there = (folder / name).is_file()
        # A colon would end a scheme (javascript:), # and ? the name; % is what the others become.
        return quote(os.fsencode(name), safe="") if is_there else None
    except (OSError, ValueError):
        # No file can have such a name.
        return None


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _template() -> "Template":
    try:
        from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - it needs the extra
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(EXTRA_HINT, name="jinja2") from error
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return page.from_string(_read_resource("report.html"))


def _read_resource(name: str) -> str:
    return files(__package__ or "").joinpath(name).read_text("utf-8")
