"""The names of the families, for whoever loads none of their modules."""

from typing import Final

__all__ = ["FAMILIES"]

FAMILIES: Final = ("account", "lyrics", "nuro", "producer", "riffusion", "sonic", "studio", "suno")
