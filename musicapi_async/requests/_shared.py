"""Limits shared by operations of several families."""

from typing import Final

__all__ = ["UPLOAD_SECONDS", "WEB"]

WEB: Final = ("http://", "https://")
UPLOAD_SECONDS: Final = 120.0
"""Minimum time limit of calls that fetch the user's audio, which take up to a minute."""
