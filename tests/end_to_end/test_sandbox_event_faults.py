"""Faults in the delivery of the sandbox's events: lost, doubled, late, reordered, forged, before the response."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from receiving import Receiver, attempts, describe, receiving
from signing import SECRET

from musicapi_async import MusicAPI, errors, sonic, webhooks
from musicapi_async.sandbox import EventFault, Fault, Sandbox


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_sandbox_lost_event_never_arrives(client: MusicAPI, sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.add_event_fault("song.completed", EventFault(lost=True))
    first = await client.submit(describe(receiver))
    second = await client.submit(describe(receiver))
    sandbox.advance(5000)
    arrivals = await receiver.take(3)

    found = [(json.loads(one.body)["task_id"], one.type) for one in arrivals]
    assert sorted(found) == sorted(
        [(first.id, "song.streaming"), (second.id, "song.streaming"), (second.id, "song.completed")]
    )
    assert len(await attempts(sandbox, 3)) == 3


async def test_sandbox_doubled_event_arrives_twice_with_one_id(
    client: MusicAPI, sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.add_event_fault("song.streaming", EventFault(doubled=True))
    await client.submit(describe(receiver))
    sandbox.advance(2000)
    first, second = await receiver.take(2)

    assert (first.type, first.id, first.body) == (second.type, second.id, second.body)


async def test_sandbox_late_event_arrives_after_the_next_one(
    client: MusicAPI, sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.add_event_fault("song.streaming", EventFault(delay=10_000))
    await client.submit(describe(receiver))
    sandbox.advance(5000)
    before = await receiver.take_types(1)
    sandbox.advance(10_000)

    assert (before, await receiver.take_types(1)) == (["song.completed"], ["song.streaming"])


async def test_sandbox_reordered_event_arrives_after_the_next_one_of_its_task(
    client: MusicAPI, sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.add_event_fault("song.streaming", EventFault(reordered=True))
    await client.submit(describe(receiver))
    sandbox.advance(5000)

    assert await receiver.take_types(2) == ["song.completed", "song.streaming"]


async def test_sandbox_reordered_last_event_arrives_after_one_of_another_task(
    client: MusicAPI, sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.add_event_fault("song.completed", EventFault(reordered=True))
    first = await client.submit(describe(receiver))
    sandbox.advance(5000)
    await receiver.take(1)
    second = await client.submit(describe(receiver))
    sandbox.advance(2000)
    arrivals = await receiver.take(2)

    assert [json.loads(one.body)["task_id"] for one in arrivals] == [second.id, first.id]
    assert [one.type for one in arrivals] == ["song.streaming", "song.completed"]


async def test_sandbox_forged_event_precedes_the_true_one_and_is_refused(
    client: MusicAPI, sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.add_event_fault("song.completed", EventFault(forged=True))
    task = await client.submit(describe(receiver))
    sandbox.advance(5000)
    (_, forged, true) = await receiver.take(3)

    with pytest.raises(errors.WebhookVerificationError) as caught:
        webhooks.verify(forged.body, forged.headers, SECRET)
    assert caught.value.reason == "signature"
    assert json.loads(forged.body)["task_id"] == task.id
    assert webhooks.verify(true.body, true.headers, SECRET).task_id == task.id
    assert [one.forged for one in await attempts(sandbox, 3)] == [False, True, False]


async def test_sandbox_event_before_the_response_holds_the_response_back(receiver: Receiver) -> None:
    receiver.waits_for = asyncio.Event()
    async with Sandbox(seconds=0) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        sandbox.add_event_fault("song.completed", EventFault(before_response=True))
        submitting = asyncio.ensure_future(client.submit(describe(receiver)))
        await receiver.begun.wait()
        was_done = submitting.done()
        receiver.waits_for.set()
        task = await submitting
        arrivals = await receiver.take(2)

    assert not was_done
    assert [json.loads(one.body)["task_id"] for one in arrivals] == [task.id] * 2


async def test_sandbox_event_arrives_although_the_response_is_lost(receiver: Receiver) -> None:
    async with Sandbox(seconds=0) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        sandbox.add_fault("POST /sonic/create", Fault(drop=True, accepted=True))
        with pytest.raises(errors.UncertainSubmissionError):
            await client.submit(describe(receiver))
        arrivals = await receiver.take(2)

    assert {json.loads(one.body)["task_id"] for one in arrivals} == {sandbox.tasks[0].task_id}


async def test_sandbox_event_faults_at_random_have_their_rates(receiver: Receiver) -> None:
    rates = {EventFault(lost=True): 0.25, EventFault(doubled=True): 0.25}
    async with (
        Sandbox(seconds=0, credits=10_000, event_faults=rates) as sandbox,
        MusicAPI("k", base_url=sandbox.base_url, create_rate=1000) as client,
    ):
        for _ in range(100):
            await client.submit(sonic.CreateVoice(url="https://example.org/a.mp3", webhook_url=receiver.url))
        sandbox.add_event_fault("song.streaming", EventFault())
        await client.submit(describe(receiver))
        counts: Counter[str] = Counter()
        while "song.streaming" not in counts:
            (arrival,) = await receiver.take(1)
            counts[arrival.id if arrival.type == "song.completed" else arrival.type] += 1

    assert 55 < len(counts) < 95
    assert 10 < sum(count == 2 for count in counts.values()) < 45


async def test_sandbox_that_closes_sends_nothing_more(receiver: Receiver) -> None:
    receiver.waits_for = asyncio.Event()
    async with Sandbox(seconds=0) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        await client.submit(describe(receiver))
        await receiver.begun.wait()
    receiver.waits_for.set()

    assert sandbox.deliveries == ()
