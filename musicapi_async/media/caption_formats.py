"""The formats in which the lyrics of a saved song are written with their times."""

from typing import Final, Literal, TypeAlias, get_args

__all__ = ["CAPTION_FORMATS", "CaptionFormat"]

CaptionFormat: TypeAlias = Literal["lrc", "srt", "vtt", "ass"]
"""A format of captions; not ``json``, since that file beside the audio holds the clip itself."""
CAPTION_FORMATS: Final[tuple[CaptionFormat, ...]] = get_args(CaptionFormat)
