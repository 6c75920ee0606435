"""The Python SDK for MusicAPI (musicapi.ai): songs from lyrics or an idea, async first.

Start at ``MusicAPI``. Request classes are in the families (``sonic``, ``producer``, ``lyrics``, ...), results are
classes such as ``Clip`` and ``Songs``, errors are in ``errors``, tags of files in ``media``. ``musicapi_sync`` is the
blocking counterpart.
"""

import importlib
import typing

from musicapi_async._families import FAMILIES as _FAMILIES
from musicapi_async._logger import set_up_logger as _set_up_logger
from musicapi_async._version import VERSION as __version__  # noqa: N811 - the name Python has for it

if typing.TYPE_CHECKING:
    from musicapi_async import errors, media, webhooks
    from musicapi_async._client import MusicAPI
    from musicapi_async._clip_fields import ClipOrId
    from musicapi_async._raw_responses import RawResponse, WithRawResponse
    from musicapi_async._request import Request, TaskRequest
    from musicapi_async._secrets import Secret
    from musicapi_async._settings import Settings
    from musicapi_async._tasks.accepted import AcceptedTask
    from musicapi_async._tasks.run import Outcome, Run
    from musicapi_async._tasks.state import TaskState
    from musicapi_async._tasks.submission import Submission
    from musicapi_async._tasks.task import Task
    from musicapi_async.media import SavedFile
    from musicapi_async.requests import account, lyrics, nuro, operations, producer, riffusion, sonic, studio, suno
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

# Names are loaded on first access: the command's help needs none of them, and a program only some.
_MODULES: typing.Final = {
    "JSON": "wire.json",
    "AcceptedTask": "_tasks.accepted",
    "ClipOrId": "_clip_fields",
    "MusicAPI": "_client",
    "Outcome": "_tasks.run",
    "RawResponse": "_raw_responses",
    "Request": "_request",
    "Run": "_tasks.run",
    "SavedFile": "media",
    "Secret": "_secrets",
    "Settings": "_settings",
    "Submission": "_tasks.submission",
    "Task": "_tasks.task",
    "TaskRequest": "_request",
    "TaskState": "_tasks.state",
    "WithRawResponse": "_raw_responses",
    "operations": "requests",
}
"""The modules of the names that are no results."""

_set_up_logger()


def __getattr__(name: str) -> object:
    """Load a name, a family or a module on first access."""
    if name in _FAMILIES:
        value: object = importlib.import_module(f"{__name__}.requests.{name}")
    elif name in {"errors", "media", "requests", "results", "webhooks"}:
        value = importlib.import_module(f"{__name__}.{name}")
    elif name in __all__:
        module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'results')}")
        value = getattr(module, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
