"""An inbox of verified events in a folder: one file each, for the processes of one machine."""

import base64
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from musicapi_async.errors import InvalidRequestError

__all__ = ["FileInbox", "InboxEvent"]

MAX_AGE: Final = 86_400.0
"""Seconds after which an event that no process has taken is removed."""
SUFFIX: Final = ".event"


@attrs.frozen
class InboxEvent:
    """A verified event in a folder."""

    id: str
    """The event's id."""
    type: str
    """The event's type, such as ``song.completed``."""
    task_id: str | None
    """The id of the task; None where the event names none."""
    reference: str | None
    """The reference of the submission, from the URL that was requested; None without one."""
    content: bytes = attrs.field(repr=False)
    """The signed body, byte for byte."""

    def to_json(self) -> str:
        """Return it as JSON, in ASCII."""
        return json.dumps({**attrs.asdict(self), "content": base64.b64encode(self.content).decode()})

    @staticmethod
    def from_json(text: str | bytes) -> "InboxEvent | None":
        """Return the event in a JSON text; None when it cannot be read."""
        try:
            fields = json.loads(text)
            return InboxEvent(**{**fields, "content": base64.b64decode(fields["content"])})
        except (ValueError, KeyError, TypeError):
            return None


class FileInbox:
    """A folder that the processes of one machine share: each verified event is a file until its process has taken it.

    Give it to the clients of all processes: ``MusicAPI(webhook_inbox=webhooks.FileInbox("events"))``. An event that
    reaches a process which does not wait for it is taken within a second by the one that does. The folder is created; a
    file that no process has taken is removed after a day.

    The files hold songs' titles and lyrics, readable by this user alone.

    Raises InvalidRequestError when ``path`` is not the path of a folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            self._folder = Path(path)
        except TypeError:
            message = f"path is of type {type(path).__name__}; it must be the path of a folder"
            raise InvalidRequestError(message, "path", None, "the path of a folder") from None

    def __repr__(self) -> str:
        """Show the folder."""
        return f"FileInbox({str(self._folder)!r})"

    def put(self, event: InboxEvent) -> None:
        """Write an event and flush it to disk; one with the same id is replaced. Raises OSError."""
        final = self._folder / f"{_name_of(event.id)}{SUFFIX}"
        partial = self._folder / f".{final.name}.{os.getpid()}.{time.monotonic_ns()}"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(event.to_json().encode())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(final)
            _flush_folder(self._folder)
        finally:
            partial.unlink(missing_ok=True)

    def names(self, max_age: float = MAX_AGE) -> list[str]:
        """Return the names of the events, after removing those that are older than ``max_age`` seconds."""
        found = []
        for file in self._files():
            if time.time() - _changed_at(file) > max_age:
                file.unlink(missing_ok=True)
            else:
                found.append(file.name)
        return sorted(found)

    def read(self, name: str) -> InboxEvent | None:
        """Return an event by its name; None when another process has taken it, or it cannot be read."""
        try:
            return InboxEvent.from_json((self._folder / name).read_bytes())
        except OSError:
            return None

    def remove(self, name: str) -> None:
        """Remove an event that was taken."""
        (self._folder / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all events."""
        for file in self._files():
            file.unlink(missing_ok=True)

    def name_of(self, event_id: str) -> str:
        """Return the name of the file of an event."""
        return f"{_name_of(event_id)}{SUFFIX}"

    def _files(self) -> Iterator[Path]:
        try:
            yield from self._folder.glob(f"*{SUFFIX}")
        except OSError:
            return


def _name_of(event_id: str) -> str:
    # An id is the service's text, and not signed: it is no file name.
    return hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _changed_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return time.time()


def _flush_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
