"""What a download tells: how far it is, and what it has written. Apart, so that a client costs no more to import."""

import os
from collections.abc import Callable
from pathlib import Path

import attrs

__all__ = ["Progress", "SavedFile"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes written so far and the bytes in all (None when the host does not tell).

The bytes written so far go back only when a download that broke off has to begin again from its start.
"""


@attrs.frozen
class SavedFile(os.PathLike[str]):
    """A file that was written: its path, its size in bytes, and its kind by its first bytes.

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
