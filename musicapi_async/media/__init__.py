"""Files: downloads, formats, names; lyrics with their times, as captions and karaoke pages; tags (extra ``media``)."""

import importlib
import typing
from typing import Final

if typing.TYPE_CHECKING:
    from musicapi_async.media.karaoke_page import karaoke
    from musicapi_async.media.saved import SavedFile
    from musicapi_async.media.saving import SavedClip
    from musicapi_async.media.tagging import read_tags, tag
    from musicapi_async.media.tags.values import Chapter, SongTags, SyncedLine
    from musicapi_async.media.timeline import Line, Timeline

__all__ = [
    "Chapter",
    "Line",
    "SavedClip",
    "SavedFile",
    "SongTags",
    "SyncedLine",
    "Timeline",
    "karaoke",
    "read_tags",
    "tag",
]

# Loaded on first access, so that importing a client stays cheap.
_MODULES: Final = {
    "Chapter": "tags.values",
    "Line": "timeline",
    "SavedClip": "saving",
    "SavedFile": "saved",
    "SongTags": "tags.values",
    "SyncedLine": "tags.values",
    "Timeline": "timeline",
    "karaoke": "karaoke_page",
    "read_tags": "tagging",
    "tag": "tagging",
}


def __getattr__(name: str) -> object:
    """Load a name on first access."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
