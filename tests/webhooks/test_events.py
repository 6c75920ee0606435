"""Events are read leniently from their signed body; they are values that pickle, compare and become JSON."""

import json
import pickle
from datetime import datetime
from typing import Any, Final

import attrs
import pytest
from signing import SECRET, body_of, headers_of

from musicapi_async import webhooks
from musicapi_async.webhooks import Event

BODY: Final = body_of()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"event": "song.failed", "code": 500, "error_message": "No.", "message": "failed"}, "No."),
        ({"event": "song.failed", "error": "No."}, "No."),
        ({"event": "song.failed", "message": "", "msg": "No."}, "No."),
        ({"event": "song.failed", "message": None, "data": {"error": "No."}}, "No."),
        ({"event": "song.failed", "message": None, "data": {"message": "No."}}, "No."),
        ({"message": None}, None),
        ({"message": "x" * 900}, "x" * 497 + "..."),
    ],
)
def test_event_message_is_found_under_every_key(changes: dict[str, Any], expected: str | None) -> None:
    body = body_of(**changes)

    assert webhooks.verify(body, headers_of(body), SECRET).message == expected


@pytest.mark.parametrize(
    ("changes", "task_id", "platform", "type_", "clip_ids"),
    [
        ({"platform": "sonic", "event": "song.new"}, "t-1", "sonic", "song.new", ["c-1", "c-2"]),
        ({"event": None, "platform": None}, "t-1", None, "song.completed", ["c-1", "c-2"]),
        ({"task_id": None, "data": {"task_id": "t-9", "persona_id": "p"}}, "t-9", "suno", "song.completed", []),
        ({"task_id": None, "data": None}, None, "suno", "song.completed", []),
        ({"data": {"clip_id": "c-3", "state": "running"}}, "t-1", "suno", "song.completed", ["c-3"]),
        ({"data": ["?", 7, {"clip_id": "c-4"}]}, "t-1", "suno", "song.completed", ["c-4"]),
    ],
)
def test_event_of_an_unusual_body_is_read_leniently(
    changes: dict[str, Any], task_id: str | None, platform: str | None, type_: str, clip_ids: list[str]
) -> None:
    body = body_of(**changes)

    event = webhooks.verify(body, headers_of(body), SECRET)

    assert (event.task_id, event.platform, event.type) == (task_id, platform, type_)
    assert [clip.clip_id for clip in event.clips] == clip_ids


def test_event_of_a_flat_body_is_read_as_one_clip() -> None:
    body = json.dumps({"task_id": "t-1", "status": "succeeded", "audio_url": "https://files.example/1"}).encode()

    (clip,) = webhooks.verify(body, headers_of(body), SECRET).clips

    assert (clip.clip_id, clip.state, clip.audio_url) == ("t-1", "succeeded", "https://files.example/1")


def test_event_type_of_the_body_counts_more_than_the_unsigned_header() -> None:
    assert webhooks.verify(BODY, headers_of(BODY, event="song.failed"), SECRET).type == "song.completed"


def test_event_without_an_id_gets_the_same_one_for_the_same_body() -> None:
    without = {name: value for name, value in headers_of(BODY).items() if name != "X-Webhook-Id"}
    bare = {name: value for name, value in without.items() if name != "Idempotency-Key"}
    other = body_of("song.failed")

    ids = [webhooks.verify(BODY, {**bare, "Date": date}, SECRET).id for date in ("Mon", "Tue")]

    assert webhooks.verify(BODY, without, SECRET).id == "e-1"
    assert ids[0] == ids[1] != ""
    own = {name: value for name, value in headers_of(other).items() if name not in {"X-Webhook-Id", "Idempotency-Key"}}
    assert webhooks.verify(other, own, SECRET).id != ids[0]


def test_event_survives_pickling_and_is_equal_to_its_copy() -> None:
    headers = headers_of(BODY)
    event = webhooks.verify(BODY, headers, SECRET)
    again = webhooks.verify(BODY, headers, SECRET)
    assert event.clips

    for other in (again, pickle.loads(pickle.dumps(event)), attrs.evolve(event, matched=True)):  # noqa: S301 - our own
        assert (other, hash(other), other.clips) == (event, hash(event), event.clips)
    changed = body_of(task_id="t-2")
    assert webhooks.verify(changed, headers_of(changed), SECRET) != event
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.matched = True  # type: ignore[misc]  # that is the point


def test_event_as_a_dict_is_plain_json_with_clips_and_without_raw() -> None:
    event = webhooks.verify(BODY, headers_of(BODY), SECRET)

    found = json.loads(json.dumps(event.to_dict()))

    assert found["clips"] == [clip.to_dict() for clip in event.clips]
    assert datetime.fromisoformat(found["created_at"]) == event.created_at
    assert set(found) == {*(field.name for field in attrs.fields(Event)), "clips"} - {"raw"}
    assert "raw" not in repr(event)
