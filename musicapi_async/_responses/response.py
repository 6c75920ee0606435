"""A response as it was received: status, headers and bytes, also where the HTTP library cannot parse it. No I/O.

The response to a submission contains the id of what was paid for. The HTTP library rejects a badly framed response
(bytes after the end, two lengths, a wrong encoding) as a whole, including the id. A response that is an HTML page or a
redirect did not come from the API.
"""

import json
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from musicapi_async._bounds import bounded_text
from musicapi_async._secrets import SecretBytes
from musicapi_async.wire.values import number

__all__ = [
    "KEY_SHOWN",
    "MAX_KEPT",
    "REDIRECTS",
    "Response",
    "page_in",
    "read_raw_response",
    "redirect_target",
    "retry_after",
    "start_of",
    "without_keys",
]

KEY_SHOWN: Final = b"[the key]"
REQUEST_ID_HEADERS: Final = ("x-request-id", "x-vercel-id", "cf-ray")
SHOWN_BYTES: Final = 200
FIRST_BYTES: Final = 200


class Response(NamedTuple):
    """A response as received: status, headers and undecoded body."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    keys: tuple[SecretBytes, ...] = ()
    """The spellings of the API key, which are masked in anything quoted from the response."""

    def __repr__(self) -> str:
        """Show no headers: they may repeat the key, and tracebacks may show locals."""
        return f"Response({self.status}, {self.content[:SHOWN_BYTES]!r})"

    @property
    def request_id(self) -> str | None:
        """The service's id of this exchange, for its support."""
        request_id = next((value for name in REQUEST_ID_HEADERS if (value := self.headers.get(name))), None)
        return request_id and without_keys(request_id, self.keys)

    @property
    def is_success(self) -> bool:
        """True for a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the definition of 2xx


def without_keys(message: str, keys: tuple[SecretBytes, ...]) -> str:
    """Mask the key in a message."""
    for key in keys:
        message = message.replace(key.reveal().decode(), KEY_SHOWN.decode())
    return message


def start_of(response: Response) -> str:
    """Return the beginning of a response as text, for an error."""
    return response.content[:FIRST_BYTES].decode("utf-8", "replace")


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read ``Retry-After`` in seconds; None when it is absent or unreadable.

    A date is measured against the response's own ``Date``, so that a wrong local clock does not matter; without one,
    against ``now``, by default the local time. A date in the past is 0.
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    if (seconds := number(value)) is not None:
        return max(0.0, seconds)
    when = _http_date(value)
    if when is None:
        return None
    sent_at = _http_date(headers.get("Date")) or now or datetime.now(UTC)
    return max(0.0, (when - sent_at).total_seconds())


def _http_date(value: str | None) -> datetime | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rare, and dear to load

    try:
        when = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


MAX_KEPT: Final = 256 * 1024
"""Bytes of a connection that are kept; a response to a submission has about 500, most of them its header."""
HEAD: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8})[^\r\n]*\r?\n")
ANY_COMPRESSION: Final = zlib.MAX_WBITS | 32
FIRST_FINAL: Final = 200


def read_raw_response(received: bytes) -> Response | None:
    """Return the final response that begins in these bytes; None where there is no whole header.

    Its content is the first JSON object after the header, else all bytes after it.
    """
    start = 0
    while head := HEAD.match(received, start):
        start = head.end()
        if (status := int(head[1])) >= FIRST_FINAL:
            return Response(status, _headers(head[2]), _content(received[start:]))
    return None


def _headers(lines: bytes) -> Mapping[str, str]:
    from multidict import CIMultiDict  # noqa: PLC0415 - the HTTP library's, loaded with a client

    pairs = (line.partition(":") for line in lines.decode("latin-1").splitlines())
    return CIMultiDict((name.strip(), value.strip()) for name, _, value in pairs)


def _content(body: bytes) -> bytes:
    for found in (body, _without_chunks(body)):
        for content in (found, _decompressed(found)):
            if (whole := _first_object(content)) is not None:
                return whole
    return body


def _without_chunks(body: bytes) -> bytes:
    parts, start = [], 0
    while (size := CHUNK.match(body, start)) and int(size[1], 16):
        end = size.end() + int(size[1], 16)
        parts.append(body[size.end() : end])
        start = end + len(b"\r\n")
    return b"".join(parts)


def _decompressed(body: bytes) -> bytes:
    try:
        return zlib.decompressobj(ANY_COMPRESSION).decompress(body, MAX_KEPT)
    except zlib.error:
        return b""


def _first_object(content: bytes) -> bytes | None:
    """Return the JSON object at the start of the text, without the rest."""
    text = content.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return text[:end].encode("utf-8", "replace")


REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
BLANK: Final = b"\xef\xbb\xbf\xff\xfe \t\r\n"
"""Bytes that may precede a page: blanks and byte order marks."""
SEARCHED: Final = 4000
MAX_TITLE: Final = 100
MAX_HOST: Final = 253
TITLE: Final = re.compile(r"<(title|h1)[^>]*>\s*(?P<title>[^<]+)", re.IGNORECASE)


def page_in(content: bytes, headers: Mapping[str, str]) -> str | None:
    """Describe an HTML or XML page by its title; None when the content is no page."""
    start = content[:SEARCHED].replace(b"\0", b"").lstrip(BLANK)
    is_markup = start[:1] == b"<"
    is_html = "html" in headers.get("Content-Type", "").lower() and start[:1] not in {b"{", b"["}
    if not start or not (is_markup or is_html):
        return None
    import html  # noqa: PLC0415 - the same

    found = TITLE.search(start.decode("utf-8", "replace"))
    title = " ".join(html.unescape(found["title"]).split()) if found else ""
    titled = f" with the title {bounded_text(title, MAX_TITLE)!r}" if title else ""
    return f"the response is not the API's JSON, but an HTML page{titled}"


def redirect_target(location: str | None) -> str:
    """Name the scheme and host that a redirect leads to, without its path, which may contain secrets."""
    try:
        target = urlsplit((location or "").strip())
        host, port = target.hostname, target.port
    except ValueError:
        return "an address that cannot be read"
    if not host:
        return "another path of the same host" if location else "nowhere"
    host = f"[{host}]" if ":" in host else host
    shown = bounded_text(host, MAX_HOST) + (f":{port}" if port else "")
    return f"{target.scheme}://{shown}" if target.scheme else shown
