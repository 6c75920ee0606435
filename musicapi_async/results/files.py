"""Addresses of files, for ``client.download``."""

import attrs

from musicapi_async.results.several import Several

__all__ = ["DownloadFile", "DownloadFiles"]


@attrs.frozen
class DownloadFile:
    """One file: its ``format`` (``mp3``, ``m4a``, ``wav``) where it is known, and its address."""

    url: str
    format: str | None = None


@attrs.frozen
class DownloadFiles(Several[DownloadFile]):
    """The files that were prepared, in the service's order."""

    files: tuple[DownloadFile, ...] = ()

    def _items(self) -> tuple[DownloadFile, ...]:
        return self.files
