"""The families' methods, blocking, made from the same request classes.

The lists are those of ``musicapi_async.requests``; a test compares them.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final, ParamSpec, Protocol, Self, TypeVar, cast, overload

import attrs

from musicapi_async import (
    Request,
    Songs,
    TaskRequest,
    account,
    lyrics,
    nuro,
    producer,
    riffusion,
    sonic,
    studio,
    suno,
)
from musicapi_async._secrets import with_secrets
from musicapi_async.requests._family import complete_family
from musicapi_sync._tasks import Task

__all__ = ["Account", "Lyrics", "Nuro", "Producer", "Riffusion", "Sonic", "Studio", "Suno"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Client(Protocol):
    """The part of a client that a family uses."""

    def submit(self, request: TaskRequest[R], /) -> Task[R]:
        """Start a task."""
        ...

    def call(self, request: Request[R], /) -> R:
        """Send a request, and return its result."""
        ...

    def resume(self, operation: type[TaskRequest[R]], task_id: str, /) -> Task[R]:
        """Resume a task."""
        ...


@attrs.frozen
class Family:
    """A group of operations, bound to a client."""

    _client: Client

    def __init_subclass__(cls) -> None:
        """Name the methods after their attributes, and list them in the docstring."""
        complete_family(cls)


class TaskFamily(Family):
    """A family whose operations are tasks; ``songs`` is the operation that ``task()`` resumes."""

    songs: ClassVar[type[TaskRequest[Songs]]]

    def task(self, task_id: str) -> Task[Songs]:
        """Resume a task of songs from its id, from any process at any time; nothing is sent yet.

        For a task with another result, pass its request class: ``client.resume(sonic.BasicStems, task_id)``.
        """
        return self._client.resume(self.songs, task_id)


class Method(Protocol[P, R_co]):
    """A family's method: called on a family it takes the request's own parameters."""

    def __call__(self, family: Family, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Make the request and send it."""
        ...

    @overload
    def __get__(self, instance: None, owner: type[Family], /) -> Self: ...
    @overload
    def __get__(self, instance: Family, owner: type[Family] | None = None, /) -> Callable[P, R_co]: ...


def submits(request_class: Callable[P, TaskRequest[R]]) -> Method[P, Task[R]]:
    """Return the method that starts this operation's task."""

    def method(self: Family, /, *unnamed: object, **fields: Any) -> Task[R]:
        fields = with_secrets(fields)  # before anything can fail: a traceback may show local variables
        return self._client.submit(build(*unnamed, **fields))

    build = cast("type[TaskRequest[R]]", request_class)
    return cast("Method[P, Task[R]]", build.document(method, Task[build.result]))  # type: ignore[name-defined]


def calls(request_class: Callable[P, Request[R]]) -> Method[P, R]:
    """Return the method that calls this operation."""

    def method(self: Family, /, *unnamed: object, **fields: Any) -> R:
        fields = with_secrets(fields)  # before anything can fail: a traceback may show local variables
        return self._client.call(build(*unnamed, **fields))

    build = cast("type[Request[R]]", request_class)
    return cast("Method[P, R]", build.document(method, build.result))


class Sonic(TaskFamily):
    """Songs from lyrics or a description, and operations on them."""

    songs: ClassVar[type[TaskRequest[Songs]]] = sonic.Create

    create: Final = submits(sonic.Create)
    describe: Final = submits(sonic.Describe)
    extend: Final = submits(sonic.Extend)
    concat: Final = submits(sonic.Concat)
    cover: Final = submits(sonic.Cover)
    persona_song: Final = submits(sonic.PersonaSong)
    remaster: Final = submits(sonic.Remaster)
    add_vocals: Final = submits(sonic.AddVocals)
    add_instrumental: Final = submits(sonic.AddInstrumental)
    upload_cover: Final = submits(sonic.UploadCover)
    upload_extend: Final = submits(sonic.UploadExtend)
    sample: Final = submits(sonic.Sample)
    mashup: Final = submits(sonic.Mashup)
    replace_section: Final = submits(sonic.ReplaceSection)
    stems: Final = submits(sonic.BasicStems)
    full_stems: Final = submits(sonic.FullStems)
    create_voice: Final = submits(sonic.CreateVoice)
    upload: Final = calls(sonic.Upload)
    persona: Final = calls(sonic.CreatePersona)
    aligned_lyrics: Final = calls(sonic.AlignLyrics)
    bpm: Final = calls(sonic.GetBpm)
    vox: Final = calls(sonic.GetVox)
    wav: Final = calls(sonic.GetWav)
    midi: Final = calls(sonic.GetMidi)
    download: Final = calls(sonic.Download)
    upsample_tags: Final = calls(sonic.UpsampleTags)
    batch: Final = calls(sonic.SubmitBatch)
    get_batch: Final = calls(sonic.GetBatch)


class Producer(TaskFamily):
    """One song for each request, made from a sound, from lyrics, or from another clip."""

    songs: ClassVar[type[TaskRequest[Songs]]] = producer.Create

    create: Final = submits(producer.Create)
    extend: Final = submits(producer.Extend)
    replace: Final = submits(producer.Replace)
    cover: Final = submits(producer.Cover)
    upload: Final = submits(producer.Upload)
    download: Final = submits(producer.Download)


class Riffusion(TaskFamily):
    """Songs with the time of every word; deprecated by the vendor."""

    songs: ClassVar[type[TaskRequest[Songs]]] = riffusion.Create

    create: Final = submits(riffusion.Create)
    describe: Final = submits(riffusion.Describe)
    extend: Final = submits(riffusion.Extend)
    cover: Final = submits(riffusion.Cover)
    replace_section: Final = submits(riffusion.ReplaceSection)
    swap_sound: Final = submits(riffusion.SwapSound)
    swap_vocals: Final = submits(riffusion.SwapVocals)
    upload: Final = calls(riffusion.Upload)


class Nuro(TaskFamily):
    """Songs with a voice, and instrumentals; retired on some hosts."""

    songs: ClassVar[type[TaskRequest[Songs]]] = nuro.Vocal

    vocal: Final = submits(nuro.Vocal)
    instrumental: Final = submits(nuro.Instrumental)
    instrumental_v2: Final = submits(nuro.InstrumentalV2)


class Studio(TaskFamily):
    """Songs of 130 or 32 seconds; marked unavailable by the vendor."""

    songs: ClassVar[type[TaskRequest[Songs]]] = studio.Create

    create: Final = submits(studio.Create)
    describe: Final = submits(studio.Describe)
    instrumental: Final = submits(studio.Instrumental)
    extend: Final = submits(studio.Extend)


class Suno(TaskFamily):
    """Legacy paths; use ``sonic`` and ``lyrics`` instead."""

    songs: ClassVar[type[TaskRequest[Songs]]] = suno.Create

    create: Final = submits(suno.Create)
    describe: Final = submits(suno.Describe)
    make_lyrics: Final = submits(suno.MakeLyrics)
    get_song: Final = calls(suno.GetSong)


class Lyrics(Family):
    """Drafts of lyrics."""

    make: Final = calls(lyrics.Make)


class Account(Family):
    """The account's balance."""

    credits: Final = calls(account.GetCredits)
