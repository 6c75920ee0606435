"""Sonic: songs from lyrics or from a description, and what can be done with them.

Contract: docs.musicapi.ai "Sonic", ``POST /sonic/create`` and ``GET /sonic/task/{task_id}``.
"""

from typing import Final

from musicapi_async._fields import ClipOrId, clip_field, flag, number_field, text_field
from musicapi_async._operation import POST, TaskRequest, operation, shared_fields
from musicapi_async.families._family import TaskFamily, submits
from musicapi_async.results import Songs

__all__ = ["DEFAULT_MODEL", "MODELS", "Create", "Describe", "Extend"]

DEFAULT_MODEL: Final = "sonic-v6"
MODELS: Final = ("sonic-v6", "sonic-v6-wild", "sonic-v6-mini")
"""The models known today; the service's list is open, and older ids are accepted and rendered by v6."""

SMALL_MODELS: Final = ("sonic-v4", "sonic-v3-5", "chirp-v4", "chirp-v3-5")


def _lyrics_limit(request: "_Song") -> int:
    return 3000 if request.model in SMALL_MODELS else 5000


def _tags_limit(request: "_Song") -> int:
    return 200 if request.model in SMALL_MODELS else 1000


@shared_fields
class _Song(TaskRequest[Songs]):
    title: str | None = text_field(default=None, limit=80)
    tags: str | None = text_field(default=None, limit=_tags_limit)
    negative_tags: str | None = text_field(default=None, limit=200)
    model: str = text_field(default=DEFAULT_MODEL, wire="mv")
    instrumental: bool | None = flag(default=None, wire="make_instrumental")
    vocal_gender: str | None = text_field(default=None, choices=("f", "m"))
    style_weight: float | None = number_field(default=None, least=0, most=1)
    weirdness: float | None = number_field(default=None, wire="weirdness_constraint", least=0, most=1)
    duration: int | None = number_field(default=None, least=10, most=360, whole=True)
    use_suno_cdn: bool = flag(default=False)
    webhook_url: str | None = text_field(default=None, limit=1024, begins="https://")
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(POST, "/sonic/create", task_type="create_music", custom_mode=True)
class Create(_Song):
    """Make two songs from your lyrics.

    - ``lyrics``: at most 5000 characters (3000 on v4 and v3-5), with section tags such as ``[Verse]``. With
      ``auto_lyrics`` they are a description from which the service writes the lyrics.
    - ``title``: at most 80 characters. ``tags``: styles, comma-separated, at most 1000 characters (200 on v4 and v3-5).
      ``negative_tags``: styles to avoid, at most 200.
    - ``model``: one of ``sonic.MODELS``, or another id the service knows.
    - ``vocal_gender``: ``"f"`` or ``"m"`` (v4-5 and newer). ``instrumental``: no voice.
    - ``style_weight``, ``weirdness``: 0 to 1. ``duration``: target length in seconds, 10 to 360.
    - ``use_suno_cdn``: which host serves the files; some hosts of the service refuse a request without it.
    - ``webhook_url`` (https): where the service reports the end; ``webhook_secret``: what it signs the report with.

    Raises InvalidRequestError before anything is sent when a field is wrong.
    """

    lyrics: str = text_field(wire="prompt", limit=_lyrics_limit)
    auto_lyrics: bool | None = flag(default=None)


@operation(POST, "/sonic/create", task_type="create_music", custom_mode=False)
class Describe(_Song):
    """Make two songs from a description of at most 400 characters; the service writes the lyrics.

    The other fields are those of ``Create``; the service may rewrite ``title`` and ``tags``.

    Raises InvalidRequestError before anything is sent when a field is wrong.
    """

    description: str = text_field(wire="gpt_description_prompt", limit=400)


@operation(POST, "/sonic/create", task_type="extend_music", custom_mode=True)
class Extend(_Song):
    """Continue a clip from ``at`` seconds on; the two results are the continuations alone, without the beginning.

    - ``clip``: a generated clip, or its id. ``at``: seconds from its beginning, 0 or more.
    - ``lyrics``: the words of the continuation. The other fields are those of ``Create``.

    Raises InvalidRequestError before anything is sent when a field is wrong.
    """

    clip: ClipOrId = clip_field(wire="continue_clip_id")
    at: float = number_field(wire="continue_at", least=0)
    lyrics: str | None = text_field(default=None, wire="prompt", limit=_lyrics_limit)
    auto_lyrics: bool | None = flag(default=None)


class Sonic(TaskFamily):
    """Songs from lyrics or a description, and what can be done with them."""

    create: Final = submits(Create)
    describe: Final = submits(Describe)
    extend: Final = submits(Extend)
