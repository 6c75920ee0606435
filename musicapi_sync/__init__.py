"""The blocking counterpart of ``musicapi_async``: the same names, without ``await``.

Requests, results and errors are the same classes; the client, its tasks and its runs block.
"""

import importlib
import typing

import musicapi_async
from musicapi_async import __version__

if typing.TYPE_CHECKING:
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
        account,
        errors,
        lyrics,
        media,
        nuro,
        operations,
        producer,
        riffusion,
        sonic,
        studio,
        suno,
        webhooks,
    )
    from musicapi_sync._client import MusicAPI
    from musicapi_sync._raw_responses import WithRawResponse
    from musicapi_sync._tasks import Outcome, Run, Task

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

# Loaded on first access, as the names of musicapi_async are.
_MODULES: typing.Final = {
    "MusicAPI": "_client",
    "Outcome": "_tasks",
    "Run": "_tasks",
    "Task": "_tasks",
    "WithRawResponse": "_raw_responses",
}
"""The modules of the names that are not those of ``musicapi_async``."""


def __getattr__(name: str) -> object:
    """Load a name on first access."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}") if name in _MODULES else musicapi_async
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
