"""The Python SDK for MusicAPI (musicapi.ai): songs from lyrics or an idea, async first.

Start at ``MusicAPI``. Requests live in the families (``sonic``, ``riffusion``, ``lyrics``, ``account``), what comes
back in the results (``Clip``, ``Songs``, ...), what goes wrong in ``errors``. ``musicapi_sync`` is the same, blocking.
"""

import logging

from musicapi_async import errors
from musicapi_async._client import JSON, MusicAPI
from musicapi_async._fields import ClipOrId
from musicapi_async._operation import Request, TaskRequest, operations
from musicapi_async._settings import Settings
from musicapi_async._tasks.run import Outcome, Run
from musicapi_async._tasks.state import TaskState
from musicapi_async._tasks.task import Task
from musicapi_async.families import account, lyrics, riffusion, sonic
from musicapi_async.media import SavedFile
from musicapi_async.results import Clip, Credits, LyricsDraft, LyricsDrafts, Songs, Word

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

logging.getLogger("musicapi").addHandler(logging.NullHandler())
