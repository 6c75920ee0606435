"""Progress of a task as plain lines, where the output is no terminal; ``board.py`` draws it on one."""

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from musicapi_async import Clip, TaskState

__all__ = ["MAX_SILENCE", "Lines", "minutes", "name_of", "printable", "short_id", "title_of"]

MAX_SILENCE: Final = 10.0
"""Seconds after which a line says that the task is still running, where nothing is redrawn."""


def printable(text: str) -> str:
    """Return the text without control characters: titles and messages come from outside."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def minutes(seconds: float) -> str:
    """Return a time as ``m:ss``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


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

    def show(self, state: "TaskState[Any]") -> None:
        """Print the states that have changed since the last poll."""
        if not state.clips:
            self._print_change("task", "task", state.status)
        else:
            self._states.pop("task", None)
        for clip in state.clips:
            self._print_change(clip.clip_id, name_of(clip), clip.state or "unknown")

    def download(self, clip: "Clip", done: int, total: int | None) -> None:
        """Do nothing: a line is printed when the file is saved."""

    def saved(self, clip: "Clip") -> None:
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


def name_of(clip: "Clip") -> str:
    """Return a clip's name for people: its title, and the start of its id to distinguish two takes."""
    return f"{title_of(clip)} ({short_id(clip)})"


def title_of(clip: "Clip") -> str:
    """Return a clip's title for people."""
    return printable(clip.title or "untitled")


def short_id(clip: "Clip") -> str:
    """Return the start of a clip's id."""
    return printable(clip.clip_id[:8])
