"""Files that the service has prepared, for ``client.download``."""

from typing import Annotated

import attrs

from musicapi_async.results.base import Result, Several
from musicapi_async.wire.converter import wire

__all__ = ["DownloadFile", "DownloadFiles"]


@attrs.frozen
class DownloadFile(Result):
    """One file that the service has prepared; ``client.download`` takes it."""

    url: Annotated[str, wire("file_url", "url", "audio_url", "wav_url")]
    """URL of the file."""
    format: str | None = None
    """``mp3``, ``m4a`` or ``wav``; None where it is not known."""


@attrs.frozen
class DownloadFiles(Several[DownloadFile]):
    """A sequence of the files that the service has prepared."""

    files: tuple[DownloadFile, ...] = ()
    """The files, in the service's order."""

    def _items(self) -> tuple[DownloadFile, ...]:
        return self.files
