"""Uploaded clips select the service's task types for uploads, and the wrong one cannot be sent."""

from typing import Any

import pytest

from musicapi_async import Clip, MusicAPI, Request, UploadedClip, errors, operations, producer, riffusion, sonic
from musicapi_async.sandbox import Sandbox

WORDS = {"lyrics": "la", "sound": "jazz"}
# Task type of a generated clip, of an uploaded clip, and the other fields.
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sonic.extend": ("extend_music", "extend_upload_music", {"at": 1}),
    "sonic.cover": ("cover_music", "cover_upload_music", {}),
    "producer.extend": ("extend_music", "extend_upload_music", {"at": 1}),
    "producer.replace": ("replace_music", "replace_upload_music", {"start": 1, "end": 2}),
    "producer.cover": ("cover_music", "cover_upload_music", {"instruction": "slower"}),
    "riffusion.extend": ("extend_music", "extend_upload_music", {**WORDS, "at": 1}),
    "riffusion.cover": ("cover_music", "cover_upload_music", {**WORDS}),
    "riffusion.replace_section": ("replace_music", "replace_upload_music", {**WORDS, "start": 1, "end": 2}),
    "riffusion.swap_sound": ("swap_music_sound", "swap_upload_music_sound", {**WORDS}),
    "riffusion.swap_vocals": ("swap_music_vocals", "swap_upload_music_vocals", {**WORDS}),
}
OPERATIONS: dict[str, type[Request[Any]]] = {operation.operation_name: operation for operation in operations()}


def test_upload_variants_are_all_listed() -> None:
    assert {name for name, operation in OPERATIONS.items() if operation.upload_task_type} == set(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_uploaded_clip_selects_the_upload_task_type(name: str) -> None:
    own, uploaded, fields = VARIANTS[name]
    operation = OPERATIONS[name]

    from_upload = operation(clip=UploadedClip(" u-1 "), **fields)  # type: ignore[call-arg]  # each has a clip
    generated = operation(clip=Clip(clip_id="c-1"), **fields)  # type: ignore[call-arg]
    by_id = operation(clip="c-1", **fields)  # type: ignore[call-arg]

    assert from_upload.to_wire()["task_type"] == uploaded
    assert generated.to_wire()["task_type"] == by_id.to_wire()["task_type"] == own
    assert generated == by_id != from_upload
    assert "u-1" in from_upload.to_wire().values()
    assert operation.from_wire(from_upload.to_wire()) == from_upload


@pytest.mark.parametrize("operation", [sonic.AddVocals, sonic.AddInstrumental])
def test_upload_only_operation_refuses_a_generated_clip(operation: type[Request[Any]]) -> None:
    fields = {"lyrics": "la"} if operation is sonic.AddVocals else {}
    with pytest.raises(errors.InvalidRequestError, match="takes uploaded clips") as caught:
        operation(clip=Clip(clip_id="c-1"), **fields)  # type: ignore[call-arg]

    assert (caught.value.field, caught.value.value) == ("clip", "c-1")
    assert operation(clip=UploadedClip("u-1"), **fields).to_wire()["continue_clip_id"] == "u-1"  # type: ignore[call-arg]
    assert operation(clip="u-1", **fields).to_wire()["continue_clip_id"] == "u-1"  # type: ignore[call-arg]


async def test_sandbox_refuses_the_wrong_task_type(client: MusicAPI, sandbox: Sandbox) -> None:
    uploaded = await client.sonic.upload(url="https://example.org/a.mp3")
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)
    song = (await task.wait())[0]

    await client.sonic.extend(clip=uploaded, at=1)
    await client.sonic.extend(clip=song, at=1)
    for wrong in (uploaded.clip_id, UploadedClip(song.clip_id)):
        with pytest.raises(errors.InvalidRequestError, match="task_type"):
            await client.sonic.extend(clip=wrong, at=1)


async def test_clip_of_a_one_shot_upload_is_an_uploaded_clip(client: MusicAPI) -> None:
    task = await client.sonic.upload_cover(url="https://example.org/a.mp3", lyrics="la")

    assert task.uploaded is not None
    assert [step.name for step in task.uploaded.steps] == ["upload", "cover"]
    again = sonic.Cover(clip=task.uploaded)
    assert again.to_wire()["task_type"] == "cover_upload_music"
    await client.submit(again)


def test_clip_id_can_be_declared_an_upload() -> None:
    assert producer.Extend(clip=UploadedClip("u-1"), at=3).to_wire()["task_type"] == "extend_upload_music"
    assert riffusion.Extend(clip="u-1", at=3, lyrics="la", sound="jazz").to_wire()["task_type"] == "extend_music"
