"""``musicapi bulk copy DIR --journal ...``: move a half-finished journal into another one."""

import asyncio
import shlex
from pathlib import Path

import attrs

from musicapi_async.bulk.copying import copy_journal, open_copy, open_for_copy
from musicapi_async.cli.bulk.journals import JournalChoice, journal_in
from musicapi_async.cli.bulk.texts import requests_text
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.running import closing_shielded
from musicapi_async.cli.screen import Screen

__all__ = ["CopyCommand", "copy"]


@attrs.frozen(kw_only=True)
class CopyCommand:
    """The arguments of ``musicapi bulk copy``."""

    source: JournalChoice
    target: JournalChoice
    is_current: bool | None

    @staticmethod
    def source_of(folder: Path) -> JournalChoice:
        """Return the journal that DIR names: in a folder, or the file itself."""
        return JournalChoice(address=str(folder)) if folder.is_file() else journal_in(folder)

    def check(self) -> None:
        """Raise UsageError without a journal to copy, or where both are the same."""
        self.source.check_exists()
        source, target = self.source.file, self.target.file
        if source is not None and target is not None and source.resolve() == target.resolve():
            raise UsageError(f"--journal is {self.target.name}, the journal that is copied: name a new one")


async def copy(command: CopyCommand, screen: Screen) -> None:
    """Move all records into the other journal, which must be empty; the old one is closed for good."""
    source, target = command.source, command.target
    place = target.name if target.file is None else str(await asyncio.to_thread(target.file.resolve))
    async with (
        closing_shielded(open_for_copy(source.address, is_current=command.is_current)) as old,
        closing_shielded(open_copy(target.address)) as new,
    ):
        count = await copy_journal(old, new, place)
        counts = await new.counts()
        charged = await new.total_charged()
    out = "DIR" if source.folder is None else shlex.quote(str(source.folder))
    next_step = target.command("work", "--out", out)
    screen.emit(
        {
            "records": count,
            "counts": dict(counts),
            "charged": charged,
            "from": source.name,
            "to": target.name,
            "next": next_step,
        }
    )
    states = ", ".join(f"{number:,} {state}" for state, number in counts.items() if number)
    screen.print(f"{requests_text(count)} moved to {target.name}{f' ({states})' if states else ''}")
    screen.print(f"{source.name} is closed for good, and remains as a backup; the songs stay where they are")
    screen.print(f"next: {next_step}")
