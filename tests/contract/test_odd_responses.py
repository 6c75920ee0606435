"""Recorded responses with values missing, null, of another type, or too many: read, or refused by a typed error."""

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import OPERATIONS, Case, recorded, responses_with

from musicapi_async import TaskRequest, TaskState, errors
from musicapi_async._responses.contents import read_result, read_uploaded
from musicapi_async._responses.decoding import read_object, read_task_id
from musicapi_async._responses.response import Response
from musicapi_async._tasks.state import TaskRule, read_state

ODD: list[object] = [
    None,
    "",
    "7",
    "104.88",
    "NaN",
    0,
    -1,
    1e300,
    True,
    [],
    [[]],
    {},
    "pending",
    "\ud800",
    {"a": [None]},
]


def spoiled(value: object, spread: random.Random, depth: int = 0) -> object:
    """Return the value with some of its parts left out, put in another type, or added to."""
    if depth and spread.random() < 0.15:
        return spread.choice(ODD)
    if isinstance(value, dict):
        kept = {name: spoiled(one, spread, depth + 1) for name, one in value.items() if spread.random() > 0.1}
        return {**kept, "extra": spread.choice(ODD)} if spread.random() < 0.3 else kept
    if isinstance(value, list):
        parts = [spoiled(one, spread, depth + 1) for one in value if spread.random() > 0.1]
        return [*parts, spread.choice(ODD)] if spread.random() < 0.2 else parts
    if isinstance(value, (int, float)) and not isinstance(value, bool) and spread.random() < 0.3:
        return str(value)
    return value


def as_response(status: int, body: object) -> Response:
    return Response(status, {}, json.dumps(body).encode())


def by_operation(part: str) -> list[Any]:
    """Return each operation with its recorded responses, shape by shape."""
    return [
        pytest.param(name, [responses_with(part, shape) for shape in recorded(name)[part]], id=name)
        for name in sorted(OPERATIONS)
        if part in recorded(name)
    ]


@pytest.mark.parametrize(("name", "shapes"), by_operation("responses"))
@given(spread=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_spoiled_response_is_read_or_raises_a_typed_error(
    name: str, shapes: Sequence[Sequence[Case]], spread: random.Random
) -> None:
    operation = OPERATIONS[name]
    case = spread.choice(spread.choice(shapes))
    body = spoiled(case["body"], spread)
    response = as_response(case["status"], body)

    try:
        if issubclass(operation, TaskRequest):
            assert read_task_id("POST /x", response, body, id_in_data=operation.id_in_data)
            if isinstance(body, dict):
                read_uploaded(body)
        else:
            found = read_object("POST /x", response, body)
            assert isinstance(read_result(found, operation.result), operation.result)
    except errors.MusicAPIError as error:
        assert str(error)
    except ValueError as error:
        # The client makes it an InvalidResponseError, or an uncertain submission where it was paid for.
        assert type(error) is ValueError
        assert "missing" in str(error) or "holds no" in str(error)


@pytest.mark.parametrize(("name", "shapes"), by_operation("polls"))
@given(spread=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_spoiled_poll_is_read_or_raises_a_typed_error(
    name: str, shapes: Sequence[Sequence[Case]], spread: random.Random
) -> None:
    operation = OPERATIONS[name]
    assert issubclass(operation, TaskRequest)
    case = spread.choice(spread.choice(shapes))
    body = spoiled(case["body"], spread)

    try:
        state: TaskState[Any] = read_state("t-1", TaskRule.of(operation), "GET /x", as_response(case["status"], body))
    except errors.MusicAPIError as error:
        assert str(error)
        return
    assert (state.status == "failed") <= (state.error is not None)
    assert (state.status == "finished") <= isinstance(state.result, operation.result)
    assert all(clip.words is not None for clip in state.clips)
