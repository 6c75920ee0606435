"""A fake service with events, in a process of its own: tasks that end when they are told to, and floods of events.

``POST /go`` ends every task that was accepted, between two times from now, and sends its events to its ``webhook_url``;
``POST /flood`` sends one ``song.completed`` for each given task to a URL, and responds when all were accepted.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import random
import sys
import time
from contextlib import suppress
from typing import Any, Final

from aiohttp import ClientError, ClientSession, TCPConnector, web
from common import RESPONSES

__all__ = ["SECRET"]

SECRET: Final = "a-webhook-secret-of-forty-letters-or-so--"
STREAM_AFTER: Final = 0.5
CONCURRENCY: Final = 32
HEAD_END: Final = b"\r\n\r\n"
RUNNING: Final = json.loads(RESPONSES[b"running"].partition(HEAD_END)[2])
FINISHED: Final = json.loads(RESPONSES[b"finished"].partition(HEAD_END)[2])
ENVELOPE: Final = {"platform": "suno"}


class Service:
    """The tasks, when they end, and how often they were polled."""

    def __init__(self) -> None:
        self._urls: dict[str, str | None] = {}
        self._ends: dict[str, float] = {}
        self._numbers = itertools.count()
        self._polls = 0
        self._sending: set[asyncio.Future[Any]] = set()
        self._session: ClientSession | None = None

    async def create(self, request: web.Request) -> web.Response:
        """Accept a task."""
        task_id = f"0f8fad5b-d9cb-469f-a165-{next(self._numbers):012d}"
        self._urls[task_id] = json.loads(await request.read()).get("webhook_url")
        return web.json_response({"message": "success", "task_id": task_id})

    async def poll(self, request: web.Request) -> web.Response:
        """Respond to a poll."""
        self._polls += 1
        ends = self._ends.get(request.match_info["task_id"], time.monotonic() + 1)
        return web.json_response(FINISHED if time.monotonic() >= ends else RUNNING)

    async def go(self, request: web.Request) -> web.Response:
        """End the tasks between two times from now."""
        given = await request.json()
        for task_id, url in self._urls.items():
            takes = random.uniform(given["from"], given["to"])  # noqa: S311 - nothing secret
            self._ends[task_id] = time.monotonic() + takes
            if url is not None:
                self._start(self._report(url, task_id, takes))
        return web.Response()

    async def polls(self, _: web.Request) -> web.Response:
        """Return how many polls there were."""
        return web.json_response(self._polls)

    async def flood(self, request: web.Request) -> web.Response:
        """Send an event for each task, several at once, and respond when all were accepted."""
        given = await request.json()
        task_ids = iter(given["task_ids"])

        async def send_many() -> None:
            for task_id in task_ids:
                await self._send(given["url"], task_id, "song.completed", FINISHED)

        await asyncio.gather(*(send_many() for _ in range(CONCURRENCY)))
        return web.Response()

    async def _report(self, url: str, task_id: str, takes: float) -> None:
        with suppress(ClientError):  # the receiver has ended
            await asyncio.sleep(takes * STREAM_AFTER)
            await self._send(url, task_id, "song.streaming", RUNNING)
            await asyncio.sleep(takes * (1 - STREAM_AFTER))
            await self._send(url, task_id, "song.completed", FINISHED)

    async def _send(self, url: str, task_id: str, event: str, response: dict[str, Any]) -> None:
        body = json.dumps({**response, **ENVELOPE, "task_id": task_id, "event": event}).encode()
        timestamp, event_id = str(int(time.time())), f"{task_id}-{event}"
        signature = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Webhook-Id": event_id,
            "Idempotency-Key": event_id,
            "X-Webhook-Event": event,
            "X-Webhook-Timestamp": timestamp,
            "X-Webhook-Signature": f"sha256={signature}",
        }
        if self._session is None:
            self._session = ClientSession(connector=TCPConnector(limit=CONCURRENCY))
        async with self._session.post(url, data=body, headers=headers) as response_to_it:
            response_to_it.raise_for_status()

    async def aclose(self) -> None:
        """Send nothing more."""
        if self._session is not None:
            await self._session.close()

    def _start(self, work: Any) -> None:
        sending = asyncio.ensure_future(work)
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)


async def serve() -> None:
    """Serve on a free port, printed on standard output, until standard input ends."""
    service, ended = Service(), asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    app = web.Application(client_max_size=1 << 28)
    app.router.add_post("/sonic/create", service.create)
    app.router.add_get("/sonic/task/{task_id}", service.poll)
    app.router.add_post("/go", service.go)
    app.router.add_post("/flood", service.flood)
    app.router.add_get("/polls", service.polls)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await ended.wait()
    await runner.cleanup()
    await service.aclose()


if __name__ == "__main__":
    asyncio.run(serve())
