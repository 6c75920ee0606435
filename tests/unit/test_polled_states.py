"""States read from polls are consistent, whatever the service sends, and can be pickled."""

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import Clip, Songs, TaskState, errors, sonic
from musicapi_async._responses.response import Response
from musicapi_async._tasks.state import TaskRule, as_final, read_state

RULE: TaskRule[Songs] = TaskRule.of(sonic.Create)
URLS = ["", "https://files.example/1.mp3", "https://stream.example/?item=1"]


def state_of(status: int, body: object) -> TaskState[Songs]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_state("t-1", RULE, "GET /sonic/task/t-1", Response(status, {}, content))


# What the service may say of a clip: the documented keys and types, each also absent, null or spelt otherwise.
clips_data = st.fixed_dictionaries(
    {},
    optional={
        "clip_id": st.uuids().map(str) | st.integers() | st.none(),
        "state": st.sampled_from(["pending", "running", "succeeded", "failed", "streaming", "complete", "", None]),
        "audio_url": st.sampled_from([*URLS, None]),
        "duration": st.floats() | st.integers() | st.floats().map(str) | st.none(),
        "title": st.text() | st.none(),
        "tags": st.text() | st.lists(st.text() | st.integers()) | st.none(),
        "created_at": st.datetimes().map(lambda when: f"{when.isoformat()}Z") | st.text() | st.none(),
        "error_message": st.text() | st.none(),
        "timestamp": st.none()
        | st.fixed_dictionaries({"words": st.lists(st.fixed_dictionaries({"text": st.text(), "start": st.floats()}))}),
    },
)
bodies = st.fixed_dictionaries(
    {"data": st.lists(clips_data, max_size=4)},
    optional={"code": st.sampled_from([200, "200", "success", None]), "message": st.text(), "new": st.integers()},
)


@given(body=bodies)
def test_polled_state_of_any_body_is_consistent(body: dict[str, Any]) -> None:
    state = state_of(200, body)

    assert len(state.clips) == len(body["data"])
    assert state.is_done == (state.status in {"finished", "failed"})
    assert (state.error is not None) <= all(clip.state == "failed" for clip in state.clips)
    if state.status == "finished":
        assert state.result is not None
        assert len(state.result) + len(state.result.failed) == len(state.clips) >= 2
        assert all(clip.audio_url for clip in state.result)
    if state.status in {"waiting", "running"}:
        assert (state.result, state.error) == (None, None)
    for clip, clip_data in zip(state.clips, body["data"], strict=True):
        assert clip.audio_url is None or clip.state == "succeeded"
        assert clip.audio_url is None or clip.stream_url is None
        assert {clip.audio_url, clip.stream_url} - {None} == {clip_data.get("audio_url")} - {None, ""}
        assert clip.created_at is None or clip.created_at.utcoffset() is not None
        assert clip.raw == clip_data or "NaN" in json.dumps(clip_data)


@given(body=bodies)
def test_settled_state_of_any_body_is_done(body: dict[str, Any]) -> None:
    state = state_of(200, body)
    last = as_final(state)

    assert last.is_done == (state.status in {"finished", "failed", "incomplete"})
    assert (last == state) == (state.status != "incomplete")
    if last.status == "finished":
        assert last.result is not None


@given(body=bodies)
def test_polled_clips_can_be_pickled(body: dict[str, Any]) -> None:
    for clip in state_of(200, body).clips:
        words = clip.words
        kept = pickle.loads(pickle.dumps(clip))  # noqa: S301 - our own bytes

        assert kept == clip
        assert hash(kept) == hash(clip)
        # NaN is equal to nothing, itself included; what is read of it is None.
        assert kept.words == words
        assert kept.raw.keys() == clip.raw.keys()


@pytest.mark.parametrize(
    "text",
    [
        b"Task failed due to timeout. Credits were previously refunded.",
        b'"Task failed due to timeout. Credits were previously refunded."',
        b'{"detail": "Task failed due to timeout. Credits were previously refunded."}',
    ],
)
def test_polled_timeout_in_any_form_is_a_failed_task(text: bytes) -> None:
    """Error bodies may be plain text."""
    state = state_of(504, text)

    assert state.status == "failed"
    assert state.error is not None
    assert (state.error.type, state.error.refunded) == ("timeout", True)


@pytest.mark.parametrize("key", ["title", "lyrics", "tags"])
def test_polled_text_with_a_lone_surrogate_does_not_hide_a_clip(key: str) -> None:
    """A service that cuts a text at 80 UTF-16 units may cut an emoji in two; JSON can say that, UTF-8 cannot."""
    half = "Rain \N{GUITAR}".encode("utf-16-le")[:-2].decode("utf-16-le", "surrogatepass")
    clip_data = {"clip_id": "c-1", "state": "succeeded", "audio_url": URLS[1], key: half}

    state = state_of(200, {"code": 200, "data": [clip_data, clip_data]})

    assert state.status == "finished"
    found = getattr(state.clips[0], key)
    assert found.startswith("Rain ")
    assert found.encode().startswith(b"Rain ")  # it can be printed and written


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_polled_number_that_is_not_finite_does_not_hide_a_clip(word: str) -> None:
    clip_data = json.dumps({"clip_id": "c-1", "state": "succeeded", "audio_url": URLS[1], "duration": "?"}).replace(
        '"?"', word
    )

    state = state_of(200, f'{{"code": 200, "data": [{clip_data}, {clip_data}]}}'.encode())

    assert [clip.duration for clip in state.clips] == [None, None]
    assert state.status == "finished"


@pytest.mark.parametrize(
    "body",
    [
        {"status": "FAILED", "data": [], "message": "upstream"},
        {"status": "FAILURE", "message": "upstream"},
        {"type": "failed", "message": "upstream", "data": [{"clip_id": "c-1", "state": "running"}]},
    ],
)
def test_polled_failure_status_outweighs_its_clips(body: object) -> None:
    for status in (200, 202, 400, 403, 500, 502):
        state = state_of(status, body)

        assert state.status == "failed"
        assert state.error is not None
        assert (state.error.message, state.error.status, state.error.body) == ("upstream", status, body)


@pytest.mark.parametrize(
    ("text", "refunded"),
    [
        ("Upstream failed. Credits were previously refunded.", True),
        ("Upstream failed. Credits refunded.", None),
        ("Upstream failed. The credits could not be refunded.", None),
        ("Upstream failed. Credits were not refunded.", None),
        ("Upstream failed. Credits weren't refunded.", None),
        ("Credits have never yet been refunded for this.", None),
        ("The song could not be made; its credits have been refunded.", None),
        ("Upstream failed.", None),
    ],
)
def test_polled_failure_is_refunded_only_if_plainly_reported(text: str, refunded: object) -> None:
    error = state_of(200, {"type": "failed", "error": text}).error

    assert error is not None
    assert error.refunded is refunded


def test_polled_state_reported_running_is_not_finished() -> None:
    """A 202 means that the service is not done, whatever else it sends."""
    done = {"clip_id": "c-1", "state": "succeeded", "audio_url": URLS[1]}

    assert state_of(200, {"data": [done, done]}).status == "finished"
    assert state_of(202, {"data": [done, done]}).status == "waiting"
    assert state_of(200, {"type": "not_ready", "data": [done, done]}).status == "waiting"


def test_polled_state_with_only_failed_clips_is_failed_with_the_reason() -> None:
    broken = {"clip_id": "c-1", "state": "failed"}
    state = state_of(200, {"data": [broken, {**broken, "error": "no luck"}]})

    assert state.status == "failed"
    assert isinstance(state.error, errors.TaskFailedError)
    assert (state.error.message, state.error.type, state.error.refunded) == ("no luck", "failed", None)
    assert len(state.clips) == 2


def test_songs_are_a_sequence_of_clips_that_did_not_fail() -> None:
    clips = [Clip(clip_id="1", state="succeeded"), Clip(clip_id="2", state="failed"), Clip(clip_id="3", state=None)]
    songs = Songs.from_clips(clips)

    assert [clip.clip_id for clip in songs] == ["1", "3"]
    assert songs.failed == (clips[1],)
    assert (songs[-1], clips[0] in songs, songs.index(clips[2])) == (clips[2], True, 1)
    assert Songs.from_clips([]) == Songs()
    assert not Songs()
    assert pickle.loads(pickle.dumps(songs)) == songs  # noqa: S301 - our own bytes


def test_polled_202_without_json_is_waiting() -> None:
    assert state_of(202, b"<html>please wait</html>").status == "waiting"
    assert state_of(202, b"").status == "waiting"
