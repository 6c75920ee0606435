"""``musicapi bulk FILE --out DIR``: plan the requests of a file, make their songs, and save them in a folder."""

import asyncio
import shlex
from collections import Counter
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from musicapi_async import MusicAPI, bulk
from musicapi_async._arguments import is_address
from musicapi_async.bulk import Journal, PlanOptions
from musicapi_async.bulk.defaults import NAMES
from musicapi_async.bulk.output import address_of
from musicapi_async.bulk.sqlite.journal import TrialJournal
from musicapi_async.cli.bulk.arguments import DEFAULT_ATTEMPTS, DEFAULT_IN_FLIGHT, DEFAULT_OUTAGE, DEFAULT_TIMEOUT
from musicapi_async.cli.bulk.estimate import estimate
from musicapi_async.cli.bulk.events import check_listen, receiving
from musicapi_async.cli.bulk.journals import JournalChoice, shown_output
from musicapi_async.cli.bulk.making import Making, make_songs
from musicapi_async.cli.bulk.requests_file import RequestsSource, is_planned, note_planned
from musicapi_async.cli.bulk.texts import requests_text
from musicapi_async.cli.files import make_folder
from musicapi_async.cli.running import closing_shielded, open_client
from musicapi_async.cli.screen import Screen
from musicapi_async.media.caption_formats import CaptionFormat

__all__ = ["BulkOptions", "run_bulk"]

SANDBOX_CREDITS: Final = 100_000.0
CORRECTED_SHOWN: Final = 5
"""Keys of changed lines that are named, at most."""


@attrs.frozen(kw_only=True)
class BulkOptions:
    """The options of ``musicapi bulk run``; the help describes each.

    The command that resumes a run includes those with a default, which is that of the command line.
    """

    source: RequestsSource
    choice: JournalChoice
    out: str
    operation: str | None = None
    in_flight: int = DEFAULT_IN_FLIGHT
    attempts: int = DEFAULT_ATTEMPTS
    max_credits: float | None = None
    create_rate: float | None = None
    timeout: float = DEFAULT_TIMEOUT
    outage: float = DEFAULT_OUTAGE
    names: str = NAMES
    tags: bool = False
    lyrics_as: tuple[CaptionFormat, ...] = ()
    webhook_url: str | None = None
    listen: str | None = None
    base_url: str | None = None
    dry_run: bool
    same_account: bool
    embedded: bool
    resend_uncertain: bool
    drop_uncertain: bool
    retry_refused: bool
    retry_failed: bool
    is_current: bool | None
    """True if a journal without its lock file is the newest; None if neither option was given."""

    def making(self) -> Making:
        """Return what its reports need, with the command that resumes it."""
        return Making(
            choice=self.choice, out=shown_output(self.out), resume=self._resume_command(), embedded=self.embedded
        )

    def _resume_command(self) -> str:
        """Return the command that resumes the run, with the options that differ from their defaults."""
        options: list[str] = []
        for field in attrs.fields(BulkOptions):
            value = getattr(self, field.name)
            if field.default is not attrs.NOTHING and value not in {None, field.default}:
                options += [f"--{field.name.replace('_', '-')}", *_option_text(value)]
        journal = [] if self.choice.folder is not None else self.choice.arguments
        sandbox = ["--sandbox"] if self.embedded else []
        return shlex.join(
            ["musicapi", "bulk", self.source.name, *journal, "--out", shown_output(self.out), *options, *sandbox]
        )

    def plan_options(self) -> PlanOptions:
        """Return the options that the journal keeps, for workers that resume what is planned."""
        default = attrs.fields_dict(BulkOptions)
        names = [field.name for field in attrs.fields(PlanOptions)]
        return PlanOptions(**{name: value for name in names if (value := getattr(self, name)) != default[name].default})


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
    if options.dry_run:
        await estimate(options.source, options.choice, options.lyrics_as, screen)
        return
    if options.listen is not None:
        check_listen(options.listen)
    address_of(options.out)  # raises for an address that cannot be used, before anything is made
    async with AsyncExitStack() as stack:
        opening = open_client(
            embedded=options.embedded,
            credits=SANDBOX_CREDITS,
            base_url=options.base_url,
            webhook_url=options.webhook_url,
        )
        client = await stack.enter_async_context(opening)
        if not is_address(options.out):
            await asyncio.to_thread(make_folder, Path(options.out))
        journal = await stack.enter_async_context(_journal(options))
        if isinstance(journal, TrialJournal):
            async for _ in options.source.read(screen):
                pass  # a file that is refused leaves the trial before as it is
            screen.print(
                "a trial with the embedded sandbox: each one starts from the beginning, and nothing is charged"
            )
            await journal.begin(urlsplit(client.settings.base_url).netloc)
        if options.listen is not None:
            await stack.enter_async_context(receiving(options.listen, journal, client.settings))
        run = await _plan(options, client, journal, screen)
        # Before what is uncertain is sent again: its event may have come since the last run.
        await run.recover()
        await _resolve(options, journal, screen)
        await make_songs(options.making(), client, run, journal, screen)


def _journal(options: BulkOptions) -> AbstractAsyncContextManager[Journal]:
    if options.embedded:
        return closing_shielded(TrialJournal(options.choice.address, is_current=options.is_current))
    return options.choice.open_for_plan(is_current=options.is_current)


async def _plan(options: BulkOptions, client: MusicAPI, journal: Journal, screen: Screen) -> bulk.Run:
    """Plan the file's requests, unless the same file was planned last."""
    # Before the file is read: a change during the reading must be noticed by the next run.
    fingerprint = await asyncio.to_thread(options.source.fingerprint)
    is_unchanged = await is_planned(journal, fingerprint) is not None
    operations: Counter[str] = Counter()
    run = bulk.run(
        client,
        journal,
        None if is_unchanged else options.source.read(screen, operations),
        out=options.out,
        in_flight=options.in_flight,
        attempts=options.attempts,
        max_credits=options.max_credits,
        create_rate=options.create_rate,
        timeout=options.timeout,
        outage=options.outage,
        names=options.names,
        tags=options.tags,
        lyrics=options.lyrics_as,
        same_account=options.same_account,
    )
    count, new = await run.plan()
    if await bulk.recall_options(journal) != (planned := options.plan_options()):
        await bulk.remember_options(journal, planned)
    if is_unchanged:
        screen.print(f"{options.source.name} has not changed since it was planned")
    else:
        await note_planned(journal, fingerprint, operations)
        screen.print(f"{requests_text(count)}, {new:,} of them new")
        await _report_corrected(options, screen)
    return run


async def _report_corrected(options: BulkOptions, screen: Screen) -> None:
    """Say which lines have changed since their requests were sent: they make no other songs."""

    def read() -> tuple[int, list[str]]:
        with options.choice.snapshot() as snapshot:
            return snapshot.corrected(CORRECTED_SHOWN)

    count, keys = await asyncio.to_thread(read)
    if count:
        lines = "1 line has" if count == 1 else f"{count:,} lines have"
        more = ", ..." if count > len(keys) else ""
        screen.warn(
            f"{lines} changed since the request was sent: {', '.join(keys)}{more}; the song that was made "
            "is kept; to make another one, give the line a new key"
        )


async def _resolve(options: BulkOptions, journal: Journal, screen: Screen) -> None:
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
