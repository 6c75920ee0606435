"""The blocking counterpart of ``musicapi_async``: the same names, without ``await``.

Requests, results and errors are the same classes; the client, its tasks and its runs block.
"""

import typing

import musicapi_async
from musicapi_async import (
    JSON,
    AcceptedTask,
    AlignedLyrics,
    Batch,
    BatchTask,
    Bpm,
    Clip,
    ClipOrId,
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
    RawResponse,
    ReplacedSection,
    ReplacedSections,
    Request,
    SavedFile,
    Secret,
    Settings,
    SharedSong,
    Songs,
    Stem,
    Stems,
    Step,
    TaskRequest,
    TaskState,
    UploadedClip,
    UpsampledTags,
    Voice,
    Vox,
    Word,
    __version__,
    errors,
    media,
    operations,
)
from musicapi_sync._client import MusicAPI
from musicapi_sync._raw_responses import WithRawResponse
from musicapi_sync._tasks import Outcome, Run, Task

if typing.TYPE_CHECKING:
    from musicapi_async import account, lyrics, nuro, producer, riffusion, sonic, studio, suno, webhooks

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


def __getattr__(name: str) -> object:
    """Load the requests of a family, or the webhooks, on first access."""
    if name in __all__:
        return getattr(musicapi_async, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
