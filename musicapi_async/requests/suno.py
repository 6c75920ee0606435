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
    """Make two songs from your lyrics, through the legacy path of ``sonic.create``.

    Args:
        lyrics: Lyrics with section tags such as ``[Verse]``; at most 5000 characters, 3000 on v4 and v3-5.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 1000 characters, 200 on v4 and v3-5.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        instrumental: True for a song without vocals.
        auto_lyrics: Treat ``lyrics`` as a description from which the service writes the lyrics.
        duration: Target length in seconds, a whole number from 10 to 360.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        use_suno_cdn: Selects the host that serves the files; always sent, because some hosts of the service require it.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 20 credits as of 2026-10-07.
    """

    polled_at = "/suno/clip"
    replacement = "client.sonic.create"


@operation(
    POST, "/suno/create", credits=20, as_of="2026-10-07", source=SOURCE, task_type="create_music", custom_mode=False
)
class Describe(sonic.Describe):
    """Make two songs from a description, through the legacy path of ``sonic.describe``.

    Args:
        description: What the song is to be like; at most 400 characters.
        title: Title of the songs; at most 80 characters.
        tags: Styles, comma-separated; at most 1000 characters, 200 on v4 and v3-5.
        negative_tags: Styles to avoid; at most 200 characters.
        vocal_gender: ``f`` or ``m``, on v4-5 and newer.
        style_weight: Closeness to the style, from 0 to 1.
        weirdness: From 0 to 1.
        instrumental: True for a song without vocals.
        duration: Target length in seconds, a whole number from 10 to 360.
        model: One of ``sonic.MODELS``, or another model id of the service; ``sonic-v6`` if not given.
        use_suno_cdn: Selects the host that serves the files; always sent, because some hosts of the service require it.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 20 credits as of 2026-10-07.
    """

    polled_at = "/suno/clip"
    replacement = "client.sonic.describe"


@operation(POST, "/suno/make-lyrics", credits=2, as_of="2026-05-01", source=SOURCE)
class MakeLyrics(TaskRequest[LyricsDrafts]):
    """Have lyrics written, as a task; ``lyrics.make`` returns them at once.

    Args:
        description: What the lyrics are about; at most 119 characters.

    Costs 2 credits as of 2026-05-01.
    """

    polled_at = "/suno/get-lyrics"
    expected_clips = 1
    replacement = "client.lyrics.make"

    description: str = text_field(wire="prompt", max_length=119)


@operation(POST, "/suno/get-song", credits=None, as_of="2026-05-01", source=SOURCE)
class GetSong(Request[SharedSong]):
    """Look up the song behind a share link.

    Args:
        share_link: ``http(s)://`` URL of the song's page.

    Its price is not documented.
    """

    share_link: str = text_field(begins=WEB)


class Suno(TaskFamily):
    """Legacy paths; use ``sonic`` and ``lyrics`` instead."""

    songs: ClassVar[type[TaskRequest[Songs]]] = Create

    create: Final = submits(Create)
    describe: Final = submits(Describe)
    make_lyrics: Final = submits(MakeLyrics)
    get_song: Final = calls(GetSong)
