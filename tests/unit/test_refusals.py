"""Error responses: classified by their body, then by their status."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from musicapi_async import errors
from musicapi_async._responses.decoding import error_from, read_body
from musicapi_async._responses.error_bodies import message_in
from musicapi_async._responses.response import Response, retry_after


def refusal(status: int, body: object, headers: Mapping[str, str] | None = None) -> errors.MusicAPIError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status, headers or {}, content)
    return error_from("POST /sonic/create", response, read_body(response))


@pytest.mark.parametrize("quoted", ["give me credit", "my subscription", "Not found", "CREDITS", "don't credit me"])
def test_refusal_that_quotes_the_users_text_is_not_classified_by_it(quoted: str) -> None:
    """Moderation quotes the text it refuses: a song about credits is not a matter of money."""
    for text in ("The lyrics contain inappropriate content: '{}'.", "The lyrics contain copyrighted content: '{}'."):
        error = refusal(403, {"error": text.format(quoted)})

        assert type(error) is errors.ModerationError
        assert error.offending == quoted


@pytest.mark.parametrize(
    ("type_", "error_type"),
    [
        ("validation_error", errors.InvalidRequestError),
        ("bad_request", errors.InvalidRequestError),
        ("unauthorized", errors.AuthenticationError),
        ("not_found", errors.NotFoundError),
        ("endpoint_retired", errors.RetiredError),
        ("rate_limited", errors.RateLimitError),
        ("upstream_error", errors.ServerError),
    ],
)
def test_refusal_with_a_known_type_is_classified_by_it(type_: str, error_type: type[errors.MusicAPIError]) -> None:
    for status in (400, 403, 500):
        error = refusal(status, {"type": type_, "error": "No."})

        assert type(error) is error_type
        assert isinstance(error, (errors.APIStatusError, errors.InvalidRequestError))
        assert error.status == status


@pytest.mark.parametrize("type_", ["brand_new", 7, None, ["x"], {"y": 1}])
def test_refusal_with_an_unknown_type_is_classified_by_status(type_: object) -> None:
    assert type(refusal(401, {"type": type_, "error": "No."})) is errors.AuthenticationError


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"detail": "d", "error": "e", "message": "m"}, "d"),
        ({"detail": None, "error": "", "message": "m"}, "m"),
        ({"error": {"text": "inner"}, "msg": "outer"}, "outer"),
        (b"Service Unavailable", "Service Unavailable"),
        (b"<html>bad gateway</html>", "the response is not the API's JSON, but an HTML page"),
        (b"\xff\xfe\x00", "\ufffd\ufffd"),
        (b"", "the service gave no reason"),
        ([1], "the service gave no reason"),
        ({}, "the service gave no reason"),
    ],
)
def test_refusal_message_is_found_in_any_field(body: object, message: str) -> None:
    error = refusal(500, body)

    assert isinstance(error, errors.ServerError)
    assert error.message.startswith(message)


def test_refusal_with_a_long_page_has_a_short_message() -> None:
    error = refusal(500, b"<html>" + b"x" * 100_000)

    assert len(str(error)) < 400


@pytest.mark.parametrize("name", ["x-request-id", "x-vercel-id", "cf-ray"])
def test_refusal_keeps_the_request_id(name: str) -> None:
    error = refusal(500, {}, {name: "r-7"})

    assert isinstance(error, errors.ServerError)
    assert error.request_id == "r-7"
    assert "request id r-7" in str(error)


NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@example(value="Fri, 31 Dec 99999999999 23:59:59 GMT")
@example(value="Fri, 31 Dec 2027 23:59:59 +99999999999999999999")
@given(value=st.text(st.characters(codec="latin-1")) | st.from_regex(r"\w{3}, \d+ \w{3} \d+ [\d:]+ [+-]?\d+"))
def test_retry_after_of_any_text_is_none_or_positive(value: str) -> None:
    found = retry_after({"Retry-After": value}, NOW)

    assert found is None or found >= 0


@given(
    status=st.integers(300, 599),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["type", "error", "message", "detail", "code", "x"]), inner)
        ),
    ),
)
def test_refusal_of_any_body_is_a_typed_error(status: int, body: object) -> None:
    error = error_from("GET /get-credits", Response(status, {}, b""), body)

    assert isinstance(error, (errors.APIStatusError, errors.InvalidRequestError))
    assert error.status == status
    assert str(error).startswith("GET /get-credits: ")
    assert (message_in(body) or "") in str(error)
