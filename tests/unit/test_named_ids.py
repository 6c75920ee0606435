"""Ids in a response to a paid request: found at any place, except those of the request."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async._responses.contents import NamedIds, ids_in

ids = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40)
keys = st.sampled_from(["data", "result", "steps", "error", "detail", "x"])
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20))
json_values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (None, NamedIds()),
        ("not enough credits", NamedIds()),
        ({"code": 403, "tasks": [{"task_id": "t-1"}, {"error": "no"}]}, NamedIds(("t-1",))),
        ({"tasks": ["t-1", "t-2"]}, NamedIds(("t-1", "t-2"))),
        ({"items": [{"id": "t-1"}]}, NamedIds(("t-1",))),
        ({"data": {"task_ids": ["t-1", 7]}}, NamedIds(("t-1", "7"))),
        ({"steps": {"upload": {"clip_id": "c-1"}, "cover": {"task_id": "t-1"}}}, NamedIds(("t-1",), ("c-1",))),
        ({"data": [{"clip_id": "c-1"}, {"clip_id": "c-1"}]}, NamedIds((), ("c-1",))),
        ({"batch_id": "b-1", "persona_id": "p-1"}, NamedIds((), ("b-1", "p-1"))),
        ({"task_id": "no such task"}, NamedIds()),
        ({"task_id": "t-\ud800"}, NamedIds()),
        ({"task_id": ["t-1", None, {"a": 1}]}, NamedIds(("t-1",))),
        ('{"task_id": "t-1", "clips": [{"clip_', NamedIds(("t-1",))),
        ({"results": [{"id": "t-1"}, {"error": "no"}]}, NamedIds(("t-1",))),
        ({"items": [{"task": {"id": "t-1"}}, {"task": None}]}, NamedIds(("t-1",))),
        ({"batchId": "b-1", "taskIds": ["t-1"], "data": {"clipId": "c-1"}}, NamedIds(("t-1",), ("b-1", "c-1"))),
        ('{"task_ids": ["t-1", "t-2"], "message": "a \\"b\\""}', NamedIds(("t-1", "t-2"))),
        ('{"task_ids": ["t-1", "t-2"], "mess', NamedIds(("t-1", "t-2"))),
        ('{"code": 403, "tasks" : [ "t-1" , "t-', NamedIds(("t-1",))),
        ('{"tags": ["rain"], "clip_ids": ["c-1"', NamedIds((), ("c-1",))),
    ],
)
def test_ids_in_a_body_finds_the_named_ids(body: object, named: NamedIds) -> None:
    assert ids_in(body, None) == named


def test_ids_in_a_body_leaves_out_sent_ids() -> None:
    body = {"error": "no such clip", "clip_id": "c-1", "data": {"task_id": "t-1"}}

    assert ids_in(body, {"continue_clip_id": "c-1"}) == NamedIds(("t-1",))
    assert ids_in(body, {"items": [{"clip": ["c-1", "t-1"]}]}) == NamedIds()


@given(ids, st.lists(keys, max_size=5), json_values, json_values)
def test_ids_in_a_body_finds_a_task_at_any_place(task_id: str, path: list[str], beside: object, sent: object) -> None:
    body: object = {"task_id": task_id}
    for key in path:
        body = {"beside": beside, key: [body]}
    named = ids_in(body, None)

    assert task_id in named.task_ids
    assert ids_in(json.loads(json.dumps(body)), None) == named
    assert ids_in(body, [sent, task_id]).task_ids == ()
