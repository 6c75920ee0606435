"""The output of a run: the protocol, and the folder, in which files are written directly."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import attrs

from musicapi_async.errors import DownloadError

__all__ = ["FolderOutput", "Output", "prepare_folder"]

PARTIAL: Final = (f".{'[0-9a-f]' * 16}.part", f".*.{'[0-9a-f]' * 8}.part")
"""The names of partial files: of audio, and of texts."""
STALE: Final = 600.0
"""Seconds after which a partial file counts as abandoned."""


class Output(Protocol):
    """The place in which a run saves its files."""

    @property
    def folder(self) -> Path:
        """The local folder in which files are written."""
        ...

    @property
    def address(self) -> str | None:
        """The address to which the files are uploaded, without credentials; None where they stay in the folder."""
        ...

    async def prepare(self) -> None:
        """Check that files can be saved, before anything is paid for; raises DownloadError."""
        ...

    async def save(self, stems: Sequence[str], write: Callable[[], Awaitable[list[str]]]) -> list[str]:
        """Have the files of one clip or result written into the folder, and return their names once they are saved.

        ``stems`` are the names that its files may have, without ``-cover`` and the suffix; the others begin with the
        first. Files that are saved under them already are in the folder when ``write`` is called, which returns the
        names of all its files. Raises its errors, and DownloadError with the OSError because of which a file cannot be
        saved.
        """
        ...

    async def aclose(self) -> None:
        """Release its connections; may be called several times."""
        ...


@attrs.frozen
class FolderOutput:
    """A folder: files are written in it, and stay there."""

    folder: Path
    address: None = None

    async def prepare(self) -> None:
        """Make the folder, and remove partial files of killed processes in it; raises DownloadError."""
        await asyncio.to_thread(prepare_folder, self.folder)

    async def save(self, stems: Sequence[str], write: Callable[[], Awaitable[list[str]]]) -> list[str]:  # noqa: ARG002 - the names are in the folder
        """Have the files written, and return their names."""
        return await write()

    async def aclose(self) -> None:
        """Do nothing: a folder has no connections."""


def prepare_folder(folder: Path) -> None:
    """Make the folder, and remove partial files of killed processes in it; raises DownloadError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for pattern in PARTIAL:
            for partial in folder.glob(pattern):
                # Another program may be writing one now.
                with suppress(OSError):
                    if time.time() - partial.stat().st_mtime > STALE:
                        partial.unlink()
    except OSError as error:
        raise DownloadError("", str(folder), error.strerror or str(error)) from error
