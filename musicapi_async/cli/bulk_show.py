"""What ``musicapi bulk`` shows while it runs: a board on a terminal, lines elsewhere, events for programs."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from musicapi_async import MusicAPI
from musicapi_async.bulk import Journal, Outcome, State
from musicapi_async.bulk.records import ENDED
from musicapi_async.cli.progress import minutes, printable
from musicapi_async.cli.screen import Screen
from musicapi_async.errors import MusicAPIError

__all__ = ["Show"]

EVENTS: Final = 6
BALANCE_EVERY: Final = 15.0
LINES_EVERY: Final = 30.0
"""Seconds between two lines on how far it is, where nothing is redrawn."""
WINDOW: Final = 300.0
"""Seconds over which the speed is taken."""
STYLES: Final[Mapping[str, str]] = {
    "saved": "green",
    "failed": "red",
    "refunded": "red",
    "refused": "red",
    "uncertain": "yellow",
    "accepted": "cyan",
    "finished": "cyan",
}


class Show:
    """Follows a run: what its journal counts, what the account has left, and the last events."""

    def __init__(self, client: MusicAPI, journal: Journal, screen: Screen) -> None:
        self._client = client
        self._journal = journal
        self._screen = screen
        self._began = time.monotonic()
        self._counts: Mapping[State, int] = {}
        self._balance: float | None = None
        self._at_first: float | None = None
        self._events: deque[Text] = deque(maxlen=EVENTS)
        self._over: deque[tuple[float, int, int]] = deque()
        """When, how many were over then, how many created."""
        self._watching: asyncio.Task[None] | None = None
        self._live: Live | None = None

    async def __aenter__(self) -> Self:
        """Begin to follow."""
        await self._count()
        self._live = self._screen.live(self._draw)
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop following."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self.stop()

    def stop(self) -> None:
        """Take the board off the screen."""
        if self._live is not None:
            self._live.stop()

    def outcome(self, outcome: Outcome) -> None:
        """Show the outcome of a record."""
        record, error = outcome.record, outcome.error
        title = next((str(clip["title"]) for clip in record.clips if clip.get("title")), record.key)
        reason = "" if error is None else f": {error}"
        self._screen.event(
            {
                "event": record.state,
                "number": record.number,
                "key": record.key,
                "operation": record.operation,
                "task_id": record.task_id,
                "attempts": record.attempts,
                "files": list(record.files),
                "error": None if error is None else {"kind": type(error).__name__, "message": str(error)},
            }
        )
        line = f"{self._elapsed}  {record.number:05d}  {record.state:<9}  {printable(title)}{printable(reason)}"
        if self._live is None:
            self._screen.say(line)
        else:
            self._events.append(Text(line, style=STYLES.get(record.state, "") if error else "", overflow="ellipsis"))

    async def _watch(self) -> None:
        balance_at = lines_at = 0.0
        while True:
            now = time.monotonic()
            if now >= balance_at:
                balance_at = now + BALANCE_EVERY
                await self._ask_balance()
            took = await self._count()
            if self._live is None and now >= lines_at:
                # The first line would say what everybody knows.
                if lines_at:
                    self._screen.say(f"{self._elapsed}  {self._summary()}")
                lines_at = now + LINES_EVERY
            # Counting a million rows takes a while: it must not become the main thing.
            await asyncio.sleep(max(1.0, 20 * took))

    async def _count(self) -> float:
        began = time.monotonic()
        self._counts = await self._journal.counts()
        now = time.monotonic()
        created = sum(self._counts.values()) - self._counts["planned"] - self._counts["refused"]
        self._over.append((now, self._done, created))
        while self._over and self._over[0][0] < now - WINDOW:
            self._over.popleft()
        return now - began

    async def _ask_balance(self) -> None:
        with suppress(MusicAPIError):
            self._balance = (await self._client.account.credits()).total
            self._at_first = self._balance if self._at_first is None else self._at_first

    @property
    def _done(self) -> int:
        return sum(self._counts.get(state, 0) for state in ENDED)

    @property
    def _elapsed(self) -> str:
        return minutes(time.monotonic() - self._began)

    def _summary(self) -> str:
        """Tell how far it is, how fast, what it costs, and when it will be over."""
        whole, done = sum(self._counts.values()), self._done
        parts = [f"{done:,} of {whole:,}"]
        (then, over, created), (now, over_now, created_now) = self._over[0], self._over[-1]
        if now > then:
            parts.append(f"{(created_now - created) / (now - then) * 60:.0f} creates a minute")
        if self._balance is not None and self._at_first is not None:
            parts.append(f"{self._at_first - self._balance:g} credits spent, {self._balance:g} left")
        if now > then and over_now > over:
            parts.append(f"about {minutes((whole - done) * (now - then) / (over_now - over))} to go")
        return ", ".join(parts)

    def _draw(self) -> Group:
        whole = max(1, sum(self._counts.values()))
        head = Table.grid(padding=(0, 1))
        head.add_row(self._elapsed, ProgressBar(total=whole, completed=self._done, width=40), self._summary())
        states = Text("  ").join(
            Text(f"{count:,} {state}", style=STYLES.get(state, "dim")) for state, count in self._counts.items() if count
        )
        # Drawn by a thread of its own.
        return Group(head, states, *tuple(self._events))
