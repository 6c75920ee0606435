"""Output of a command: progress and results for people, one JSON object for programs.

Without ``--json`` progress and results go to standard output, warnings and errors to standard error. With it standard
output gets one JSON object at the end, also when the command fails (then with ``error``), and everything else goes to
standard error.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO, cast

from rich.cells import cell_len

from musicapi_async.cli.exits import Failure, describe, hide_secrets
from musicapi_async.cli.progress import Lines, printable
from musicapi_async.errors import MusicAPIError
from musicapi_async.media.names import json_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from musicapi_async.cli.board import Board

__all__ = ["Screen"]

MAX_REMEMBERED_WARNINGS: Final = 1000
LOGGER: Final = logging.getLogger("musicapi")


class Screen:
    """The two output streams of a command, with a live display while the context is entered."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._fields: dict[str, object] = {}
        self._warnings: set[str] = set()
        self._streams_events = False
        self._live: Live | None = None
        self._console = _live_console(sys.stderr if as_json else sys.stdout)
        self.progress: Board | Lines = self._board() or Lines(self.print)
        self._log_handler = _LogHandler(self)
        self._log_level = LOGGER.level

    def __enter__(self) -> Self:
        """Begin to show progress and the client's log messages."""
        LOGGER.addHandler(self._log_handler)
        self._log_level = LOGGER.level
        LOGGER.setLevel(min(logging.INFO, self._log_level or logging.INFO))  # it may be DEBUG already
        self.progress.start()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the live display and restore logging."""
        self.progress.stop()
        LOGGER.removeHandler(self._log_handler)
        LOGGER.setLevel(self._log_level)

    def emit(self, fields: Mapping[str, object]) -> None:
        """Add fields to the object that ``--json`` prints at the end."""
        self._fields.update(fields)

    @property
    def is_live(self) -> bool:
        """True where a display is redrawn in place."""
        return self._console is not None

    def _board(self) -> "Board | None":
        if self._console is None:
            return None
        from musicapi_async.cli.board import Board  # noqa: PLC0415 - drawn on terminals alone

        return Board(self._console)

    def live(self, draw: "Callable[[], RenderableType]") -> "Live | None":
        """Replace the task's display by another, until it is stopped; None where nothing can be redrawn."""
        self.progress.stop()
        if self._console is None:
            return None
        from musicapi_async.cli.board import live_display  # noqa: PLC0415

        self._live = live_display(self._console, draw, refresh_per_second=4)
        self._live.start()
        return self._live

    def stream_events(self) -> None:
        """Print each event, and the final object, as a line of JSON from now on."""
        self._streams_events = True

    def event(self, fields: Mapping[str, object]) -> None:
        """Print an event as a line of JSON at once, if ``--json`` was given."""
        if self._as_json:
            self._write_line(sys.stdout, hide_secrets(json_text(fields, ascii_only=True, indent=None)))

    def print(self, line: str) -> None:
        """Print a permanent line."""
        line = printable(hide_secrets(line))
        if self._console is not None:
            _print_above(self._console, line)
        else:
            _write(sys.stderr if self._as_json else sys.stdout, line)

    def warn(self, line: str) -> None:
        """Print a warning to standard error."""
        self._warnings = {*self._warnings, line} if len(self._warnings) < MAX_REMEMBERED_WARNINGS else {line}
        self._print_error(f"warning: {line}")

    def fail(self, failure: Failure) -> None:
        """Print why the command failed."""
        self.emit({"error": failure.to_json()})
        # An uncertain submission is in the client's log too, which was shown already.
        if hide_secrets(failure.message) not in self._warnings:
            self._print_error(failure.message)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Print a table whose last column holds paths or addresses: never cut, so that they can be copied whole."""
        if not rows:
            return
        widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)][:-1]
        for *cells, last in rows:
            padded = (
                printable(cell) + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)
            )
            self.print("  ".join((*padded, last)))

    def close(self) -> None:
        """Print the JSON object, if ``--json`` was given."""
        if self._as_json:
            indent = None if self._streams_events else 2
            fields = {"event": "end", **self._fields} if self._streams_events else self._fields
            _write(sys.stdout, hide_secrets(json_text(fields, ascii_only=True, indent=indent)))

    def _print_error(self, message: str) -> None:
        self._write_line(sys.stderr, printable(hide_secrets(f"musicapi: {message}")), style="yellow")

    def _write_line(self, stream: TextIO, line: str, *, style: str = "") -> None:
        """Write a line to a stream, above the live display if that is drawn on the same terminal."""
        is_drawn = self.progress.is_running or (self._live is not None and self._live.is_started)
        if self._console is not None and is_drawn and stream.isatty():
            _print_above(self._console, line, style=style)
        else:
            _write(stream, line)


def _live_console(stream: TextIO) -> "Console | None":
    """Return a console for displays that are redrawn in place; None where the stream cannot show them."""
    # A stream that is a terminal by the environment alone (CI with FORCE_COLOR) must not get control characters.
    if not stream.isatty():
        return None
    from rich.console import Console  # noqa: PLC0415 - elsewhere nothing is drawn

    safe = cast("TextIO", _SafeStream(stream))
    console = Console(file=safe, force_terminal=True, highlight=False, markup=False, emoji=False)
    return None if console.is_dumb_terminal else console


def _print_above(console: "Console", line: str, *, style: str = "") -> None:
    """Print a line above what is drawn."""
    from rich.text import Text  # noqa: PLC0415

    console.print(Text(line, style=style), soft_wrap=True)


class _LogHandler(logging.Handler):
    """Shows the client's log messages: retries, rate limiting, warnings."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message."""
        if hasattr(record, "task_ids"):
            return  # a command names its tasks itself, with the command that resumes them
        show = self._screen.warn if record.levelno >= logging.WARNING else self._screen.progress.note
        show(hide_secrets(_log_message(record)))


def _log_message(record: logging.LogRecord) -> str:
    """Return a log message in which an error speaks of commands and options instead of Python names."""
    if not isinstance(record.args, tuple):
        return record.getMessage()
    args = tuple(describe(arg) if isinstance(arg, MusicAPIError) else arg for arg in record.args)
    return str(record.msg) % args if args else str(record.msg)


class _SafeStream:
    """A stream for the live display that drops what is written after its terminal was closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        """Delegate everything else to the stream."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or drop the text if the stream cannot be written to."""
        with _tolerating_closed(self._stream):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or drop the text if the stream cannot be written to."""
        with _tolerating_closed(self._stream):
            self._stream.flush()


def _write(stream: TextIO, line: str) -> None:
    """Write a line at once. A closed pipe or a full disk must not stop a paid task."""
    with _tolerating_closed(stream):
        stream.write(f"{line}\n")
        stream.flush()


@contextmanager
def _tolerating_closed(stream: TextIO) -> Iterator[None]:
    """Redirect a stream to nowhere when it cannot be written to: closed pipe (EPIPE) or terminal (EIO), full disk."""
    try:
        yield
    except OSError:
        # Text that is still buffered would fail again when Python exits.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
