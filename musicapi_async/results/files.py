"""Files that the service has prepared, for ``client.download``."""

from typing import Annotated

import attrs

from musicapi_async.results.base import Result, ResultSequence
from musicapi_async.wire.converter import wire

__all__ = ["DownloadFile", "DownloadFiles"]


@attrs.frozen(repr=False, eq=False)
class DownloadFile(Result):
    """One file that the service has prepared; ``client.download`` takes it.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        file = client.sonic.wav(clip=song)
        client.download(file, "rain.wav")
    ```
    """

    url: Annotated[str, wire("file_url", "url", "audio_url", "wav_url")]
    """URL of the file."""
    format: str | None = None
    """``mp3``, ``m4a`` or ``wav``; None where it is not known."""


@attrs.frozen(repr=False, eq=False)
class DownloadFiles(ResultSequence[DownloadFile]):
    """A sequence of the files that the service has prepared.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        for file in client.sonic.download(clip=song, formats=["mp3", "wav"]):
            client.download(file, f"rain.{file.format}")
    ```
    """

    files: tuple[DownloadFile, ...] = ()
    """The files, in the service's order."""

    def _items(self) -> tuple[DownloadFile, ...]:
        return self.files
