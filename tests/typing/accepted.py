"""What users write: the type checkers must accept it, and know what comes back. Read by them, never run."""

import asyncio
from collections.abc import AsyncIterator
from typing import assert_type

import musicapi_async
import musicapi_sync
from musicapi_async import Clip, Credits, LyricsDrafts, SavedFile, Songs, TaskState, riffusion, sonic


async def asynchronous(clip: Clip) -> None:
    async with musicapi_async.MusicAPI() as client:
        task = await client.sonic.create(lyrics="[Verse] ...", tags="sea shanty", title="Harbor", style_weight=0.5)
        assert_type(task, musicapi_async.Task[Songs])
        assert_type(await task.wait(timeout=None), Songs)
        assert_type(await task.poll(), TaskState[Songs])
        async for state in task.updates():
            assert_type(state, TaskState[Songs])
        assert_type(await client.sonic.extend(clip=clip, at=60), musicapi_async.Task[Songs])
        assert_type(await client.sonic.extend(clip="id", at=60.5, lyrics="..."), musicapi_async.Task[Songs])
        assert_type(await client.riffusion.create(sound="pop", instrumental=True), musicapi_async.Task[Songs])
        assert_type(await client.account.credits(), Credits)
        assert_type(await client.lyrics.make(description="rain"), LyricsDrafts)
        assert_type(await client.submit(sonic.Describe(description="rain")), musicapi_async.Task[Songs])
        assert_type(await client.call(musicapi_async.account.GetCredits()), Credits)
        assert_type(client.sonic.task("id"), musicapi_async.Task[Songs])
        assert_type(await client.download(clip, "song"), SavedFile)
        asyncio.create_task(client.sonic.describe(description="rain"))  # noqa: RUF006 - a coroutine, not only an awaitable
        await asyncio.gather(client.account.credits(), client.with_options(timeout=5).account.credits())
        async for outcome in client.run([riffusion.Describe(description="rain")], in_flight=5):
            assert_type(outcome, musicapi_async.Outcome[Songs])
            assert_type(outcome.result, Songs | None)


async def from_an_async_source(requests: AsyncIterator[sonic.Create]) -> None:
    async with musicapi_async.MusicAPI("key", base_url="https://localhost", timeout=5) as client:
        async for outcome in client.run(requests):
            assert_type(outcome.task, musicapi_async.Task[Songs] | None)


def blocking(clip: Clip) -> None:
    with musicapi_sync.MusicAPI() as client:
        task = client.sonic.create(lyrics="[Verse] ...", tags="sea shanty", title="Harbor")
        assert_type(task, musicapi_sync.Task[Songs])
        assert_type(task.wait(), Songs)
        assert_type(task.wait()[0], Clip)
        assert_type(client.sonic.extend(clip=clip, at=60).wait(), Songs)
        assert_type(client.account.credits(), Credits)
        assert_type(client.lyrics.make(description="rain"), LyricsDrafts)
        assert_type(client.submit(sonic.Describe(description="rain")), musicapi_sync.Task[Songs])
        for outcome in client.run((sonic.Describe(description=str(number)) for number in range(3)), in_flight=5):
            assert_type(outcome, musicapi_sync.Outcome[Songs])
