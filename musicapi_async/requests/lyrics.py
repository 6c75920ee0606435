"""Lyrics: drafts of lyrics.

Source: https://docs.musicapi.ai/lyrics-generation, ``POST /sonic/lyrics``.
"""

from typing import Final

from musicapi_async._fields import text_field
from musicapi_async._operation import operation
from musicapi_async._request import POST, Request
from musicapi_async.requests._family import Family, calls
from musicapi_async.results import LyricsDrafts

__all__ = ["Make"]


@operation(POST, "/sonic/lyrics", credits=2, as_of="2026-05-01", source="https://docs.musicapi.ai/lyrics-generation")
class Make(Request[LyricsDrafts]):
    """Write two drafts of lyrics from a description, in the description's language.

    Args:
        description: What the lyrics are about; at most 119 characters.

    Costs 2 credits as of 2026-05-01.
    """

    description: str = text_field(max_length=119)


class Lyrics(Family):
    """Drafts of lyrics."""

    make: Final = calls(Make)
