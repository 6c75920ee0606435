"""A fake service over real sockets; a test controls its tasks, prices and balance."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
from scripted import Scripted, respond, scripted

__all__ = ["RUNNING", "Service", "clip", "done", "serving"]

RUNNING = (202, {"type": "not_ready", "message": "still working"})
AUDIO = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\x00" * 400


def clip(number: int, state: str = "succeeded", base_url: str = "") -> dict[str, object]:
    """Return a clip as the service reports it; a finished one has its audio there."""
    audio = f"{base_url}/files/c-{number}.mp3" if state == "succeeded" else None
    return {"clip_id": f"c-{number}", "title": "Rain", "state": state, "audio_url": audio}


def done(*clips: Mapping[str, object]) -> tuple[int, object]:
    """Return the response to a poll of a task with these clips."""
    return 200, {"code": 200, "message": "success", "data": list(clips)}


@attrs.define
class Service:
    """The behavior of the service, set by a test, and the requests it received."""

    poll: Callable[[int], tuple[int, object]] = attrs.field(
        default=lambda number: done(clip(2 * number), clip(2 * number + 1))
    )
    """Returns the response to a poll of the task with this number, from 0."""
    price: Callable[[Mapping[str, Any]], float] = attrs.field(default=lambda _: 20.0)
    """Returns the credits that a request costs."""
    on_create: Callable[[int], None] = attrs.field(default=lambda _: None)
    """Called with the number of each task that is accepted."""
    lag: float = 0.0
    """Seconds after which the balance shows a change."""
    credits_status: Callable[[], int] = attrs.field(default=lambda: 200)
    """Returns the status of the response to a balance request."""
    script: Scripted = attrs.field(factory=lambda: Scripted([]))
    created: list[Mapping[str, Any]] = attrs.field(factory=list)
    """The requests that were accepted and charged."""
    spent: float = 0.0
    changes: list[tuple[float, float]] = attrs.field(factory=list)
    """When the balance changed, and by how much."""

    @property
    def base_url(self) -> str:
        return self.script.base_url

    def add_credits(self, credits: float) -> None:
        """Change the balance, as a top-up, a refund or another program does."""
        self.changes.append((time.monotonic(), credits))

    def count(self, start: str) -> int:
        """Return how many requests were received whose method and path begin so."""
        return sum(f"{one.method} {one.path}".startswith(f"{start}") for one in self.script.received)

    async def respond(self, writer: asyncio.StreamWriter) -> bool:
        request = self.script.received[-1]
        status, body = self._answer(request.path.removeprefix("/api/v1"), request.body)
        return await respond(status, body)(writer)

    def _answer(self, path: str, content: bytes) -> tuple[int, object]:
        if path.startswith("/files/"):
            return 200, AUDIO
        if path == "/get-credits":
            if (status := self.credits_status()) != 200:
                return status, {"error": "trouble"}
            shown = sum(credits for at, credits in self.changes if at <= time.monotonic() - self.lag)
            return 200, {"credits": 5000.0 + shown, "extra_credits": 0}
        if content:
            body = json.loads(content)
            price = self.price(body)
            self.created.append(body)
            self.spent += price
            self.add_credits(-price)
            self.on_create(len(self.created) - 1)
            return 200, {"message": "success", "task_id": f"t-{len(self.created) - 1}"}
        return self.poll(int(path.rpartition("-")[2]))


@asynccontextmanager
async def serving(port: int = 0, **options: Any) -> AsyncIterator[Service]:
    """Serve on a port of loopback, by default a free one."""
    service = Service(**options)
    async with scripted(service.respond, port=port) as script:
        service.script = script
        yield service
