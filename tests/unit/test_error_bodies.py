"""Error bodies of every shape: read, classified, and kept only up to a limit."""

import json
import pickle
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import account, errors, sonic
from musicapi_async._protocol import encode_call, encode_plain, encode_submission, read_submission
from musicapi_async._responses.decoding import error_from, read_body
from musicapi_async._responses.response import Response, retry_after
from musicapi_async._tasks.state import TaskRule, read_state
from musicapi_async._transport.retry import RequestClass, RetryDecision, decide

NO_CREDITS = "The remaining credits are not enough."
MAX_TEXT = 2000
MAX_PICKLE = 16_000


def refusal(status: int, body: object, headers: Mapping[str, str] | None = None) -> errors.MusicAPIError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status, headers or {}, content)
    return error_from("POST /sonic/create", response, read_body(response))


SHAPES: Mapping[str, Callable[[str], object]] = {
    "flat": lambda text: {"error": text},
    "error object": lambda text: {"error": {"message": text, "type": "forbidden", "code": 403}},
    "error object with numbers": lambda text: {"error": {"message": text, "type": 7, "code": {"a": 1}}},
    "validation list": lambda text: {"detail": [{"loc": ["body", "title"], "msg": text, "type": "value_error"}]},
    "detail object": lambda text: {"detail": {"message": text}},
    "detail object of a code": lambda text: {"detail": {"error": "forbidden", "msg": text}},
    "errors of objects": lambda text: {"errors": [{"message": text, "extensions": {"code": "FORBIDDEN"}}]},
    "errors of texts": lambda text: {"errors": ["Forbidden", text]},
    "errors by field": lambda text: {"message": "Invalid.", "errors": {"account": [text]}},
    "message object": lambda text: {"message": {"text": "x", "message": text}},
    "message list": lambda text: {"statusCode": 403, "message": [text], "error": "Forbidden"},
    "phrase and message": lambda text: {"statusCode": 403, "message": text, "error": "Forbidden"},
    "data": lambda text: {"data": {"error": text}},
    "data with an object": lambda text: {"data": {"error": {"message": text}}},
    "error and detail": lambda text: {"error": "Forbidden", "detail": {"message": text}},
    "JSON in a text": lambda text: {"error": json.dumps({"error": {"message": text}})},
    "JSON in JSON": lambda text: json.dumps({"detail": text}),
    "JSON behind a sentence": lambda text: {"error": f"HTTP 403: {json.dumps({'error': {'message': text}})}"},
    "description in an error": lambda text: {"error": {"description": text}},
    "title and description in an error": lambda text: {"error": {"title": "Forbidden", "description": text}},
    "phrase and description": lambda text: {"error": "Forbidden", "description": text},
    "description in a detail": lambda text: {"detail": {"type": "forbidden", "description": text}},
    "fault": lambda text: {"fault": {"faultstring": text}},
    "capitals": lambda text: {"Error": {"Message": text}},
    "result": lambda text: {"result": {"error": text}},
    "a list": lambda text: [{"error": {"message": text}}],
    "deep": lambda text: {"error": {"error": {"error": {"message": {"detail": [{"msg": text}]}}}}},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("status", "text", "error_class"),
    [
        (403, NO_CREDITS, errors.InsufficientCreditsError),
        (429, NO_CREDITS, errors.InsufficientCreditsError),
        (400, NO_CREDITS, errors.InsufficientCreditsError),
        (403, "You do not have an active subscription.", errors.SubscriptionError),
        (403, "The lyrics contain inappropriate content: 'not enough credits'.", errors.ModerationError),
        (403, "Not for this account.", errors.PermissionDeniedError),
        (400, "task not found.", errors.NotFoundError),
        (429, "Slow down, please.", errors.RateLimitError),
    ],
)
def test_error_from_nested_shape_is_classed_like_flat(
    shape: str, status: int, text: str, error_class: type[errors.APIStatusError]
) -> None:
    error = refusal(status, SHAPES[shape](text))

    assert type(error) is error_class
    assert text in str(error)


@pytest.mark.parametrize("status", [403, 429, 402, 400])
@pytest.mark.parametrize(
    "body",
    [
        {"type": "insufficient_credits", "error": "Refused."},
        {"code": "INSUFFICIENT_CREDITS", "message": "Refused."},
        {"error": {"code": "insufficientCredits", "message": "Refused."}},
        {"error": {"type": "insufficient_quota", "message": "You exceeded it."}},
        {"errors": [{"code": "not-enough-credits"}]},
        {"error": "insufficient_credits"},
        {"error": {"status": "OUT_OF_CREDITS"}},
    ],
)
def test_error_from_code_of_missing_credits_is_insufficient_credits(status: int, body: object) -> None:
    error = refusal(status, body)

    assert type(error) is errors.InsufficientCreditsError
    assert decide(RequestClass.SUBMISSION, error) is RetryDecision.GIVE_UP


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    "text",
    [
        NO_CREDITS,
        "Not enough credits",
        "You don't have enough credits. You can't create songs.",
        "You don\N{RIGHT SINGLE QUOTATION MARK}t have enough remaining credits.",
        "Insufficient credits: 20 needed, 3 left.",
        "insufficient account balance",
        "Your credit balance is too low.",
        "You are out of credits.",
        "You have run out of credits",
        "No credits left.",
        "You have 0 credits remaining.",
        "All credits have been used up; credits exhausted.",
        "There aren't enough credits on this account",
        "credits not enough for 'rain'",
        "Model 'sonic' is there. Not enough credits for 'rain'.",
        "This request needs 12 more credits.",
        "Your remaining credits (3) are not enough.",
        "You do not have any credits left.",
        "This song costs 20 credits, but you only have 3.",
    ],
)
def test_error_from_plain_statement_of_missing_credits_is_insufficient_credits(status: int, text: str) -> None:
    assert type(refusal(status, {"error": text})) is errors.InsufficientCreditsError


@pytest.mark.parametrize(
    "text",
    [
        "Too many requests. 480 credits left.",
        "Too many requests: this costs 20 credits.",
        "Slow down; 10 credits remaining in your balance.",
        "Too many requests; no credits were charged.",
        "You have enough credits. Do not worry, you have enough credits, but wait.",
        "Insufficient capacity. Your credits were not taken.",
        "Not enough time between requests; 480 credits left.",
        "Quota exceeded: 60 requests per minute.",
        "Rate limit exceeded. Buy more credits for a higher limit.",
        "You used 20 out of 500 credits; wait a minute.",
        "This song costs 20 credits and you have 480.",
        "Insufficient wait between credit checks.",
        "Slow down. No more credits were charged.",
        "The song 'not enough credits' is being made.",
        'The song "not enough credits" is being made.',
        "The song \N{LEFT DOUBLE QUOTATION MARK}out of credits\N{RIGHT DOUBLE QUOTATION MARK} is being made.",
    ],
)
def test_error_from_429_that_mentions_credits_is_rate_limit(text: str) -> None:
    error = refusal(429, {"error": text})

    assert type(error) is errors.RateLimitError
    assert decide(RequestClass.SUBMISSION, error) is RetryDecision.RETRY
    assert type(refusal(403, {"error": text})) is not errors.InsufficientCreditsError


@pytest.mark.parametrize(
    ("text", "error_class"),
    [
        ("Payment required.", errors.InsufficientCreditsError),
        ("480 credits left.", errors.InsufficientCreditsError),
        ("Renew your subscription.", errors.SubscriptionError),
        ("Not enough credits in your subscription.", errors.InsufficientCreditsError),
    ],
)
def test_error_from_402_is_insufficient_credits_unless_it_says_subscription(
    text: str, error_class: type[errors.APIStatusError]
) -> None:
    assert type(refusal(402, {"error": {"message": text}})) is error_class


@pytest.mark.parametrize(
    "text",
    [
        "You do not have an active subscription. Please check whether your renewal was successful.",
        "No active subscription",
        "Your subscription has expired.",
        "An active subscription is needed: subscription required",
        "subscription_required",
    ],
)
def test_error_from_403_without_subscription_is_subscription_error(text: str) -> None:
    assert type(refusal(403, {"error": text})) is errors.SubscriptionError


@pytest.mark.parametrize(
    "text", ["Your subscription allows 5 songs at once.", "This is not in your subscription's API."]
)
def test_error_from_403_that_mentions_subscription_is_permission_denied(text: str) -> None:
    assert type(refusal(403, {"error": text})) is errors.PermissionDeniedError


def test_error_from_validation_list_names_each_field() -> None:
    body = {
        "detail": [
            {"loc": ["body", "title"], "msg": "too long", "type": "string_too_long"},
            {"loc": ["body", "sections", 2, "prompt"], "msg": "field required", "type": "missing"},
        ]
    }
    error = refusal(422, body)

    assert type(error) is errors.InvalidRequestError
    assert "title: too long; sections.2.prompt: field required" in str(error)


def test_error_from_type_deep_inside_a_5xx_is_uncertain() -> None:
    """The error of a service behind this one must not turn an uncertain submission into one that is sent again."""
    error = refusal(502, {"error": "bad gateway", "data": {"error": {"type": "rate_limited", "message": "slow"}}})

    assert type(error) is errors.ServerError
    assert decide(RequestClass.SUBMISSION, error) is RetryDecision.UNCERTAIN


HUGE = "x" * 5_000_000


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
@pytest.mark.parametrize(
    "body",
    [
        {"error": HUGE},
        {"error": {"trace": HUGE, "message": "The reason."}, "request": HUGE},
        {"data": HUGE, "items": [HUGE] * 3, "message": "The reason.", "code": 5},
        {"error": [HUGE] * 3},
        {f"key{number}": "x" * 50 for number in range(50_000)} | {"message": "The reason."},
        {HUGE: 1, "message": "The reason.", "type": HUGE},
        {"message": "\N{SNOWMAN}" * 2_000_000},
        HUGE,
        HUGE.encode(),
        b"<html><title>" + HUGE.encode(),
    ],
    ids=range(10),
)
def test_error_from_large_body_keeps_the_informative_part(status: int, body: object) -> None:
    headers = {"x-request-id": HUGE[:8000]}
    error = refusal(status, body, headers)

    assert len(str(error)) < MAX_TEXT
    assert len(pickle.dumps(error)) < MAX_PICKLE
    assert isinstance(error, (errors.APIStatusError, errors.InvalidRequestError))
    assert len(json.dumps(error.body)) <= 4000
    if isinstance(body, dict) and body.get("message") == "The reason.":
        assert isinstance(error.body, dict)
        assert error.body["message"] == "The reason."
        assert "The reason." in str(error)


def test_task_failed_error_of_a_large_response_is_bounded() -> None:
    body = {"type": "failed", "error": HUGE, "already_refunded": True}

    error = read_state("t-1", RULE, "GET /x", Response(500, {}, json.dumps(body).encode())).error

    assert error is not None
    assert error.refunded is True
    assert len(error.message) <= 500
    assert len(str(error)) < MAX_TEXT
    assert len(pickle.dumps(error)) < MAX_PICKLE


def test_error_body_within_the_bound_is_kept_unchanged() -> None:
    body = {"error": "x" * 1500, "detail": {"items": list(range(50)), "ratio": 0.5, "none": None}}

    error = refusal(500, body)

    assert isinstance(error, errors.ServerError)
    assert error.body == body


DATE = {"Date": "Sun, 22 Nov 2026 12:00:00 GMT"}
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("Sun, 22 Nov 2026 12:00:30 GMT", DATE, 30),
        ("Sun, 22 Nov 2026 11:59:00 GMT", DATE, 0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", {"Date": "whenever"}, 0),
        ("Tue, 01 Jan 2030 00:00:07 GMT", {}, 7),
        ("7", DATE, 7),
        ("-7", DATE, 0),
        ("nan", DATE, None),
        ("inf", DATE, None),
        ("-inf", DATE, None),
        ("1e999", DATE, None),
        ("next week", DATE, None),
    ],
)
def test_retry_after_date_is_measured_against_the_responses_date(
    value: str, date: dict[str, str], seconds: float | None
) -> None:
    assert retry_after({"Retry-After": value, **date}, NOW) == seconds


RULE = TaskRule.of(sonic.Create)
READERS = (
    partial(read_submission, encode_submission(sonic.Describe(description="rain")), id_in_data=False),
    encode_call(account.GetCredits())[1],
    encode_call(sonic.GetMidi(clip="c"))[1],
    encode_plain("POST", "/x", {})[1],
    lambda response: read_state("t-1", RULE, "GET /sonic/task/t-1", response),
)
KEYS = "type code error message detail msg errors data status loc failed_step steps task_id title extensions"
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [NO_CREDITS, "not_found", "rate_limited", '{"error": {"message": "x"}}', "x" * 5000, "\ud800", 403]
    ),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from(KEYS.split()) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=20,
)
header_values = st.text(st.characters(codec="latin-1"), max_size=30)
headers = st.dictionaries(st.sampled_from(["Retry-After", "Date", "Location", "Content-Type"]), header_values)


@given(status=st.integers(200, 599), body=values, headers=headers)
def test_readers_given_any_json_raise_only_bounded_errors(status: int, body: object, headers: dict[str, str]) -> None:
    for read in READERS:
        try:
            read(Response(status, headers, json.dumps(body).encode()))
        except errors.MusicAPIError as error:
            assert len(str(error)) < MAX_TEXT
            assert str(error).encode()
            assert len(pickle.dumps(error)) < MAX_PICKLE
