"""The output at an address: files are completed in a local folder, then uploaded, each in one request."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from anyio.to_thread import run_sync

from musicapi_async._logger import logger
from musicapi_async._transport.cancellation import complete
from musicapi_async.bulk.output.address import Address
from musicapi_async.bulk.output.folder import prepare_folder
from musicapi_async.bulk.output.store import ObjectStore, StoreError, StoreLimits
from musicapi_async.errors import DownloadError
from musicapi_async.media.caption_formats import CAPTION_FORMATS
from musicapi_async.media.formats import SUFFIXES
from musicapi_async.media.names import write_bytes

__all__ = ["AddressOutput"]

MAX_UPLOADS: Final = 4
"""Files uploaded at once; each is in memory meanwhile."""
PARTS: Final = rf"(-cover)?\.({'|'.join(sorted({*SUFFIXES, *CAPTION_FORMATS}))}|json(\.\d+\.bak)?)"
"""What follows the name of a song in the names of its files."""


class AddressOutput:
    """An address of an object store. An object is written under its own name, in one request, when it is complete.

    The files of a song are first brought into a local folder, where the code for a folder writes what is missing; then
    those that the store does not have are uploaded, the ``.json`` last, and the local ones are removed. So a song that
    was being uploaded when the process ended is uploaded by the next run, and a name that another song has in the store
    is not used.
    """

    def __init__(self, address: Address, folder: Path, limits: StoreLimits) -> None:
        self.folder = folder
        self.address: str | None = address.shown
        self._shown = address.shown
        self._store = ObjectStore(address, limits)
        self._slots = asyncio.Semaphore(MAX_UPLOADS)

    async def prepare(self) -> None:
        """Make the local folder, and check that objects can be written; raises DownloadError."""
        await asyncio.to_thread(prepare_folder, self.folder)
        try:
            await self._store.open()
        except BaseException as error:
            await complete(self._store.aclose())
            if isinstance(error, StoreError):
                raise DownloadError("songs", self._shown, str(error)) from error
            raise

    async def save(self, stems: Sequence[str], write: Callable[[], Awaitable[list[str]]]) -> list[str]:
        """Have the files of one clip or result written into the folder, upload them, and return their names."""
        present = await self._fetch(stems)
        names = await write()
        # What was under the name of a JSON file, and is none, was renamed.
        renamed = await complete(run_sync(self._renamed, names, set(present)))
        for name in (*renamed, *sorted(names, key=lambda name: name.endswith(".json"))):
            await self._upload(name, present.get(name))
        await complete(run_sync(self._remove, {*present, *names, *renamed}))
        return names

    async def aclose(self) -> None:
        """Close the connections to the store."""
        await self._store.aclose()

    async def _fetch(self, stems: Sequence[str]) -> dict[str, int]:
        """Download the files that are saved under these names into the folder; return all of these, with their sizes.

        Local files are kept: they are the newer ones of a run that was interrupted.
        """
        form = re.compile(f"({'|'.join(map(re.escape, stems))}){PARTS}")
        try:
            listed = await self._store.names(stems[0])
            present = {name: size for name, size in listed.items() if form.fullmatch(name)}
            for name, size in present.items():
                if not await complete(run_sync((self.folder / name).is_file)):
                    async with self._slots:
                        content = await self._store.read(name, size)
                        await complete(run_sync(write_bytes, self.folder / name, content))
        except OSError as error:
            raise self._error(stems[0], error) from error
        return present

    async def _upload(self, name: str, present_size: int | None) -> None:
        """Upload a file, unless the store has it; raises DownloadError."""
        async with self._slots:
            try:
                content = await complete(run_sync((self.folder / name).read_bytes))
                if present_size == len(content) and await self._store.holds(name, content):
                    return
                await self._store.write(name, content)
            except OSError as error:
                logger.warning("%s is complete in %s, and is uploaded by the next run: %s", name, self.folder, error)
                raise self._error(name, error) from error

    def _renamed(self, names: Sequence[str], present: set[str]) -> list[str]:
        found = (path.name for name in names if name.endswith(".json") for path in self.folder.glob(f"{name}.*.bak"))
        return sorted(name for name in found if name not in present)

    def _remove(self, names: set[str]) -> None:
        for name in names:
            _unlink(self.folder / name)

    def _error(self, name: str, error: OSError) -> DownloadError:
        return DownloadError(name, f"{self._shown}/{name}", error.strerror or str(error))


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
