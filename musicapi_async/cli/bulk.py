"""``musicapi bulk FILE --out DIR``: a file of requests becomes a folder of songs."""

import asyncio
import hashlib
import os
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from musicapi_async import MusicAPI, bulk, errors
from musicapi_async._version import VERSION
from musicapi_async.bulk import BadLine, Planned, SQLiteJournal
from musicapi_async.bulk.journal import INCOMPLETE
from musicapi_async.bulk.requests_file import price_list
from musicapi_async.bulk.saving import NAMES
from musicapi_async.bulk.sqlite_journal import TrialJournal
from musicapi_async.cli.bulk_show import Show
from musicapi_async.cli.ending import in_order, outlast
from musicapi_async.cli.exits import Failure, IncompleteError, UsageError
from musicapi_async.cli.files import make_folder
from musicapi_async.cli.opening import open_client
from musicapi_async.cli.running import SIGINT_EXIT, SIGNAL_EXIT
from musicapi_async.cli.screen import Screen

__all__ = ["HAS_LOST", "JOURNAL", "OUTAGE", "TIMEOUT", "BulkOrder", "run_bulk"]

JOURNAL: Final = "journal.db"
PLANNED_FILE: Final = "planned file"
"""Under which name the sum of the file that was planned is kept."""
SANDBOX_CREDITS: Final = 100_000.0
TIMEOUT: Final = 600.0
OUTAGE: Final = 900.0
USUAL: Final[Mapping[str, object]] = {
    "in-flight": 50,
    "attempts": 3,
    "timeout": TIMEOUT,
    "outage": OUTAGE,
    "names": NAMES,
}
HAS_LOST: Final = (
    "the journal has lost entries: until 'bulk resolve DIR --not-sent --all' settles it, "
    "requests that it does not know are uncertain"
)
BAD_LINES_SHOWN: Final = 1000
UNCERTAIN_SHOWN: Final = 10


@attrs.frozen(kw_only=True)
class BulkOrder:
    """What is asked for: see the options of ``musicapi bulk run``."""

    file: Path
    out: Path
    operation: str | None
    in_flight: int
    attempts: int
    max_credits: float | None
    timeout: float
    outage: float
    names: str
    dry_run: bool
    embedded: bool
    resend_uncertain: bool
    drop_uncertain: bool
    retry_refused: bool
    retry_failed: bool
    is_current: bool | None
    """What is said of a journal without its mark; None when nothing is."""

    def command(self) -> str:
        """Return the command that goes on with it."""
        values: dict[str, object] = {
            "operation": self.operation,
            "in-flight": self.in_flight,
            "attempts": self.attempts,
            "max-credits": self.max_credits,
            "timeout": self.timeout,
            "outage": self.outage,
            "names": self.names,
        }
        options = [
            word
            for name, value in values.items()
            if value not in {None, USUAL.get(name)}
            for word in (f"--{name}", f"{value:.15g}" if isinstance(value, float) else str(value))
        ]
        trial = ["--sandbox"] if self.embedded else []
        return shlex.join(["musicapi", "bulk", str(self.file), "--out", str(self.out), *options, *trial])


async def run_bulk(order: BulkOrder, screen: Screen) -> None:
    """Check the whole file, make what is not made yet, and say what is missing."""
    screen.stream()
    if order.dry_run:
        await _estimate(order, screen)
        return
    async with AsyncExitStack() as opened:
        client = await opened.enter_async_context(open_client(embedded=order.embedded, credits=SANDBOX_CREDITS))
        await asyncio.to_thread(make_folder, order.out)
        journal = await opened.enter_async_context(in_order(_journal_of(order)))
        if isinstance(journal, TrialJournal):
            await journal.begin(urlsplit(client.settings.base_url).netloc)
        # Before the file is read: what changes while it is read must be read again the next time.
        file = await asyncio.to_thread(_sum_of, order)
        is_planned = file is not None and await journal.recall(PLANNED_FILE) == [file, await journal.activate_plan()]
        run = bulk.run(
            client,
            journal,
            None if is_planned else _lines(order, screen),
            out=order.out,
            in_flight=order.in_flight,
            attempts=order.attempts,
            max_credits=order.max_credits,
            timeout=order.timeout,
            outage=order.outage,
            names=order.names,
        )
        count, new = await run.plan()
        if is_planned:
            screen.say(f"{order.file} has not changed since it was planned")
        else:
            await journal.remember(PLANNED_FILE, [file, await journal.activate_plan()])
            screen.say(f"{count:,} requests, {new:,} of them new")
        await _settle(order, journal, screen)
        await _make(order, client, run, journal, screen)


def _journal_of(order: BulkOrder) -> SQLiteJournal:
    path = order.out / JOURNAL
    return (TrialJournal if order.embedded else SQLiteJournal)(path, is_current=order.is_current)


async def _make(order: BulkOrder, client: MusicAPI, run: bulk.Run, journal: SQLiteJournal, screen: Screen) -> None:
    async with Show(client, journal, screen) as show:
        try:
            async for outcome in run:
                show.outcome(outcome)
        except asyncio.CancelledError:
            await _leave(order, run, show, screen)
            await outlast(_say_left(order, journal, screen))
            raise
        except errors.MusicAPIError:
            await _say_left(order, journal, screen)
            raise
    await _close_books(order, journal, screen)


async def _leave(order: BulkOrder, run: bulk.Run, show: Show, screen: Screen) -> None:
    """Stop: nothing more is created or waited for. A second signal leaves at once: the journal bears that."""
    screen.warn("stopping: waiting for the answers to paid requests under way; Ctrl-C again leaves at once")
    closing = asyncio.ensure_future(run.aclose())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError as stop:
        code = SIGNAL_EXIT + stop.args[0] if stop.args else SIGINT_EXIT
        # The terminal gets its cursor back.
        show.stop()
        sentence = f"left at once: what was being sent is uncertain then; go on with: {order.command()}"
        screen.fail(Failure(code=code, kind="Stopped", sentence=sentence, resume=order.command()))
        screen.close()
        os._exit(code)


async def _say_left(order: BulkOrder, journal: SQLiteJournal, screen: Screen) -> None:
    counts = await journal.counts()
    alive = counts["accepted"] + counts["finished"]
    screen.tell({"counts": dict(counts)})
    screen.say(
        f"{counts['saved']:,} saved; {alive:,} are paid for and in flight at the service; "
        f"{counts['planned']:,} are not begun; go on with: {order.command()}"
    )
    await _say_uncertain(order, journal, screen)


async def _close_books(order: BulkOrder, journal: SQLiteJournal, screen: Screen) -> None:
    counts = await journal.counts()
    screen.tell({"counts": dict(counts)})
    screen.say(", ".join(f"{count:,} {state}" for state, count in counts.items() if count))
    await _say_uncertain(order, journal, screen)
    if counts["failed"]:
        screen.say(
            f"{counts['failed']:,} failed and may have cost their credits: they are not sent again by themselves, "
            "--retry-failed does that"
        )
    missing = [f"{count:,} {state}" for state, count in counts.items() if count and state != "saved"]
    if missing:
        raise IncompleteError(
            f"not every song was made: {', '.join(missing)}; 'musicapi bulk report {shlex.quote(str(order.out))}' "
            "tells why, and the same command goes on"
        )


async def _say_uncertain(order: BulkOrder, journal: SQLiteJournal, screen: Screen) -> None:
    uncertain = await journal.records("uncertain", 0, UNCERTAIN_SHOWN)
    if not uncertain:
        return
    screen.warn("these may have been accepted, and paid for; they are not sent again by themselves:")
    screen.rows([[record.key, record.operation, record.reason or ""] for record in uncertain])
    folder = shlex.quote(str(order.out))
    screen.say(
        "find them in the service's dashboard; then "
        f"'musicapi bulk resolve {folder} KEY TASK_ID' for what was accepted, "
        f"'musicapi bulk resolve {folder} --not-sent KEY...' or '--not-sent --all' for what was not, "
        "or --resend-uncertain or --drop-uncertain for all of them"
    )
    if await journal.recall(INCOMPLETE):
        screen.say(HAS_LOST)


async def _settle(order: BulkOrder, journal: SQLiteJournal, screen: Screen) -> None:
    if order.resend_uncertain:
        screen.say(f"{await bulk.resend_uncertain(journal):,} uncertain requests are sent again")
    if order.retry_refused:
        screen.say(f"{await bulk.retry_refused(journal):,} refused requests are tried again")
    if order.retry_failed:
        screen.say(f"{await bulk.retry_failed(journal):,} failed requests are sent again, and paid for again")
    if order.drop_uncertain:
        screen.say(f"{await bulk.abandon_uncertain(journal):,} uncertain requests are given up")


def _sum_of(order: BulkOrder) -> str | None:
    """Return a sum of the file, and of what else its requests depend on; None for a pipe, which is read once.

    To check a million lines takes minutes: not again when nothing has changed.
    """
    if not order.file.is_file():
        return None
    try:
        with order.file.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return f"{VERSION} {order.operation} {order.file.suffix.lower()} {digest}"
    except OSError:
        return None  # told by whoever reads it


async def _lines(order: BulkOrder, screen: Screen) -> AsyncIterator[Planned]:
    """Read the file to its end; bad lines are all shown then, and nothing is planned: raises UsageError."""
    bad: list[BadLine] = []
    count = wrong = 0
    try:
        async for line in bulk.read_requests(order.file, order.operation):
            if isinstance(line, Planned):
                count += 1
                yield line
            else:
                wrong += 1
                if wrong <= BAD_LINES_SHOWN:
                    bad.append(line)
    except OSError as error:
        raise UsageError(f"cannot read {order.file}: {error.strerror}") from error
    if bad:
        screen.tell({"bad_lines": [line._asdict() for line in bad]})
        for line in bad:
            screen.warn(f"{order.file}:{line.number}: {line.reason}")
        more = f" ({wrong - len(bad):,} more are not shown)" if wrong > len(bad) else ""
        raise UsageError(f"{wrong:,} of {count + wrong:,} lines are wrong{more}; nothing was sent, nothing paid")
    if not count:
        raise UsageError(f"{order.file} has no requests")


async def _estimate(order: BulkOrder, screen: Screen) -> None:
    prices = price_list()
    counts: Counter[str] = Counter()
    async for line in _lines(order, screen):
        counts[line.operation] += 1
    costs = {operation: count * (prices[operation] or 0.0) for operation, count in counts.items()}
    screen.tell({"requests": dict(counts), "credits": costs, "total": sum(costs.values())})
    screen.rows([[operation, f"{count:,}", f"{costs[operation]:,g} credits"] for operation, count in counts.items()])
    unknown = [operation for operation in counts if prices[operation] is None]
    screen.say(
        f"{counts.total():,} requests, about {sum(costs.values()):,g} credits by the price list, "
        "what is made already not taken off; nothing was sent"
        + (f"; no price is known of {', '.join(unknown)}" if unknown else "")
    )
