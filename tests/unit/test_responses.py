"""Responses: status, headers and bytes become a value or a typed error."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import (
    Credits,
    LyricsDrafts,
    Songs,
    TaskRequest,
    TaskState,
    account,
    errors,
    lyrics,
    producer,
    sonic,
)
from musicapi_async._responses.contents import read_result
from musicapi_async._responses.decoding import error_from, read_body, read_object, read_task_id
from musicapi_async._responses.response import Response, retry_after
from musicapi_async._tasks.state import TaskRule, read_state
from musicapi_async._transport.retry import (
    FailureKind,
    RequestClass,
    RetryDecision,
    TransportError,
    backoff_delay,
    decide,
)

RULE: TaskRule[Songs] = TaskRule.of(sonic.Create)


def response(status: int, body: object) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {"x-request-id": "r-1"}, content)


def state_of(status: int, body: object) -> TaskState[Songs]:
    return read_state("t-1", RULE, "GET /sonic/task/t-1", response(status, body))


def error_of(status: int, body: object) -> errors.MusicAPIError:
    answer = response(status, body)
    return error_from("POST /x", answer, read_body(answer))


CREDITS, SUBSCRIPTION, MODERATION = errors.InsufficientCreditsError, errors.SubscriptionError, errors.ModerationError


@pytest.mark.parametrize(
    ("status", "message", "error_type"),
    [
        (400, "The 'mv' field is invalid. The model should be 'sonic-v3-5' or 'sonic-v4'.", errors.InvalidRequestError),
        (400, "The title character length should be less than 80.", errors.InvalidRequestError),
        (400, "description is required.", errors.InvalidRequestError),
        (400, "missing task id.", errors.InvalidRequestError),
        (400, "task not found.", errors.NotFoundError),
        (404, "clip not found or has no lyrics", errors.NotFoundError),
        (401, "Authorization header is missing.", errors.AuthenticationError),
        (401, "Invalid authorization format.", errors.AuthenticationError),
        (402, "payment required", CREDITS),
        (403, "The remaining credits are not enough. You can buy more one-time credit packs or subscribe.", CREDITS),
        (
            403,
            "You do not have an active subscription. Please check whether your renewal was successful.",
            SUBSCRIPTION,
        ),
        (403, "The lyrics format is invalid. Please check and try again.", MODERATION),
        (403, "The lyrics contain copyrighted content: 'x'. Please use original lyrics.", MODERATION),
        (403, "The lyrics contain inappropriate content: 'x'.", MODERATION),
        (403, "The song description needs moderation review.", MODERATION),
        (403, "The song description contains artist names: 'x' which is not allowed.", MODERATION),
        (403, "The song description contains producer tags: 'x' which is not allowed.", MODERATION),
        (403, "API QPS limit exceeded", errors.PermissionDeniedError),
        (410, "gone", errors.RetiredError),
        (429, "slow down", errors.RateLimitError),
        (500, "Internal Server Error.", errors.ServerError),
        (502, "Provider did not return a job id", errors.ServerError),
        (418, "no tea", errors.APIStatusError),
    ],
)
@pytest.mark.parametrize("key", ["detail", "error", "message", "msg"])
def test_error_of_a_documented_response_has_its_type(
    status: int, message: str, error_type: type[Exception], key: str
) -> None:
    error = error_of(status, {key: message})

    assert type(error) is error_type
    assert message in str(error)
    assert (error.status, error.request_id) == (status, "r-1")  # type: ignore[attr-defined]  # both classes have them


@pytest.mark.parametrize(
    ("status", "body_type", "error_type"),
    [
        (400, "endpoint_retired", errors.RetiredError),
        (500, "unauthorized", errors.AuthenticationError),
        (400, "rate_limited", errors.RateLimitError),
        (500, "not_found", errors.NotFoundError),
        (500, "validation_error", errors.InvalidRequestError),
    ],
)
def test_error_type_of_the_body_outweighs_the_status(status: int, body_type: str, error_type: type[Exception]) -> None:
    assert type(error_of(status, {"type": body_type, "error": "x"})) is error_type


def test_error_in_plain_text_is_shown() -> None:
    assert "upstream is down" in str(error_of(502, b"upstream is down"))
    assert "the service gave no reason (status 502" in str(error_of(502, b""))


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        ({"task_id": "t"}, "t"),
        ({"code": 200, "task_id": "t"}, "t"),
        ({"data": {"task_id": "t"}}, "t"),
        ({"task_id": 5}, "5"),
        ({"code": 503, "task_id": "t"}, "t"),
    ],
)
def test_task_id_is_read_from_any_documented_place(body: dict[str, object], task_id: str) -> None:
    assert read_task_id("POST /x", response(200, body), body) == task_id


def test_task_id_as_bare_data_is_read_only_where_documented() -> None:
    body = {"code": "success", "data": "t"}
    bare = response(200, body)

    assert read_task_id("POST /studio/create", bare, body, id_in_data=True) == "t"
    with pytest.raises(errors.InvalidResponseError, match="names no task"):
        read_task_id("POST /x", bare, body)


@pytest.mark.parametrize("body", [{"task_id": ""}, {"task_id": None, "data": []}, {"task_id": True}, {}])
def test_task_id_missing_is_unreadable(body: dict[str, object]) -> None:
    with pytest.raises(errors.InvalidResponseError, match="names no task"):
        read_task_id("POST /x", response(200, body), body)


def test_task_id_of_a_refusal_is_not_read() -> None:
    with pytest.raises(errors.RateLimitError):
        read_task_id("POST /x", response(429, {"task_id": "t"}), {"task_id": "t"})


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("-3", 0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30),
        ("soon", None),
        ("nan", None),
        ("", None),
    ],
)
def test_retry_after_in_any_form_is_seconds(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}, NOW) == seconds


def test_retry_after_missing_is_none() -> None:
    assert retry_after({}) is None


@pytest.mark.parametrize(
    ("failure", "free", "paid"),
    [
        (TransportError(FailureKind.UNREACHABLE, "refused"), RetryDecision.RETRY, RetryDecision.RETRY),
        (error_of(429, {"error": "slow"}), RetryDecision.RETRY, RetryDecision.RETRY),
        (error_of(503, {"error": "server busy"}), RetryDecision.RETRY, RetryDecision.RETRY),
        (error_of(503, {"error": "maintenance"}), RetryDecision.RETRY, RetryDecision.UNCERTAIN),
        (error_of(500, {"error": "busy"}), RetryDecision.RETRY, RetryDecision.UNCERTAIN),
        (TransportError(FailureKind.CUT, "cut"), RetryDecision.RETRY, RetryDecision.UNCERTAIN),
        (errors.InvalidResponseError("GET /x", 200, "not JSON"), RetryDecision.GIVE_UP, RetryDecision.UNCERTAIN),
        (error_of(400, {"error": "x"}), RetryDecision.GIVE_UP, RetryDecision.GIVE_UP),
        (error_of(401, {"error": "x"}), RetryDecision.GIVE_UP, RetryDecision.GIVE_UP),
        (error_of(403, {"error": "x"}), RetryDecision.GIVE_UP, RetryDecision.GIVE_UP),
        (error_of(410, {"error": "x"}), RetryDecision.GIVE_UP, RetryDecision.GIVE_UP),
    ],
)
def test_retry_decision_depends_on_failure_and_request_class(
    failure: Exception, free: RetryDecision, paid: RetryDecision
) -> None:
    assert (decide(RequestClass.READ, failure), decide(RequestClass.SUBMISSION, failure)) == (free, paid)


@given(attempt=st.integers(1, 60), seed=st.integers(), asked=st.none() | st.floats(0, 120))
def test_backoff_delay_is_bounded_and_at_least_retry_after(attempt: int, seed: int, asked: float | None) -> None:
    failure = errors.RateLimitError("POST /x", 429, "slow", retry_after=asked)

    wait = backoff_delay(attempt, failure, random.Random(seed))

    assert wait is not None
    assert (asked or 0) <= wait <= max(asked or 0, 8)


def test_backoff_delay_over_two_minutes_is_none() -> None:
    assert backoff_delay(1, errors.RateLimitError("POST /x", 429, "slow", retry_after=121), random.Random(0)) is None


RUNNING = {"clip_id": "c", "state": "running", "audio_url": "https://stream/?item=c", "duration": None}
DONE = {"clip_id": "c", "state": "succeeded", "audio_url": "https://file/c.mp3"}
SILENT = {"clip_id": "c", "state": "succeeded", "audio_url": ""}
BROKEN = {"clip_id": "c", "state": "failed", "error_message": "no luck"}


def ok(*clips: object) -> dict[str, object]:
    return {"code": 200, "data": list(clips), "message": "success"}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, {"type": "not_ready", "error": "task not ready"}, "waiting"),
        (200, {"type": "not_ready", "error": "task not ready"}, "waiting"),
        (202, {}, "waiting"),
        (200, ok(), "waiting"),
        (200, {"code": 200, "message": "success"}, "waiting"),
        (200, {"code": 200, "data": None}, "waiting"),
        (200, {"status": "PENDING"}, "waiting"),
        (200, ok(RUNNING, RUNNING), "running"),
        (200, ok(DONE, RUNNING), "running"),
        (200, ok({"clip_id": "c", "state": "dreaming"}, DONE), "running"),
        (200, ok({"clip_id": "c"}, DONE), "running"),
        (200, ok(DONE), "incomplete"),
        (200, ok(DONE, SILENT), "incomplete"),
        (200, ok(BROKEN), "incomplete"),
        (200, ok(DONE, DONE), "finished"),
        (200, {"data": [DONE, DONE]}, "finished"),
        (200, ok({"clip_id": "c", "audio_url": "https://x"}, DONE), "finished"),
        (200, ok(DONE, BROKEN), "finished"),
        (200, ok(DONE, DONE, DONE), "finished"),
        (200, ok(BROKEN, BROKEN), "failed"),
        (200, {"status": "FAILED", "message": "refunded"}, "failed"),
        (500, {"type": "failed", "error": "x"}, "failed"),
        (502, {"type": "api_error", "message": "x", "already_refunded": True}, "failed"),
        (400, {"message": "x", "already_refunded": True}, "failed"),
        (504, {"error": "Task failed due to timeout. Credits were previously refunded."}, "failed"),
    ],
)
def test_polled_status_follows_the_response(status: int, body: object, expected: str) -> None:
    state = state_of(status, body)

    assert state.status == expected
    assert (state.error is not None) == (expected == "failed" or body == ok(BROKEN))
    assert (state.result is not None) == (expected == "finished" or (expected == "incomplete" and body != ok(BROKEN)))


SENTENCE = "Credits were previously refunded."


@pytest.mark.parametrize(
    ("body", "refunded"),
    [
        ({"type": "failed", "error": "x"}, None),
        ({"type": "failed", "already_refunded": True}, True),
        ({"type": "failed", "refund_processed": True}, True),
        ({"type": "failed", "error": {"message": "x", "already_refunded": True}}, True),
        ({"type": "failed", "refund_processed": False}, False),
        ({"type": "failed", "error": SENTENCE, "refund_processed": False}, False),
        ({"error": f"Task failed due to timeout. {SENTENCE}"}, True),
        ({"type": "failed", "error": SENTENCE}, True),
        ({"type": "failed", "detail": {"msg": "x"}, "message": f"Upstream is gone! {SENTENCE}\n"}, True),
        # Only what is plainly positive is a refund.
        ({"type": "failed", "already_refunded": "true"}, None),
        ({"type": "failed", "already_refunded": 1}, None),
        ({"type": "failed", "refunded": True}, None),
        ({"type": "failed", "error": "Credits cannot be refunded"}, None),
        ({"type": "failed", "error": "no credits were refunded"}, None),
        ({"type": "failed", "error": "Credits were refunded"}, None),
        ({"type": "failed", "error": "Credits will be refunded within 24 hours."}, None),
        ({"type": "failed", "error": "Refund pending. Your credits are refunded if the check succeeds."}, None),
        ({"type": "failed", "error": f"It is not true that {SENTENCE.lower()}"}, None),
        ({"type": "failed", "error": f"{SENTENCE} Not this time."}, None),
        ({"type": "failed", "error": f"None of it holds: {SENTENCE}"}, None),
        ({"type": "failed", "error": f"The lyrics '{SENTENCE}' were refused"}, None),
        ({"type": "failed", "error": "Les crédits n'ont pas été remboursés (refunded)."}, None),
        # A denial beside it makes a report of a refund doubtful.
        ({"type": "failed", "error": SENTENCE, "message": "Credits cannot be refunded"}, None),
        ({"type": "failed", "error": SENTENCE, "detail": [{"msg": "This charge is not eligible for a refund."}]}, None),
        ({"type": "failed", "error": f"No refund. {SENTENCE}"}, None),
        ({"type": "failed", "error": f"Refund: denied! {SENTENCE}"}, None),
        ({"type": "failed", "already_refunded": True, "refund_processed": False}, None),
        ({"type": "failed", "already_refunded": True, "data": {"refund_processed": False}}, None),
        ({"type": "failed", "already_refunded": True, "error": "Credits cannot be refunded"}, None),
        ({"type": "failed", "refund_processed": True, "message": "the refund was rejected by the bank"}, None),
        ({"type": "failed", "already_refunded": True, "error": "Failed upstream. Your credits were refunded."}, True),
        ({"type": "failed", "already_refunded": True, "error": f"Timeout. {SENTENCE}"}, True),
    ],
)
def test_refunded_of_a_failed_task_is_true_only_when_plainly_reported(
    body: object,
    refunded: bool | None,  # noqa: FBT001
) -> None:
    error = state_of(504, body).error

    assert error is not None
    assert error.refunded is refunded


@given(words=st.text(max_size=60))
def test_refunded_is_never_read_from_words_around_the_sentence(words: str) -> None:
    error = state_of(504, {"type": "failed", "error": f"{SENTENCE}{words}"}).error

    assert error is not None
    assert (error.refunded is True) == (not words.strip())


UPSTREAM_DONE = {**DONE, "state": "complete"}
UPSTREAM_BROKEN = {"clip_id": "c", "state": "error", "error_message": "x"}


@pytest.mark.parametrize(
    ("clips", "status", "states"),
    [
        ((UPSTREAM_DONE, UPSTREAM_DONE), "finished", ["succeeded", "succeeded"]),
        ((UPSTREAM_DONE, UPSTREAM_BROKEN), "finished", ["succeeded", "failed"]),
        ((UPSTREAM_BROKEN, UPSTREAM_BROKEN), "failed", ["failed", "failed"]),
        ((UPSTREAM_DONE, RUNNING), "running", ["succeeded", "running"]),
        (({**DONE, "state": "COMPLETE"}, {**DONE, "state": " Succeeded "}), "finished", ["succeeded", "succeeded"]),
        (({**BROKEN, "state": "Error"}, {**BROKEN, "state": "FAILED"}), "failed", ["failed", "failed"]),
        # Without a file it is not the end yet; nor is any word that is not known.
        (({"clip_id": "c", "state": "complete"}, UPSTREAM_DONE), "running", ["complete", "succeeded"]),
        (({**DONE, "state": "completing"}, UPSTREAM_DONE), "running", ["completing", "succeeded"]),
    ],
)
def test_clip_state_with_an_upstream_value_is_read(
    clips: tuple[dict[str, Any], ...], status: str, states: list[str]
) -> None:
    state = state_of(200, ok(*clips))

    assert (state.status, [clip.state for clip in state.clips]) == (status, states)
    assert [clip.raw["state"] for clip in state.clips] == [clip["state"] for clip in clips]
    assert all((clip.audio_url is not None) == (clip.state == "succeeded") for clip in state.clips)


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        (sonic.BasicStems, [UPSTREAM_DONE, {**UPSTREAM_DONE, "stem_type": "drums"}]),
        (sonic.ReplaceSection, [{"replaced": UPSTREAM_DONE, "full": UPSTREAM_DONE}] * 2),
        (sonic.UploadExtend, [{"extended": UPSTREAM_DONE, "full": UPSTREAM_DONE}] * 2),
        (producer.Upload, [{"clip_id": "c", "state": "complete"}]),
        (producer.Create, [UPSTREAM_DONE]),
    ],
)
def test_result_with_upstream_state_values_is_finished(operation: type[TaskRequest[Any]], data: list[object]) -> None:
    content = json.dumps(ok(*data)).encode()
    assert read_state("t-1", TaskRule.of(operation), "GET x", Response(200, {}, content)).status == "finished"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, {"error": "Internal Server Error."}, errors.ServerError),
        (504, {"error": "gateway timeout"}, errors.ServerError),
        (400, {"error": "task not found."}, errors.NotFoundError),
        (404, {"message": "no such task"}, errors.NotFoundError),
        (410, {"type": "endpoint_retired"}, errors.RetiredError),
        (200, b"<html>", errors.InvalidResponseError),
        (200, [DONE], errors.InvalidResponseError),
        (200, {"code": 401, "message": "bad key"}, errors.AuthenticationError),
    ],
)
def test_poll_response_without_a_task_state_is_an_error(status: int, body: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        state_of(status, body)


def test_result_with_a_failed_clip_separates_it() -> None:
    state = state_of(200, ok(BROKEN, DONE))

    assert state.result is not None
    assert [clip.state for clip in state.result] == ["succeeded"]
    assert [clip.error for clip in state.result.failed] == ["no luck"]
    assert (len(state.result), state.result[0], state.result[:1]) == (1, state.clips[1], (state.clips[1],))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("104.88", 104.88),
        (104.88, 104.88),
        (179, 179.0),
        (None, None),
        ("nan", None),
        ("long", None),
        (True, None),
        ([], None),
    ],
)
def test_clip_duration_of_any_form_is_a_number_or_none(value: object, expected: float | None) -> None:
    assert state_of(200, ok({**DONE, "duration": value})).clips[0].duration == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2025-10-12T13:13:02.488Z", datetime(2025, 10, 12, 13, 13, 2, 488000, tzinfo=UTC)),
        ("2025-06-19T06:41:43.107472Z", datetime(2025, 6, 19, 6, 41, 43, 107472, tzinfo=UTC)),
        ("2025-06-19T06:41:43", datetime(2025, 6, 19, 6, 41, 43, tzinfo=UTC)),
        ("2025-06-19T08:41:43+02:00", datetime(2025, 6, 19, 6, 41, 43, tzinfo=UTC)),
        ("yesterday", None),
        (None, None),
        (1750000000, None),
    ],
)
def test_clip_created_at_is_aware(value: object, expected: datetime | None) -> None:
    found = state_of(200, ok({**DONE, "created_at": value})).clips[0].created_at

    assert found == expected
    assert found is None or found.utcoffset() is not None
    assert found is None or found.utcoffset() in {timedelta(0), timedelta(hours=2)}


def test_clip_with_tag_list_and_unknown_keys_is_read() -> None:
    clip_data = {**DONE, "tags": ["pop", "dreamy"], "mv": "chirp-v5", "new_key": {"a": 1}, "title": 7}
    clip = state_of(200, ok(clip_data)).clips[0]

    assert (clip.tags, clip.model, clip.title) == ("pop, dreamy", "chirp-v5", "7")
    assert clip.raw["new_key"] == {"a": 1}


def test_clip_words_are_read_with_their_times() -> None:
    timing = {"words": [{"text": "the", "start": 0.5, "end": "0.75", "line_index": 2}, {"text": None}, "odd", None]}
    clip = state_of(200, ok({**DONE, "timestamp": timing})).clips[0]

    assert [(word.text, word.start, word.end, word.line) for word in clip.words] == [
        ("the", 0.5, 0.75, 2),
        ("", None, None, None),
    ]
    assert clip.words is clip.words
    assert state_of(200, ok(DONE)).clips[0].words == ()
    assert state_of(200, ok({**DONE, "timestamp": [1]})).clips[0].words == ()


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
CLIP_KEYS = "clip_id state title tags lyrics image_url audio_url video_url created_at duration mv sound timestamp"
RESPONSE_KEYS = (
    "type error error_message message code data status already_refunded credits extra_credits results task_id"
)
KEYS = f"{CLIP_KEYS} {RESPONSE_KEYS}".split()
objects = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), odd, max_size=10)
clips = st.lists(objects, max_size=3)
bodies = objects | st.builds(lambda body, data: {**body, "data": data}, objects, clips) | odd
statuses = st.sampled_from([200, 202, 400, 403, 404, 500, 504])


def content_of(body: Any) -> bytes:
    return json.dumps(body).encode()


@given(status=statuses, body=bodies)
def test_poll_response_of_any_json_is_a_state_or_a_typed_error(status: int, body: object) -> None:
    try:
        state = read_state("t-1", RULE, "GET /x", Response(status, {}, content_of(body)))
    except errors.MusicAPIError as error:
        assert status >= 400 or isinstance(error, errors.InvalidResponseError) or '"code"' in json.dumps(body)
        assert str(error)
    else:
        assert (state.status == "failed") <= (state.error is not None)
        assert all(clip.words is not None for clip in state.clips)


@given(body=bodies)
def test_call_response_of_any_json_is_a_value_or_unreadable(body: object) -> None:
    for request, result_type in ((account.GetCredits(), Credits), (lyrics.Make(description="rain"), LyricsDrafts)):
        try:
            found: object = read_result(
                read_object("GET /x", Response(200, {}, content_of(body)), body), request.result
            )
        except (errors.MusicAPIError, ValueError, TypeError, KeyError):
            continue
        assert isinstance(found, result_type)


@given(content=st.binary(max_size=60))
def test_poll_response_of_any_bytes_is_a_state_or_a_typed_error(content: bytes) -> None:
    try:
        read_state("t-1", RULE, "GET /x", Response(200, {}, content))
    except errors.MusicAPIError as error:
        assert str(error)
