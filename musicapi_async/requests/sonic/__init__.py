"""Sonic: songs from lyrics or from a description, and operations on them.

Source: https://docs.musicapi.ai, section "Sonic".
"""

from typing import ClassVar, Final

from musicapi_async._request import TaskRequest
from musicapi_async.requests._family import TaskFamily, calls, submits
from musicapi_async.requests.sonic._shared import DEFAULT_MODEL, MODELS
from musicapi_async.requests.sonic.edits import (
    AddInstrumental,
    AddVocals,
    Concat,
    Cover,
    Extend,
    Remaster,
    ReplaceSection,
)
from musicapi_async.requests.sonic.songs import Create, Describe, Mashup, PersonaSong, Sample
from musicapi_async.requests.sonic.tools import (
    FORMATS,
    AlignLyrics,
    BasicStems,
    CreatePersona,
    Download,
    FullStems,
    GetBatch,
    GetBpm,
    GetMidi,
    GetVox,
    GetWav,
    SubmitBatch,
    Upload,
    UpsampleTags,
)
from musicapi_async.requests.sonic.uploads import CreateVoice, UploadCover, UploadExtend
from musicapi_async.results import Songs

__all__ = [
    "DEFAULT_MODEL",
    "FORMATS",
    "MODELS",
    "AddInstrumental",
    "AddVocals",
    "AlignLyrics",
    "BasicStems",
    "Concat",
    "Cover",
    "Create",
    "CreatePersona",
    "CreateVoice",
    "Describe",
    "Download",
    "Extend",
    "FullStems",
    "GetBatch",
    "GetBpm",
    "GetMidi",
    "GetVox",
    "GetWav",
    "Mashup",
    "PersonaSong",
    "Remaster",
    "ReplaceSection",
    "Sample",
    "SubmitBatch",
    "Upload",
    "UploadCover",
    "UploadExtend",
    "UpsampleTags",
]


class Sonic(TaskFamily):
    """Songs from lyrics or a description, and operations on them."""

    songs: ClassVar[type[TaskRequest[Songs]]] = Create

    create: Final = submits(Create)
    describe: Final = submits(Describe)
    extend: Final = submits(Extend)
    concat: Final = submits(Concat)
    cover: Final = submits(Cover)
    persona_song: Final = submits(PersonaSong)
    remaster: Final = submits(Remaster)
    add_vocals: Final = submits(AddVocals)
    add_instrumental: Final = submits(AddInstrumental)
    upload_cover: Final = submits(UploadCover)
    upload_extend: Final = submits(UploadExtend)
    sample: Final = submits(Sample)
    mashup: Final = submits(Mashup)
    replace_section: Final = submits(ReplaceSection)
    stems: Final = submits(BasicStems)
    full_stems: Final = submits(FullStems)
    create_voice: Final = submits(CreateVoice)
    upload: Final = calls(Upload)
    persona: Final = calls(CreatePersona)
    aligned_lyrics: Final = calls(AlignLyrics)
    bpm: Final = calls(GetBpm)
    vox: Final = calls(GetVox)
    wav: Final = calls(GetWav)
    midi: Final = calls(GetMidi)
    download: Final = calls(Download)
    upsample_tags: Final = calls(UpsampleTags)
    batch: Final = calls(SubmitBatch)
    get_batch: Final = calls(GetBatch)
