"""Events wake the waits of their tasks: received over HTTP from the sandbox, with and without faults."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web
from receiving import hook_server
from signing import SECRET, body_of, headers_of

from musicapi_async import MusicAPI, Songs, errors
from musicapi_async.sandbox import EventFault, Fault, Sandbox
from musicapi_async.webhooks import Event, FileInbox

POLL = "GET /sonic/task/{task_id}"
CREATE = "POST /sonic/create"


@attrs.define
class App:
    """An application with a client and a route for its events."""

    sandbox: Sandbox
    client: MusicAPI
    events: "asyncio.Queue[Event]" = attrs.field(factory=asyncio.Queue)
    urls: list[str] = attrs.field(factory=list)
    refused: list[errors.WebhookVerificationError] = attrs.field(factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.urls.append(str(request.url))
        try:
            event = await self.client.webhooks.receive(await request.read(), request.headers, str(request.url))
        except errors.WebhookVerificationError as error:
            self.refused.append(error)
            return web.Response(status=401)
        self.events.put_nowait(event)
        return web.Response()

    def polls(self, route: str = POLL) -> int:
        return len(self.sandbox.requests(route))

    async def submit(self) -> Any:
        return await self.client.sonic.describe(description="rain")

    async def take(self, count: int) -> list[Event]:
        return [await asyncio.wait_for(self.events.get(), 10) for _ in range(count)]


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[App]:
    async def handle(request: web.Request) -> web.Response:
        return await found.handle(request)

    async with Sandbox(seconds=4000) as sandbox, hook_server(handle) as url:
        options = {"webhook_url": f"{url}?app=1", "webhook_secret": SECRET, **settings}
        async with MusicAPI("test-key", base_url=sandbox.base_url, **options) as client:
            found = App(sandbox, client)
            yield found


@pytest.fixture
async def app() -> AsyncIterator[App]:
    async with serving() as app:
        yield app


async def test_wait_ends_with_the_event_and_without_a_poll(app: App) -> None:
    task = await app.submit()
    waiting = asyncio.create_task(task.wait())
    await asyncio.sleep(0)
    app.sandbox.advance(5000)
    songs = await asyncio.wait_for(waiting, 10)

    assert isinstance(songs, Songs)
    assert [clip.state for clip in songs] == ["succeeded"] * 2
    assert all(clip.audio_url for clip in songs)
    assert app.polls() == 0
    assert [(event.type, event.matched) for event in await app.take(2)] == [
        ("song.streaming", True),
        ("song.completed", True),
    ]


async def test_event_before_the_wait_is_kept_for_it(app: App) -> None:
    task = await app.submit()
    app.sandbox.advance(5000)
    await app.take(2)

    assert len(await task.wait()) == 2
    assert app.polls() == 0


async def test_event_before_the_response_of_its_submission_is_kept_for_it(app: App) -> None:
    app.sandbox.add_event_fault("song.streaming", EventFault(before_response=True))
    app.sandbox.add_event_fault("song.completed", EventFault(before_response=True))
    submitting = asyncio.create_task(app.submit())
    while not len(app.sandbox.requests(CREATE)):
        await asyncio.sleep(0.001)
    app.sandbox.advance(5000)
    events = await app.take(2)
    task = await submitting

    assert {(event.task_id, event.matched) for event in events} == {(task.id, True)}
    assert len(await task.wait()) == 2
    assert app.polls() == 0


async def test_streaming_event_reaches_updates_and_wait(app: App) -> None:
    task = await app.submit()
    streaming = asyncio.create_task(task.wait(until="stream"))
    updates = task.updates()
    first = asyncio.create_task(anext(updates))
    await asyncio.sleep(0)
    app.sandbox.advance(2000)

    assert [clip.stream_url is not None for clip in await asyncio.wait_for(streaming, 10)] == [True, True]
    assert (await asyncio.wait_for(first, 10)).status == "running"
    assert app.polls() == 0
    app.sandbox.advance(3000)
    assert (await asyncio.wait_for(anext(updates), 10)).status == "finished"
    await updates.aclose()


async def test_failure_event_is_checked_by_one_poll(app: App) -> None:
    task = await app.submit()
    waiting = asyncio.create_task(task.wait())
    await asyncio.sleep(0)
    body = body_of("song.failed", task_id=task.id, data=[], code=500, message="it failed")
    event = await app.client.webhooks.receive(body, headers_of(body, event="song.failed"), "/hooks")
    while not app.polls():
        await asyncio.sleep(0.001)

    assert event.matched
    assert not waiting.done()
    app.sandbox.advance(5000)
    assert len(await asyncio.wait_for(waiting, 10)) == 2
    assert app.polls() == 1


@pytest.mark.parametrize(
    "data",
    [
        [{"clip_id": "c-1", "state": "succeeded", "audio_url": "https://files.example/1"}],
        [{"clip_id": f"c-{number}", "state": "succeeded"} for number in range(2)],
        [],
        {"clip_id": "c-1"},
        None,
    ],
)
async def test_completed_event_with_less_than_every_clip_is_checked_by_one_poll(app: App, data: object) -> None:
    task = await app.submit()
    waiting = asyncio.create_task(task.wait())
    await asyncio.sleep(0)
    body = body_of(task_id=task.id, data=data)
    await app.client.webhooks.receive(body, headers_of(body), "/hooks")
    while not app.polls():
        await asyncio.sleep(0.001)

    assert not waiting.done()
    app.sandbox.advance(5000)
    assert len(await asyncio.wait_for(waiting, 10)) == 2
    assert app.polls() == 1


async def test_event_with_another_task_id_than_the_response_causes_one_poll(app: App) -> None:
    task = await app.submit()
    waiting = asyncio.create_task(task.wait())
    app.sandbox.advance(2000)
    await app.take(1)
    body = body_of(task_id="another")
    event = await app.client.webhooks.receive(body, headers_of(body), app.urls[0])
    while not app.polls():
        await asyncio.sleep(0.001)

    assert event.matched
    assert not waiting.done()
    app.sandbox.advance(3000)
    assert len(await asyncio.wait_for(waiting, 10)) == 2


async def test_forged_event_is_refused_and_changes_nothing(app: App) -> None:
    app.sandbox.add_event_fault("song.streaming", EventFault(forged=True))
    task = await app.submit()
    waiting = asyncio.create_task(task.wait())
    await asyncio.sleep(0)
    app.sandbox.advance(2000)
    await app.take(1)

    assert [error.reason for error in app.refused] == ["signature"]
    assert not waiting.done()
    app.sandbox.advance(3000)
    assert "forged" not in [clip.clip_id for clip in await asyncio.wait_for(waiting, 10)]


async def test_doubled_event_does_nothing_the_second_time(app: App) -> None:
    app.sandbox.add_event_fault("song.completed", EventFault(doubled=True))
    task = await app.submit()
    app.sandbox.advance(5000)
    _, first, second = await app.take(3)

    assert first.id == second.id
    assert len(await task.wait()) == 2
    assert app.polls() == 0


async def test_event_of_another_client_is_not_matched(app: App) -> None:
    body = body_of(task_id="of-another-process")

    event = await app.client.webhooks.receive(body, headers_of(body), "/hooks?musicapi_attempt=" + "0" * 32)

    assert event.matched is False


async def test_events_after_the_end_and_out_of_order_change_nothing(app: App) -> None:
    app.sandbox.add_event_fault("song.streaming", EventFault(reordered=True))
    task = await app.submit()
    waiting = asyncio.create_task(task.wait())
    await asyncio.sleep(0)
    app.sandbox.advance(5000)

    assert len(await asyncio.wait_for(waiting, 10)) == 2
    assert [event.type for event in await app.take(2)] == ["song.completed", "song.streaming"]
    assert len(await task.wait()) == 2


async def test_submission_has_a_reference_of_its_own_in_its_url(app: App) -> None:
    for _ in range(2):
        await app.submit()
    app.sandbox.advance(5000)
    await app.take(4)

    assert len(set(app.urls)) == 2
    assert all("/hooks?app=1&musicapi_attempt=" in url for url in app.urls)


async def test_request_with_a_webhook_url_of_its_own_keeps_it_and_its_secret(app: App) -> None:
    async with serving() as other:
        url, secret = f"{other.client.settings.webhook_url}&mine", "mine-" * 8
        await app.client.sonic.describe(description="rain", webhook_url=url, webhook_secret=secret)
        app.sandbox.advance(5000)
        while len(other.refused) < 2:
            await asyncio.sleep(0.001)

    assert set(other.urls) == {url}
    assert {error.reason for error in other.refused} == {"signature"}
    assert not app.urls


async def test_uncertain_submission_finds_its_task_through_its_event(app: App) -> None:
    app.sandbox.add_fault(CREATE, Fault(drop=True, accepted=True))
    with pytest.raises(errors.UncertainSubmissionError) as caught:
        await app.submit()
    recovering = asyncio.create_task(app.client.webhooks.recover(caught.value))
    await asyncio.sleep(0)
    app.sandbox.advance(5000)
    task = await asyncio.wait_for(recovering, 10)

    assert isinstance(await task.wait(), Songs)
    assert len(app.sandbox.requests(CREATE)) == 1


async def test_uncertain_submission_whose_event_came_before_is_recovered_at_once(app: App) -> None:
    app.sandbox.add_fault(CREATE, Fault(drop=True, accepted=True))
    with pytest.raises(errors.UncertainSubmissionError) as caught:
        await app.submit()
    app.sandbox.advance(5000)
    await app.take(2)

    task = await app.client.webhooks.recover(caught.value, timeout=0)
    assert isinstance(await task.wait(), Songs)


async def test_uncertain_submission_without_an_event_stays_uncertain(app: App) -> None:
    app.sandbox.add_fault(CREATE, Fault(drop=True))
    with pytest.raises(errors.UncertainSubmissionError) as caught:
        await app.submit()

    with pytest.raises(errors.UncertainSubmissionError) as again:
        await app.client.webhooks.recover(caught.value, timeout=0.01)
    assert again.value.__notes__ == ["no event of it came within 0.01 s"]


async def test_uncertain_submission_of_an_unknown_task_stays_uncertain(app: App) -> None:
    app.sandbox.add_fault(CREATE, Fault(drop=True))
    with pytest.raises(errors.UncertainSubmissionError) as caught:
        await app.submit()
    body = body_of(task_id="of-another-account")
    await app.client.webhooks.receive(body, headers_of(body), f"/?musicapi_attempt={caught.value.reference}")

    with pytest.raises(errors.UncertainSubmissionError) as again:
        await app.client.webhooks.recover(caught.value, timeout=1)
    assert "of-another-account, which the service does not know" in again.value.__notes__[0]


async def test_recover_of_an_error_without_a_reference_is_refused() -> None:
    async with serving(webhook_url=None) as app:
        app.sandbox.add_fault(CREATE, Fault(drop=True, accepted=True))
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await app.submit()
        with pytest.raises(errors.InvalidRequestError, match="reference"):
            await app.client.webhooks.recover(caught.value)


async def test_events_that_stay_away_are_reported_once_and_tasks_polled_as_usual(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(poll_interval=0.05) as app:
        app.sandbox.add_event_fault("song.streaming", *[EventFault(lost=True)] * 8)
        app.sandbox.add_event_fault("song.completed", *[EventFault(lost=True)] * 8)
        tasks = [await app.submit() for _ in range(6)]
        app.sandbox.advance(5000)
        with caplog.at_level(logging.WARNING, "musicapi"):
            for task in tasks:
                await task.wait(10)

    messages = [record.message for record in caplog.records if "without an event" in record.message]
    assert [message.partition(":")[0] for message in messages] == ["5 tasks ended without an event"]


async def test_lost_events_among_others_are_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(poll_interval=0.2) as app:
        app.sandbox.add_event_fault("song.streaming", *[EventFault(lost=True)] * 10)
        app.sandbox.add_event_fault("song.completed", *[EventFault(lost=True)] * 9)
        tasks = [await app.submit() for _ in range(10)]
        app.sandbox.advance(5000)
        await app.take(1)
        with caplog.at_level(logging.WARNING, "musicapi"):
            for task in tasks:
                await task.wait(10)

    assert app.polls() == 9
    assert not [record.message for record in caplog.records if "without an event" in record.message]


async def test_client_without_a_secret_refuses_events() -> None:
    async with serving(webhook_url=None, webhook_secret=None) as app:
        body = body_of()
        with pytest.raises(errors.InvalidRequestError, match="webhook_secret"):
            await app.client.webhooks.receive(body, headers_of(body), "/")


async def test_event_that_reaches_another_process_wakes_the_wait_through_the_inbox(tmp_path: Path) -> None:
    async with serving(webhook_inbox=FileInbox(tmp_path / "events")) as app:
        inbox, url = FileInbox(tmp_path / "events"), app.sandbox.base_url
        async with MusicAPI("test-key", base_url=url, webhook_secret=SECRET, webhook_inbox=inbox) as other:
            task = await app.submit()
            waiting = asyncio.create_task(task.wait())
            body = body_of(task_id=task.id)
            event = await other.webhooks.receive(body, headers_of(body), "/hooks")
            songs = await asyncio.wait_for(waiting, 5)
            async with asyncio.timeout(5):
                while await asyncio.to_thread(inbox.names):
                    await asyncio.sleep(0.001)

    assert event.matched is False
    assert [clip.clip_id for clip in songs] == ["c-1", "c-2"]
    assert app.polls() == 0


async def test_event_of_an_unknown_task_stays_in_the_inbox(tmp_path: Path) -> None:
    async with serving(webhook_inbox=FileInbox(tmp_path)) as app:
        body = body_of(task_id="of-another-machine")
        for _ in range(2):
            await app.client.webhooks.receive(body, headers_of(body), "/hooks")

    (name,) = await asyncio.to_thread(FileInbox(tmp_path).names)
    assert (await asyncio.to_thread((tmp_path / name).stat)).st_mode & 0o077 == 0


async def test_event_that_the_inbox_cannot_keep_is_not_taken(tmp_path: Path) -> None:
    place = tmp_path / "events"
    place.touch()
    async with serving(webhook_inbox=FileInbox(place)) as app:
        task = await app.submit()
        body = body_of(task_id=task.id)
        with pytest.raises(FileExistsError):
            await app.client.webhooks.receive(body, headers_of(body), "/hooks")
        place.unlink()
        event = await app.client.webhooks.receive(body, headers_of(body), "/hooks")

    assert event.matched


def test_inbox_without_a_path_is_refused() -> None:
    with pytest.raises(errors.InvalidRequestError, match="path of a folder"):
        FileInbox(5)  # type: ignore[arg-type]
