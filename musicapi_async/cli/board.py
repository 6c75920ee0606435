"""Progress of a task on a terminal, redrawn in place."""

import time
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
from musicapi_async.cli.progress import MAX_SILENCE, minutes, printable, short_id, title_of

__all__ = ["Board", "live_display"]

MAX_BAR_WIDTH: Final = 16
MIN_TITLE_WIDTH: Final = 8
ID_AND_STATE_WIDTH: Final = 24
"""Width of the two columns, with all spaces between the columns."""
STYLES: Final = {"running": "cyan", "downloading": "cyan", "failed": "red", "saved": "green"}
NOT_MOVING: Final = frozenset({"succeeded", "failed", "saved"})


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
            line.title, line.state = title_of(clip), printable(clip.state or "unknown")

    def download(self, clip: Clip, done: int, total: int | None) -> None:
        """Show how much of a clip's audio is downloaded."""
        self._status = "downloading"
        line = self._line(clip)
        line.state, line.done, line.total = "downloading", done, total

    def saved(self, clip: Clip) -> None:
        """Show that a clip's files are saved."""
        self._line(clip).state = "saved"

    def _line(self, clip: Clip) -> _ClipLine:
        return self._lines.setdefault(clip.clip_id, _ClipLine(title_of(clip), short_id(clip)))

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


def _bar(line: _ClipLine) -> ProgressBar | str:
    if line.state == "downloading" and line.total:
        return ProgressBar(total=line.total, completed=line.done)
    return "" if line.state in NOT_MOVING else ProgressBar(pulse=True)


def _amount(line: _ClipLine) -> str:
    if not line.done:
        return ""
    return f"{decimal(line.done)} of {decimal(line.total)}" if line.total else decimal(line.done)
