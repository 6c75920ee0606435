"""What the help of the commands lists, so that no request class is loaded for it; a test compares it with these."""

from typing import Final

__all__ = ["FAMILIES_FROM_IDEA", "FAMILIES_FROM_LYRICS", "SONG_FAMILIES"]

SONG_FAMILIES: Final = ("nuro", "producer", "riffusion", "sonic", "studio", "suno")
"""The families whose tasks result in songs."""
FAMILIES_FROM_IDEA: Final = ("riffusion", "sonic", "studio", "suno")
"""The families with an operation ``describe``."""
FAMILIES_FROM_LYRICS: Final = ("producer", "riffusion", "sonic", "studio", "suno")
"""The families with an operation ``create``."""
