"""An event of the service, as it was signed; its clips are structured on first access. No I/O."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Final

import attrs

from musicapi_async._bounds import MAX_MESSAGE, bounded_text
from musicapi_async._responses.clips import find_songs
from musicapi_async.results import Clip
from musicapi_async.results.base import Result
from musicapi_async.results.clip import structure_clip
from musicapi_async.wire.values import text

__all__ = ["Event", "structure_event"]

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


def structure_event(body: Mapping[str, object], event_id: str, header_type: str, created_at: datetime) -> Event:
    """Return the event of a signed JSON object; ``header_type`` counts only where the object names no type."""
    data = body.get("data")
    inner = data if isinstance(data, dict) else {}
    return Event(
        id=event_id,
        type=text(body.get("event")) or header_type,
        created_at=created_at,
        task_id=text(body.get("task_id")) or text(inner.get("task_id")) or None,
        platform=text(body.get("platform")) or None,
        message=_message_of(body, inner),
        raw=body,
    )


def _message_of(body: Mapping[str, object], inner: Mapping[str, object]) -> str | None:
    """Return the sentence of an event, whose key is not documented for a failure."""
    for part in (body, inner):
        for key in MESSAGE_KEYS:
            if found := text(part.get(key)):
                return bounded_text(found, MAX_MESSAGE)
    return None
