"""The Python SDK for MusicAPI (musicapi.ai): songs from lyrics or an idea, async first.

Start at ``MusicAPI``. Request classes are in the families (``sonic``, ``producer``, ``lyrics``, ...), results are
classes such as ``Clip`` and ``Songs``, errors are in ``errors``, tags of files in ``media``. ``musicapi_sync`` is the
blocking counterpart.
"""

import importlib
import typing

from musicapi_async import errors, media
from musicapi_async._client import MusicAPI
from musicapi_async._clip_fields import ClipOrId
from musicapi_async._logger import set_up_logger as _set_up_logger
from musicapi_async._raw_responses import RawResponse, WithRawResponse
from musicapi_async._request import Request, TaskRequest
from musicapi_async._secrets import Secret
from musicapi_async._settings import Settings
from musicapi_async._tasks.accepted import AcceptedTask
from musicapi_async._tasks.run import Outcome, Run
from musicapi_async._tasks.state import TaskState
from musicapi_async._tasks.submission import Submission
from musicapi_async._tasks.task import Task
from musicapi_async._version import VERSION as __version__  # noqa: N811 - the name Python has for it
from musicapi_async.media import SavedFile
from musicapi_async.requests import FAMILIES as _FAMILIES
from musicapi_async.requests import operations
from musicapi_async.results import (
    AlignedLyrics,
    Batch,
    BatchTask,
    Bpm,
    Clip,
    Credits,
    DownloadFile,
    DownloadFiles,
    Evidence,
    ExtendedSong,
    ExtendedSongs,
    LyricsDraft,
    LyricsDrafts,
    Midi,
    MidiInstrument,
    Note,
    Persona,
    ReplacedSection,
    ReplacedSections,
    SharedSong,
    Songs,
    Stem,
    Stems,
    Step,
    UploadedClip,
    UpsampledTags,
    Voice,
    Vox,
    Word,
)
from musicapi_async.wire.json import JSON

if typing.TYPE_CHECKING:
    from musicapi_async import webhooks
    from musicapi_async.requests import account, lyrics, nuro, producer, riffusion, sonic, studio, suno

__all__ = [
    "JSON",
    "AcceptedTask",
    "AlignedLyrics",
    "Batch",
    "BatchTask",
    "Bpm",
    "Clip",
    "ClipOrId",
    "Credits",
    "DownloadFile",
    "DownloadFiles",
    "Evidence",
    "ExtendedSong",
    "ExtendedSongs",
    "LyricsDraft",
    "LyricsDrafts",
    "Midi",
    "MidiInstrument",
    "MusicAPI",
    "Note",
    "Outcome",
    "Persona",
    "RawResponse",
    "ReplacedSection",
    "ReplacedSections",
    "Request",
    "Run",
    "SavedFile",
    "Secret",
    "Settings",
    "SharedSong",
    "Songs",
    "Stem",
    "Stems",
    "Step",
    "Submission",
    "Task",
    "TaskRequest",
    "TaskState",
    "UploadedClip",
    "UpsampledTags",
    "Voice",
    "Vox",
    "WithRawResponse",
    "Word",
    "__version__",
    "account",
    "errors",
    "lyrics",
    "media",
    "nuro",
    "operations",
    "producer",
    "riffusion",
    "sonic",
    "studio",
    "suno",
    "webhooks",
]

_set_up_logger()


def __getattr__(name: str) -> object:
    """Load a family, or ``webhooks``, on first access."""
    if name in _FAMILIES:
        return importlib.import_module(f"{__name__}.requests.{name}")
    if name == "webhooks":
        return importlib.import_module(f"{__name__}.webhooks")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
