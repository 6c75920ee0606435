"""Results of operations: plain frozen values that hold no client, so they can be pickled, compared and passed on."""

from musicapi_async.results.clip import Clip, Songs, Word
from musicapi_async.results.evidence import Evidence
from musicapi_async.results.files import DownloadFile, DownloadFiles
from musicapi_async.results.lyrics import AlignedLyrics, LyricsDraft, LyricsDrafts
from musicapi_async.results.music import Bpm, Midi, MidiInstrument, Note, Vox
from musicapi_async.results.parts import ExtendedSong, ExtendedSongs, ReplacedSection, ReplacedSections, Stem, Stems
from musicapi_async.results.replies import Batch, BatchTask, Credits, Persona, SharedSong, UpsampledTags, Voice
from musicapi_async.results.uploads import Step, UploadedClip

__all__ = [
    "AlignedLyrics",
    "Batch",
    "BatchTask",
    "Bpm",
    "Clip",
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
    "Note",
    "Persona",
    "ReplacedSection",
    "ReplacedSections",
    "SharedSong",
    "Songs",
    "Stem",
    "Stems",
    "Step",
    "UploadedClip",
    "UpsampledTags",
    "Voice",
    "Vox",
    "Word",
]
