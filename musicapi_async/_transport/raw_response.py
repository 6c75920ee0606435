"""A response read from the bytes of its connection, where the HTTP library cannot read it. No I/O.

A response to a submission names what was paid for. One that a proxy or a server has framed wrong (bytes behind the end,
two lengths, an encoding that is not there) is refused by the HTTP library as a whole, its id included.
"""

import json
import re
import zlib
from typing import Final

from multidict import CIMultiDict

from musicapi_async._transport.replies import Reply

__all__ = ["MAX_KEPT", "read_raw_response"]

MAX_KEPT: Final = 256 * 1024
"""Bytes of a connection that are kept; a response to a submission has about 500, most of them its header."""
HEAD: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8})[^\r\n]*\r?\n")
ANY_COMPRESSION: Final = zlib.MAX_WBITS | 32
FIRST_FINAL: Final = 200


def read_raw_response(received: bytes) -> Reply | None:
    """Return the final response that begins in these bytes; None where there is no whole header.

    Its content is the first JSON object behind the header, else whatever stands there.
    """
    start = 0
    while head := HEAD.match(received, start):
        start = head.end()
        if (status := int(head[1])) >= FIRST_FINAL:
            return Reply(status, _headers(head[2]), _content(received[start:]))
    return None


def _headers(lines: bytes) -> CIMultiDict[str]:
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
    """Return the JSON object that the text begins with, without what follows it."""
    text = content.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return text[:end].encode("utf-8", "replace")
