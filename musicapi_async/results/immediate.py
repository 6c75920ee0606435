"""Results of the smaller operations: balance, personas, tags, shared songs, batches."""

from collections.abc import Mapping
from typing import Annotated

import attrs

from musicapi_async.results.base import Result, ResultSequence
from musicapi_async.wire import values
from musicapi_async.wire.converter import wire

__all__ = ["Batch", "BatchTask", "Credits", "Persona", "SharedSong", "UpsampledTags", "Voice"]


@attrs.frozen(repr=False, eq=False)
class Credits(Result):
    """The account's balance, in credits.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        balance = client.account.credits()
        print(balance.total)
    ```
    """

    credits: float
    """Credits of the subscription."""
    extra_credits: Annotated[float, wire("extra_credits", read=values.number_or_zero)] = 0.0
    """Credits that were bought in addition; 0 where the service reports none."""

    @property
    def total(self) -> float:
        """All credits that can be spent: ``credits`` plus ``extra_credits``."""
        return self.credits + self.extra_credits


@attrs.frozen(repr=False, eq=False)
class Persona(Result):
    """A persona made from a clip.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        persona = client.sonic.persona(clip=song, name="The quiet singer")
        songs = client.sonic.persona_song(persona_id=persona.persona_id, lyrics="Rain in the harbour").wait()
    ```
    """

    persona_id: str
    """The persona's id, which ``sonic.persona_song`` takes."""


@attrs.frozen(repr=False, eq=False)
class Voice(Result):
    """A voice made from a recording.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        voice = client.sonic.create_voice(url="https://example.org/my-voice.mp3").wait()
        print(voice.persona_id)
    ```
    """

    persona_id: str
    """The voice's id, which ``sonic.persona_song`` takes."""
    name: str | None = None
    """The service's name for the voice; None where it gives none."""


@attrs.frozen(repr=False, eq=False)
class UpsampledTags(Result):
    """Style tags that the service has elaborated.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        print(client.sonic.upsample_tags(tags="sea shanty").tags)
    ```
    """

    tags: Annotated[str, wire("upsampled_tags")]
    """The elaborated description of the style."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SharedSong(Result):
    """The song behind a share link; a field is None where the service sent no value for it.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.suno.get_song(share_link="https://suno.com/s/abc")
        print(song.title, song.author, song.audio_url)
    ```
    """

    audio_url: str | None = None
    """URL of the audio file."""
    video_url: str | None = None
    """URL of the video."""
    image_url: Annotated[str | None, wire("cover_image")] = None
    """URL of the cover image."""
    title: Annotated[str | None, wire("song_title")] = None
    """The song's title."""
    author: Annotated[str | None, wire("song_author")] = None
    """The author's name."""
    tags: Annotated[str | None, wire("music_styles", read=values.tags)] = None
    """The style as one comma-separated string, also where the service sends a list."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class BatchTask(Result):
    """The result of one item of a batch: it was accepted as a task, or refused."""

    task_id: str | None = None
    """Id of the item's task; None when the item was refused, or the service named no task."""
    error: str | None = None
    """The service's message about the refusal; None for an accepted item, and where the service gives no reason."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Batch(ResultSequence[BatchTask]):
    """A sequence of the items that were submitted together; ``client.sonic.task(item.task_id)`` is the task of one.

    ```python
    from musicapi_sync import MusicAPI, sonic

    with MusicAPI() as client:
        batch = client.sonic.batch(items=[sonic.Describe(description="rain"), sonic.Describe(description="snow")])
        for item in batch:
            if item.task_id is not None:
                songs = client.sonic.task(item.task_id).wait()
    ```
    """

    batch_id: str | None = None
    """The batch's id; None when the service named tasks without it."""
    submitted: int | None = None
    """Number of submitted items, as the service reports it; None where it reports none."""
    tasks: tuple[BatchTask, ...] = ()
    """The results of the items, in the order of the items."""
    raw: Annotated[Mapping[str, object], wire("raw", read=values.unchanged)] = attrs.field(
        factory=dict, repr=False, eq=False
    )
    """The service's response: the shape of its items is not documented. Not in ``to_dict()``, and not compared."""

    def _items(self) -> tuple[BatchTask, ...]:
        return self.tasks
