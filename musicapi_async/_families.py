"""The names of the families, for modules that load none of them."""

from typing import Final

__all__ = ["FAMILIES"]

FAMILIES: Final = ("account", "lyrics", "nuro", "producer", "riffusion", "sonic", "studio", "suno")
