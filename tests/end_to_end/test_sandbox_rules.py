"""Validation and failing tasks of the sandbox, where a fake server that is too lenient would hide a mistake."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from musicapi_async import MusicAPI, TaskRequest, errors, producer, sonic, suno
from musicapi_async.sandbox import Sandbox

WEB = "https://example.org/a.mp3"
CREATE, REMASTER = "/sonic/create", {"task_type": "remaster", "mv": "sonic-v6", "continue_clip_id": "c-1"}
SAMPLE = {"sample_clip_id": "c-1", "chop_sample_start_s": 0, "chop_sample_end_s": 9, "mv": "sonic-v6"}
STUDIO = {
    "prompt": "pop",
    "prompt_strength": 0.5,
    "clarity_strength": 0.25,
    "lyrics_strength": 0.5,
    "generation_quality": 0.75,
    "model_type": "studio130-v1.5",
}


@pytest.fixture
async def plain() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer plain-key"}) as session:
        yield session


async def post(
    plain: aiohttp.ClientSession, sandbox: Sandbox, path: str, body: object
) -> tuple[int, Mapping[str, Any]]:
    async with plain.post(sandbox.base_url + path, json=body) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(
    "request_",
    [
        sonic.CreateVoice(url=WEB),
        sonic.BasicStems(clip="{clip}"),
        sonic.UploadExtend(url=WEB, auto_concat=True),
        producer.Upload(url=WEB),
        producer.Download(clip="{clip}"),
        suno.MakeLyrics(description="rain"),
    ],
    ids=lambda request: request.operation_name,
)
async def test_sandbox_all_failed_ends_every_type_of_task(
    client: MusicAPI, sandbox: Sandbox, request_: TaskRequest[Any]
) -> None:
    if hasattr(request_, "clip"):
        request_ = request_.replace(clip=(await client.sonic.upload(url=WEB)).clip_id)
    before = (await client.account.credits()).total
    sandbox.end_next("all_failed")
    task = await client.submit(request_)
    sandbox.advance(5000)

    with pytest.raises(errors.TaskFailedError):
        await task.wait()

    assert (await client.account.credits()).total == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sonic/sample", {**SAMPLE, "make_instrumental": False}),
        ("/sonic/mashup", {"mashup_clip_ids": ["c-1", "c-2"], "mv": "sonic-v6"}),
        ("/sonic/upload-cover", {"url": WEB, "mv": "sonic-v6"}),
        ("/sonic/upload-extend", {"url": WEB, "mv": "sonic-v6"}),
    ],
)
async def test_sandbox_request_without_custom_mode_is_refused(
    client: MusicAPI, plain: aiohttp.ClientSession, sandbox: Sandbox, path: str, body: dict[str, object]
) -> None:
    if "sample_clip_id" in body:
        body = {**body, "sample_clip_id": (await client.sonic.upload(url=WEB)).clip_id}
    for wrong in ({}, {"custom_mode": "true"}, {"custom_mode": None}):
        status, refused = await post(plain, sandbox, path, {**body, **wrong})
        assert (status, refused["error"]) == (400, "The 'custom_mode' field should be boolean.")
    status, refused = await post(plain, sandbox, path, {**body, "custom_mode": False})
    assert (status, refused["error"]) == (400, "The 'gpt_description_prompt' field is required.")

    assert (await post(plain, sandbox, path, {**body, "custom_mode": True}))[0] == 200
    assert (await post(plain, sandbox, path, {**body, "custom_mode": False, "gpt_description_prompt": "la"}))[0] == 200
    assert len(sandbox.tasks) == 2


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        (CREATE, {**REMASTER, "duration": 60}, "The 'duration' field is invalid."),
        (CREATE, {"task_type": "concat_music", "continue_clip_id": "c-1", "duration": 60}, "The 'duration' field is"),
        ("/sonic/sample", {**SAMPLE, "custom_mode": True}, "The 'make_instrumental' field should be boolean."),
        ("/nuro/create", {"lyrics": "la"}, "The 'type' field is required."),
        ("/nuro/create", {"lyrics": "la", "type": "song"}, "The 'type' field is invalid."),
        ("/nuro/create", {"lyrics": "la", "type": []}, "The 'type' field is invalid."),
        ("/studio/create", {**STUDIO, "lyrics_type": "generate"}, "The 'config' field is required."),
        ("/studio/create", {**STUDIO, "lyrics_type": "generate", "config": {}}, "The 'config.mode' field is required."),
        ("/studio/create", {**STUDIO, "lyrics_type": "x", "config": {"mode": "regular"}}, "The 'lyrics_type' field is"),
        ("/studio/create", {**STUDIO, "config": {"mode": "regular"}}, "The 'lyrics_type' field is required."),
        ("/studio/create", {**STUDIO, "lyrics_type": "user", "config": {"mode": "x"}}, "The 'config.mode' field is"),
    ],
)
async def test_sandbox_invalid_field_is_named(
    plain: aiohttp.ClientSession, sandbox: Sandbox, path: str, body: object, text: str
) -> None:
    status, refused = await post(plain, sandbox, path, body)

    assert status == 400
    assert refused["error"].startswith(text)
    assert sandbox.tasks == ()


async def test_sandbox_batch_keeps_refused_items_and_belongs_to_its_account(client: MusicAPI, sandbox: Sandbox) -> None:
    sandbox.end_next("songs")
    song = await client.sonic.create(lyrics="la")
    sandbox.advance(5000)
    clip = (await song.wait())[0]

    batch = await client.sonic.batch(items=[sonic.Cover(clip=clip), sonic.AddVocals(clip=clip.clip_id, lyrics="la")])
    assert batch.batch_id is not None
    found = await client.sonic.get_batch(batch_id=batch.batch_id)

    assert [bool(item.task_id) for item in batch] == [True, False]
    assert "task_type" in (batch[1].error or "")
    assert (found.submitted, found.tasks) == (batch.submitted, batch.tasks) == (1, batch.tasks)
    assert len(sandbox.tasks) == 2
    async with MusicAPI("other-key", base_url=sandbox.base_url) as other:
        with pytest.raises(errors.NotFoundError, match="batch not found"):
            await other.sonic.get_batch(batch_id=batch.batch_id)


async def test_sandbox_client_gone_while_sending_logs_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with Sandbox() as sandbox:
        address = urlsplit(sandbox.base_url)
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        head = "POST /api/v1/sonic/create HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: 99\r\n\r\n"
        writer.write(f'{head}{{"task_type"'.encode())
        while not len(sandbox.requests("POST /sonic/create")):
            await asyncio.sleep(0)
        writer.transport.abort()

    assert sandbox.tasks == ()
    assert caplog.records == []
