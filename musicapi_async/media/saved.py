"""The progress callback and the result of a download; a separate module, so that importing a client stays cheap."""

import os
from collections.abc import Callable
from pathlib import Path

import attrs

__all__ = ["Progress", "SavedFile"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes written so far and the total (None when the host does not announce it).

The bytes written so far decrease only when an interrupted download has to start again.
"""


@attrs.frozen
class SavedFile(os.PathLike[str]):
    """A file that was written: its path, its size in bytes, and its format by its first bytes (``kind``).

    ``kind`` is ``mp3``, ``aac`` (ADTS), ``m4a``, ``mp4``, ``wav``, ``flac``, ``ogg`` (also Opus), ``aiff``, ``webm``,
    ``mid``, ``png``, ``jpg``, ``gif``, ``webp``, ``avif`` or ``heic``; None when it is none of these. An MP4 file is an
    ``m4a`` when its brand, its content type (``audio/...``), its address or the service says that it is audio.
    """

    path: Path
    size: int
    kind: str | None

    def __fspath__(self) -> str:
        """Return the path, so that ``open(saved)`` works."""
        return str(self.path)
