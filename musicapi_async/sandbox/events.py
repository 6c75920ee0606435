"""The events that the fake server sends: when, with which body, and how they are signed. No I/O."""

import hashlib
import hmac
import random
from collections.abc import Mapping
from typing import Final

import attrs

from musicapi_async._webhook_urls import is_loopback
from musicapi_async.sandbox.polls import BODY_FAILURES, CLIPS_APPEAR, FileUrl, has_streams, poll_response
from musicapi_async.sandbox.state import SandboxTask
from musicapi_async.wire.json import write_json

__all__ = ["PlannedEvent", "event_body", "forged_body", "planned_events", "receiver_of", "signed_headers"]

COMPLETED: Final = "song.completed"
FAILED: Final = "song.failed"
STREAMING: Final = "song.streaming"
PLATFORMS: Final = ("suno", "sonic")
"""The names that receivers have seen for the platform of a sonic task."""


@attrs.frozen
class PlannedEvent:
    """An event of a task, and the share of the task's duration after which it is due."""

    type: str
    share: float


def receiver_of(task: SandboxTask) -> str | None:
    """Return the URL that gets a task's events; None without one, or for one that is not of this machine."""
    url = getattr(task.request, "webhook_url", None)
    return url if isinstance(url, str) and is_loopback(url) else None


def planned_events(task: SandboxTask) -> tuple[PlannedEvent, ...]:
    """Return the events of a task, in order."""
    is_failing = task.ending in BODY_FAILURES or task.ending == "all_failed"
    end = PlannedEvent(FAILED if is_failing else COMPLETED, 1.0)
    return (PlannedEvent(STREAMING, CLIPS_APPEAR), end) if has_streams(task) else (end,)


def event_body(task: SandboxTask, event: PlannedEvent, file_url: FileUrl) -> bytes:
    """Return the body of an event: that of a poll at its time, the task, the platform, and the event's type."""
    _, body = poll_response(task, event.share, file_url)
    if event.type == FAILED and "data" not in body:
        body = {"code": 500, "data": [], "message": "failed", **body}
    return write_json({**body, "task_id": task.task_id, "platform": _platform_of(task), "event": event.type})


def forged_body(task: SandboxTask) -> bytes:
    """Return the body of a forged event: it claims that the task is finished."""
    clip = {"clip_id": "forged", "state": "succeeded", "title": "Forged", "audio_url": "https://forged.example/a.mp3"}
    body = {"code": 200, "data": [clip, clip], "message": "success", "task_id": task.task_id}
    return write_json({**body, "platform": _platform_of(task), "event": COMPLETED})


def signed_headers(body: bytes, event_id: str, event_type: str, timestamp: int, secret: str) -> Mapping[str, str]:
    """Return the headers of an event."""
    signed = f"{timestamp}.".encode() + body
    return {
        "Content-Type": "application/json",
        "X-Webhook-Id": event_id,
        "Idempotency-Key": event_id,
        "X-Webhook-Event": event_type,
        "X-Webhook-Timestamp": str(timestamp),
        "X-Webhook-Signature": f"sha256={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}",
    }


def _platform_of(task: SandboxTask) -> str:
    """Return the platform of a task: for sonic either of its names, by the task's id."""
    is_sonic = task.family in {"sonic", "suno"}
    return random.Random(task.task_id).choice(PLATFORMS) if is_sonic else task.family  # noqa: S311 - reproducible
