"""Signed events, as the service documents them, written without the package."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping

__all__ = ["SECRET", "body_of", "headers_of", "sign"]

SECRET = "hush-hush-" * 4


def body_of(event: str = "song.completed", **changes: object) -> bytes:
    """Return the body of an event."""
    clips = [
        {
            "clip_id": f"c-{number}",
            "state": "succeeded",
            "title": "Rain",
            "audio_url": f"https://files.example/{number}",
        }
        for number in (1, 2)
    ]
    body = {"code": 200, "data": clips, "message": "success", "task_id": "t-1", "platform": "suno", "event": event}
    return json.dumps({**body, **changes}).encode()


def sign(body: bytes, secret: str = SECRET, timestamp: str | None = None) -> str:
    """Return the hexadecimal signature of a body."""
    stamp = str(int(time.time())) if timestamp is None else timestamp
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def headers_of(
    body: bytes, secret: str = SECRET, *, age: float = 0, event: str = "song.completed", event_id: str = "e-1"
) -> Mapping[str, str]:
    """Return the headers of an event that was signed ``age`` seconds ago."""
    timestamp = str(int(time.time() - age))
    return {
        "Content-Type": "application/json",
        "X-Webhook-Id": event_id,
        "Idempotency-Key": event_id,
        "X-Webhook-Event": event,
        "X-Webhook-Timestamp": timestamp,
        "X-Webhook-Signature": f"sha256={sign(body, secret, timestamp)}",
    }
