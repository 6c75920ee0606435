"""The progress callback and the result of a download; a separate module, so that importing a client stays cheap."""

import os
from collections.abc import Callable
from pathlib import Path

import attrs

__all__ = ["Progress", "SavedFile"]

Progress = Callable[[int, int | None], None]
"""Called with the number of bytes written so far and the total (None when the host does not report it).

The number decreases only when a download that broke off has to start again.
"""


@attrs.frozen
class SavedFile(os.PathLike[str]):
    """A file that was written. It is path-like: ``open(saved)`` works.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        saved = client.download(song, "rain")  # gets the suffix of its format
        print(saved.path, saved.size, saved.format)
    ```
    """

    path: Path
    """The path of the file."""
    size: int
    """Its size in bytes."""
    format: str | None
    """Its format, by its first bytes: ``mp3``, ``aac`` (ADTS), ``m4a``, ``mp4``, ``wav``, ``flac``, ``ogg`` (also
    Opus), ``aiff``, ``webm``, ``mid``, ``png``, ``jpg``, ``gif``, ``webp``, ``avif`` or ``heic``; None for any other.
    An MP4 file is ``m4a`` when its brand, its content type (``audio/...``), its URL or the service says that it is
    audio."""

    def __fspath__(self) -> str:
        """Return the path, so that ``open(saved)`` works."""
        return str(self.path)
