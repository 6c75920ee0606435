"""A bot in FastAPI: POST /songs {"description": "..."} returns a task's id; the songs are printed when done.

    export MUSICAPI_KEY=... MUSICAPI_WEBHOOK_SECRET=... MUSICAPI_WEBHOOK_URL=https://your-host/hooks/musicapi
    uvicorn --app-dir examples webhook_bot_fastapi:app --port 8080

A submission whose response was lost is found again through its event. A bot that is stopped names the tasks that are
still running.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Body, FastAPI, HTTPException

from musicapi_async import MusicAPI, Songs, Task, errors

client = MusicAPI()
deliveries: set[asyncio.Task[None]] = set()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Close the client at the end of the lifespan, after the last response."""
    async with client:
        yield
    await asyncio.gather(*deliveries)


app = FastAPI(lifespan=lifespan)
app.mount("/hooks", client.webhooks.asgi)


@app.post("/songs", status_code=202)
async def make_song(description: Annotated[str, Body(embed=True)]) -> dict[str, str | None]:
    """Start a song, and respond at once."""
    try:
        started: Task[Songs] | errors.UncertainSubmissionError = await client.sonic.describe(description=description)
    except errors.UncertainSubmissionError as error:
        started = error
    except errors.InvalidRequestError as error:
        raise HTTPException(400, str(error)) from error
    deliveries.add(delivery := asyncio.create_task(deliver(started)))  # the event loop alone would not keep it
    delivery.add_done_callback(deliveries.discard)
    return {"task_id": started.id if isinstance(started, Task) else None}


async def deliver(started: Task[Songs] | errors.UncertainSubmissionError) -> None:
    """Print the songs as soon as their event has come: here a bot would post them."""
    try:
        if isinstance(started, errors.UncertainSubmissionError):
            started = client.sonic.task((await client.webhooks.recover(started)).id)
        print(started.id, *(song.audio_url for song in await started.wait()))
    except errors.MusicAPIError as error:
        print(error)
