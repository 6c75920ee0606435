"""What a file is, told by its first bytes: pure. URLs and content types are often wrong."""

from typing import Final

__all__ = ["FIRST_BYTES", "KINDS", "SAME_KIND", "is_text", "kind_of"]

FIRST_BYTES: Final = 16

_SIGNATURES: Final = (
    (0, b"ID3", "mp3"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"MThd", "mid"),
    (0, b"\x89PNG", "png"),
    (0, b"\xff\xd8\xff", "jpg"),
    (0, b"GIF8", "gif"),
    (8, b"WAVE", "wav"),
    (8, b"WEBP", "webp"),
    (4, b"ftypM4A", "m4a"),
    (4, b"ftypavif", "avif"),
    (4, b"ftypheic", "heic"),
    (4, b"ftyp", "mp4"),
)

SAME_KIND: Final = {"jpg": "jpeg", "m4a": "mp4"}
KINDS: Final = frozenset(kind for _, _, kind in _SIGNATURES) | frozenset(SAME_KIND.values())
"""The suffixes of media files; a text under such a name is an error page."""


def kind_of(start: bytes) -> str | None:
    """Return the usual file name suffix (without a dot) of a file that begins like this, or None."""
    found = next((kind for at, signature, kind in _SIGNATURES if start[at : at + len(signature)] == signature), None)
    if found is None and len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0:  # noqa: PLR2004 - MPEG frame sync
        return "mp3"
    return found


def is_text(start: bytes) -> bool:
    """Tell whether a file begins like a page or an error text rather than like music."""
    if not start or kind_of(start) is not None:
        return False
    # A letter of several bytes may be cut at the end.
    return start.decode("utf-8", "ignore").replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable()
