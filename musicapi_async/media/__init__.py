"""Files: fetching what the service made."""

from musicapi_async.media.download import SavedFile

__all__ = ["SavedFile"]
