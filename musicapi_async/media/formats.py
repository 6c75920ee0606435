"""The format of a file by its first bytes, since addresses and content types are often wrong. No I/O."""

import codecs
from typing import Final

__all__ = ["FIRST_BYTES", "PICTURES", "SUFFIXES", "format_of", "is_text", "is_usual_suffix"]

FIRST_BYTES: Final = 1024
"""Bytes read for the decision: music of this length always contains a control byte."""

_SIGNATURES: Final = (
    (b"ID3", "mp3"),
    (b"fLaC", "flac"),
    (b"OggS", "ogg"),
    (b"MThd", "mid"),
    (b"\x1a\x45\xdf\xa3", "webm"),
    (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF8", "gif"),
)
# A container's name, and its content type at byte 8.
_CONTAINERS: Final = (
    (b"RIFF", b"WAVE", "wav"),
    (b"RF64", b"WAVE", "wav"),
    (b"BW64", b"WAVE", "wav"),
    (b"RIFF", b"WEBP", "webp"),
    (b"FORM", b"AIFF", "aiff"),
    (b"FORM", b"AIFC", "aiff"),
)
# Of other brands (isom, iso5, dash, mp42, ...) the file can be either a video or a song.
_BRANDS: Final = {
    b"M4A ": "m4a",
    b"M4B ": "m4a",
    b"M4P ": "m4a",
    b"avif": "avif",
    b"avis": "avif",
    b"heic": "heic",
    b"heix": "heic",
    b"mif1": "heic",
}

# One format, several usual suffixes.
_SAME: Final = (
    frozenset({"m4a", "mp4", "m4b", "m4p", "m4v"}),
    frozenset({"ogg", "oga", "opus"}),
    frozenset({"aiff", "aif", "aifc"}),
    frozenset({"webm", "weba", "mkv", "mka"}),
    frozenset({"mp3", "mp2"}),
    frozenset({"mid", "midi"}),
    frozenset({"jpg", "jpeg"}),
    frozenset({"heic", "heif"}),
)
PICTURES: Final = frozenset({"png", "jpg", "jpeg", "gif", "webp", "avif", "heic", "heif"})
SUFFIXES: Final = PICTURES.union({"wav", "flac", "aac"}, *_SAME)
"""The suffixes of media files; a text under such a name is an error page."""

_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
"""The byte order marks of UTF-8, UTF-16 and UTF-32."""
_WIDE: Final = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_WIDE_START: Final = 32
_LAST_ASCII: Final = 0x7F
_BINARY: Final = bytes({*range(0x20)} - {*b"\t\n\f\r\x1b"})
"""The bytes that no text has in any charset (the WHATWG's MIME sniffing standard: binary data bytes)."""

# The header of a frame: eleven bits that are set (twelve for ADTS), and the values that the standards reserve.
HEADER: Final = 4
SYNC: Final = 0xFF
NO_VERSION: Final = 1
NO_BIT_RATE: Final = 15
NO_SAMPLE_RATE: Final = 3
ADTS_RATES: Final = 13


def format_of(start: bytes, *, is_audio: bool = False) -> str | None:
    """Return the usual file name suffix (without a dot) of a file with this beginning, or None.

    With ``is_audio`` its host declares it as audio: an MP4 file is then an ``m4a`` whatever its brand.
    """
    if start[4:8] in {b"ftyp", b"styp"} and start[0] == 0:
        file_format = _BRANDS.get(start[8:12], "mp4")
        return "m4a" if file_format == "mp4" and is_audio else file_format
    for name, content, file_format in _CONTAINERS:
        if start[:4] == name and start[8:12] == content:
            return file_format
    found = next((file_format for signature, file_format in _SIGNATURES if start.startswith(signature)), None)
    return found or _format_of_frame(start[:4])


def is_text(start: bytes) -> bool:
    """Return True when a file begins like a page or an error text, in any charset, rather than like music."""
    if not start or format_of(start) is not None:
        return False
    if start.startswith(_MARKS) or start.lstrip().startswith((b"<", b"{")):
        return True
    return _is_plain(start) or _is_wide_ascii(start[:_WIDE_START])


def is_usual_suffix(file_format: str, suffix: str) -> bool:
    """Return True when files of this format may have this suffix (without a dot), such as ``opus`` for ``ogg``."""
    return file_format == suffix or any(file_format in same and suffix in same for same in _SAME)


def _format_of_frame(header: bytes) -> str | None:
    """Return the format of an MPEG audio frame or an ADTS frame (AAC) with this header of four bytes.

    FF FE is the byte order mark of UTF-16; as a frame it would be of Layer I, which no service produces.
    """
    if len(header) < HEADER or header[0] != SYNC or header[1] & 0xE0 != SYNC & 0xE0 or header.startswith(b"\xff\xfe"):
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    if layer == 0:
        is_adts = header[1] >> 4 == SYNC >> 4 and header[2] >> 2 & 0xF < ADTS_RATES
        return "aac" if is_adts else None
    bit_rate, sample_rate = header[2] >> 4, header[2] >> 2 & 3
    is_frame = version != NO_VERSION and bit_rate != NO_BIT_RATE and sample_rate != NO_SAMPLE_RATE
    return "mp3" if is_frame else None


def _is_plain(start: bytes) -> bool:
    """Return True for the start of a text in UTF-8, or in another charset if it holds any ASCII (a blank, a tag)."""
    if start.translate(None, delete=_BINARY) != start:
        return False
    try:
        # A character may be cut at the end.
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return min(start) <= _LAST_ASCII
    return True


def _is_wide_ascii(start: bytes) -> bool:
    """Return True for the start of a page in UTF-16 or UTF-32 without a mark: markup is ASCII."""
    for charset in _WIDE:
        text = start.decode(charset, "ignore")
        if len(text) > 1 and text.isascii() and "".join(text.split()).isprintable():
            return True
    return False
