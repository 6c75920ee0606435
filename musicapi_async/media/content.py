"""Sources of downloads, and the checks on what their hosts send. No I/O."""

import re
from pathlib import PurePosixPath
from typing import Final

from musicapi_async._arguments import clip_advice, wrong_argument
from musicapi_async._transport.retry import FailureKind, TransportError
from musicapi_async.errors import APIStatusError, DownloadError, InvalidRequestError
from musicapi_async.media.formats import FIRST_BYTES, PICTURES, SUFFIXES, format_of, is_text
from musicapi_async.results import Clip, DownloadFile

__all__ = ["SUFFIX", "Content", "address_path", "url_of"]

CUT_SHORT: Final = frozenset({FailureKind.CUT, FailureKind.TIMEOUT})
SHOWN: Final = 60
"""Bytes of an error page that its error quotes."""
# The end of "Mr. Brightside" or "v1.2" is not a suffix.
SUFFIX: Final = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}")


class Content:
    """What was received of one file: its size, and its first bytes, which distinguish music from an error page."""

    def __init__(self, source: Clip | DownloadFile | str, url: str, target: str | None = None) -> None:
        self.url = url
        self.target = target
        """The file to write to; None for a download to memory."""
        self._is_song = not isinstance(source, str)
        suffix = "" if target is None else PurePosixPath(target).suffix
        suffix = suffix if SUFFIX.fullmatch(suffix) else PurePosixPath(address_path(url)).suffix
        self.is_media: bool = self._is_song or suffix.lower().lstrip(".") in SUFFIXES
        """True when the name is one of a media file, so that a text or an error page is an error."""
        self.size: int = 0
        """The number of bytes received."""
        self.start: bytes = b""
        """The first bytes, at most ``FIRST_BYTES``."""

    def add(self, chunk: bytes) -> None:
        """Count a chunk, and check the first bytes as soon as they are complete; raises DownloadError."""
        self.size += len(chunk)
        if len(self.start) < FIRST_BYTES:
            self.start += chunk[: FIRST_BYTES - len(self.start)]
            if len(self.start) == FIRST_BYTES:
                self.check()

    def restart(self, size: int) -> None:
        """Forget all but the first ``size`` bytes."""
        self.size, self.start = size, self.start[:size]

    def end(self) -> None:
        """Check the whole content; raises DownloadError."""
        if not self.size:
            raise self.error("the file is empty")
        self.check()

    def check(self) -> None:
        """Refuse an error page that came with a 200; a text file that was requested by its URL and name is accepted."""
        if self.is_media and is_text(self.start):
            raise self.error(f"its host sent a text that begins {self.start[:SHOWN]!r}")
        if self._is_song and (file_format := format_of(self.start)) in PICTURES:
            raise self.error(f"its host sent a picture ({file_format}) instead of a song")

    def error(self, reason: str, status: int | None = None) -> DownloadError:
        """Return the error for this file."""
        return DownloadError(self.url, self.target, reason, status)

    def error_of(self, failure: TransportError | APIStatusError | InvalidRequestError) -> DownloadError:
        """Return the error for this file from the last failure of the transport or refusal of the host."""
        if not isinstance(failure, TransportError):
            return self.error(f"its host responded with status {failure.status}", failure.status)
        is_cut = failure.kind in CUT_SHORT
        return self.error(failure.reason + (f"; {self.size} bytes were received" if is_cut else ""))


def url_of(source: Clip | DownloadFile | str, *, may_run: bool = False) -> str:
    """Return the URL of a file; with ``may_run`` also that of the live stream of a clip that is not finished.

    Raises InvalidRequestError for another type, DownloadError for a clip without one and an address that is not HTTP.
    """
    if isinstance(source, DownloadFile):
        source = source.url
    if not isinstance(source, (Clip, str)):
        raise wrong_argument("source", source, "a Clip, a DownloadFile or a URL", clip_advice(source))
    if isinstance(source, Clip):
        url = source.audio_url or (source.stream_url if may_run else None)
        if url is None:
            state = source.state or "unknown"
            missing = "neither finished audio nor a stream" if may_run else "no finished audio"
            raise DownloadError(f"clip {source.clip_id}", None, f"it has {missing} (its state is {state})")
        return url
    if not source.lower().startswith(("http://", "https://")):
        reason = "only http:// and https:// addresses can be fetched; for a clip pass the Clip, not its id"
        raise DownloadError(source, None, reason)
    return source


def address_path(address: str) -> str:
    """Return the part of a URL in front of its query and fragment."""
    return address.partition("#")[0].partition("?")[0]
