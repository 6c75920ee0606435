"""An event of the service, as it was signed; its clips are structured on first access. No I/O."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, NamedTuple, Self

import attrs

from musicapi_async._bounds import MAX_MESSAGE, bounded_text
from musicapi_async._responses.clips import find_songs
from musicapi_async.results import Clip
from musicapi_async.results.base import Result
from musicapi_async.results.clip import structure_clip
from musicapi_async.wire.values import text

__all__ = ["Event", "SignedEvent", "structure_event"]

MESSAGE_KEYS: Final = ("error_message", "error", "message", "msg")


@attrs.frozen(kw_only=True)
class Event(Result):
    """An event of a task that the service reported; ``webhooks.verify`` returns it.

    An event that is delivered twice has the same ``id``, and perhaps another ``created_at``.
    """

    id: str
    """The event's id, the same in every attempt to deliver it. It is not signed; without one, a hash of the body."""
    type: str
    """``song.completed``, ``song.failed``, ``song.streaming``, or a type the service adds later; empty without one."""
    created_at: datetime
    """The time that the service signed, timezone-aware (UTC)."""
    task_id: str | None = None
    """The id of the task; None where the event names none."""
    platform: str | None = None
    """The service's name for the platform behind it, such as ``suno`` or ``sonic``; None without one."""
    message: str | None = None
    """The service's sentence, at most 500 characters: why the task failed, or ``success``; None without one."""
    matched: bool | None = attrs.field(default=None, eq=False)
    """After ``client.webhooks.receive``: True when this client has the task or submission, False when it has none, and
    another process may. None for an event that was only verified."""
    raw: Mapping[str, object] = attrs.field(factory=dict, repr=False, hash=False)
    """The service's own JSON object, unknown keys included; not in ``to_dict()``."""

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """The clips, in the service's order, as in a poll; empty where it sent none. Structured on first access."""
        return tuple([structure_clip(clip) for clip in find_songs(self.raw)])

    def to_dict(self) -> dict[str, object]:
        """Return the event as plain JSON values, for ``json.dumps``: times as ISO 8601, its clips, no ``raw``."""
        return {**super().to_dict(), "clips": [clip.to_dict() for clip in self.clips]}


class SignedEvent(NamedTuple):
    """A verified event, before it is structured: its header, and its signed JSON object."""

    id: str
    type: str
    task_id: str | None
    timestamp: int
    """The time that was signed, in seconds since 1970."""
    body: Mapping[str, object]
    content: bytes
    """The body, byte for byte."""

    @classmethod
    def of(cls, body: Mapping[str, object], content: bytes, event_id: str, header_type: str, timestamp: int) -> Self:
        """Return the event of a signed JSON object; ``header_type`` counts only where the object names no type."""
        task_id = text(body.get("task_id")) or text(_inner(body).get("task_id")) or None
        return cls(event_id, text(body.get("event")) or header_type, task_id, timestamp, body, content)


def structure_event(signed: SignedEvent, *, matched: bool | None = None) -> Event:
    """Return the event of a signed one, as users see it."""
    return Event(
        id=signed.id,
        type=signed.type,
        created_at=datetime.fromtimestamp(signed.timestamp, UTC),
        task_id=signed.task_id,
        platform=text(signed.body.get("platform")) or None,
        message=_message_of(signed.body),
        matched=matched,
        raw=signed.body,
    )


def _inner(body: Mapping[str, object]) -> Mapping[str, object]:
    data = body.get("data")
    return data if isinstance(data, dict) else {}


def _message_of(body: Mapping[str, object]) -> str | None:
    """Return the sentence of an event, whose key is not documented for a failure."""
    for part in (body, _inner(body)):
        for key in MESSAGE_KEYS:
            if found := text(part.get(key)):
                return bounded_text(found, MAX_MESSAGE)
    return None
