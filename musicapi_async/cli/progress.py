"""Progress of a task: a live board on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import attrs
from rich.console import Console, Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from musicapi_async import Clip, TaskState

__all__ = ["Board", "Lines", "live_display", "minutes", "name_of", "printable"]

MAX_BAR_WIDTH: Final = 16
MIN_TITLE_WIDTH: Final = 8
ID_AND_STATE_WIDTH: Final = 24
"""Width of the two columns, with all spaces between the columns."""
STYLES: Final = {"running": "cyan", "downloading": "cyan", "failed": "red", "saved": "green"}
MAX_SILENCE: Final = 10.0
"""Seconds after which a line says that the task is still running, where nothing is redrawn."""
NOT_MOVING: Final = frozenset({"succeeded", "failed", "saved"})


def printable(text: str) -> str:
    """Return the text without control characters: titles and messages come from outside."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def minutes(seconds: float) -> str:
    """Return a time as ``m:ss``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def live_display(console: Console, draw: Callable[[], RenderableType], *, refresh_per_second: float) -> Live:
    """Return a display that is redrawn in place and disappears when it is stopped."""
    # By default rich prints to its console what is written to either stream, also to one that is redirected to a file.
    return Live(
        console=console,
        get_renderable=draw,
        refresh_per_second=refresh_per_second,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


class Lines:
    """Progress as lines, one for each change."""

    is_running = False

    def __init__(self, print_line: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._print_line = print_line
        self._clock = clock
        self._started = self._printed_at = clock()
        self._states: dict[str, str] = {}

    def start(self) -> None:
        """Start the clock."""
        self._started = self._printed_at = self._clock()

    def remind(self) -> float:
        """Print the states again when nothing was printed for ``MAX_SILENCE``; return the seconds until then."""
        left = self._printed_at + MAX_SILENCE - self._clock()
        if left > 0:
            return left
        counts = Counter(self._states.values())
        clips = ", ".join(f"{count} {state}" if count > 1 else state for state, count in counts.items())
        self._print(f"{self._elapsed}  still {clips or 'waiting'}")
        return MAX_SILENCE

    def stop(self) -> None:
        """Do nothing: lines stay."""

    def note(self, text: str) -> None:
        """Print what the client is doing, such as a retry."""
        self._print(f"{self._elapsed}  {text}")

    def accepted(self) -> None:
        """Do nothing: a line with the task's id was printed."""

    def show(self, state: TaskState[Any]) -> None:
        """Print the states that have changed since the last poll."""
        if not state.clips:
            self._print_change("task", "task", state.status)
        else:
            self._states.pop("task", None)
        for clip in state.clips:
            self._print_change(clip.clip_id, name_of(clip), clip.state or "unknown")

    def download(self, clip: Clip, done: int, total: int | None) -> None:
        """Do nothing: a line is printed when the file is saved."""

    def saved(self, clip: Clip) -> None:
        """Print that a clip's files are saved."""
        self._print_change(clip.clip_id, name_of(clip), "saved")

    def _print_change(self, key: str, name: str, state: str) -> None:
        if self._states.get(key) != state:
            self._states[key] = state
            self._print(f"{self._elapsed}  {name}: {state}")

    def _print(self, line: str) -> None:
        self._printed_at = self._clock()
        self._print_line(line)

    @property
    def _elapsed(self) -> str:
        return minutes(self._clock() - self._started)


@attrs.define
class _ClipLine:
    """One clip on the board; ``done`` and ``total`` are bytes."""

    title: str
    short_id: str
    state: str = "waiting"
    done: int = 0
    total: int | None = None


class Board:
    """Progress that is redrawn in place: the elapsed time, and a line for each clip."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = Spinner("line" if console.options.ascii_only else "dots", style="cyan")
        self._started = time.monotonic()
        self._status = "contacting the service"
        self._lines: dict[str, _ClipLine] = {}
        # Last, because it may draw at once.
        self._live = live_display(console, self._draw, refresh_per_second=10)

    @property
    def is_running(self) -> bool:
        """True while the board is on the screen."""
        return self._live.is_started

    def start(self) -> None:
        """Show the board."""
        self._started = time.monotonic()
        self._live.start()

    def stop(self) -> None:
        """Remove the board."""
        self._live.stop()

    def remind(self) -> float:
        """Do nothing: it is redrawn all the time."""
        return MAX_SILENCE

    def note(self, text: str) -> None:
        """Show what the client is doing, such as a retry."""
        self._status = printable(text)

    def accepted(self) -> None:
        """Show that the task was accepted."""
        self._status = "accepted, waiting for the first status"

    def show(self, state: TaskState[Any]) -> None:
        """Show the state of a polled task."""
        self._status = state.status
        for clip in state.clips:
            line = self._line(clip)
            line.title, line.state = _title(clip), printable(clip.state or "unknown")

    def download(self, clip: Clip, done: int, total: int | None) -> None:
        """Show how much of a clip's audio is downloaded."""
        self._status = "downloading"
        line = self._line(clip)
        line.state, line.done, line.total = "downloading", done, total

    def saved(self, clip: Clip) -> None:
        """Show that a clip's files are saved."""
        self._line(clip).state = "saved"

    def _line(self, clip: Clip) -> _ClipLine:
        return self._lines.setdefault(clip.clip_id, _ClipLine(_title(clip), _short_id(clip)))

    def _draw(self) -> Group:
        status = Text(self._status, style="dim")
        status.truncate(self._console.width - len("* 00:00 "), overflow="ellipsis")
        head = Table.grid(padding=(0, 1))
        head.add_row(self._spinner, minutes(time.monotonic() - self._started), status)
        lines = tuple(self._lines.values())  # drawn by a thread of its own
        width = self._console.width
        bar_width = min(MAX_BAR_WIDTH, width // 8)
        amount_width = max((len(_amount(line)) for line in lines), default=0)
        rows = Table.grid(padding=(0, 1))
        title_width = max(MIN_TITLE_WIDTH, width - ID_AND_STATE_WIDTH - bar_width - amount_width)
        rows.add_column(no_wrap=True, overflow="ellipsis", max_width=title_width)
        rows.add_column(no_wrap=True, style="dim")
        rows.add_column(no_wrap=True, min_width=max(map(len, STYLES)))
        rows.add_column(max_width=bar_width)
        rows.add_column(no_wrap=True, style="dim")
        for line in lines:
            state = Text(line.state, style=STYLES.get(line.state, ""))
            rows.add_row(f"  {line.title}", line.short_id, state, _bar(line), _amount(line))
        return Group(head, rows)


def name_of(clip: Clip) -> str:
    """Return a clip's name for people: its title, and the start of its id to distinguish two takes."""
    return f"{_title(clip)} ({_short_id(clip)})"


def _title(clip: Clip) -> str:
    return printable(clip.title or "untitled")


def _short_id(clip: Clip) -> str:
    return printable(clip.clip_id[:8])


def _bar(line: _ClipLine) -> ProgressBar | str:
    if line.state == "downloading" and line.total:
        return ProgressBar(total=line.total, completed=line.done)
    return "" if line.state in NOT_MOVING else ProgressBar(pulse=True)


def _amount(line: _ClipLine) -> str:
    if not line.done:
        return ""
    return f"{decimal(line.done)} of {decimal(line.total)}" if line.total else decimal(line.done)
