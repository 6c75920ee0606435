"""A client's events arrive through its adapters: aiohttp.web, ASGI in FastAPI, WSGI in Flask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import fastapi
import flask
import pytest
from receiving import hook_server
from signing import SECRET
from webhooks.servers import uvicorn_server, waitress_server
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import musicapi_sync
from musicapi_async import MusicAPI, Songs, errors
from musicapi_async.sandbox import Fault, Sandbox

POLL = "GET /sonic/task/{task_id}"


async def finish(client: MusicAPI, sandbox: Sandbox, url: str) -> None:
    """Start a task that is reported to the URL, and wait for it without a poll; then one whose response is lost."""
    reported = client.with_options(webhook_url=url)
    waiting = asyncio.create_task(reported.sonic.describe(description="rain").wait())
    while not len(sandbox.requests("POST /sonic/create")):
        await asyncio.sleep(0.001)
    sandbox.add_fault("POST /sonic/create", Fault(drop=True, accepted=True))
    with pytest.raises(errors.UncertainSubmissionError) as caught:
        await reported.sonic.describe(description="sun")
    sandbox.advance(5000)

    assert len(await asyncio.wait_for(waiting, 10)) == 2
    assert len(sandbox.requests(POLL)) == 0
    task = await asyncio.wait_for(client.webhooks.recover(caught.value), 10)
    assert isinstance(await task.wait(), Songs)
    assert len(sandbox.requests("POST /sonic/create")) == 2
    assert {delivery.status for delivery in sandbox.deliveries} == {200}


@asynccontextmanager
async def service() -> AsyncIterator[tuple[Sandbox, MusicAPI]]:
    async with (
        Sandbox(seconds=4000) as sandbox,
        MusicAPI("test-key", base_url=sandbox.base_url, webhook_secret=SECRET) as client,
    ):
        yield sandbox, client


async def test_aiohttp_adapter_of_a_client_wakes_its_waits() -> None:
    async with service() as (sandbox, client), hook_server(client.webhooks.aiohttp) as url:
        await finish(client, sandbox, url)


@pytest.mark.parametrize("path", ["/hooks/musicapi", "/mounted/musicapi"])
async def test_asgi_adapter_of_a_client_wakes_its_waits(path: str) -> None:
    async with service() as (sandbox, client):
        app = fastapi.FastAPI()
        app.add_route("/hooks/musicapi", client.webhooks.asgi, methods=["POST"])  # type: ignore[arg-type]  # an application
        app.mount("/mounted", client.webhooks.asgi)
        async with uvicorn_server(app, path) as served:
            await finish(client, sandbox, served.url)


async def test_wsgi_adapter_of_a_blocking_client_wakes_its_waits() -> None:
    async with Sandbox(seconds=0.5) as sandbox:
        client = musicapi_sync.MusicAPI("test-key", base_url=sandbox.base_url, webhook_secret=SECRET)
        wsgi = DispatcherMiddleware(flask.Flask("hooks").wsgi_app, {"/hooks": client.webhooks.wsgi})

        def use(url: str) -> Songs:
            with client:
                reported = client.with_options(webhook_url=url)
                songs = reported.sonic.describe(description="rain").wait(20)
                sandbox.add_fault("POST /sonic/create", Fault(drop=True, accepted=True))
                with pytest.raises(errors.UncertainSubmissionError) as caught:
                    reported.sonic.describe(description="sun")
                task = client.webhooks.recover(caught.value, timeout=20)
                assert isinstance(task.wait(20), Songs)
                return songs

        async with waitress_server(wsgi, "/hooks/musicapi") as served:
            songs = await asyncio.to_thread(use, served.url)

    assert len(songs) == 2
    assert len(sandbox.requests("POST /sonic/create")) == 2
    assert {delivery.status for delivery in sandbox.deliveries if delivery.status is not None} == {200}
