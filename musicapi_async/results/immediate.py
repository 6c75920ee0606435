"""Results of the operations that respond at once."""

from collections.abc import Mapping
from typing import Annotated

import attrs

from musicapi_async.results.base import Result, ResultSequence
from musicapi_async.wire import values
from musicapi_async.wire.converter import wire

__all__ = ["Batch", "BatchTask", "Credits", "Persona", "SharedSong", "UpsampledTags", "Voice"]


@attrs.frozen
class Credits(Result):
    """The account's balance: ``credits`` of the subscription and ``extra_credits`` bought besides."""

    credits: float
    extra_credits: Annotated[float, wire("extra_credits", read=values.number_or_zero)] = 0.0

    @property
    def total(self) -> float:
        """The total that can be spent."""
        return self.credits + self.extra_credits


@attrs.frozen
class Persona(Result):
    """A persona made from a clip; its ``persona_id`` goes to ``sonic.persona_song``."""

    persona_id: str


@attrs.frozen
class Voice(Result):
    """A voice made from a recording; its ``persona_id`` goes to ``sonic.persona_song``."""

    persona_id: str
    name: str | None = None


@attrs.frozen
class UpsampledTags(Result):
    """Style tags, written out."""

    tags: Annotated[str, wire("upsampled_tags")]


@attrs.frozen(kw_only=True)
class SharedSong(Result):
    """The song behind a share link."""

    audio_url: str | None = None
    video_url: str | None = None
    image_url: Annotated[str | None, wire("cover_image")] = None
    title: Annotated[str | None, wire("song_title")] = None
    author: Annotated[str | None, wire("song_author")] = None
    tags: Annotated[str | None, wire("music_styles", read=values.tags)] = None


@attrs.frozen(kw_only=True)
class BatchTask(Result):
    """The outcome of one item of a batch: the ``task_id`` of an accepted one, or the ``error`` of a refused one."""

    task_id: str | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class Batch(ResultSequence[BatchTask]):
    """Tasks that were submitted together, in the order of the items: ``client.sonic.task(item.task_id)`` for each.

    ``batch_id`` is None when the response contains tasks without it. ``raw`` is the whole response, whose items are not
    documented.
    """

    batch_id: str | None = None
    submitted: int | None = None
    tasks: tuple[BatchTask, ...] = ()
    raw: Annotated[Mapping[str, object], wire("raw", read=values.unchanged)] = attrs.field(
        factory=dict, repr=False, eq=False
    )

    def _items(self) -> tuple[BatchTask, ...]:
        return self.tasks
