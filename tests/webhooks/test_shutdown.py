"""A server that is terminated finishes to keep an event, also when it cancels its handlers."""

import asyncio
import signal
import sys
import textwrap
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from signing import body_of, headers_of

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
