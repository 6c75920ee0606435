"""What a command keeps on disk: the names of its files, JSON, and the receipt of a task under way."""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from musicapi_async import Clip
from musicapi_async.cli.exits import hide_key
from musicapi_async.media.names import LONGEST_ID, id_for_name, json_text, slug, title_for_name, write_text

__all__ = ["Receipt", "make_folder", "read_json", "stems", "write_json"]

ID_LETTERS: Final = 8


def make_folder(folder: Path) -> None:
    """Make sure that files can be written here, before anything is paid for; raises OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        # Under the folder's name, whatever file or parent was tried.
        raise OSError(error.errno, error.strerror, str(folder)) from error


def stems(clips: Sequence[Clip]) -> list[str]:
    """Return a file name without suffix for each clip: its title and the beginning of its id.

    No two are the same, also where a file system takes capital and small letters for the same.
    """
    short = [_stem(clip.title, clip.clip_id[:ID_LETTERS]) for clip in clips]
    count = Counter(map(str.casefold, short))
    return [
        stem if count[stem.casefold()] == 1 else _stem(clip.title, f"{clip.clip_id[:LONGEST_ID]}-{at}")
        for at, (clip, stem) in enumerate(zip(clips, short, strict=True), 1)
    ]


def write_json(path: Path, value: object) -> None:
    """Write JSON so that it is there whole or not at all; raises OSError."""
    write_text(path, hide_key(json_text(value)) + "\n")


def read_json(path: Path) -> Mapping[str, object]:
    """Return the object in a JSON file; nothing where there is none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Receipt:
    """A small file beside the songs to come, from the task's acceptance until its songs are there.

    It keeps the id and the request when the terminal, the process or the machine goes away meanwhile.
    """

    def __init__(self, folder: Path, task_id: str) -> None:
        self.path = folder / f"musicapi-task-{id_for_name(task_id)}.json"

    def write(self, content: Mapping[str, object]) -> None:
        """Keep what is known of the task; raises OSError."""
        write_json(self.path, content)

    def read(self) -> Mapping[str, object]:
        """Return what was kept, if anything."""
        return read_json(self.path)

    def remove(self) -> None:
        """Forget it: the task is over."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _stem(title: str | None, mark: str) -> str:
    return f"{title_for_name(title)}-{slug(mark) or 'clip'}"
