"""A bot in aiohttp.web: POST /songs {"description": "..."} returns a task's id; the songs are printed when done.

    export MUSICAPI_KEY=... MUSICAPI_WEBHOOK_SECRET=... MUSICAPI_WEBHOOK_URL=https://your-host/hooks/musicapi
    python examples/webhook_bot_aiohttp.py 8080

A submission whose response was lost is found again through its event. A bot that is stopped names the tasks that are
still running.
"""

import asyncio
import sys

from aiohttp import web

from musicapi_async import MusicAPI, Songs, Task, errors

CLIENT = web.AppKey("client", MusicAPI)
DELIVERIES = web.AppKey("deliveries", set[asyncio.Task[None]])


async def make_song(request: web.Request) -> web.Response:
    """Start a song, and respond at once."""
    client, started = request.app[CLIENT], None
    try:
        started = await client.sonic.describe(description=(await request.json())["description"])
        delivery = asyncio.create_task(deliver(client, started))
    except errors.UncertainSubmissionError as error:
        delivery = asyncio.create_task(deliver(client, error))
    except (ValueError, KeyError, TypeError) as error:  # no JSON, or an InvalidRequestError
        raise web.HTTPBadRequest(text=str(error)) from error
    request.app[DELIVERIES].add(delivery)  # the event loop alone would not keep it
    delivery.add_done_callback(request.app[DELIVERIES].discard)
    return web.json_response({"task_id": None if started is None else started.id}, status=202)


async def deliver(client: MusicAPI, started: Task[Songs] | errors.UncertainSubmissionError) -> None:
    """Print the songs as soon as their event has come: here a bot would post them."""
    try:
        if isinstance(started, errors.UncertainSubmissionError):
            started = client.sonic.task((await client.webhooks.recover(started)).id)
        print(started.id, *(song.audio_url for song in await started.wait()))
    except errors.MusicAPIError as error:
        print(error)


async def close(app: web.Application) -> None:
    """Close the client in on_cleanup: at on_shutdown, requests are still in progress."""
    await app[CLIENT].aclose()
    await asyncio.gather(*app[DELIVERIES])


if __name__ == "__main__":
    bot = web.Application()
    client = bot[CLIENT] = MusicAPI()
    bot[DELIVERIES] = set()
    bot.add_routes([web.post("/songs", make_song), web.post("/hooks/musicapi", client.webhooks.aiohttp)])
    bot.on_cleanup.append(close)
    web.run_app(bot, host="127.0.0.1", port=int(sys.argv[1]))
