"""Progress of ``musicapi bulk``: a board on a terminal, lines elsewhere, events for programs."""

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
from musicapi_async.cli.exits import describe
from musicapi_async.cli.progress import minutes, printable
from musicapi_async.cli.screen import Screen
from musicapi_async.errors import MusicAPIError, UncertainSubmissionError

__all__ = ["RunDisplay"]

EVENTS_SHOWN: Final = 6
BALANCE_INTERVAL: Final = 15.0
"""Seconds between two checks of the balance."""
SUMMARY_INTERVAL: Final = 30.0
"""Seconds between two summary lines, where nothing is redrawn."""
SAMPLE_INTERVAL: Final = 10.0
"""Seconds between two counts of the journal, where nothing is redrawn: each worker on a database counts."""
RATE_WINDOW: Final = 300.0
"""Seconds over which the rate is averaged."""
STYLES: Final[Mapping[str, str]] = {
    "saved": "green",
    "failed": "red",
    "refunded": "red",
    "refused": "red",
    "uncertain": "yellow",
    "accepted": "cyan",
    "finished": "cyan",
}


class RunDisplay:
    """Display of a run: the journal's counts, the account's balance, and the last outcomes."""

    def __init__(self, client: MusicAPI, journal: Journal, screen: Screen) -> None:
        self._client = client
        self._journal = journal
        self._screen = screen
        self._started = time.monotonic()
        self._counts: Mapping[State, int] = {}
        self._balance: float | None = None
        self._initial_balance: float | None = None
        self._events: deque[Text] = deque(maxlen=EVENTS_SHOWN)
        self._samples: deque[tuple[float, int, int]] = deque()
        """Time, number of requests that had ended, number that had been submitted."""
        self._watching: asyncio.Task[None] | None = None
        self._live: Live | None = None

    async def __aenter__(self) -> Self:
        """Begin to show the run."""
        await self._count()
        self._live = self._screen.live(self._draw)
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop showing it."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self.stop()

    def stop(self) -> None:
        """Remove the board."""
        if self._live is not None:
            self._live.stop()

    def outcome(self, outcome: Outcome) -> None:
        """Show the outcome of a request."""
        record, error = outcome.record, outcome.error
        title = next((str(clip["title"]) for clip in record.clips if clip.get("title")), record.key)
        message = None if error is None else describe(error)
        # The client has logged an uncertain submission already.
        reason = "" if message is None or isinstance(error, UncertainSubmissionError) else f": {message}"
        self._screen.event(
            {
                "event": record.state,
                "number": record.number,
                "key": record.key,
                "operation": record.operation,
                "task_id": record.task_id,
                "attempts": record.attempts,
                "files": list(record.files),
                "error": None if error is None else {"type": type(error).__name__, "message": message},
            }
        )
        line = f"{self._elapsed}  {record.number:05d}  {record.state:<9}  {printable(title)}{printable(reason)}"
        if self._live is None:
            self._screen.print(line)
        else:
            self._events.append(
                Text(line, style=STYLES.get(record.state, "") if error else "", no_wrap=True, overflow="ellipsis")
            )

    async def _watch(self) -> None:
        balance_at = summary_at = 0.0
        while True:
            now = time.monotonic()
            if now >= balance_at:
                balance_at = now + BALANCE_INTERVAL
                await self._check_balance()
            took = await self._count()
            if self._live is None and now >= summary_at:
                # The first summary would report nothing but zeros.
                if summary_at:
                    self._screen.print(f"{self._elapsed}  {self._summary()}")
                summary_at = now + SUMMARY_INTERVAL
            # Counting a million records takes a while: spend at most a twentieth of the time on it.
            await asyncio.sleep(max(SAMPLE_INTERVAL if self._live is None else 1.0, 20 * took))

    async def _count(self) -> float:
        started = time.monotonic()
        self._counts = await self._journal.counts()
        now = time.monotonic()
        created = sum(self._counts.values()) - self._counts["planned"] - self._counts["refused"]
        self._samples.append((now, self._ended, created))
        while self._samples and self._samples[0][0] < now - RATE_WINDOW:
            self._samples.popleft()
        return now - started

    async def _check_balance(self) -> None:
        with suppress(MusicAPIError):
            self._balance = (await self._client.account.credits()).total
            self._initial_balance = self._balance if self._initial_balance is None else self._initial_balance

    @property
    def _ended(self) -> int:
        return sum(self._counts.get(state, 0) for state in ENDED)

    @property
    def _elapsed(self) -> str:
        return minutes(time.monotonic() - self._started)

    def _summary(self) -> str:
        """Return progress, rate, cost and the estimated time left, in one line."""
        total, ended = sum(self._counts.values()), self._ended
        parts = [f"{ended:,} of {total:,}"]
        (then, ended_then, created_then), (now, ended_now, created_now) = self._samples[0], self._samples[-1]
        if now > then:
            parts.append(f"{(created_now - created_then) / (now - then) * 60:.0f} submissions/min")
        if self._balance is not None and self._initial_balance is not None:
            parts.append(f"{self._initial_balance - self._balance:,g} credits spent, {self._balance:,g} remaining")
        if now > then and ended_now > ended_then:
            parts.append(f"about {minutes((total - ended) * (now - then) / (ended_now - ended_then))} left")
        return ", ".join(parts)

    def _draw(self) -> Group:
        total = max(1, sum(self._counts.values()))
        head = Table.grid(padding=(0, 1))
        head.add_row(self._elapsed, ProgressBar(total=total, completed=self._ended, width=40))
        states = Text("  ").join(
            Text(f"{count:,} {state}", style=STYLES.get(state, "dim")) for state, count in self._counts.items() if count
        )
        # Drawn by a thread of its own.
        return Group(head, Text(self._summary()), states, *tuple(self._events))
