"""What a command shows: progress and results for people, one JSON object for programs.

Without ``--json`` progress and results go to standard output, warnings and errors to standard error. With it standard
output gets one JSON object at the end, also when the command fails (then with ``error``), and all else goes to
standard error.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Final, Self, TextIO, cast

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from musicapi_async.cli.exits import Failure, hide_key
from musicapi_async.cli.progress import Board, Lines, printable
from musicapi_async.media.names import json_text

__all__ = ["Screen"]

MOST_WARNED: Final = 1000
LOGGER: Final = logging.getLogger("musicapi")


class Screen:
    """The two streams of a command, and the live display while it is entered."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._told: dict[str, object] = {}
        self._warned: set[str] = set()
        self._has_events = False
        self._live: Live | None = None
        stream = sys.stderr if as_json else sys.stdout
        # What looks like a terminal by its environment alone (CI with FORCE_COLOR) must not get control characters.
        terminal = stream.isatty()
        lasting = cast("TextIO", _Lasting(stream))
        self._console = Console(file=lasting, force_terminal=terminal, highlight=False, markup=False, emoji=False)
        self._is_live = terminal and not self._console.is_dumb_terminal
        self.progress: Board | Lines = Board(self._console) if self._is_live else Lines(self.say)
        self._notes = _Notes(self)
        self._level = LOGGER.level

    def __enter__(self) -> Self:
        """Begin to show progress, and what the client has to say."""
        LOGGER.addHandler(self._notes)
        self._level = LOGGER.level
        LOGGER.setLevel(logging.INFO)
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave what is worth keeping on the screen."""
        self.progress.stop()
        LOGGER.removeHandler(self._notes)
        LOGGER.setLevel(self._level)

    def tell(self, told: Mapping[str, object]) -> None:
        """Add to what ``--json`` prints at the end."""
        self._told.update(told)

    def live(self, draw: Callable[[], RenderableType]) -> Live | None:
        """Show something else than a task, redrawn in place, until it is stopped; None where nothing is redrawn."""
        self.progress.stop()
        if not self._is_live:
            return None
        self._live = Live(console=self._console, get_renderable=draw, refresh_per_second=4, transient=True)
        self._live.start()
        return self._live

    def stream(self) -> None:
        """Have each event be a line of JSON from here on, the end as well."""
        self._has_events = True

    def event(self, told: Mapping[str, object]) -> None:
        """Print a line of JSON at once, where JSON was asked for; the last line is then the end."""
        if self._as_json:
            _write(sys.stdout, hide_key(json_text(told, ascii_only=True, indent=None)))

    def say(self, line: str) -> None:
        """Show a line that stays."""
        line = printable(hide_key(line))
        if self._is_live:
            self._console.print(Text(line), soft_wrap=True)
        else:
            _write(sys.stderr if self._as_json else sys.stdout, line)

    def warn(self, line: str) -> None:
        """Show what a user must know and the command can live with."""
        self._warned = {*self._warned, line} if len(self._warned) < MOST_WARNED else {line}
        self._complain(f"warning: {line}")

    def fail(self, failure: Failure) -> None:
        """Say why the command failed."""
        self.tell({"error": failure.to_json()})
        # What is in doubt is in the client's log too, which was shown already.
        if hide_key(failure.sentence) not in self._warned:
            self._complain(failure.sentence)

    def rows(self, rows: Sequence[Sequence[str]]) -> None:
        """Show a table whose last column holds paths or addresses: never cut, so that they can be copied whole."""
        if not rows:
            return
        widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)][:-1]
        for *cells, last in rows:
            padded = (
                printable(cell) + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)
            )
            self.say("  ".join((*padded, last)))

    def close(self) -> None:
        """Print the JSON object, where it was asked for."""
        if self._as_json:
            indent = None if self._has_events else 2
            told = {"event": "end", **self._told} if self._has_events else self._told
            _write(sys.stdout, hide_key(json_text(told, ascii_only=True, indent=indent)))

    def _complain(self, sentence: str) -> None:
        line = printable(hide_key(f"musicapi: {sentence}"))
        # Over a live display only its own console knows where to print.
        is_drawn = self.progress.is_running or (self._live is not None and self._live.is_started)
        if self._is_live and is_drawn and sys.stderr.isatty():
            self._console.print(Text(line, style="yellow"), soft_wrap=True)
        else:
            _write(sys.stderr, line)


class _Notes(logging.Handler):
    """Shows what the client logs: repetitions, pacing, warnings."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message."""
        if hasattr(record, "task_ids"):
            return  # a command names its tasks itself, with the command that resumes them
        show = self._screen.warn if record.levelno >= logging.WARNING else self._screen.progress.note
        show(hide_key(record.getMessage()))


class _Lasting:
    """A stream for the live display that can be written to when its terminal is gone, as ``_write`` can."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        """Be the stream in all else."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or drop what cannot be shown."""
        with _outlasting(self._stream):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or drop what cannot be shown."""
        with _outlasting(self._stream):
            self._stream.flush()


def _write(stream: TextIO, line: str) -> None:
    """Write a line at once. A reader that has gone away, or a full disk, must not stop what was paid for."""
    with _outlasting(stream):
        stream.write(f"{line}\n")
        stream.flush()


@contextmanager
def _outlasting(stream: TextIO) -> Iterator[None]:
    """Go on without a stream that can no longer be written to: a closed pipe (EPIPE) or terminal (EIO), a full disk."""
    try:
        yield
    except OSError:
        # What is still buffered would fail again when Python exits.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
