"""How a task goes on: a live board on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from typing import Any, Final

import attrs
from rich.console import Console, Group
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from musicapi_async import Clip, TaskState

__all__ = ["Board", "Lines", "minutes", "printable"]

BAR_WIDTH: Final = 16
NAME_WIDTH: Final = 20
OTHER_WIDTH: Final = 50
"""What stands beside a name: its state, the bar, the amount."""
STYLES: Final = {"running": "cyan", "downloading": "cyan", "failed": "red", "saved": "green"}
STILL: Final = frozenset({"succeeded", "failed", "saved"})


def printable(text: str) -> str:
    """Return the text without control characters: titles and messages come from outside."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def minutes(seconds: float) -> str:
    """Return a time as ``m:ss``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Lines:
    """Progress as lines: one whenever something has changed."""

    is_running = False

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._started = time.monotonic()
        self._seen: dict[str, str] = {}

    def start(self) -> None:
        """Count the time from here."""
        self._started = time.monotonic()

    def stop(self) -> None:
        """Nothing to clear away."""

    def note(self, text: str) -> None:
        """Tell what the client is doing, such as a repetition."""
        self._say(f"{self._elapsed}  {text}")

    def accepted(self) -> None:
        """Say nothing: the line with the id says it."""

    def show(self, state: TaskState[Any]) -> None:
        """Tell what is new in a look at the task."""
        if not state.clips:
            self._tell("task", "task", state.status)
        for clip in state.clips:
            self._tell(clip.clip_id, name_of(clip), clip.state or "unknown")

    def download(self, clip: Clip, done: int, total: int | None) -> None:
        """Say nothing: the line comes when the file is there."""

    def saved(self, clip: Clip) -> None:
        """Tell that a clip's files are there."""
        self._tell(clip.clip_id, name_of(clip), "saved")

    def _tell(self, key: str, name: str, state: str) -> None:
        if self._seen.get(key) != state:
            self._seen[key] = state
            self._say(f"{self._elapsed}  {name}: {state}")

    @property
    def _elapsed(self) -> str:
        return minutes(time.monotonic() - self._started)


@attrs.define
class _Row:
    """One clip on the board."""

    name: str
    state: str = "waiting"
    done: int = 0
    total: int | None = None


class Board:
    """Progress that is redrawn in place: the time, and a row for every clip."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = Spinner("line" if console.options.ascii_only else "dots", style="cyan")
        self._started = time.monotonic()
        self._status = "asking the service"
        self._rows: dict[str, _Row] = {}
        # Last: it draws at once.
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=10, transient=True)

    @property
    def is_running(self) -> bool:
        """True while the board is on the screen."""
        return self._live.is_started

    def start(self) -> None:
        """Put the board on the screen."""
        self._started = time.monotonic()
        self._live.start()

    def stop(self) -> None:
        """Take it off again."""
        self._live.stop()

    def note(self, text: str) -> None:
        """Take in what the client is doing, such as a repetition."""
        self._status = printable(text)

    def accepted(self) -> None:
        """Take in that the task is known."""
        self._status = "waiting for the first look"

    def show(self, state: TaskState[Any]) -> None:
        """Take in a look at the task."""
        self._status = state.status
        for clip in state.clips:
            row = self._row(clip)
            row.name, row.state = name_of(clip), printable(clip.state or "unknown")

    def download(self, clip: Clip, done: int, total: int | None) -> None:
        """Take in how much of a clip's audio is there."""
        self._status = "downloading"
        row = self._row(clip)
        row.state, row.done, row.total = "downloading", done, total

    def saved(self, clip: Clip) -> None:
        """Take in that a clip's files are there."""
        self._row(clip).state = "saved"

    def _row(self, clip: Clip) -> _Row:
        return self._rows.setdefault(clip.clip_id, _Row(name_of(clip)))

    def _draw(self) -> Group:
        status = Text(self._status, style="dim")
        status.truncate(self._console.width - len("* 00:00 "), overflow="ellipsis")
        head = Table.grid(padding=(0, 1))
        head.add_row(self._spinner, minutes(time.monotonic() - self._started), status)
        rows = Table.grid(padding=(0, 1))
        rows.add_column(no_wrap=True, overflow="ellipsis", max_width=max(NAME_WIDTH, self._console.width - OTHER_WIDTH))
        rows.add_column(no_wrap=True, min_width=max(map(len, STYLES)))
        rows.add_column(max_width=BAR_WIDTH)
        rows.add_column(no_wrap=True, style="dim")
        for row in tuple(self._rows.values()):  # drawn by a thread of its own
            rows.add_row(f"  {row.name}", Text(row.state, style=STYLES.get(row.state, "")), _bar(row), _amount(row))
        return Group(head, rows)


def name_of(clip: Clip) -> str:
    """Return what a user knows a clip by: its title, and the id that tells two takes apart."""
    return printable(f"{clip.title or 'untitled'} ({clip.clip_id[:8]})")


def _bar(row: _Row) -> ProgressBar | str:
    if row.state == "downloading" and row.total:
        return ProgressBar(total=row.total, completed=row.done)
    return "" if row.state in STILL else ProgressBar(pulse=True)


def _amount(row: _Row) -> str:
    if not row.done:
        return ""
    return f"{decimal(row.done)} of {decimal(row.total)}" if row.total else decimal(row.done)
