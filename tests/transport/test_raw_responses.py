"""`client.with_raw_response`: a result with the status, headers and request id of its response."""

import pickle
from typing import Final

import pytest
from scripted import Held, Scripted, respond, scripted

from musicapi_async import MusicAPI, Task, account, errors, sonic

KEY: Final = "sk-d41d8cd98f00b204e9800998ecf8427e"
REQUEST: Final = sonic.Describe(description="rain")
HEADERS: Final = {"X-Request-Id": "r-1", "X-RateLimit-Remaining": "7"}


def client_of(server: Scripted) -> MusicAPI:
    return MusicAPI(KEY, base_url=server.base_url)


async def test_submission_returns_its_response_and_the_task() -> None:
    steps = respond(200, {"task_id": "t-1", "new": True}, HEADERS), respond(202, {"type": "not_ready", "message": "m"})
    async with scripted(*steps) as server, client_of(server) as client:
        response = await client.with_raw_response.submit(REQUEST)
        state = await response.result.poll()

    assert (response.status, response.request_id) == (200, "r-1")
    assert response.headers["x-ratelimit-remaining"] == "7"
    assert b'"new"' in response.content
    assert isinstance(response.result, Task)
    assert response.result.id == state.task_id == "t-1"
    assert len(server.received) == 2


async def test_call_returns_the_response_of_its_last_attempt() -> None:
    steps = (
        respond(503, {"error": "busy"}, {"Retry-After": "0"}),
        respond(201, {"credits": 5, "extra_credits": 1}, HEADERS),
    )
    async with scripted(*steps) as server, client_of(server) as client:
        response = await client.with_raw_response.call(account.GetCredits())

    assert (response.status, response.request_id, response.result.total) == (201, "r-1", 6)
    assert pickle.loads(pickle.dumps(response)) == response  # noqa: S301 - our own


async def test_request_returns_its_response_and_the_object() -> None:
    async with scripted(respond(200, {"a": 1})) as server, client_of(server) as client:
        response = await client.with_raw_response.request("POST", "/new", json={"b": 2})

    assert (response.result, response.request_id) == ({"a": 1}, None)
    assert (server.received[0].method, server.received[0].path) == ("POST", "/api/v1/new")


async def test_refusal_raises_its_typed_error() -> None:
    async with scripted(respond(402, {"error": "no credits"}, HEADERS)) as server, client_of(server) as client:
        with pytest.raises(errors.InsufficientCreditsError) as caught:
            await client.with_raw_response.submit(REQUEST)

    assert (caught.value.status, caught.value.request_id) == (402, "r-1")


async def test_response_that_contains_the_key_masks_it() -> None:
    echo = {"X-Echo": f"Bearer {KEY}", "X-Request-Id": f"to {KEY}"}
    async with scripted(respond(200, {"task_id": "t-1", "echo": KEY}, echo)) as server, client_of(server) as client:
        response = await client.with_raw_response.submit(REQUEST)

    shown = f"{response!r} {response.headers!r} {response.headers['X-Echo']} {response.request_id} {response.content!r}"
    assert KEY not in shown
    assert response.headers["X-Echo"] == "Bearer [the key]"
    assert "headers" not in repr(response)


async def test_submission_cancelled_in_flight_names_its_task() -> None:
    held = Held(respond(200, {"task_id": "t-77"}))
    async with scripted(held) as server, client_of(server) as client:
        cancelled = await held.cancel(client.with_raw_response.submit(REQUEST))

    assert any("t-77" in note for note in cancelled.__notes__)
    assert len(server.received) == 1


async def test_request_that_starts_no_task_is_refused_before_sending() -> None:
    async with scripted(respond(200, {})) as server, client_of(server) as client:
        with pytest.raises(errors.InvalidRequestError, match=r"pass it to call\(\)"):
            await client.with_raw_response.submit(account.GetCredits())  # type: ignore[arg-type]

    assert server.received == []
