"""Each operation held against recorded exchanges: what is sent for which fields, and what a reply becomes.

``golden/<operation>.json`` holds for each operation:

- ``requests``: its fields, and the exact request that the service must see for them.
- ``answers``: a reply to it, and the result (or the error) that the caller must get.
- ``looks``: for a task, a reply to a look at it, and what the look must tell. Of a clip, only what is set is listed.
- ``limits``: where it takes no more. Each names a ``field`` and, as they apply: ``longest`` (characters), ``least`` and
  ``most`` (a number, ``whole`` or not), ``choices``, ``most_items`` with ``items`` to take from; ``with`` gives other
  fields it is tried with. What is just inside must make a request, what is just outside must be refused by name.
"""

import functools
import json
import pickle
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest
from scripted import reply, scripted

from musicapi_async import Clip, MusicAPI, Request, Task, TaskRequest, errors, operations

GOLDEN = Path(__file__).parent / "golden"
OPERATIONS = {kind.operation_name(): kind for kind in operations()}

Case = Mapping[str, Any]
# Where the legacy operations are looked at (contract, sonic 4.21).
LOOKED_AT = {
    "suno.create": "/suno/clip",
    "suno.describe": "/suno/clip",
    "suno.make_lyrics": "/suno/get-lyrics",
}


@functools.cache
def recorded(operation: str) -> Mapping[str, list[Case]]:
    found: Mapping[str, list[Case]] = json.loads((GOLDEN / f"{operation}.json").read_text(encoding="utf-8"))
    return found


def cases(part: str) -> list[Any]:
    return [
        pytest.param(file.stem, case, id=f"{file.stem}-{number}")
        for file in sorted(GOLDEN.glob("*.json"))
        for number, case in enumerate(recorded(file.stem).get(part, []))
    ]


async def send(client: MusicAPI, request: Request[Any]) -> object:
    return await (client.submit(request) if isinstance(request, TaskRequest) else client.call(request))


def plain(value: object) -> object:
    """Put a result into the words of the recordings."""
    if isinstance(value, Task):
        told = {"id": value.id, "family": value.family}
        return told if value.uploaded is None else {**told, "uploaded": plain(value.uploaded)}
    if isinstance(value, Clip):
        seen = attrs.asdict(value, filter=lambda field, found: field.name != "raw" and found is not None)
        words = [attrs.asdict(word) for word in value.words]
        return {name: plain(found) for name, found in seen.items()} | ({"words": words} if words else {})
    if isinstance(value, datetime):
        return value.isoformat()
    if (fields := getattr(type(value), "__attrs_attrs__", None)) is not None:
        return {field.name: plain(getattr(value, field.name)) for field in fields if field.name != "raw"}
    return [plain(one) for one in value] if isinstance(value, (tuple, list)) else value


def told_by(error: BaseException, expected: Case) -> Case:
    return {name: getattr(error, name) for name in expected}


def test_every_operation_is_recorded() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(OPERATIONS)
    for name, kind in OPERATIONS.items():
        parts = {"requests", "answers", "looks"} if issubclass(kind, TaskRequest) else {"requests", "answers"}
        assert set(recorded(name)) - {"limits"} == parts


@pytest.mark.parametrize(("operation", "case"), cases("requests"))
async def test_the_service_sees_exactly_this(operation: str, case: Case) -> None:
    answer = next(answer for answer in recorded(operation)["answers"] if "result" in answer)
    async with scripted(reply(answer["status"], answer["body"])) as server:
        async with MusicAPI("k-123", base_url=server.base_url) as client:
            await send(client, OPERATIONS[operation](**case["fields"]))
        (received,) = server.received

    assert (received.method, received.path) == (case["method"], f"/api/v1{case['path']}")
    assert received.headers["authorization"] == "Bearer k-123"
    assert (json.loads(received.body) if received.body else None) == case["sent"]
    assert received.headers.get("content-type") == (None if case["sent"] is None else "application/json")


@pytest.mark.parametrize(("operation", "case"), cases("requests"))
def test_what_is_sent_stands_for_the_same_request(operation: str, case: Case) -> None:
    kind = OPERATIONS[operation]
    sent = dict(parse_qsl(urlsplit(case["path"]).query)) if case["sent"] is None else case["sent"]

    assert kind.from_wire(sent) == kind(**case["fields"])


@pytest.mark.parametrize(("operation", "case"), cases("requests"))
def test_asdict_of_a_request_is_plain_json(operation: str, case: Case) -> None:
    request: Any = OPERATIONS[operation](**case["fields"])

    assert json.loads(json.dumps(attrs.asdict(request))).keys() == attrs.fields_dict(type(request)).keys()


@pytest.mark.parametrize(("operation", "case"), cases("answers"))
async def test_an_answer_becomes_this(operation: str, case: Case) -> None:
    request = OPERATIONS[operation](**recorded(operation)["requests"][0]["fields"])
    async with scripted(reply(case["status"], case["body"])) as server:
        async with MusicAPI("k-123", base_url=server.base_url) as client:
            if "result" in case:
                assert plain(await send(client, request)) == case["result"]
            else:
                with pytest.raises(errors.MusicAPIError) as caught:
                    await send(client, request)
                assert type(caught.value).__name__ == case["error"]
                assert told_by(caught.value, case["attributes"]) == case["attributes"]

        assert len(server.received) == 1


@pytest.mark.parametrize(("operation", "case"), cases("looks"))
async def test_a_look_tells_this(operation: str, case: Case) -> None:
    answer = next(answer for answer in recorded(operation)["answers"] if "result" in answer)
    accepted, looked_at = reply(answer["status"], answer["body"]), reply(case["status"], case["body"])
    request = OPERATIONS[operation](**recorded(operation)["requests"][0]["fields"])
    async with scripted(accepted, looked_at) as server, MusicAPI("k-123", base_url=server.base_url) as client:
        task = await send(client, request)
        assert isinstance(task, Task)
        if "error" in case:
            with pytest.raises(errors.MusicAPIError) as caught:
                await task.poll()
            assert type(caught.value).__name__ == case["error"]
            assert told_by(caught.value, case["attributes"]) == case["attributes"]
            return
        state = await task.poll()

    assert server.received[1].path == f"/api/v1{LOOKED_AT.get(operation, f'/{task.family}/task')}/{task.id}"
    assert {"status": state.status, "clips": [plain(clip) for clip in state.clips]} == case["state"]
    assert state.raw == case["body"]
    if "result" in case:
        assert plain(state.result) == case["result"]
    if state.status == "failed":
        assert state.error is not None
        assert told_by(state.error, case["failure"]) == case["failure"]


@pytest.mark.parametrize(("operation", "case"), [case for case in cases("looks") if "result" in case.values[1]])
async def test_asdict_of_a_polled_result_holds_plain_values_alone(operation: str, case: Case) -> None:
    accepted = next(answer for answer in recorded(operation)["answers"] if "result" in answer)
    request = OPERATIONS[operation](**recorded(operation)["requests"][0]["fields"])
    replies = [reply(one["status"], one["body"]) for one in (accepted, case)]
    async with scripted(*replies) as server, MusicAPI("k-123", base_url=server.base_url) as client:
        task = await send(client, request)
        assert isinstance(task, Task)
        result: Any = (await task.poll()).result

    # Raises TypeError for whatever is neither JSON nor a time.
    json.dumps(attrs.asdict(result), default=datetime.isoformat)
    json.dumps(result.to_dict())
    assert attrs.evolve(result) == result == pickle.loads(pickle.dumps(result))  # noqa: S301 - our own


def edges(limit: Case) -> tuple[list[object], list[object]]:
    """Return values just inside of a limit, and values just outside."""
    if "longest" in limit:
        most = limit["longest"]
        start = limit.get("begins", "")
        return [start + "x" * (most - len(start))], [start + "x" * (most + 1 - len(start))]
    if "choices" in limit:
        return list(limit["choices"]), ["zzz", "", 7]
    if "most_items" in limit:
        items, most = limit["items"], limit["most_items"]
        assert len(items) > most
        return [items[:1], items[:most]], [[], items[: most + 1]]
    step = 1 if limit.get("whole") else 0.001
    inside = [limit[end] for end in ("least", "most") if end in limit]
    outside = ([limit["least"] - step] if "least" in limit else []) + (
        [limit["most"] + step] if "most" in limit else []
    )
    return inside, [*outside, float("nan"), True, *([inside[0] + 0.5] if limit.get("whole") else [])]


@pytest.mark.parametrize(("operation", "limit"), cases("limits"))
def test_a_limit_holds_on_both_sides(operation: str, limit: Case) -> None:
    kind = OPERATIONS[operation]
    base = {**recorded(operation)["requests"][0]["fields"], **limit.get("with", {})}
    inside, outside = edges(limit)

    assert inside
    assert outside
    for value in inside:
        assert kind(**{**base, limit["field"]: value}).to_wire()
    for value in outside:
        with pytest.raises(errors.InvalidRequestError) as caught:
            kind(**{**base, limit["field"]: value})
        assert caught.value.field == limit["field"]
        assert limit["field"] in str(caught.value)
