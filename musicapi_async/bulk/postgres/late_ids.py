"""Ids of accepted tasks that the journal could not record yet, each in a file that is flushed to the disk."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

__all__ = ["LateId", "LateIds"]

STATE: Final = "MUSICAPI_STATE"
ENDING: Final = ".json"


@attrs.frozen(kw_only=True)
class LateId:
    """The id of a task, and the claim by which its record was sent."""

    number: int
    claim: int
    key: str
    task_id: str


class LateIds:
    """Folder of the late ids of one journal: ``MUSICAPI_STATE``, else ``musicapi`` in the user's folder for states.

    All workers of the machine share it: a worker that starts takes what others have left. Its methods block, and raise
    OSError.
    """

    def __init__(self, journal_id: str) -> None:
        folder = os.environ.get(STATE) or _state_home() / "musicapi"
        self.folder: Path = Path(folder) / re.sub(r"[^0-9a-zA-Z-]", "-", journal_id)

    def keep(self, late: LateId) -> Path:
        """Write an id to the disk, and return its file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(late)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("w", encoding="utf-8") as file:
            json.dump(attrs.asdict(late), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        if os.name == "posix":
            descriptor = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return path

    def remove(self, late: LateId) -> None:
        """Remove the file of an id that the journal has recorded."""
        self._path(late).unlink(missing_ok=True)

    def kept(self) -> Iterator[LateId]:
        """Yield the ids that are on the disk."""
        for path in sorted(self.folder.glob(f"*{ENDING}")):
            try:
                found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                yield LateId(**found)
            except (FileNotFoundError, ValueError, TypeError):
                continue

    def _path(self, late: LateId) -> Path:
        return self.folder / f"{late.claim}{ENDING}"


def _state_home() -> Path:
    """Return the user's folder for states; a relative one is to be ignored (XDG Base Directory Specification)."""
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local" / "state"
