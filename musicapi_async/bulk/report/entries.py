"""Contents of the report: each record of a journal as the page shows it, and the totals of all."""

import json
import math
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import attrs

from musicapi_async.bulk.meanings import MEANINGS
from musicapi_async.bulk.records import TRANSITIONS, Attempt, Record, State

__all__ = ["SPECIMEN", "Entry", "Song", "Summary", "entry_of", "moved", "with_extras"]

TROUBLED: Final[frozenset[State]] = frozenset({"failed", "refunded", "uncertain", "refused"})
"""States that are explained on the page."""
DATA_FIELDS: Final = ("number", "key", "operation", "state", "task_id", "cost", "explanation", "request", "others")
SONG_DATA_FIELDS: Final = (
    "title",
    "tags",
    "lyrics",
    "times",
    "model",
    "duration",
    "seconds",
    "audio",
    "stored",
    "cover",
    "about",
)
# The only files that are linked: no browser runs anything in them.
AUDIO: Final = frozenset({"mp3", "wav", "flac", "ogg", "m4a", "mp4", "aac", "aiff", "webm"})
IMAGES: Final = frozenset({"png", "jpg", "jpeg", "gif", "webp", "avif"})
OTHERS: Final = frozenset({"json", "mid", "heic", "zip"})


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
    stored: str = ""
    """Where its audio is in an object store, as text, since a browser does not open it; empty where it is here."""
    cover: str | None = None
    about: str | None = None

    @property
    def is_saved(self) -> bool:
        """True when its audio is here, or in an object store."""
        return self.audio is not None or bool(self.stored)

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

    @property
    def explanation(self) -> str:
        """Text that says why there is no song; empty where there is no trouble."""
        return (self.reason or self.meaning) if self.is_troubled else ""

    @property
    def cost(self) -> str:
        """Credits it has cost, or may have, as text."""
        if self.credits is None:
            return ""
        return f"{'perhaps ' if self.state == 'uncertain' else ''}{self.credits:g} credits"

    def data(self) -> dict[str, Any]:
        """Return what the page's script makes a row of, without what is empty."""
        found = {name: value for name in DATA_FIELDS if (value := getattr(self, name))}
        songs = [{name: value for name in SONG_DATA_FIELDS if (value := getattr(song, name))} for song in self.songs]
        return found | {"paid_twice": ", ".join(self.paid_twice), "songs": songs}


@attrs.frozen(kw_only=True)
class Summary:
    """Totals of all records of a journal."""

    counts: Mapping[State, int]
    songs: int
    seconds: float
    credits: float | None
    """Credits paid, by the prices that are known, and for the times of words; None where no price is known."""
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
    def of(cls, entries: Iterable[Entry], other_credits: float = 0.0) -> "Summary":
        """Return the totals of entries, with the credits that were paid for other things than tasks."""
        counts: Counter[State] = Counter()
        paid = {False: 0.0, True: 0.0}
        songs, seconds, is_priced = 0, 0.0, False
        for entry in entries:
            counts[entry.state] += 1
            saved = [song for song in entry.songs if song.is_saved]
            songs += len(saved)
            seconds += sum(song.seconds or 0 for song in saved)
            if entry.credits is not None:
                is_priced = True
                paid[entry.state == "uncertain"] += entry.credits
        return cls(
            counts={state: counts[state] for state in TRANSITIONS if counts[state]},
            songs=songs,
            seconds=seconds,
            credits=paid[False] + other_credits if is_priced else None,
            uncertain_credits=paid[True],
        )


SPECIMEN: Final = Entry(
    number=0,
    key="-",
    operation="-",
    state="failed",
    task_id="-",
    reason="-",
    request="-",
    credits=0,
    songs=[Song(title="-", tags="-", lyrics="-", times="-", model="-", seconds=1, audio="-", cover="-", about="-")],
    others=[("-", "-")],
    paid_twice=["-"],
)
"""An entry with every part that one can have: the page's script copies its row."""


def entry_of(record: Record, folder: Path, price: float | None, stored_at: str | None = None) -> Entry:
    """Return the page's entry for a record; ``stored_at`` is the address of the files that are not in the folder."""
    groups, others = _by_song(record)
    songs = [_song(clip, group, folder, stored_at) for clip, group in zip(record.clips, groups, strict=False)]
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


def with_extras(entry: Entry, extras: Sequence[Attempt], folder: Path) -> Entry:
    """Return an entry with the tasks and files of attempts that were paid for besides."""
    names = [name for extra in extras for name in extra.files or ()]
    files = [(name, url) for name in names if (url := _address(name, folder)) is not None]
    task_ids = [extra.task_id or "" for extra in extras]
    return attrs.evolve(entry, others=[*entry.others, *files], paid_twice=task_ids)


def moved(entry: Entry, prefix: str) -> Entry:
    """Return an entry for a page elsewhere: ``prefix`` leads from there to the folder of its files."""
    if not prefix:
        return entry
    songs = [
        attrs.evolve(
            song, **{name: prefix + url for name in ("audio", "cover", "about") if (url := getattr(song, name))}
        )
        for song in entry.songs
    ]
    return attrs.evolve(entry, songs=songs, others=[(name, prefix + url) for name, url in entry.others])


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


def _song(clip: Mapping[str, Any], names: Sequence[str], folder: Path, stored_at: str | None) -> Song:
    seconds = clip.get("duration")
    is_time = isinstance(seconds, (int, float)) and math.isfinite(seconds) and seconds >= 0
    audio = _first(names, AUDIO, folder)
    stored = [] if audio or stored_at is None else [f"{stored_at}/{name}" for name in names if _suffix(name) in AUDIO]
    return Song(
        title=_text(clip, "title") or "Untitled",
        tags=_text(clip, "tags"),
        lyrics=_text(clip, "lyrics"),
        model=_text(clip, "model"),
        seconds=seconds if is_time else None,
        audio=audio,
        stored="".join(stored[:1]),
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
