"""Responses that are not the API's: HTML pages and redirects. No I/O."""

import html
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from musicapi_async._bounds import bounded_text

__all__ = ["REDIRECTS", "page_in", "redirect_target"]

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
BLANK: Final = b"\xef\xbb\xbf\xff\xfe \t\r\n"
"""What may stand before a page: blanks and byte order marks."""
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
    found = TITLE.search(start.decode("utf-8", "replace"))
    title = " ".join(html.unescape(found["title"]).split()) if found else ""
    titled = f" with the title {bounded_text(title, MAX_TITLE)!r}" if title else ""
    return f"the answer is not the API's JSON, but an HTML page{titled}"


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
