"""``musicapi bulk FILE --out DIR``: make the songs of a requests file, and save them in a folder."""

import asyncio
import hashlib
import os
import shlex
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from musicapi_async import MusicAPI, bulk, errors
from musicapi_async._version import VERSION
from musicapi_async.bulk import BadLine, Planned, Record, SQLiteJournal
from musicapi_async.bulk.journal import INCOMPLETE
from musicapi_async.bulk.receiving import JOURNAL
from musicapi_async.bulk.requests_file import class_of, price_list
from musicapi_async.bulk.saving import NAMES, timed_clips
from musicapi_async.bulk.sqlite import JournalSnapshot, TrialJournal
from musicapi_async.cli.bulk_events import check_listen, receiving, report_paid_twice
from musicapi_async.cli.bulk_progress import RunDisplay
from musicapi_async.cli.exits import Failure, IncompleteError, UsageError
from musicapi_async.cli.files import make_folder
from musicapi_async.cli.running import SIGINT_EXIT, SIGNAL_EXIT, closing_shielded, open_client, wait_shielded
from musicapi_async.cli.screen import Screen
from musicapi_async.media.saving import CaptionFormat
from musicapi_async.requests.sonic import AlignLyrics

__all__ = ["DEFAULT_OUTAGE", "DEFAULT_TIMEOUT", "LOST_ENTRIES", "BulkOptions", "requests_text", "run_bulk"]

PLANNED_FILE: Final = "planned file"
"""The journal's entry for the fingerprint of the file that was planned last."""
SANDBOX_CREDITS: Final = 100_000.0
DEFAULT_TIMEOUT: Final = 600.0
DEFAULT_OUTAGE: Final = 900.0
CORRECTED_SHOWN: Final = 5
"""Keys of changed lines that are named, at most."""
LOST_ENTRIES: Final = (
    "the journal has lost entries, so requests that are not sent yet, or that it does not know, are uncertain too, "
    "until you run 'musicapi bulk resolve DIR --not-sent --all'"
)
BAD_LINES_SHOWN: Final = 1000
UNCERTAIN_SHOWN: Final = 10


@attrs.frozen(kw_only=True)
class BulkOptions:
    """The options of ``musicapi bulk run``; the help describes each.

    The command that resumes a run includes those with a default, which is that of the command line.
    """

    file: Path
    out: Path
    operation: str | None = None
    in_flight: int = 50
    attempts: int = 3
    max_credits: float | None = None
    timeout: float = DEFAULT_TIMEOUT
    outage: float = DEFAULT_OUTAGE
    names: str = NAMES
    tags: bool = False
    lyrics_as: tuple[CaptionFormat, ...] = ()
    webhook_url: str | None = None
    listen: str | None = None
    dry_run: bool
    embedded: bool
    resend_uncertain: bool
    drop_uncertain: bool
    retry_refused: bool
    retry_failed: bool
    is_current: bool | None
    """True if a journal without its lock file is the newest; None if neither option was given."""

    def resume_command(self) -> str:
        """Return the command that resumes the run, with the options that differ from their defaults."""
        options: list[str] = []
        for field in attrs.fields(BulkOptions):
            value = getattr(self, field.name)
            if field.default is not attrs.NOTHING and value not in {None, field.default}:
                options += [f"--{field.name.replace('_', '-')}", *_option_text(value)]
        sandbox = ["--sandbox"] if self.embedded else []
        return shlex.join(["musicapi", "bulk", str(self.file), "--out", str(self.out), *options, *sandbox])


def _option_text(value: object) -> list[str]:
    """Return an option's value as it is given on a command line; nothing for a flag."""
    if value is True:
        return []
    if isinstance(value, tuple):
        return [",".join(value)]
    return [f"{value:.15g}" if isinstance(value, float) else str(value)]


async def run_bulk(options: BulkOptions, screen: Screen) -> None:
    """Check the whole file, make the songs that are missing, and report what is still missing."""
    screen.stream_events()
    bulk.read_requests(options.file, options.operation)  # raises for a wrong operation, before a folder is made
    if options.dry_run:
        await _estimate(options, screen)
        return
    if options.listen is not None:
        check_listen(options.listen)
    async with AsyncExitStack() as stack:
        opening = open_client(embedded=options.embedded, credits=SANDBOX_CREDITS, webhook_url=options.webhook_url)
        client = await stack.enter_async_context(opening)
        await asyncio.to_thread(make_folder, options.out)
        journal = await stack.enter_async_context(closing_shielded(_journal(options)))
        if isinstance(journal, TrialJournal):
            async for _ in _read_requests(options, screen):
                pass  # a file that is refused leaves the trial before as it is
            screen.print(
                "a trial with the embedded sandbox: each one starts from the beginning, and nothing is charged"
            )
            await journal.begin(urlsplit(client.settings.base_url).netloc)
        if options.listen is not None:
            await stack.enter_async_context(receiving(options.listen, journal.path, client.settings))
        run = await _plan(options, client, journal, screen)
        # Before what is uncertain is sent again: its event may have come since the last run.
        await run.recover()
        await _resolve(options, journal, screen)
        await _make_songs(options, client, run, journal, screen)


def _journal(options: BulkOptions) -> SQLiteJournal:
    path = options.out / JOURNAL
    return (TrialJournal if options.embedded else SQLiteJournal)(path, is_current=options.is_current)


async def _plan(options: BulkOptions, client: MusicAPI, journal: SQLiteJournal, screen: Screen) -> bulk.Run:
    """Plan the file's requests, unless the same file was planned last."""
    # Before the file is read: a change during the reading must be noticed by the next run.
    fingerprint = await asyncio.to_thread(_fingerprint, options)
    is_planned = fingerprint is not None and await journal.recall(PLANNED_FILE) == [
        fingerprint,
        await journal.activate_plan(),
    ]
    run = bulk.run(
        client,
        journal,
        None if is_planned else _read_requests(options, screen),
        out=options.out,
        in_flight=options.in_flight,
        attempts=options.attempts,
        max_credits=options.max_credits,
        timeout=options.timeout,
        outage=options.outage,
        names=options.names,
        tags=options.tags,
        lyrics=options.lyrics_as,
    )
    count, new = await run.plan()
    if is_planned:
        screen.print(f"{options.file} has not changed since it was planned")
    else:
        await journal.remember(PLANNED_FILE, [fingerprint, await journal.activate_plan()])
        screen.print(f"{requests_text(count)}, {new:,} of them new")
        await _report_corrected(options, screen)
    return run


async def _report_corrected(options: BulkOptions, screen: Screen) -> None:
    """Say which lines have changed since their requests were sent: they make no other songs."""

    def read() -> tuple[int, list[str]]:
        with JournalSnapshot(options.out / JOURNAL) as snapshot:
            return snapshot.corrected(CORRECTED_SHOWN)

    count, keys = await asyncio.to_thread(read)
    if count:
        lines = "1 line has" if count == 1 else f"{count:,} lines have"
        more = ", ..." if count > len(keys) else ""
        screen.warn(
            f"{lines} changed since the request was sent: {', '.join(keys)}{more}; the song that was made "
            "is kept; to make another one, give the line a new key"
        )


async def _make_songs(
    options: BulkOptions, client: MusicAPI, run: bulk.Run, journal: SQLiteJournal, screen: Screen
) -> None:
    async with RunDisplay(client, journal, screen) as display:
        try:
            async for outcome in run:
                display.outcome(outcome)
        except asyncio.CancelledError:
            await _stop(options, run, display, screen)
            await wait_shielded(_report_pending(options, journal, screen))
            raise
        except errors.MusicAPIError:
            await _report_pending(options, journal, screen)
            raise
    await _report_end(options, journal, screen)


async def _stop(options: BulkOptions, run: bulk.Run, display: RunDisplay, screen: Screen) -> None:
    """Submit nothing more and wait for the responses in flight; a second signal exits at once, as a crash would."""
    screen.warn("stopping: waiting for responses to the paid requests in flight; press Ctrl-C again to exit at once")
    closing = asyncio.ensure_future(run.aclose())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError as stop:
        code = SIGNAL_EXIT + stop.args[0] if stop.args else SIGINT_EXIT
        # The terminal needs its cursor back.
        display.stop()
        resume = options.resume_command()
        message = f"exited at once: requests that were in flight are now uncertain; resume with: {resume}"
        screen.fail(Failure(code=code, error_type="Stopped", message=message, resume=resume))
        screen.close()
        os._exit(code)


async def _report_pending(options: BulkOptions, journal: SQLiteJournal, screen: Screen) -> None:
    counts = await journal.counts()
    running = counts["accepted"] + counts["finished"]
    screen.emit({"counts": dict(counts)})
    if options.embedded:
        screen.print(f"{counts['saved']:,} saved; the rest ended with the embedded sandbox, nothing was charged")
        return
    screen.print(
        f"{counts['saved']:,} saved; {running:,} paid for and still running on the server; "
        f"{counts['planned']:,} not sent yet; resume with: {options.resume_command()}"
    )
    report_paid_twice(await journal.extras(), screen)
    await _report_uncertain(options, journal, screen)


async def _report_end(options: BulkOptions, journal: SQLiteJournal, screen: Screen) -> None:
    counts = await journal.counts()
    screen.emit({"counts": dict(counts)})
    screen.print(", ".join(f"{count:,} {state}" for state, count in counts.items() if count))
    report_paid_twice(await journal.extras(), screen)
    await _report_uncertain(options, journal, screen)
    if counts["failed"]:
        screen.print(
            f"{counts['failed']:,} failed and may have been charged; they are sent again only with --retry-failed"
        )
    missing = [f"{count:,} {state}" for state, count in counts.items() if count and state != "saved"]
    if missing:
        raise IncompleteError(
            f"some songs are missing: {', '.join(missing)}; 'musicapi bulk report {shlex.quote(str(options.out))}' "
            "shows why, and the same command resumes the run"
        )


async def _report_uncertain(options: BulkOptions, journal: SQLiteJournal, screen: Screen) -> None:
    uncertain = await journal.records("uncertain", 0, UNCERTAIN_SHOWN)
    if not uncertain:
        return
    screen.warn("these requests may or may not have been accepted and charged, and are not sent again automatically:")
    screen.table([[record.key, record.operation, _short_reason(record)] for record in uncertain])
    folder = shlex.quote(str(options.out))
    if more := (await journal.counts())["uncertain"] - len(uncertain):
        screen.print(f"and {more:,} more; 'musicapi bulk report {folder}' lists all")
    screen.print("check the service's dashboard for each, then record what you found:")
    screen.print(f"  accepted:      musicapi bulk resolve {folder} KEY TASK_ID")
    screen.print(f"  not accepted:  musicapi bulk resolve {folder} --not-sent KEY...  (or --not-sent --all)")
    screen.print("or resume with --resend-uncertain (may be charged twice) or --drop-uncertain")
    if await journal.recall(INCOMPLETE):
        screen.print(LOST_ENTRIES)


def _short_reason(record: Record) -> str:
    """Return why a request is uncertain, without the advice for Python programs that an error's text ends with."""
    return (record.reason or "").partition("; it was not ")[0]


async def _resolve(options: BulkOptions, journal: SQLiteJournal, screen: Screen) -> None:
    """Apply the options that change the state of records before the run."""
    if options.resend_uncertain:
        count = await bulk.resend_uncertain(journal)
        screen.print(f"sending {requests_text(count, 'uncertain')} again")
    if options.retry_refused:
        count = await bulk.retry_refused(journal)
        screen.print(f"sending {requests_text(count, 'refused')} again")
    if options.retry_failed:
        count = await bulk.retry_failed(journal)
        screen.print(f"sending {requests_text(count, 'failed')} again, each charged again")
    if options.drop_uncertain:
        count = await bulk.abandon_uncertain(journal)
        screen.print(f"dropping {requests_text(count, 'uncertain')}")


def _fingerprint(options: BulkOptions) -> str | None:
    """Return a hash of the file and of everything else its requests depend on; None for a pipe, which is read once.

    Checking a million lines takes minutes: it is skipped when nothing has changed.
    """
    if not options.file.is_file():
        return None
    try:
        with options.file.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return f"{VERSION} {options.operation} {options.file.suffix.lower()} {digest}"
    except OSError:
        return None  # reported when the file is read


async def _read_requests(options: BulkOptions, screen: Screen) -> AsyncIterator[Planned]:
    """Read the whole file; raises UsageError after showing all bad lines, so that nothing is planned then."""
    bad: list[BadLine] = []
    count = bad_count = 0
    try:
        async for line in bulk.read_requests(options.file, options.operation):
            if isinstance(line, Planned):
                count += 1
                yield line
            else:
                bad_count += 1
                if bad_count <= BAD_LINES_SHOWN:
                    bad.append(line)
    except OSError as error:
        raise UsageError(f"cannot read {options.file}: {error.strerror}") from error
    if bad:
        screen.emit({"bad_lines": [line._asdict() for line in bad]})
        for line in bad:
            screen.warn(f"{options.file}:{line.number}: {line.reason}")
        more = f" ({bad_count - len(bad):,} more are not shown)" if bad_count > len(bad) else ""
        raise UsageError(
            f"{bad_count:,} of {count + bad_count:,} lines invalid{more}; nothing was sent or charged; "
            "correct the file and run the same command again"
        )
    if not count:
        raise UsageError(f"{options.file} contains no requests")


async def _estimate(options: BulkOptions, screen: Screen) -> None:
    prices = price_list()
    counts: Counter[str] = Counter()
    async for line in _read_requests(options, screen):
        counts[line.operation] += 1
    costs = {operation: count * (prices[operation] or 0.0) for operation, count in counts.items()}
    rows = [[operation, f"{count:,}", f"{costs[operation]:,g} credits"] for operation, count in counts.items()]
    if options.lyrics_as and (clips := sum(count * timed_clips(class_of(name)) for name, count in counts.items())):
        name = AlignLyrics.operation_name
        costs[name] = clips * (AlignLyrics.credits or 0.0)
        rows.append([name, f"{clips:,}", f"{costs[name]:,g} credits, at most"])
    screen.emit({"requests": dict(counts), "credits": costs, "total": sum(costs.values())})
    screen.table(rows)
    unknown = [operation for operation in counts if prices[operation] is None]
    screen.print(
        f"{requests_text(counts.total())}, about {sum(costs.values()):,g} credits at list prices, "
        "including songs that are already saved; nothing was sent"
        + (f"; the price of {', '.join(unknown)} is unknown" if unknown else "")
    )


def requests_text(count: int, state: str = "") -> str:
    """Return a count with its noun, such as "1 request" or "2 refused requests"."""
    return f"{count:,} {state} request{'s'[: count != 1]}".replace("  ", " ")
