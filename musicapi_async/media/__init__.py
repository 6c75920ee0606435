"""Files: downloads, their formats and their names."""

from musicapi_async.media.saved import SavedFile

__all__ = ["SavedFile"]
