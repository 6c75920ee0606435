"""The journal that a command works on: that of a folder, or the one that ``--journal`` or the environment names."""

import os
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import attrs

from musicapi_async import bulk
from musicapi_async._arguments import is_address
from musicapi_async._secrets import without_password
from musicapi_async.bulk import Journal
from musicapi_async.bulk.defaults import JOURNAL
from musicapi_async.bulk.snapshot import Snapshot, snapshot
from musicapi_async.cli.bulk.arguments import VARIABLE
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.running import closing_shielded

__all__ = [
    "JournalChoice",
    "journal_beside",
    "journal_in",
    "journal_of",
    "journal_of_arguments",
    "shown_output",
]

SCHEME_OF_PATH: Final = re.compile(r"[a-z][a-z0-9+]+:/", re.IGNORECASE)
"""The beginning of an address that was taken for a path, which has one slash left."""


@attrs.frozen(kw_only=True)
class JournalChoice:
    """A journal, and how the command line named it."""

    address: str = attrs.field(repr=without_password)
    """The path of its file, or its address."""
    folder: Path | None = None
    """The folder of a run that was given; None where the journal itself was named."""
    is_from_environment: bool = False
    """True when the environment named it."""

    @property
    def name(self) -> str:
        """Its path or its address, without a password."""
        return without_password(self.address)

    @property
    def file(self) -> Path | None:
        """The path of its file; None for an address."""
        return None if is_address(self.address) else Path(self.address)

    @property
    def arguments(self) -> list[str]:
        """The arguments that name it in a command on a journal; none where the environment names it."""
        if self.folder is not None:
            return [str(self.folder)]
        return [] if self.is_from_environment else ["--journal", self.name]

    def command(self, *words: str) -> str:
        """Return a command on this journal, such as ``resolve`` with the words that stand for the user's arguments."""
        name, *rest = words
        return " ".join(["musicapi bulk", name, *map(shlex.quote, self.arguments), *rest])

    def open(self, *, is_current: bool | None = None, create: bool = False) -> AbstractAsyncContextManager[Journal]:
        """Return the journal, which is opened when it is entered; with ``create`` it need not exist."""
        return bulk.open(self.address, is_current=is_current, create=create)

    @asynccontextmanager
    async def open_for_plan(self, *, is_current: bool | None = None) -> AsyncIterator[Journal]:
        """Open the journal, made or brought up to date where it has to be."""
        await bulk.migrate(self.address)
        async with closing_shielded(self.open(is_current=is_current, create=True)) as journal:
            yield journal

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Return its contents at the moment of entering, in one thread."""
        return snapshot(self.address)

    def check_exists(self) -> None:
        """Raise UsageError for a file that is not there, which opening would create."""
        if self.file is None or self.file.exists():
            return
        if self.folder is not None:
            raise UsageError(f"there is no {JOURNAL} in {self.folder}; give the --out folder of a bulk run")
        raise UsageError(f"there is no journal {self.name}; 'musicapi bulk plan FILE --journal ...' creates one")


def journal_at(journal: str | None) -> JournalChoice | None:
    """Return the journal that ``--journal`` names, else the environment; None where neither does."""
    if found := _checked(journal, "--journal"):
        return JournalChoice(address=found)
    found = _checked(os.environ.get(VARIABLE) or None, VARIABLE)
    return None if found is None else JournalChoice(address=found, is_from_environment=True)


def journal_of(folder: Path | None, journal: str | None) -> JournalChoice:
    """Return the journal of a command that takes DIR or ``--journal``; raises UsageError unless one is given."""
    if folder is not None and journal is not None:
        raise UsageError("give DIR or --journal, not both")
    if folder is not None:
        if SCHEME_OF_PATH.match(str(folder)):
            raise UsageError("DIR is an address, and no folder: name the journal of the run with --journal")
        return journal_in(folder)
    if (found := journal_at(journal)) is None:
        raise UsageError(f"name a journal: DIR, the --out folder of a bulk run, or --journal (or {VARIABLE})")
    return found


def journal_of_arguments(arguments: list[str], journal: str | None) -> tuple[JournalChoice, list[str]]:
    """Return the journal of ``resolve``, and its arguments without DIR.

    Where the environment names a journal, a first argument that is the folder of a run is DIR all the same.
    """
    first = Path(arguments[0]) if arguments else None
    is_folder = first is not None and (first / JOURNAL).exists()
    if journal is not None:
        return journal_of(first if is_folder else None, journal), arguments
    if is_folder or journal_at(None) is None:
        return journal_of(first, None), arguments[1:]
    return journal_of(None, None), arguments


def shown_output(out: str) -> str:
    """Return the folder or address of ``--out`` without credentials."""
    return without_password(out) if is_address(out) else out


def journal_beside(out: str, journal: str | None) -> JournalChoice:
    """Return the journal of a run: the one that is named, else that of its output folder."""
    if (found := journal_at(journal)) is not None:
        return found
    if is_address(out):
        raise UsageError(f"--out is {without_password(out)}, where no journal can be: name one with --journal")
    return journal_in(out)


def journal_in(folder: str | Path) -> JournalChoice:
    """Return the journal in the folder of a run."""
    return JournalChoice(address=str(Path(folder) / JOURNAL), folder=Path(folder))


def _checked(journal: str | None, source: str) -> str | None:
    if journal is None:
        return None
    if not journal.strip():
        raise UsageError(f"{source} is empty; it must be the path of a journal, or its address")
    if is_address(journal):
        if any(map(str.isspace, journal)):
            raise UsageError(f"{source} is an address with blanks; write each as %20")
    elif Path(journal).is_dir():
        raise UsageError(f"{source} is the folder {journal}; name the file: {Path(journal) / JOURNAL}")
    return journal
