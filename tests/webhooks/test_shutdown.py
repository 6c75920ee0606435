"""A server that is terminated finishes to keep an event, also when it cancels its handlers; one killed has kept it."""

import asyncio
import signal
import sys
import textwrap
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from signing import SECRET, body_of, headers_of

from musicapi_async import MusicAPI
from musicapi_async.sandbox import Sandbox
from musicapi_async.webhooks import FileInbox

SCRIPT: Final = """
    import asyncio, pathlib, socket, sys
    import uvicorn
    from aiohttp import web
    from musicapi_async.webhooks.responses import ResponseStatus
    from musicapi_async.webhooks.receiver import Receiver

    async def keep(body, headers, url):
        print("begun", flush=True)
        await asyncio.sleep(0.5)  # a slow disk
        pathlib.Path(sys.argv[2]).write_bytes(body)
        return ResponseStatus.KEPT

    receiver = Receiver(keep)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    if sys.argv[1] == "aiohttp":
        app = web.Application()
        app.router.add_post("/", receiver.aiohttp)
        web.run_app(app, sock=listener, print=None, shutdown_timeout=0.01)
    else:
        server = uvicorn.Server(uvicorn.Config(receiver.asgi, log_level="critical"))
        asyncio.run(server.serve(sockets=[listener]))
"""

WSGI_SCRIPT: Final = """
    import os, signal, sys
    from wsgiref.simple_server import make_server
    from musicapi_sync import MusicAPI
    from musicapi_async.webhooks import FileInbox

    def kill(status, headers):
        os.kill(os.getpid(), signal.SIGKILL)

    def app(environ, start_response):
        return client.webhooks.wsgi(environ, kill)

    client = MusicAPI(
        "k", base_url="http://127.0.0.1:9", webhook_secret=sys.argv[1], webhook_inbox=FileInbox(sys.argv[2])
    )
    with make_server("127.0.0.1", 0, app) as server:
        print(server.server_port, flush=True)
        server.handle_request()
"""


@pytest.mark.parametrize("server", ["aiohttp", "uvicorn"])
async def test_server_that_is_terminated_finishes_to_keep_an_event(server: str, tmp_path: Path) -> None:
    body, kept = body_of(), tmp_path / "kept"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(SCRIPT), server, str(kept)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{int(await process.stdout.readline())}/"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        sending = asyncio.ensure_future(session.post(url, data=body, headers=headers_of(body)))
        assert await process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGTERM)
        (response,) = await asyncio.gather(sending, return_exceptions=True)
        await process.communicate()

    assert kept.read_bytes() == body
    if server == "uvicorn":  # the other one cancels the request: it is not answered, and sent again
        assert isinstance(response, aiohttp.ClientResponse)
        assert response.status == 200


async def test_wsgi_server_that_is_killed_before_its_response_has_the_event_on_disk(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(WSGI_SCRIPT), SECRET, str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{int(await process.stdout.readline())}/"
    async with (
        Sandbox(seconds=4000) as sandbox,
        MusicAPI(
            "k",
            base_url=sandbox.base_url,
            poll_interval=3600,
            webhook_url=url,
            webhook_secret=SECRET,
            webhook_inbox=FileInbox(tmp_path),
        ) as client,
        aiohttp.ClientSession() as session,
    ):
        task = await client.sonic.describe(description="rain")
        body = body_of(task_id=task.id)
        with pytest.raises(aiohttp.ClientError):
            await session.post(url, data=body, headers=headers_of(body))
        assert await process.wait() == -signal.SIGKILL

        songs = await task.wait(20)

        assert [song.clip_id for song in songs] == ["c-1", "c-2"]
        assert len(sandbox.requests("GET /sonic/task/{task_id}")) == 0
