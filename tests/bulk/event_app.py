"""An application that receives the events of a journal's tasks, beside the sandbox that sends them."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from aiohttp import web
from bulk.runs import client_of, run
from receiving import hook_server
from signing import SECRET, body_of, headers_of

from musicapi_async import MusicAPI, bulk, errors
from musicapi_async.bulk import Outcome, Record
from musicapi_async.sandbox import Fault, Sandbox

__all__ = ["LOST", "App", "keep", "records", "serving"]

LOST = Fault(drop=True, accepted=True)


@attrs.define
class App:
    """An application that keeps the events of a journal, as a web server's process does."""

    sandbox: Sandbox
    path: Path | str
    url: str = ""
    statuses: list[int] = attrs.field(factory=list)
    kept: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        status = 200
        try:
            await bulk.receive(self.path, await request.read(), request.headers, str(request.url), SECRET)
            self.kept.set()
        except errors.WebhookVerificationError:
            status = 401
        self.statuses.append(status)
        return web.Response(status=status)

    def client(self, **settings: Any) -> MusicAPI:
        return client_of(self.sandbox.base_url, **{"webhook_url": self.url, "webhook_secret": SECRET, **settings})

    async def run(self, requests: Any = None, **options: Any) -> list[Outcome]:
        async with self.client() as client:
            return await run(client, self.path, requests, **options)

    async def kept_names(self) -> list[str]:
        async with bulk.open(self.path) as journal:
            return list(await journal.inbox.names(math.inf))

    def urls(self) -> list[str]:
        return [str(task.request.to_wire()["webhook_url"]) for task in self.sandbox.tasks]


@asynccontextmanager
async def serving(path: Path | str, seconds: float = 0.1) -> AsyncIterator[App]:
    async with Sandbox(seconds=seconds, credits=100_000) as sandbox:
        found = App(sandbox, path)
        async with hook_server(found.handle) as found.url:
            yield found


async def records(path: Path | str, state: bulk.State) -> list[Record]:
    async with bulk.open(path) as journal:
        return list(await journal.records(state))


async def keep(app: App, task_id: str, url: str, event_id: str = "e-1") -> None:
    """Keep an event that names a task, as the service signs it."""
    body = body_of(task_id=task_id)
    await bulk.receive(app.path, body, headers_of(body, event_id=event_id), url, SECRET)
