"""Each operation held against recorded exchanges: what is sent for which fields, and what a reply becomes.

``golden/<operation>.json`` holds for each operation:

- ``requests``: its fields, and the exact request that the service must see for them.
- ``answers``: a reply to it, and the result (or the error) that the caller must get.
- ``looks``: for a task, a reply to a look at it, and what the look must tell. Of a clip, only what is set is listed.
"""

import functools
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from scripted import reply, scripted

from musicapi_async import Clip, MusicAPI, Request, Task, TaskRequest, errors, operations

GOLDEN = Path(__file__).parent / "golden"
OPERATIONS = {kind.operation_name(): kind for kind in operations()}

Case = Mapping[str, Any]


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
        return {"id": value.id, "family": value.family}
    if isinstance(value, Clip):
        told = attrs.asdict(value, filter=lambda field, found: field.name != "raw" and found is not None)
        words = [attrs.asdict(word) for word in value.words]
        return {name: plain(found) for name, found in told.items()} | ({"words": words} if words else {})
    if isinstance(value, datetime):
        return value.isoformat()
    return json.loads(json.dumps(attrs.asdict(value))) if attrs.has(type(value)) else value  # type: ignore[arg-type]


def told_by(error: BaseException, expected: Case) -> Case:
    return {name: getattr(error, name) for name in expected}


def test_every_operation_is_recorded() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(OPERATIONS)
    for name, kind in OPERATIONS.items():
        parts = {"requests", "answers", "looks"} if issubclass(kind, TaskRequest) else {"requests", "answers"}
        assert set(recorded(name)) == parts


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

    assert kind.from_wire(case["sent"] or {}) == kind(**case["fields"])


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

    assert server.received[1].path == f"/api/v1/{task.family}/task/{task.id}"
    assert {"status": state.status, "clips": [plain(clip) for clip in state.clips]} == case["state"]
    assert state.raw == case["body"]
    if state.status == "failed":
        assert state.error is not None
        assert told_by(state.error, case["failure"]) == case["failure"]
