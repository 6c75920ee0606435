"""The version, in the one place where the build reads it too."""

from typing import Final

__all__ = ["VERSION"]

VERSION: Final = "0.1.0"
