"""The sandbox behaves as documented, to a client that knows nothing of this package."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from musicapi_async import MusicAPI
from musicapi_async.sandbox import Fault, Sandbox

DESCRIBE = {"custom_mode": False, "mv": "sonic-v6", "gpt_description_prompt": "rain"}


@pytest.fixture
async def plain() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer plain-key"}) as session:
        yield session


async def post(
    plain: aiohttp.ClientSession, sandbox: Sandbox, path: str, body: object
) -> tuple[int, Mapping[str, Any]]:
    async with plain.post(sandbox.base_url + path, json=body) as response:
        return response.status, await response.json()


async def get(plain: aiohttp.ClientSession, sandbox: Sandbox, path: str) -> tuple[int, Mapping[str, Any]]:
    async with plain.get(sandbox.base_url + path) as response:
        return response.status, await response.json()


async def test_sandbox_repr_shows_its_address_and_tasks() -> None:
    async with Sandbox() as sandbox:
        assert repr(sandbox) == f"<Sandbox {sandbox.base_url}: 0 tasks accepted>"
    assert repr(Sandbox()) == "<Sandbox not listening: 0 tasks accepted>"


async def test_sandbox_task_goes_through_its_states(plain: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    status, accepted = await post(plain, sandbox, "/sonic/create", DESCRIBE)
    assert (status, set(accepted)) == (200, {"message", "task_id"})
    path = f"/sonic/task/{accepted['task_id']}"
    status, body = await get(plain, sandbox, path)
    assert (status, body["type"]) == (202, "not_ready")

    states = []
    for _ in range(20):
        sandbox.advance(250)
        status, body = await get(plain, sandbox, path)
        if "data" in body and (found := [clip["state"] for clip in body["data"]]) not in states:
            states.append(found)

    assert states == [["running", "running"], ["succeeded", "running"], ["succeeded", "succeeded"]]
    assert body["code"] == 200
    assert {"clip_id", "title", "tags", "lyrics", "image_url", "video_url", "created_at", "mv"} <= set(body["data"][0])
    assert body["data"][0]["duration"] == "6.00"


async def test_sandbox_riffusion_song_has_the_documented_keys_and_timings(
    plain: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    body = {
        "mv": "FUZZ-1.1 Pro",
        "lyrics": "[Verse]\nthe harbour sleeps",
        "custom_mode": True,
        "make_instrumental": False,
    }
    _, accepted = await post(plain, sandbox, "/riffusion/create", body)
    sandbox.advance(5000)
    _, found = await get(plain, sandbox, f"/riffusion/task/{accepted['task_id']}")

    song = found["data"][0]
    contract = "clip_id title lyrics image_url audio_url video_url created_at mv duration timestamp state sound"
    assert set(song) == {*contract.split(), "vocal_variation"}
    assert song["duration"] == 6.0
    assert [word["text"] for word in song["timestamp"]["words"]] == ["the", "harbour", "sleeps"]
    assert set(song["timestamp"]["words"][0]) == {
        "text",
        "start",
        "end",
        "line_index",
        "index_range",
        "wav2vec2_format",
    }


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"mv": None}, "The 'mv' field is invalid."),
        ({"mv": "sonic-v4-5-all"}, "The 'mv' field is invalid."),
        ({"mv": "gpt-4"}, "The 'mv' field is invalid."),
        ({"custom_mode": "false"}, "The 'custom_mode' field should be boolean."),
        ({"custom_mode": None}, "The 'custom_mode' field should be boolean."),
        ({"make_instrumental": "false"}, "The 'make_instrumental' field should be boolean."),
        ({"use_suno_cdn": "false"}, "The 'use_suno_cdn' field should be boolean."),
        ({"title": "x" * 81}, "The title character length should be less than 80."),
        ({"tags": "x" * 1001}, "The tags character length should be less than 1000."),
        ({"gpt_description_prompt": "x" * 401}, "The gpt_description_prompt character length should be less than 400."),
        ({"gpt_description_prompt": None}, "The 'gpt_description_prompt' field is required."),
        ({"style_weight": 1.01}, "The 'style_weight' field is invalid."),
        ({"weirdness_constraint": -0.01}, "The 'weirdness_constraint' field is invalid."),
        ({"task_type": "dance"}, "The 'task_type' field is invalid."),
    ],
)
async def test_sandbox_invalid_request_is_refused_with_the_services_message(
    plain: aiohttp.ClientSession, sandbox: Sandbox, change: Mapping[str, object], text: str
) -> None:
    body = {key: value for key, value in {**DESCRIBE, **change}.items() if value is not None}

    status, refused = await post(plain, sandbox, "/sonic/create", body)

    assert status == 400
    assert refused["error"].startswith(text)
    assert sandbox.account("plain-key").credits == 1000


async def test_sandbox_missing_or_unknown_key_is_refused(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as anonymous:
        for headers, text in (
            ({}, "Authorization header is missing."),
            ({"Authorization": "Basic abc"}, "Invalid authorization format."),
            ({"Authorization": "Bearer Bearer abc"}, "Invalid authorization format."),
        ):
            async with anonymous.get(f"{sandbox.base_url}/get-credits", headers=headers) as response:
                assert (response.status, (await response.json())["error"]) == (401, text)

    async with Sandbox(keys=("known",)) as strict, aiohttp.ClientSession() as session:
        for key, status in (("known", 200), ("other", 401)):
            async with session.get(
                f"{strict.base_url}/get-credits", headers={"Authorization": f"Bearer {key}"}
            ) as response:
                assert response.status == status


async def test_sandbox_spends_extra_credits_first_and_never_below_zero(
    plain: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    account = sandbox.account("plain-key")
    account.credits, account.extra_credits = 15, 10

    assert (await post(plain, sandbox, "/sonic/create", DESCRIBE))[0] == 200
    assert await get(plain, sandbox, "/get-credits") == (200, {"credits": 5, "extra_credits": 0})
    status, refused = await post(plain, sandbox, "/sonic/create", DESCRIBE)

    assert status == 403
    assert "credits are not enough" in refused["error"]
    assert len(sandbox.tasks) == 1


async def test_sandbox_task_of_another_account_or_family_is_unknown(
    plain: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    _, accepted = await post(plain, sandbox, "/sonic/create", DESCRIBE)

    assert (await get(plain, sandbox, f"/riffusion/task/{accepted['task_id']}"))[1] == {"error": "task not found."}
    async with plain.get(
        f"{sandbox.base_url}/sonic/task/{accepted['task_id']}", headers={"Authorization": "Bearer other"}
    ) as response:
        assert (response.status, await response.json()) == (400, {"error": "task not found."})


async def test_sandbox_files_are_real_media_with_ranges(plain: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    _, accepted = await post(plain, sandbox, "/sonic/create", DESCRIBE)
    sandbox.advance(5000)
    _, body = await get(plain, sandbox, f"/sonic/task/{accepted['task_id']}")
    first, second = body["data"]

    async with plain.get(first["audio_url"]) as response:
        whole = await response.read()
    async with plain.get(second["audio_url"]) as response:
        other = await response.read()
    async with plain.get(first["audio_url"], headers={"Range": "bytes=100-199"}) as response:
        assert (response.status, await response.read()) == (206, whole[100:200])
        assert response.headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    async with plain.get(first["image_url"]) as response:
        assert (await response.read()).startswith(b"\x89PNG")
    async with plain.get(first["audio_url"].replace(first["clip_id"], "unknown")) as response:
        assert response.status == 404

    assert whole[:4] == b"RIFF" or whole[0] == 0xFF or whole[:3] == b"ID3"
    assert len(whole) > 10_000
    assert whole != other


async def test_sandbox_with_the_same_seed_makes_the_same_ids() -> None:
    async def ids(seed: int) -> list[str]:
        async with Sandbox(seed=seed) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
            return [(await client.sonic.describe(description="rain")).id for _ in range(3)]

    assert await ids(1) == await ids(1) != await ids(2)


async def test_sandbox_with_a_share_of_failures_fails_tasks() -> None:
    async with Sandbox(endings={"failed": 1}, seconds=0) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        task = await client.sonic.describe(description="rain")

        assert (await task.poll()).status == "failed"


async def test_sandbox_faults_come_in_order_and_then_stop(plain: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    route = "POST /sonic/create"
    sandbox.add_fault(
        route, Fault(status=500, body={"error": "boom"}), Fault(drop=True), Fault(drop=True, accepted=True)
    )

    assert await post(plain, sandbox, "/sonic/create", DESCRIBE) == (500, {"error": "boom"})
    for accepted in (0, 1):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await post(plain, sandbox, "/sonic/create", DESCRIBE)
        assert len(sandbox.tasks) == accepted
    assert (await post(plain, sandbox, "/sonic/create", DESCRIBE))[0] == 200
    assert len(sandbox.requests(route)) == 4
