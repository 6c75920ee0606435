"""The songs of a run or a worker: made, shown, and what is missing at the end, with the commands that follow."""

import asyncio
import os
import shlex
from collections.abc import AsyncIterator
from typing import Final, Protocol

import attrs

from musicapi_async import MusicAPI, errors
from musicapi_async._arguments import is_address
from musicapi_async.bulk import Journal, Outcome, Record
from musicapi_async.bulk.journal import INCOMPLETE
from musicapi_async.cli.bulk.journals import JournalChoice
from musicapi_async.cli.bulk.progress import RunDisplay
from musicapi_async.cli.bulk.texts import LOST_ENTRIES, report_paid_twice
from musicapi_async.cli.exit_codes import STOPPED, IncompleteError
from musicapi_async.cli.exits import Failure
from musicapi_async.cli.running import SIGNAL_EXIT, wait_shielded
from musicapi_async.cli.screen import Screen

__all__ = ["Making", "make_songs"]

UNCERTAIN_SHOWN: Final = 10


class Closable(Protocol):
    """A run or a worker: an iterator of outcomes that can be closed."""

    def __aiter__(self) -> AsyncIterator[Outcome]:
        """Return its iterator."""
        ...

    async def aclose(self) -> None:
        """Stop at once: nothing more is submitted; submissions in flight get their response."""
        ...


@attrs.frozen(kw_only=True)
class Making:
    """A command that makes songs: its journal, its folder, and the command that resumes it."""

    choice: JournalChoice
    out: str
    resume: str
    embedded: bool = False
    """True for a trial on the embedded sandbox."""

    @property
    def report(self) -> str:
        """The command that writes a page about the songs."""
        if self.choice.folder is not None:
            return self.choice.command("report")
        return self.choice.command("report", "--out", "songs.html")


async def make_songs(making: Making, client: MusicAPI, run: Closable, journal: Journal, screen: Screen) -> None:
    """Show each outcome, and at the end what is missing; raises IncompleteError when songs are."""
    async with RunDisplay(client, journal, screen) as display:
        try:
            async for outcome in run:
                display.outcome(outcome)
        except asyncio.CancelledError:
            await _stop(making, run, display, screen)
            await wait_shielded(_report_pending(making, journal, screen))
            raise
        except errors.MusicAPIError:
            await _report_pending(making, journal, screen)
            raise
    await _report_end(making, journal, screen)


async def _stop(making: Making, run: Closable, display: RunDisplay, screen: Screen) -> None:
    """Submit nothing more and wait for the responses in flight; a second signal exits at once, as a crash would."""
    screen.warn("stopping: waiting for responses to the paid requests in flight; press Ctrl-C again to exit at once")
    closing = asyncio.ensure_future(run.aclose())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError as stop:
        code = SIGNAL_EXIT + stop.args[0] if stop.args else STOPPED
        # The terminal needs its cursor back.
        display.stop()
        message = f"exited at once: requests that were in flight are now uncertain; resume with: {making.resume}"
        screen.fail(Failure(code=code, error_type="Stopped", message=message, resume=making.resume))
        screen.close()
        os._exit(code)


async def _report_pending(making: Making, journal: Journal, screen: Screen) -> None:
    counts = await journal.counts()
    running = counts["accepted"] + counts["finished"]
    screen.emit({"counts": dict(counts)})
    if making.embedded:
        screen.print(f"{counts['saved']:,} saved; the rest ended with the embedded sandbox, nothing was charged")
        return
    screen.print(
        f"{counts['saved']:,} saved; {running:,} paid for and still running on the server; "
        f"{counts['planned']:,} not sent yet; resume with: {making.resume}"
    )
    report_paid_twice(await journal.extras(), screen)
    await _report_uncertain(making, journal, screen)


async def _report_end(making: Making, journal: Journal, screen: Screen) -> None:
    counts = await journal.counts()
    screen.emit({"counts": dict(counts), "out": making.out})
    report_paid_twice(await journal.extras(), screen)
    await _report_uncertain(making, journal, screen)
    if counts["failed"]:
        screen.print(
            f"{counts['failed']:,} failed and may have been charged; they are sent again only with --retry-failed"
        )
    if counts["saved"]:
        place = making.out if is_address(making.out) else shlex.quote(making.out)
        screen.print(f"the songs are in {place}; a page to play them: {making.report}")
    screen.print(", ".join(f"{count:,} {state}" for state, count in counts.items() if count) or "nothing is planned")
    missing = [f"{count:,} {state}" for state, count in counts.items() if count and state != "saved"]
    if missing:
        raise IncompleteError(
            f"some songs are missing: {', '.join(missing)}; '{making.report}' "
            "shows why, and the same command resumes the run"
        )


async def _report_uncertain(making: Making, journal: Journal, screen: Screen) -> None:
    uncertain = await journal.records("uncertain", 0, UNCERTAIN_SHOWN)
    if not uncertain:
        return
    screen.warn("these requests may or may not have been accepted and charged, and are not sent again automatically:")
    screen.table([[record.key, record.operation, _short_reason(record)] for record in uncertain])
    choice = making.choice
    if more := (await journal.counts())["uncertain"] - len(uncertain):
        screen.print(f"and {more:,} more; '{making.report}' lists all")
    screen.print("check the service's dashboard for each, then record what you found:")
    screen.print(f"  accepted:      {choice.command('resolve', 'KEY', 'TASK_ID')}")
    screen.print(f"  not accepted:  {choice.command('resolve', '--not-sent', 'KEY...')}  (or --not-sent --all)")
    screen.print("or run 'musicapi bulk FILE' again with --resend-uncertain (may be charged twice) or --drop-uncertain")
    if await journal.recall(INCOMPLETE):
        screen.print(LOST_ENTRIES)


def _short_reason(record: Record) -> str:
    """Return why a request is uncertain, without the advice for Python programs that an error's text ends with."""
    return (record.reason or "").partition("; it was not ")[0]
