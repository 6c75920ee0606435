"""Riffusion (FUZZ): deprecated by the vendor, still answering; ``sonic`` is the way to go for new work.

Contract: docs.musicapi.ai "riffusion(Deprecated)", ``POST /riffusion/create`` and ``GET /riffusion/task/{task_id}``.
"""

from typing import Final

from musicapi_async._fields import flag, text_field
from musicapi_async._operation import POST, TaskRequest, operation
from musicapi_async.families._family import TaskFamily, submits
from musicapi_async.results import Songs

__all__ = ["DEFAULT_MODEL", "MODELS", "Create", "Describe"]

DEFAULT_MODEL: Final = "FUZZ-1.1 Pro"
MODELS: Final = ("FUZZ-1.1 Pro", "FUZZ-1.1", "FUZZ-1.0 Pro", "FUZZ-1.0")


@operation(POST, "/riffusion/create", task_type="create_music", custom_mode=True)
class Create(TaskRequest[Songs]):
    """Make two songs from your lyrics, with the time of every word. Deprecated by the vendor: prefer ``sonic.create``.

    - ``lyrics``: at most 3000 characters; may be left out for an instrumental. ``sound``: style, voice and genre, at
      most 200. ``title``: at most 80. ``model``: one of ``riffusion.MODELS``.

    Raises InvalidRequestError before anything is sent; RetiredError when the service no longer offers it.
    """

    lyrics: str | None = text_field(default=None, limit=3000)
    sound: str | None = text_field(default=None, limit=200)
    title: str | None = text_field(default=None, limit=80)
    model: str = text_field(default=DEFAULT_MODEL, wire="mv")
    instrumental: bool = flag(default=False, wire="make_instrumental")


@operation(POST, "/riffusion/create", task_type="create_music", custom_mode=False)
class Describe(TaskRequest[Songs]):
    """Make two songs from a description of at most 200 characters. Deprecated by the vendor: prefer ``sonic.describe``.

    Raises InvalidRequestError before anything is sent; RetiredError when the service no longer offers it.
    """

    description: str = text_field(wire="prompt", limit=200)
    model: str = text_field(default=DEFAULT_MODEL, wire="mv")


class Riffusion(TaskFamily):
    """Songs with the time of every word; deprecated by the vendor."""

    create: Final = submits(Create)
    describe: Final = submits(Describe)
