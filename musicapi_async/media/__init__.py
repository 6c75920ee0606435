"""Files: fetching what the service made."""

from musicapi_async.media.saved import SavedFile

__all__ = ["SavedFile"]
