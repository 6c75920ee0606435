"""Addresses of files, for ``client.download``."""

from typing import Annotated

import attrs

from musicapi_async.results.base import Result, ResultSequence
from musicapi_async.wire.converter import wire

__all__ = ["DownloadFile", "DownloadFiles"]


@attrs.frozen
class DownloadFile(Result):
    """One file: its ``format`` (``mp3``, ``m4a``, ``wav``) where it is known, and its address."""

    url: Annotated[str, wire("file_url", "url", "audio_url", "wav_url")]
    format: str | None = None


@attrs.frozen
class DownloadFiles(ResultSequence[DownloadFile]):
    """The files that were prepared, in the service's order."""

    files: tuple[DownloadFile, ...] = ()

    def _items(self) -> tuple[DownloadFile, ...]:
        return self.files
