"""Suno: legacy paths that the service still serves; use ``sonic`` and ``lyrics`` instead.

Source: the OpenAPI file of musicapi-sdk 0.1.0, paths ``/suno/*``.
"""

from typing import ClassVar, Final

from musicapi_async._fields import text_field
from musicapi_async._operation import operation
from musicapi_async._request import POST, Request, TaskRequest
from musicapi_async.requests import sonic
from musicapi_async.requests._family import TaskFamily, calls, submits
from musicapi_async.requests._shared import WEB
from musicapi_async.results import LyricsDrafts, SharedSong, Songs

__all__ = ["Create", "Describe", "GetSong", "MakeLyrics"]

SOURCE: Final = "OpenAPI file of musicapi-sdk 0.1.0, legacy /suno paths"


@operation(
    POST, "/suno/create", credits=20, as_of="2026-10-07", source=SOURCE, task_type="create_music", custom_mode=True
)
class Create(sonic.Create):
    """Make two songs from your lyrics, through the legacy path of ``sonic.create``."""

    polled_at = "/suno/clip"
    replacement = "client.sonic.create"


@operation(
    POST, "/suno/create", credits=20, as_of="2026-10-07", source=SOURCE, task_type="create_music", custom_mode=False
)
class Describe(sonic.Describe):
    """Make two songs from a description, through the legacy path of ``sonic.describe``."""

    polled_at = "/suno/clip"
    replacement = "client.sonic.describe"


@operation(POST, "/suno/make-lyrics", credits=2, as_of="2026-05-01", source=SOURCE)
class MakeLyrics(TaskRequest[LyricsDrafts]):
    """Have lyrics written, as a task; ``lyrics.make`` returns them at once."""

    polled_at = "/suno/get-lyrics"
    expected_clips = 1
    replacement = "client.lyrics.make"

    description: str = text_field(wire="prompt", max_length=119)


@operation(POST, "/suno/get-song", credits=None, as_of="2026-05-01", source=SOURCE)
class GetSong(Request[SharedSong]):
    """Look up the song behind a share link."""

    share_link: str = text_field(begins=WEB)


class Suno(TaskFamily):
    """Legacy paths; use ``sonic`` and ``lyrics`` instead."""

    songs: ClassVar[type[TaskRequest[Songs]]] = Create

    create: Final = submits(Create)
    describe: Final = submits(Describe)
    make_lyrics: Final = submits(MakeLyrics)
    get_song: Final = calls(GetSong)
