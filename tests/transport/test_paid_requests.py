"""A paid request is sent once, or the service certainly refused it; the server's count is the truth."""

import asyncio
import json
from typing import Final

import pytest
from paths import BOTH_PATHS, path_settings
from scripted import Scripted, Step, cut, raw, respond, scripted, stall

from musicapi_async import MusicAPI, errors, sonic

pytestmark = BOTH_PATHS

ACCEPTED = respond(200, {"message": "success", "task_id": "t-1"})
REQUEST = sonic.Describe(description="rain")


def client_of(server: Scripted, **settings: float) -> MusicAPI:
    return MusicAPI("secret-key", base_url=server.base_url, **path_settings(), **settings)  # type: ignore[arg-type]  # numbers by name


async def submit(server: Scripted, **settings: float) -> str:
    async with client_of(server, **settings) as client:
        return (await client.submit(REQUEST)).id


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        ({"task_id": 7}, "7"),
        ({"code": 429, "task_id": "t-1"}, "t-1"),
        ({"code": 503, "message": "server is busy", "data": {"task_id": "t-1"}}, "t-1"),
    ],
)
async def test_submit_answered_with_a_task_id_is_accepted_whatever_else_it_says(body: object, task_id: str) -> None:
    async with scripted(respond(200, body)) as server:
        assert await submit(server) == task_id
        assert len(server.received) == 1


async def test_uncertain_error_holds_the_beginning_of_the_response() -> None:
    content = b'{"id_of_the_job": "t-1", "rest": "' + b"." * 1000
    async with scripted(respond(200, content)) as server:
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await submit(server)

    assert str(caught.value.body).startswith('{"id_of_the_job": "t-1"')
    assert len(str(caught.value)) < 500


async def test_uncertain_error_holds_the_time_of_sending() -> None:
    async with scripted(stall()) as server, client_of(server, max_requests=1, timeout=0.2) as client:
        first, second = await asyncio.gather(client.submit(REQUEST), client.submit(REQUEST), return_exceptions=True)

    assert isinstance(first, errors.UncertainSubmissionError)
    assert isinstance(second, errors.UncertainSubmissionError)
    assert (second.when - first.when).total_seconds() >= 0.1


async def test_timeout_around_a_submission_notes_that_it_may_be_accepted() -> None:
    async with scripted(stall()) as server, client_of(server, timeout=0.5) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.2):
                await client.submit(REQUEST)

    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    assert "may have been accepted" in caught.value.__cause__.__notes__[0]


async def test_submit_refused_with_429_ends_after_max_attempts(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted(respond(429, {"error": "slow down"}, {"Retry-After": "0"})) as server:
        with pytest.raises(errors.RateLimitError, match="slow down") as caught:
            await submit(server, max_attempts=2)

        assert len(server.received) == 2
    assert caught.value.retry_after == 0
    assert "secret-key" not in caplog.text


async def test_submit_with_a_retry_after_of_an_hour_is_not_retried() -> None:
    async with scripted(respond(429, {"error": "slow down"}, {"Retry-After": "3600"})) as server:
        with pytest.raises(errors.RateLimitError) as caught:
            await submit(server)

        assert len(server.received) == 1
    assert caught.value.retry_after == 3600


async def test_submit_on_a_refused_connection_ends_after_max_attempts() -> None:
    async with scripted(ACCEPTED) as server:
        pass
    with pytest.raises(errors.ConnectionFailedError, match="nothing was accepted"):
        await submit(server, max_attempts=2)


async def test_submissions_use_fresh_connections_and_polls_share_one() -> None:
    waiting = respond(202, {"type": "not_ready"})
    async with scripted(ACCEPTED, ACCEPTED, waiting) as server, client_of(server) as client:
        first = await client.submit(REQUEST)
        await client.submit(REQUEST)
        await first.poll()
        await first.poll()

        connections = [request.connection for request in server.received]
    assert len(set(connections[:2])) == 2
    assert connections[2] == connections[3]
    assert connections[2] not in connections[:2]


async def test_paid_call_that_is_cut_is_uncertain_and_sent_once() -> None:
    async with scripted(cut()) as server, client_of(server) as client:
        with pytest.raises(errors.UncertainSubmissionError):
            await client.lyrics.make(description="rain")

        assert len(server.received) == 1


async def test_submit_sends_the_documented_json_and_headers() -> None:
    async with scripted(ACCEPTED) as server, client_of(server) as client:
        await client.sonic.create(lyrics="[Verse]", title="Harbor", tags="sea shanty")

        received = server.received[0]
    assert (received.method, received.path) == ("POST", "/api/v1/sonic/create")
    assert received.headers["authorization"] == "Bearer secret-key"
    assert received.headers["content-type"] == "application/json"
    assert json.loads(received.body) == {
        "task_type": "create_music",
        "custom_mode": True,
        "mv": "sonic-v6",
        "prompt": "[Verse]",
        "title": "Harbor",
        "tags": "sea shanty",
        "use_suno_cdn": False,
    }


async def test_submit_with_invalid_fields_sends_nothing() -> None:
    async with scripted(ACCEPTED) as server, client_of(server) as client:
        with pytest.raises(errors.InvalidRequestError, match="title has 81 characters; the service takes at most 80"):
            await client.sonic.create(lyrics="la", title="x" * 81)

        assert server.received == []


async def test_redirect_of_a_submission_is_not_followed() -> None:
    async with scripted(ACCEPTED) as elsewhere:
        moved = respond(307, {}, {"Location": f"{elsewhere.base_url}/sonic/create"})
        async with scripted(moved) as server:
            with pytest.raises(errors.APIStatusError):
                await submit(server)

        assert elsewhere.received == []


async def test_submit_cancelled_before_sending_sends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted(ACCEPTED) as server, client_of(server) as client:
        submitting = asyncio.create_task(client.submit(REQUEST))
        await asyncio.sleep(0)
        submitting.cancel()
        await asyncio.gather(submitting, return_exceptions=True)

        assert server.received == []
    assert "may have been accepted" not in caplog.text


WHOLE: Final = b'{"task_id": "t-1", "message": "success"}'
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED: Final = HEAD + b"Transfer-Encoding: chunked\r\n\r\n28\r\n" + WHOLE + b"\r\n"


@pytest.mark.parametrize(
    "step",
    [
        raw(CHUNKED),
        raw(CHUNKED, close=False),
        raw(HEAD + b"Content-Length: 41\r\n\r\n" + WHOLE),
        raw(HEAD + b"Content-Length: 41\r\n\r\n" + WHOLE, close=False),
        raw(HEAD + b"\r\n" + WHOLE, close=False),
    ],
)
async def test_submit_with_a_broken_end_after_the_task_id_is_accepted(step: Step) -> None:
    async with scripted(step) as server, client_of(server, read_timeout=0.2) as client:
        task = await client.submit(REQUEST)

        assert (task.id, len(server.received)) == ("t-1", 1)


@pytest.mark.parametrize("content", [b'{"task_id": "t-1", "lyrics": "la la', b'{"task_id": "t-1"' + b" " * 2000 + b"}"])
async def test_uncertain_error_holds_what_was_received_of_the_response(content: bytes) -> None:
    step = raw(HEAD + b"Content-Length: 2018\r\n\r\n" + content)
    async with scripted(step) as server, client_of(server, max_response_size=1000) as client:
        with pytest.raises(errors.UncertainSubmissionError) as caught:
            await client.submit(REQUEST)

    assert (caught.value.status, "t-1" in str(caught.value.body)) == (200, True)


async def test_submit_with_invalid_utf8_beside_the_task_id_is_accepted() -> None:
    content = b'{"lyrics": "caf\xe9' + b"la " * 2000 + b'", "task_id": "t-1"}'
    async with scripted(respond(200, content)) as server:
        assert await submit(server) == "t-1"


@pytest.mark.parametrize("task_id", [b"t-\xe9", b"t-\\ud800"])
async def test_submit_answered_with_an_undecodable_task_id_is_uncertain(task_id: bytes) -> None:
    async with scripted(respond(200, b'{"task_id": "' + task_id + b'"}')) as server:
        with pytest.raises(errors.UncertainSubmissionError):
            await submit(server)
