"""What users write: the type checkers must accept it, and know what comes back. Read by them, never run."""

import asyncio
from collections.abc import AsyncIterator
from typing import assert_type

import aiohttp.web

import musicapi_async
import musicapi_async.bulk
import musicapi_async.sandbox
import musicapi_sync
import musicapi_sync.bulk
import musicapi_sync.sandbox
from musicapi_async import (
    AlignedLyrics,
    Batch,
    Clip,
    Credits,
    DownloadFile,
    DownloadFiles,
    ExtendedSongs,
    LyricsDrafts,
    Midi,
    ReplacedSections,
    SavedFile,
    Secret,
    SharedSong,
    Songs,
    Stem,
    Stems,
    TaskRequest,
    TaskState,
    UploadedClip,
    Voice,
    Word,
    nuro,
    producer,
    riffusion,
    sonic,
    webhooks,
)
from musicapi_async.webhooks import Event


def received(request: aiohttp.web.Request, body: bytes, environ: dict[str, object]) -> None:
    event = musicapi_async.webhooks.verify(body, request.headers, "secret")
    assert_type(event, musicapi_async.webhooks.Event)
    assert_type(event.clips, tuple[Clip, ...])
    assert_type(event.task_id, str | None)
    assert_type(musicapi_sync.webhooks.verify(body, environ, Secret("secret"), tolerance=60), Event)
    webhooks.verify(body, {"X-Webhook-Id": "e-1"}, "secret")
    webhooks.verify(body, [(b"x-webhook-id", b"e-1")], "secret")
    musicapi_sync.MusicAPI(webhook_url="https://app.example/hook", webhook_secret="secret")


async def asynchronous(clip: Clip) -> None:
    async with musicapi_async.MusicAPI() as client:
        task = await client.sonic.create(lyrics="[Verse] ...", tags="sea shanty", title="Harbor", style_weight=0.5)
        assert_type(task, musicapi_async.Task[Songs])
        assert_type(await task.wait(timeout=None), Songs)
        submission = client.sonic.create(lyrics="[Verse] ...")
        assert_type(submission, musicapi_async.Submission[Songs])
        assert_type(await submission, musicapi_async.Task[Songs])
        assert_type(await submission.wait(timeout=None), Songs)
        assert_type(await submission.wait(60, until="stream"), Songs)
        assert_type(await task.wait(until="first"), Songs)
        assert_type(await client.sonic.stems(clip=clip).wait(), Stems)
        assert_type(client.submit(sonic.Describe(description="rain")), musicapi_async.Submission[Songs])
        assert_type(await asyncio.create_task(submission), musicapi_async.Task[Songs])
        async with asyncio.TaskGroup() as group:
            assert_type(await group.create_task(submission), musicapi_async.Task[Songs])
        assert_type(await asyncio.wait_for(submission, 5), musicapi_async.Task[Songs])
        assert_type(
            await asyncio.gather(submission, submission), tuple[musicapi_async.Task[Songs], musicapi_async.Task[Songs]]
        )
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
        assert_type(await client.save(clip, "songs/", tags=True, lyrics=("lrc", "srt")), musicapi_async.media.SavedClip)
        asyncio.create_task(client.sonic.describe(description="rain"))  # noqa: RUF006 - a coroutine, not only an awaitable
        await asyncio.gather(client.account.credits(), client.with_options(timeout=5).account.credits())
        async for outcome in client.run([riffusion.Describe(description="rain")], in_flight=5):
            assert_type(outcome, musicapi_async.Outcome[Songs])
            assert_type(outcome.result, Songs | None)
            assert_type(outcome.unwrap(), Songs)


async def every_kind_of_result(clip: Clip, client: musicapi_async.MusicAPI) -> None:
    uploaded = await client.sonic.upload(url="https://example.org/a.mp3")
    assert_type(uploaded, UploadedClip)
    assert_type(await client.sonic.extend(clip=uploaded, at=0.1, description="strings"), musicapi_async.Task[Songs])
    assert_type(await (await client.sonic.stems(clip=clip)).wait(), Stems)
    assert_type((await (await client.sonic.full_stems(clip="id")).wait())[0], Stem)
    assert_type(await (await client.sonic.replace_section(clip=clip, start=1, end=2.5)).wait(), ReplacedSections)
    extending = await client.sonic.upload_extend(url="https://example.org/a.mp3", auto_concat=True)
    assert_type(extending.uploaded, UploadedClip | None)
    assert_type((await extending.wait())[0].full, Clip | None)
    assert_type(await (await client.sonic.create_voice(url="https://example.org/a.mp3")).wait(), Voice)
    assert_type(await client.sonic.midi(clip=clip), Midi)
    assert_type(await client.sonic.wav(clip=clip), DownloadFile)
    assert_type(await client.sonic.download(clip=clip, formats=["wav"]), DownloadFiles)
    assert_type((await client.sonic.aligned_lyrics(clip=clip))[0], Word)
    assert_type(await client.sonic.batch(items=[sonic.Describe(description="rain")]), Batch)
    assert_type(await client.sonic.mashup(clips=(clip, "id"), lyrics="la"), musicapi_async.Task[Songs])
    assert_type(await (await client.producer.upload(url="https://example.org/a.mp3")).wait(), UploadedClip)
    assert_type(await (await client.producer.download(clip=clip, format="wav")).wait(), DownloadFiles)
    segments = [nuro.Segment("intro", 30), nuro.Segment("outro", 10)]
    assert_type(await client.nuro.instrumental_v2(description="calm", segments=segments), musicapi_async.Task[Songs])
    assert_type(await client.nuro.instrumental(description="calm", moods=["calm"]), musicapi_async.Task[Songs])
    assert_type(await (await client.suno.make_lyrics(description="rain")).wait(), LyricsDrafts)
    assert_type(await client.suno.get_song(share_link="https://suno.com/s/1"), SharedSong)
    assert_type(client.resume(sonic.BasicStems, "id"), musicapi_async.Task[Stems])
    assert_type(sonic.Describe(description="rain").replace(title="Rain"), sonic.Describe)


async def mixed_requests(clip: Clip, client: musicapi_async.MusicAPI) -> None:
    async for one in client.run([sonic.Create(lyrics="la"), sonic.Describe(description="rain")]):
        assert_type(one.unwrap(), Songs)
    async for inferred in client.run([sonic.Create(lyrics="la"), producer.Create(sound="piano"), stems(clip)]):
        # mypy infers the common base class of several types, never their union.
        assert_type(inferred.unwrap(), Songs | Stems)  # type: ignore[assert-type]
        assert_type(inferred.request, TaskRequest[Songs | Stems])  # type: ignore[assert-type]
    requests: list[TaskRequest[Songs | Stems]] = [
        sonic.Create(lyrics="la"),
        producer.Create(sound="piano"),
        stems(clip),
    ]
    async for outcome in client.run(requests):
        assert_type(outcome, musicapi_async.Outcome[Songs | Stems])
        assert_type(outcome.task, musicapi_async.Task[Songs | Stems] | None)
        assert_type(outcome.unwrap(), Songs | Stems)
    for request in requests:
        assert_type(await client.submit(request), musicapi_async.Task[Songs | Stems])
        assert_type(await client.submit(request).wait(), Songs | Stems)
    async for kept in client.run(request for request in requests):
        assert_type(kept.unwrap(), Songs | Stems)


def stems(clip: Clip) -> sonic.BasicStems:
    return sonic.BasicStems(clip=clip)


def mixed_requests_blocking(clip: Clip, client: musicapi_sync.MusicAPI) -> None:
    for one in client.run([sonic.Create(lyrics="la"), sonic.Describe(description="rain")]):
        assert_type(one.unwrap(), Songs)
    for inferred in client.run([sonic.Create(lyrics="la"), producer.Create(sound="piano"), stems(clip)]):
        assert_type(inferred.unwrap(), Songs | Stems)  # type: ignore[assert-type]
    requests: list[TaskRequest[Songs | Stems]] = [
        sonic.Create(lyrics="la"),
        producer.Create(sound="piano"),
        stems(clip),
    ]
    for outcome in client.run(requests):
        assert_type(outcome, musicapi_sync.Outcome[Songs | Stems])
        assert_type(outcome.unwrap(), Songs | Stems)
    for request in requests:
        assert_type(client.submit(request), musicapi_sync.Task[Songs | Stems])
        assert_type(client.submit(request).wait(), Songs | Stems)


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
        assert_type(client.sonic.stems(clip=clip).wait(), Stems)
        assert_type(client.sonic.upload_extend(url="https://example.org/a.mp3").wait(), ExtendedSongs)
        assert_type(client.sonic.aligned_lyrics(clip=clip), AlignedLyrics)
        assert_type(client.producer.create(sound="piano"), musicapi_sync.Task[Songs])
        assert_type(client.riffusion.swap_sound(clip=clip, lyrics="la", sound="jazz"), musicapi_sync.Task[Songs])
        assert_type(client.studio.extend(tags="jazz", clip=clip), musicapi_sync.Task[Songs])
        assert_type(client.resume(sonic.CreateVoice, "id").wait(), Voice)
        assert_type(client.account.credits(), Credits)
        assert_type(client.lyrics.make(description="rain"), LyricsDrafts)
        assert_type(client.submit(sonic.Describe(description="rain")), musicapi_sync.Task[Songs])
        for outcome in client.run((sonic.Describe(description=str(number)) for number in range(3)), in_flight=5):
            assert_type(outcome, musicapi_sync.Outcome[Songs])
            assert_type(outcome.unwrap(), Songs)


async def durably(clip: Clip) -> None:
    async with musicapi_async.MusicAPI() as client, musicapi_async.bulk.open("journal.db") as journal:
        async for outcome in musicapi_async.bulk.run(client, journal, [sonic.Extend(clip=clip, at=60)], out="songs"):
            assert_type(outcome.record, musicapi_async.bulk.Record)


def durably_and_blocking(clip: Clip) -> None:
    with musicapi_sync.MusicAPI() as client, musicapi_sync.bulk.open("journal.db") as journal:
        requests = [musicapi_sync.bulk.Planned.of("key", sonic.Extend(clip=clip, at=60))]
        for outcome in musicapi_sync.bulk.run(client, journal, requests, out="songs"):
            assert_type(outcome.record, musicapi_sync.bulk.Record)


async def sandboxed() -> None:
    async with musicapi_async.sandbox.Sandbox(endings={"failed": 0.1}) as sandbox:
        assert_type(sandbox.client(max_attempts=1), musicapi_async.MusicAPI)
        assert_type(sandbox.requests(sonic.Describe)[0].description, str)
        assert_type(sandbox.requests("POST /sonic/create")[0].json, musicapi_async.JSON)
        assert_type(sandbox.tasks[0].price, float)
    with musicapi_async.sandbox.Sandbox() as sandbox, musicapi_sync.sandbox.Sandbox() as blocking:
        assert_type(sandbox.client(), musicapi_async.MusicAPI)
        assert_type(blocking.client(), musicapi_sync.MusicAPI)
