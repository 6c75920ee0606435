"""The sandbox sends the events of its tasks as documented, again until they are acknowledged, and with faults."""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import pairwise
from typing import Any, Final

import aiohttp
import pytest
from receiving import Receiver, attempts, describe, receiving
from signing import SECRET, sign

from musicapi_async import MusicAPI, TaskRequest, errors, nuro, producer, sonic, webhooks
from musicapi_async.sandbox import Sandbox

DESCRIBE: Final = {"custom_mode": False, "mv": "sonic-v6", "gpt_description_prompt": "rain"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_sandbox_sends_a_tasks_events_in_order_and_signed(
    client: MusicAPI, sandbox: Sandbox, receiver: Receiver
) -> None:
    task = await client.submit(describe(receiver))
    sandbox.advance(2000)
    (streaming,) = await receiver.take(1)
    sandbox.advance(3000)
    (completed,) = await receiver.take(1)

    events = [webhooks.verify(one.body, one.headers, SECRET) for one in (streaming, completed)]
    assert [event.type for event in events] == ["song.streaming", "song.completed"]
    assert {event.task_id for event in events} == {task.id}
    assert {event.platform for event in events} <= {"suno", "sonic"}
    assert [[clip.state for clip in event.clips] for event in events] == [["running"] * 2, ["succeeded"] * 2]
    assert all(clip.stream_url for clip in events[0].clips)
    assert events[1].clips == (await task.wait()).clips
    assert len({event.id for event in events}) == 2


async def test_sandbox_event_has_the_documented_headers(client: MusicAPI, sandbox: Sandbox, receiver: Receiver) -> None:
    await client.submit(describe(receiver))
    sandbox.advance(5000)
    arrivals = await receiver.take(2)

    for arrival in arrivals:
        headers = arrival.headers
        assert headers["Content-Type"] == "application/json"
        assert headers["Idempotency-Key"] == headers["X-Webhook-Id"] != ""
        assert headers["X-Webhook-Event"] == json.loads(arrival.body)["event"]
        assert abs(int(headers["X-Webhook-Timestamp"]) - time.time()) < 60
        expected = sign(arrival.body, timestamp=headers["X-Webhook-Timestamp"])
        assert headers["X-Webhook-Signature"] == f"sha256={expected}"
        assert {"code", "data", "message", "task_id", "platform", "event"} == set(json.loads(arrival.body))


async def test_sandbox_events_of_sonic_tasks_have_either_platform(receiver: Receiver) -> None:
    async with Sandbox(seconds=0) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        for _ in range(12):
            await client.submit(describe(receiver))
        found = {json.loads(arrival.body)["platform"] for arrival in await receiver.take(24)}

    assert found == {"suno", "sonic"}


async def test_sandbox_event_without_a_secret_is_signed_with_an_unknown_one(
    client: MusicAPI, sandbox: Sandbox, receiver: Receiver
) -> None:
    await client.submit(describe(receiver, webhook_secret=None))
    sandbox.advance(5000)
    (arrival, _) = await receiver.take(2)

    for secret in (SECRET, "test-key", "secret"):
        with pytest.raises(errors.WebhookVerificationError) as caught:
            webhooks.verify(arrival.body, arrival.headers, secret)
        assert caught.value.reason == "signature"


@pytest.mark.parametrize(
    ("ending", "type_", "states"),
    [
        ("songs", "song.completed", ["succeeded", "succeeded"]),
        ("one_clip", "song.completed", ["succeeded"]),
        ("partial", "song.completed", ["succeeded", "failed"]),
        ("all_failed", "song.failed", ["failed", "failed"]),
        ("failed", "song.failed", []),
        ("timeout", "song.failed", []),
    ],
)
async def test_sandbox_last_event_tells_how_the_task_ended(
    client: MusicAPI, sandbox: Sandbox, receiver: Receiver, ending: Any, type_: str, states: list[str]
) -> None:
    sandbox.end_next(ending)
    await client.submit(describe(receiver))
    sandbox.advance(5000)
    (_, last) = await receiver.take(2)

    event = webhooks.verify(last.body, last.headers, SECRET)
    assert (event.type, [clip.state for clip in event.clips]) == (type_, states)
    assert (event.message == "success") == bool(states)


@pytest.mark.parametrize(
    ("make", "types", "platform"),
    [
        (lambda of: producer.Create(sound="piano", **of), ["song.streaming", "song.completed"], "producer"),
        (lambda of: producer.Upload(url="https://example.org/a.mp3", **of), ["song.completed"], "producer"),
        (lambda of: sonic.CreateVoice(url="https://example.org/a.mp3", **of), ["song.completed"], None),
        (lambda of: nuro.Vocal(lyrics="la", **of), ["song.completed"], "nuro"),
    ],
)
async def test_sandbox_sends_the_events_of_other_operations(
    client: MusicAPI,
    sandbox: Sandbox,
    receiver: Receiver,
    make: Callable[[Mapping[str, str]], TaskRequest[Any]],
    types: list[str],
    platform: str | None,
) -> None:
    task = await client.submit(make({"webhook_url": receiver.url, "webhook_secret": SECRET}))
    sandbox.advance(5000)
    arrivals = await receiver.take(len(types))

    events = [webhooks.verify(one.body, one.headers, SECRET) for one in arrivals]
    assert [event.type for event in events] == types
    assert {event.task_id for event in events} == {task.id}
    assert platform is None or {event.platform for event in events} == {platform}


async def test_sandbox_event_that_is_not_answered_with_2xx_is_sent_again_at_growing_intervals(
    client: MusicAPI, sandbox: Sandbox, receiver: Receiver
) -> None:
    receiver.statuses = [500, 503, 301, 404, 400, 302, 204]
    await client.submit(sonic.CreateVoice(url="https://example.org/a.mp3", webhook_url=receiver.url))
    sandbox.advance(5000)
    for count in range(1, 7):
        await attempts(sandbox, count)
        sandbox.advance(3600 * 0.05 * 2 ** (count - 1))
    tried = await attempts(sandbox, 7)

    assert [one.status for one in tried] == [500, 503, 301, 404, 400, 302, 204]
    assert [one.attempt for one in tried] == [1, 2, 3, 4, 5, 6, 7]
    assert len({arrival.id for arrival in await receiver.take(7)}) == 1
    intervals = [later.at - earlier.at for earlier, later in pairwise(tried)]
    assert all(later > 1.9 * earlier for earlier, later in pairwise(intervals))


async def test_sandbox_retries_follow_the_speed_of_its_songs(receiver: Receiver) -> None:
    receiver.statuses = [500, 500, 200]
    async with Sandbox(seconds=1) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        await client.submit(sonic.CreateVoice(url="https://example.org/a.mp3", webhook_url=receiver.url))
        tried = await attempts(sandbox, 3)

    intervals = [later.at - earlier.at for earlier, later in pairwise(tried)]
    assert 0.05 <= intervals[0] < intervals[1] < 1


async def test_sandbox_gives_up_an_event_that_is_never_answered(receiver: Receiver) -> None:
    receiver.statuses = [500]
    async with Sandbox(seconds=3600) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        await client.submit(sonic.CreateVoice(url="https://example.org/a.mp3", webhook_url=receiver.url))
        for count in range(8):
            sandbox.advance(100_000)
            await attempts(sandbox, count + 1)
        sandbox.advance(10_000_000)
        await client.submit(sonic.CreateVoice(url="https://example.org/b.mp3", webhook_url=receiver.url))
        sandbox.advance(5000)
        tried = await attempts(sandbox, 9)

    assert [one.attempt for one in tried] == [*range(1, 9), 1]


async def test_sandbox_event_to_a_closed_port_has_no_status(client: MusicAPI, sandbox: Sandbox) -> None:
    async with receiving() as gone:
        request = describe(gone)
    await client.submit(request)
    sandbox.advance(5000)

    assert [one.status for one in await attempts(sandbox, 2)] == [None, None]


async def test_sandbox_sends_nothing_to_another_machine(client: MusicAPI, sandbox: Sandbox, receiver: Receiver) -> None:
    await client.submit(sonic.Describe(description="rain", webhook_url="https://example.org/hook"))
    await client.submit(sonic.Describe(description="rain", webhook_url="https://10.0.0.1/hook"))
    await client.submit(describe(receiver))
    sandbox.advance(5000)
    await receiver.take(2)

    assert {one.task_id for one in await attempts(sandbox, 2)} == {sandbox.tasks[2].task_id}


async def test_sandbox_batch_sends_the_events_of_its_items(
    client: MusicAPI, sandbox: Sandbox, receiver: Receiver
) -> None:
    batch = await client.sonic.batch(items=[describe(receiver), sonic.Describe(description="no events")])
    sandbox.advance(5000)

    assert await receiver.take_types(2) == ["song.streaming", "song.completed"]
    assert {one.task_id for one in await attempts(sandbox, 2)} == {batch.tasks[0].task_id}


@pytest.mark.parametrize("field", ["webhook_url", "webhook_secret"])
@pytest.mark.parametrize(("path", "body"), [("/sonic/stems/basic", {}), ("/sonic/wav", {}), ("/sonic/bpm", {})])
async def test_sandbox_webhook_fields_of_other_operations_are_refused(
    sandbox: Sandbox, field: str, path: str, body: Mapping[str, object]
) -> None:
    headers = {"Authorization": "Bearer plain-key"}
    given = {"clip_id": "c-1", **body, field: "https://example.org/hook"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(sandbox.base_url + path, json=given) as response,
    ):
        assert response.status == 400
        assert (await response.json())["error"] == f"The '{field}' field is invalid."


@pytest.mark.parametrize("url", ["http://example.org/hook", "ftp://127.0.0.1/", "https://".ljust(1025, "x"), 7])
async def test_sandbox_webhook_url_that_is_invalid_is_refused(sandbox: Sandbox, url: object) -> None:
    headers = {"Authorization": "Bearer plain-key"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{sandbox.base_url}/sonic/create", json={**DESCRIBE, "webhook_url": url}) as response,
    ):
        assert response.status == 400
        assert "webhook_url" in (await response.json())["error"]
    assert sandbox.tasks == ()
