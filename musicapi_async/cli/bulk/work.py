"""``musicapi bulk work``: make the songs that a journal has planned, with the options of its plan."""

import asyncio
import shlex
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import attrs

from musicapi_async import bulk
from musicapi_async._arguments import is_address
from musicapi_async.bulk.output import address_of
from musicapi_async.cli.bulk.arguments import DEFAULT_OUTAGE
from musicapi_async.cli.bulk.events import check_listen, receiving
from musicapi_async.cli.bulk.journals import JournalChoice, shown_output
from musicapi_async.cli.bulk.making import Making, make_songs
from musicapi_async.cli.files import make_folder
from musicapi_async.cli.running import closing_shielded, open_client
from musicapi_async.cli.screen import Screen
from musicapi_async.media.saving import SaveOptions

__all__ = ["WorkOptions", "run_work"]

ENDING: Final = ((signal.SIGTERM,), (signal.SIGINT,))
"""The arguments of the cancellation by a signal that a worker is ended by, also in a service that stays."""


@attrs.frozen(kw_only=True)
class WorkOptions:
    """The options of ``musicapi bulk work``; the help describes each."""

    choice: JournalChoice
    out: str
    stay: bool
    saving: SaveOptions
    outage: float
    webhook_url: str | None
    listen: str | None
    base_url: str | None
    same_account: bool
    is_current: bool | None

    def making(self) -> Making:
        """Return what its reports need, with the command that resumes it."""
        options = [] if self.outage == DEFAULT_OUTAGE else ["--outage", f"{self.outage:.15g}"]
        for name, value in (
            ("--stay", self.stay),
            ("--tags", self.saving.tags),
            ("--lyrics-as", ",".join(self.saving.lyrics)),
            ("--webhook-url", self.webhook_url),
            ("--listen", self.listen),
            ("--base-url", self.base_url),
        ):
            options += [name] if value is True else [name, value] if value else []
        journal = [] if self.choice.folder is not None else self.choice.arguments
        words = ["musicapi", "bulk", "work", *journal, "--out", shown_output(self.out), *options]
        return Making(choice=self.choice, out=shown_output(self.out), resume=shlex.join(words))


async def run_work(options: WorkOptions, screen: Screen) -> None:
    """Make the songs until none is left; SIGTERM or SIGINT stops a worker, which is success."""
    screen.stream_events()
    try:
        await _work(options, screen)
    except asyncio.CancelledError as stop:
        if stop.args not in ENDING:
            raise


async def _work(options: WorkOptions, screen: Screen) -> None:
    options.choice.check_exists()
    if options.listen is not None:
        check_listen(options.listen)
    address_of(options.out)  # raises for an address that cannot be used, before anything is made
    async with AsyncExitStack() as stack:
        opening = open_client(base_url=options.base_url, webhook_url=options.webhook_url)
        client = await stack.enter_async_context(opening)
        if not is_address(options.out):
            await asyncio.to_thread(make_folder, Path(options.out))
        journal = await stack.enter_async_context(closing_shielded(options.choice.open(is_current=options.is_current)))
        if options.listen is not None:
            await stack.enter_async_context(receiving(options.listen, journal, client.settings))
        worker = bulk.work(
            client,
            journal,
            out=options.out,
            stay=options.stay,
            outage=options.outage,
            tags=options.saving.tags,
            lyrics=options.saving.lyrics,
            same_account=options.same_account,
        )
        await worker.recover()
        await make_songs(options.making(), client, worker, journal, screen)
