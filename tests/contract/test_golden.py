"""Every operation against its recorded exchanges (``tests/recordings.py``): what is sent, and what responses become."""

import json
import pickle
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest
from recordings import GOLDEN, OPERATIONS, Case, first_request, recorded, responses_of, responses_with
from scripted import respond, scripted

from musicapi_async import Clip, MusicAPI, Request, Task, TaskRequest, TaskState, errors

POLL_PATHS = {
    "suno.create": "/suno/clip",
    "suno.describe": "/suno/clip",
    "suno.make_lyrics": "/suno/get-lyrics",
}
"""Where the legacy operations are polled, if not at ``/<family>/task``."""


def cases(part: str) -> list[Any]:
    return [
        pytest.param(operation, case, id=f"{operation}-{number}")
        for operation in sorted(OPERATIONS)
        for number, case in enumerate(recorded(operation).get(part, []))
    ]


def shapes(part: str) -> list[Any]:
    return [
        pytest.param(operation, shape, id=f"{operation}-{shape}")
        for operation in sorted(OPERATIONS)
        for shape in recorded(operation).get(part, [])
    ]


async def send(client: MusicAPI, request: Request[Any]) -> object:
    return await (client.submit(request) if isinstance(request, TaskRequest) else client.call(request))


def plain(value: object) -> object:
    """Return a result in the form of the recordings."""
    if isinstance(value, Task):
        return {"id": value.id} | ({} if value.uploaded is None else {"uploaded": plain(value.uploaded)})
    if isinstance(value, Clip):
        given = attrs.asdict(value, filter=lambda field, found: field.name != "raw" and found is not None)
        words = [attrs.asdict(word) for word in value.words]
        return {name: plain(found) for name, found in given.items()} | ({"words": words} if words else {})
    if isinstance(value, datetime):
        return value.isoformat()
    if (fields := getattr(type(value), "__attrs_attrs__", None)) is not None:
        return {field.name: plain(getattr(value, field.name)) for field in fields if field.name != "raw"}
    return [plain(one) for one in value] if isinstance(value, (tuple, list)) else value


def attributes(error: BaseException | None, expected: Mapping[str, object]) -> dict[str, object]:
    return {name: getattr(error, name, "(no such attribute)") for name in expected}


def expected(operation: str, case: Case) -> Case:
    """Return what a recorded response to an operation must become; a state keeps the body that it was read from."""
    read = {"status"} if "state" in case else {"status", "body"}
    becomes = {name: value for name, value in case.items() if name not in read}
    if case.get("error") == "RetiredError" and "replacement" in recorded(operation):
        becomes["attributes"] = {**case["attributes"], "replacement": recorded(operation)["replacement"]}
    return becomes


async def outcome(call: Awaitable[object], becomes: Case) -> Case:
    """Return what a call gives, in the form of the recordings and with the attributes that are expected there."""
    try:
        found = await call
    except errors.MusicAPIError as error:
        return {"error": type(error).__name__, "attributes": attributes(error, becomes.get("attributes", {}))}
    if not isinstance(found, TaskState):
        return {"result": plain(found)}
    state = {"status": found.status, "clips": [plain(clip) for clip in found.clips]}
    failure = {"failure": attributes(found.error, becomes["failure"])} if "failure" in becomes else {}
    result = {"result": plain(found.result)} if "result" in becomes else {}
    return {"body": found.raw, "state": state} | failure | result


def test_recordings_cover_every_operation_and_response() -> None:
    assert {file.stem for file in GOLDEN.glob("operations/*.json")} == set(OPERATIONS)
    for name, cls in OPERATIONS.items():
        parts = {"requests", "responses"} | ({"polls"} if issubclass(cls, TaskRequest) else set())
        assert set(recorded(name)) - {"limits", "replacement"} == parts
    for part in ("responses", "polls"):
        named = {shape for name in OPERATIONS for shape in recorded(name).get(part, [])}
        assert {file.stem for file in GOLDEN.glob(f"{part}/*.json")} == named


@pytest.mark.parametrize(("operation", "case"), cases("requests"))
async def test_request_is_sent_as_recorded(operation: str, case: Case) -> None:
    response = next(one for one in responses_of("responses", operation) if "result" in one)
    async with scripted(respond(response["status"], response["body"])) as server:
        async with MusicAPI("k-123", base_url=server.base_url) as client:
            await send(client, OPERATIONS[operation](**case["fields"]))
        (received,) = server.received

    assert (received.method, received.path) == (case["method"], f"/api/v1{case['path']}")
    assert received.headers["authorization"] == "Bearer k-123"
    assert (json.loads(received.body) if received.body else None) == case["sent"]
    assert received.headers.get("content-type") == (None if case["sent"] is None else "application/json")


@pytest.mark.parametrize(("operation", "case"), cases("requests"))
def test_sent_request_is_read_back_as_the_same(operation: str, case: Case) -> None:
    cls = OPERATIONS[operation]
    sent = dict(parse_qsl(urlsplit(case["path"]).query)) if case["sent"] is None else case["sent"]

    assert cls.from_wire(sent) == cls(**case["fields"])


@pytest.mark.parametrize(("operation", "case"), cases("requests"))
def test_asdict_of_a_request_is_plain_json(operation: str, case: Case) -> None:
    request: Any = OPERATIONS[operation](**case["fields"])

    assert json.loads(json.dumps(attrs.asdict(request))).keys() == attrs.fields_dict(type(request)).keys()


@pytest.mark.parametrize(("operation", "shape"), shapes("polls"))
async def test_asdict_of_a_polled_result_holds_only_plain_values(operation: str, shape: str) -> None:
    recordings = [case for case in responses_with("polls", shape) if "result" in case]
    accepted = next(case for case in responses_of("responses", operation) if "result" in case)
    async with (
        scripted(*(respond(case["status"], case["body"]) for case in (accepted, *recordings))) as server,
        MusicAPI("k-123", base_url=server.base_url) as client,
    ):
        task = await send(client, first_request(operation))
        assert isinstance(task, Task)
        results: list[Any] = [(await task.poll()).result for _ in recordings]

    for result in results:
        # Raises TypeError for whatever is neither JSON nor a time.
        json.dumps(attrs.asdict(result), default=datetime.isoformat)
        json.dumps(result.to_dict())
        assert attrs.evolve(result) == result == pickle.loads(pickle.dumps(result))  # noqa: S301 - our own


@pytest.mark.parametrize(("operation", "shape"), shapes("responses"))
async def test_response_becomes_the_recorded_result_or_error(operation: str, shape: str) -> None:
    request, recordings = first_request(operation), responses_with("responses", shape)
    async with (
        scripted(*(respond(case["status"], case["body"]) for case in recordings)) as server,
        MusicAPI("k-123", base_url=server.base_url) as client,
    ):
        for number, case in enumerate(recordings, start=1):
            becomes = expected(operation, case)

            assert await outcome(send(client, request), becomes) == becomes, case["body"]
            assert len(server.received) == number


@pytest.mark.parametrize(("operation", "shape"), shapes("polls"))
async def test_poll_becomes_the_recorded_state_or_error(operation: str, shape: str) -> None:
    request, recordings = first_request(operation), responses_with("polls", shape)
    assert isinstance(request, TaskRequest)
    accepted = next(case for case in responses_of("responses", operation) if "result" in case)
    async with (
        scripted(*(respond(case["status"], case["body"]) for case in (accepted, *recordings))) as server,
        MusicAPI("k-123", base_url=server.base_url) as client,
    ):
        task = await client.submit(request)
        family = operation.partition(".")[0]
        assert task.family == family
        for number, case in enumerate(recordings, start=1):
            polled = task if number == 1 else client.resume(type(request), f"{task.id}-{number}")
            becomes = expected(operation, case)

            assert await outcome(polled.poll(), becomes) == becomes, case["body"]
            path = f"/api/v1{POLL_PATHS.get(operation, f'/{family}/task')}/{polled.id}"
            assert [one.path for one in server.received[number:]] == [path]


def edges(limit: Case) -> tuple[list[object], list[object]]:
    """Return values just inside of a limit, and values just outside."""
    if "max_length" in limit:
        most = limit["max_length"]
        start = limit.get("begins", "")
        return [start + "x" * (most - len(start))], [start + "x" * (most + 1 - len(start))]
    if "choices" in limit:
        return list(limit["choices"]), ["zzz", "", 7]
    if "max_items" in limit:
        items, most = limit["items"], limit["max_items"]
        assert len(items) > most
        return [items[:1], items[:most]], [[], items[: most + 1]]
    step = 1 if limit.get("integer") else 0.001
    inside = [limit[end] for end in ("ge", "le") if end in limit]
    outside = ([limit["ge"] - step] if "ge" in limit else []) + ([limit["le"] + step] if "le" in limit else [])
    return inside, [*outside, float("nan"), True, *([inside[0] + 0.5] if limit.get("integer") else [])]


@pytest.mark.parametrize(("operation", "limit"), cases("limits"))
def test_limit_holds_on_both_sides(operation: str, limit: Case) -> None:
    cls = OPERATIONS[operation]
    base = {**recorded(operation)["requests"][0]["fields"], **limit.get("with", {})}
    inside, outside = edges(limit)

    assert inside
    assert outside
    for value in inside:
        assert cls(**{**base, limit["field"]: value}).to_wire()
    for value in outside:
        with pytest.raises(errors.InvalidRequestError) as caught:
            cls(**{**base, limit["field"]: value})
        assert caught.value.field == limit["field"]
        assert limit["field"] in str(caught.value)
