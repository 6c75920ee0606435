"""A client's events at the edges of its life: closed, in another event loop, in views, and for unpickled tasks."""

import asyncio
import logging
import pickle

import pytest
from receiving import hook_server
from scripted import cut, scripted
from signing import SECRET, body_of, headers_of

from musicapi_async import MusicAPI, errors
from musicapi_async.sandbox import Sandbox

OTHER_SECRET = "another-secret-" * 3
POLL = "GET /sonic/task/{task_id}"


def client_of(sandbox: Sandbox) -> MusicAPI:
    return MusicAPI("test-key", base_url=sandbox.base_url, webhook_secret=SECRET)


async def uncertain_error(webhook_url: str = "https://app.example/hooks") -> errors.UncertainSubmissionError:
    """Return the error of a submission whose response was lost."""
    async with (
        scripted(cut()) as server,
        MusicAPI("k", base_url=server.base_url, webhook_url=webhook_url, webhook_secret=SECRET) as client,
    ):
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await client.sonic.describe(description="rain")
    return caught.value


async def test_event_that_reaches_a_closed_client_is_sent_again_by_the_service(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Sandbox(seconds=4000) as sandbox:
        client = client_of(sandbox)
        async with hook_server(client.webhooks.aiohttp) as url:
            with caplog.at_level(logging.CRITICAL, "musicapi"):
                await client.with_options(webhook_url=url).sonic.describe(description="rain")
                await client.aclose()
                sandbox.advance(5000)
                async with asyncio.timeout(10):
                    while len(sandbox.deliveries) < 2:
                        await asyncio.sleep(0.001)

    assert {delivery.status for delivery in sandbox.deliveries} == {503}


async def test_waits_that_a_closing_client_ends_are_not_woken_by_a_late_event() -> None:
    async with Sandbox(seconds=4000) as sandbox:
        client = client_of(sandbox)
        task = await client.sonic.describe(description="rain")
        waiting = asyncio.create_task(task.wait())
        await asyncio.sleep(0)
        await client.aclose()
        body = body_of(task_id=task.id)
        with pytest.raises(errors.ClientClosedError):
            await client.webhooks.receive(body, headers_of(body), "/hooks")
        with pytest.raises(errors.ClientClosedError):
            await waiting


async def test_event_received_in_another_event_loop_is_refused() -> None:
    async with Sandbox(seconds=4000) as sandbox, client_of(sandbox) as client:
        task = await client.sonic.describe(description="rain")
        body = body_of(task_id=task.id)

        def receive() -> None:
            asyncio.run(client.webhooks.receive(body, headers_of(body), "/hooks"))

        with pytest.raises(errors.EventLoopError):
            await asyncio.to_thread(receive)


@pytest.mark.parametrize("is_closed_before", [True, False])
async def test_recover_on_a_closing_client_ends_at_once_and_stays_uncertain(*, is_closed_before: bool) -> None:
    error = await uncertain_error()
    async with Sandbox(seconds=4000) as sandbox:
        client = client_of(sandbox)
        if is_closed_before:
            await client.aclose()
        recovering = asyncio.create_task(client.webhooks.recover(error, timeout=None))
        await asyncio.sleep(0)
        await client.aclose()
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await asyncio.wait_for(recovering, 10)

    assert caught.value.reference == error.reference
    assert caught.value.__notes__ == ["the client was closed before an event of it came"]


async def test_recover_that_is_cancelled_can_be_called_again() -> None:
    error = await uncertain_error()
    async with Sandbox(seconds=4000) as sandbox, client_of(sandbox) as client:
        task = await client.sonic.describe(description="rain")
        first = asyncio.create_task(client.webhooks.recover(error))
        second = asyncio.create_task(client.webhooks.recover(error))
        await asyncio.sleep(0)
        first.cancel()
        body = body_of(task_id=task.id)
        await client.webhooks.receive(body, headers_of(body), f"/hooks?musicapi_attempt={error.reference}")
        found = await asyncio.wait_for(second, 10)
        again = await client.webhooks.recover(error)

    assert found.id == again.id == task.id


async def test_recover_in_a_later_process_takes_an_unpickled_error() -> None:
    error = await uncertain_error()
    async with Sandbox(seconds=4000) as sandbox, client_of(sandbox) as client:
        task = await client.sonic.describe(description="rain")
        arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        recovering = asyncio.create_task(client.webhooks.recover(arrived))
        await asyncio.sleep(0)
        body = body_of(task_id=task.id)
        event = await client.webhooks.receive(body, headers_of(body), f"/hooks?musicapi_attempt={error.reference}")

        assert event.matched
        assert (await asyncio.wait_for(recovering, 10)).id == task.id


async def test_view_with_a_secret_of_its_own_verifies_by_it_and_wakes_the_clients_waits() -> None:
    async with Sandbox(seconds=4000) as sandbox, client_of(sandbox) as client:
        view = client.with_options(webhook_secret=OTHER_SECRET)
        task = await client.sonic.describe(description="rain")
        waiting = asyncio.create_task(task.wait())
        await asyncio.sleep(0)
        body = body_of(task_id=task.id)
        with pytest.raises(errors.WebhookVerificationError):
            await view.webhooks.receive(body, headers_of(body), "/hooks")
        event = await view.webhooks.receive(body, headers_of(body, OTHER_SECRET), "/hooks")

        assert event.matched
        assert [clip.clip_id for clip in await asyncio.wait_for(waiting, 10)] == ["c-1", "c-2"]
        assert not len(sandbox.requests(POLL))


async def test_client_whose_view_alone_has_a_secret_is_woken_through_the_view() -> None:
    async with Sandbox(seconds=4000) as sandbox, MusicAPI("test-key", base_url=sandbox.base_url) as client:
        task = await client.sonic.describe(description="rain")
        waiting = asyncio.create_task(task.wait())
        await asyncio.sleep(0)
        view = client.with_options(webhook_secret=SECRET)
        body = body_of(task_id=task.id)
        await view.webhooks.receive(body, headers_of(body), "/hooks")

        assert len(await asyncio.wait_for(waiting, 10)) == 2
        assert not len(sandbox.requests(POLL))


async def test_unpickled_task_is_woken_by_its_event() -> None:
    async with Sandbox(seconds=4000) as sandbox, client_of(sandbox) as client:
        task = await client.sonic.describe(description="rain")
        again = client.attach(pickle.loads(pickle.dumps(task)))  # noqa: S301 - our own
        waiting = asyncio.create_task(again.wait())
        while not len(sandbox.requests(POLL)):  # it is unknown how long it has been running: it is polled at once
            await asyncio.sleep(0.001)
        body = body_of(task_id=task.id)
        await client.webhooks.receive(body, headers_of(body), "/hooks")

        assert [clip.clip_id for clip in await asyncio.wait_for(waiting, 10)] == ["c-1", "c-2"]
