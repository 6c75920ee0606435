"""Refusals that name accepted ids: these are returned, or are in the error and in the log."""

import pickle
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from scripted import Step, respond, scripted

from musicapi_async import MusicAPI, bulk, errors, sonic

REQUEST = sonic.Describe(description="rain")
REFUSED = {"code": 403, "message": "remaining credits are not enough"}
DONE = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}


@pytest.mark.parametrize(
    "body",
    [
        REFUSED | {"tasks": [{"task_id": "t-1"}, {"error": "no"}]},
        REFUSED | {"tasks": ["t-1", None]},
        REFUSED | {"data": [{"task_id": "t-1"}, {"error": "no"}]},
        REFUSED | {"data": {"tasks": [{"task_id": "t-1"}, {"error": "no"}]}},
        REFUSED | {"data": {"credits": 0}, "tasks": [{"task_id": "t-1"}, {"error": "no"}]},
    ],
)
async def test_batch_refused_with_ids_of_tasks_and_no_id_of_its_own_returns_them(body: object) -> None:
    async with scripted(respond(200, body)) as server, MusicAPI("k", base_url=server.base_url) as client:
        batch = await client.sonic.batch(items=[REQUEST, REQUEST])

        assert len(server.received) == 1
    assert batch.batch_id is None
    assert [task.task_id for task in batch] == ["t-1", None]


async def test_batch_without_ids_is_uncertain() -> None:
    step = respond(200, {"message": "success", "tasks": [{"error": "no"}]})
    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(errors.UncertainSubmissionError):
            await client.sonic.batch(items=[REQUEST])


Call = Callable[[MusicAPI], Awaitable[object]]
CALLS: dict[str, Call] = {
    "submit": lambda client: client.submit(REQUEST),
    "batch": lambda client: client.sonic.batch(items=[REQUEST]),
    "upload": lambda client: client.sonic.upload(url="https://files.example/a.mp3"),
    "request": lambda client: client.request("POST", "/sonic/new", json={"a": "b"}),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 422, 429, 500, 503])
@pytest.mark.parametrize(
    ("named", "task_ids", "result_ids"),
    [
        ({"tasks": [{"task_id": "t-1"}, {"task_id": "t-2"}]}, ("t-1", "t-2"), ()),
        ({"steps": {"upload": {"clip_id": "c-1"}, "extend": {"task_id": "t-1"}}}, ("t-1",), ("c-1",)),
        ({"data": {"clip_id": "c-1"}}, (), ("c-1",)),
    ],
    ids=["tasks", "steps", "clip"],
)
async def test_refusal_that_names_accepted_ids_carries_them_and_is_sent_once(
    call: Call,
    status: int,
    named: dict[str, object],
    task_ids: tuple[str, ...],
    result_ids: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    step = respond(status, {"error": "slow down, the server is busy"} | named, {"Retry-After": "0"})
    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(errors.MusicAPIError) as caught:
            await call(client)

        assert len(server.received) == 1
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert (error.task_ids, error.result_ids) == (task_ids, result_ids)
    assert all(one in str(error) and one in caplog.text for one in (*task_ids, *result_ids))


async def test_refusal_that_repeats_sent_ids_carries_none() -> None:
    step = respond(404, {"error": "no such clip", "clip_id": "c-1"})
    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(errors.NotFoundError) as caught:
            await client.sonic.extend(clip="c-1", at=30)

    assert (caught.value.task_ids, caught.value.result_ids) == ((), ())


async def test_refused_poll_carries_no_ids() -> None:
    step = respond(404, {"error": "task not found.", "task_id": "t-1"})
    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(errors.NotFoundError) as caught:
            await client.sonic.task("t-1").poll()

    assert caught.value.task_ids == ()


@pytest.mark.parametrize(
    "body",
    [REFUSED | {"tasks": ["t-1"]}, REFUSED | {"data": [{"task_id": "t-1"}]}, {"result": {"task": {"task_id": "t-1"}}}],
)
async def test_submit_answered_with_one_task_id_anywhere_returns_it(body: object) -> None:
    async with scripted(respond(200, body)) as server, MusicAPI("k", base_url=server.base_url) as client:
        assert (await client.submit(REQUEST)).id == "t-1"


@pytest.mark.parametrize(
    "step",
    [
        respond(403, {"error": "no", "task_id": "t-1"}),
        respond(429, {"error": "slow down", "task_id": "t-1"}),
        respond(500, {"error": "oops", "data": {"task_id": "t-1"}}),
        respond(200, b'{"task_id": "t-1", "mess'),
    ],
    ids=["403", "429", "500", "broken JSON"],
)
async def test_bulk_run_with_a_refusal_that_names_one_task_accepts_it(step: Step, tmp_path: Path) -> None:
    async with (
        scripted(step, respond(200, {"data": [DONE, DONE]})) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client,
        bulk.open(tmp_path / "journal.db") as journal,
    ):
        outcomes = [outcome async for outcome in bulk.run(client, journal, [REQUEST])]

        assert [request.method for request in server.received] == ["POST", "GET"]
    assert [(outcome.record.state, outcome.record.task_id) for outcome in outcomes] == [("saved", "t-1")]


async def test_bulk_run_with_a_refusal_that_names_several_tasks_is_uncertain(tmp_path: Path) -> None:
    step = respond(403, {"error": "no", "tasks": ["t-1", "t-2"]})
    async with (
        scripted(step) as server,
        MusicAPI("k", base_url=server.base_url) as client,
        bulk.open(tmp_path / "journal.db") as journal,
    ):
        (outcome,) = [outcome async for outcome in bulk.run(client, journal, [REQUEST])]

        assert len(server.received) == 1
    assert outcome.record.state == "uncertain"
    assert "t-1, t-2" in (outcome.record.reason or "")
