"""What comes back: plain frozen values that hold no client, so they pickle, compare and travel."""

from musicapi_async.results.clip import Clip, Songs, Word
from musicapi_async.results.replies import Credits, LyricsDraft, LyricsDrafts

__all__ = ["Clip", "Credits", "LyricsDraft", "LyricsDrafts", "Songs", "Word"]
