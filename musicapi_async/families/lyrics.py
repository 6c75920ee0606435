"""Lyrics: drafts of words for a song.

Contract: docs.musicapi.ai/lyrics-generation, ``POST /sonic/lyrics``.
"""

from typing import Final

from musicapi_async._fields import text_field
from musicapi_async._operation import POST, Request, operation
from musicapi_async.families._family import Family, calls
from musicapi_async.results import LyricsDrafts

__all__ = ["Make"]


@operation(POST, "/sonic/lyrics")
class Make(Request[LyricsDrafts]):
    """Write two drafts of lyrics from a description of at most 119 characters, in the description's language.

    It costs credits, so it is never repeated when it may have been accepted.
    """

    description: str = text_field(limit=119)


class Lyrics(Family):
    """Drafts of words for a song."""

    make: Final = calls(Make)
