"""The blocking twin of ``musicapi_async``: the same names, no ``await``.

Requests, results and errors are the very same classes; the client, its tasks and its runs block.
"""

from musicapi_async import (
    JSON,
    Clip,
    ClipOrId,
    Credits,
    LyricsDraft,
    LyricsDrafts,
    Request,
    SavedFile,
    Settings,
    Songs,
    TaskRequest,
    TaskState,
    Word,
    account,
    errors,
    lyrics,
    operations,
    riffusion,
    sonic,
)
from musicapi_sync._client import MusicAPI
from musicapi_sync._tasks import Outcome, Run, Task

__all__ = [
    "JSON",
    "Clip",
    "ClipOrId",
    "Credits",
    "LyricsDraft",
    "LyricsDrafts",
    "MusicAPI",
    "Outcome",
    "Request",
    "Run",
    "SavedFile",
    "Settings",
    "Songs",
    "Task",
    "TaskRequest",
    "TaskState",
    "Word",
    "account",
    "errors",
    "lyrics",
    "operations",
    "riffusion",
    "sonic",
]
