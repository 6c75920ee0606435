"""Nuro: songs with a voice, and instrumentals; retired on some hosts, which respond with 410.

Source: https://docs.musicapi.ai/nuro-instruction, ``POST /nuro/create`` and ``GET /nuro/task/{task_id}``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import attrs

from musicapi_async._fields import number_field, parts_field, text_field, texts_field, webhook_url_field
from musicapi_async._operation import operation
from musicapi_async._request import POST, TaskRequest
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests._family import TaskFamily, submits
from musicapi_async.requests.nuro.words import (
    GENRES,
    INSTRUMENTS,
    MOODS,
    SEGMENTS,
    THEMES,
    VOCAL_GENRES,
    VOCAL_MOODS,
    VOCAL_TIMBRES,
)
from musicapi_async.results import Songs

__all__ = [
    "GENRES",
    "INSTRUMENTS",
    "MOODS",
    "SEGMENTS",
    "THEMES",
    "VOCAL_GENRES",
    "VOCAL_MOODS",
    "VOCAL_TIMBRES",
    "Instrumental",
    "InstrumentalV2",
    "Segment",
    "Vocal",
]

PATH: Final = "/nuro/create"
AS_OF: Final = "2025-06-19"
BGM: Final = "https://docs.musicapi.ai/create-nuro-bgm"
MIN_SEGMENT: Final = 5
MIN_TOTAL: Final = 30
MAX_TOTAL: Final = 120


@attrs.frozen
class Segment:
    """A part of an instrumental: its ``name``, one of ``nuro.SEGMENTS``, and its ``duration``, 5 to 120 seconds."""

    name: str
    duration: int

    def __attrs_post_init__(self) -> None:
        """Check the part by itself."""
        if self.name not in SEGMENTS:
            message = f"segments holds the name {self.name!r}; the service takes {', '.join(SEGMENTS)}"
            raise InvalidRequestError(message, "segments", self.name, SEGMENTS)
        is_whole = isinstance(self.duration, int) and not isinstance(self.duration, bool)
        if not is_whole or not MIN_SEGMENT <= self.duration <= MAX_TOTAL:
            message = f"segments holds the duration {self.duration!r}; the service takes a whole number from 5 to 120"
            raise InvalidRequestError(message, "segments", self.duration, (MIN_SEGMENT, MAX_TOTAL))


def _segment(value: Any) -> Segment:
    if isinstance(value, Mapping):
        return Segment(value.get("name", ""), value.get("duration", 0))
    if not isinstance(value, Segment):
        message = f"segments holds {value!r}; it takes nuro.Segment values"
        raise InvalidRequestError(message, "segments", value, "Segment")
    return value


class _Song(TaskRequest[Songs]):
    __slots__ = ()

    expected_clips = 1
    replacement = "client.sonic for songs, client.producer for instrumentals"


@operation(POST, PATH, credits=10, as_of=AS_OF, source="https://docs.musicapi.ai/create-nuro-music", type="vocal")
class Vocal(_Song):
    """Make a song from your lyrics, in Chinese or English. Retired on some hosts: prefer ``sonic.create``.

    The service chooses values for fields that are left out.

    Args:
        lyrics: Lyrics with tags such as ``[verse]``, in lower case; at most 2000 characters.
        gender: ``Female`` or ``Male``.
        genre: One of ``nuro.VOCAL_GENRES``.
        mood: One of ``nuro.VOCAL_MOODS``.
        timbre: One of ``nuro.VOCAL_TIMBRES``.
        duration: Seconds, a whole number from 30 to 240.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 10 credits as of 2025-06-19.
    """

    lyrics: str = text_field(max_length=2000)
    gender: str | None = text_field(default=None, choices=("Female", "Male"))
    genre: str | None = text_field(default=None, choices=VOCAL_GENRES)
    mood: str | None = text_field(default=None, choices=VOCAL_MOODS)
    timbre: str | None = text_field(default=None, choices=VOCAL_TIMBRES)
    duration: int | None = number_field(default=None, ge=30, le=240, whole=True)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(POST, PATH, credits=10, as_of=AS_OF, source=BGM, type="bgm")
class Instrumental(_Song):
    """Make an instrumental of at most a minute (version 1.0). Retired on some hosts: prefer ``producer.create``.

    Args:
        description: What the song is to be like.
        genres: 1 to 5 of ``nuro.GENRES``.
        moods: 1 to 5 of ``nuro.MOODS``.
        instruments: 1 to 5 of ``nuro.INSTRUMENTS``.
        themes: 1 to 5 of ``nuro.THEMES``.
        duration: Seconds, a whole number from 1 to 60; 60 if not given.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 10 credits as of 2025-06-19.
    """

    description: str = text_field()
    genres: Sequence[str] | None = texts_field(default=None, wire="genre", choices=GENRES, max_items=5)
    moods: Sequence[str] | None = texts_field(default=None, wire="mood", choices=MOODS, max_items=5)
    instruments: Sequence[str] | None = texts_field(default=None, wire="instrument", choices=INSTRUMENTS, max_items=5)
    themes: Sequence[str] | None = texts_field(default=None, wire="theme", choices=THEMES, max_items=5)
    duration: int | None = number_field(default=None, ge=1, le=60, whole=True)
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)


@operation(POST, PATH, credits=10, as_of=AS_OF, source=BGM, type="bgm", version="v2.0")
class InstrumentalV2(_Song):
    """Make an instrumental of up to two minutes (version 2.0). Retired on some hosts: prefer ``producer.create``.

    Give ``duration``, ``segments``, or both. The durations of the segments must total 30 to 120 seconds, and equal
    ``duration`` if both are given.

    Args:
        description: What the song is to be like; at most 199 characters.
        duration: Seconds, a whole number from 30 to 120.
        segments: 1 to 24 ``nuro.Segment`` values, in order.
        webhook_url: ``https://`` URL to which the service reports the end of the task; at most 1024 characters.
        webhook_secret: Secret with which the service signs its reports.

    Costs 10 credits as of 2025-06-19.
    """

    description: str = text_field(max_length=199)
    duration: int | None = number_field(default=None, ge=MIN_TOTAL, le=MAX_TOTAL, whole=True)
    segments: Sequence[Segment] | None = parts_field(
        default=None, wire="segments", read=_segment, write=attrs.asdict, max_items=24
    )
    webhook_url: str | None = webhook_url_field(default=None)
    webhook_secret: str | None = text_field(default=None, secret=True)

    def __attrs_post_init__(self) -> None:
        """Check what depends on several fields."""
        if self.segments is None:
            if self.duration is None:
                message = "nuro.instrumental_v2 needs duration, segments, or both"
                raise InvalidRequestError(message, "duration", None, "duration or segments")
            return
        total = sum(segment.duration for segment in self.segments)
        if not MIN_TOTAL <= total <= MAX_TOTAL:
            message = f"segments add up to {total} seconds; the service takes 30 to 120"
            raise InvalidRequestError(message, "segments", total, (MIN_TOTAL, MAX_TOTAL))
        if self.duration is not None and self.duration != total:
            message = f"duration is {self.duration}; the segments add up to {total} seconds"
            raise InvalidRequestError(message, "duration", self.duration, total)


class Nuro(TaskFamily):
    """Songs with a voice, and instrumentals; retired on some hosts."""

    songs: ClassVar[type[TaskRequest[Songs]]] = Vocal

    vocal: Final = submits(Vocal)
    instrumental: Final = submits(Instrumental)
    instrumental_v2: Final = submits(InstrumentalV2)
