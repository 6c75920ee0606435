"""The retry policy, case by case: what is sent again for a submission and for a read, by the server's count.

Files have a table of their own in ``test_files.py``; limits of attempts and time are in ``test_request_limits.py``.
"""

import asyncio
import gzip
import json
from collections.abc import Awaitable
from typing import Any, Final, NamedTuple

import pytest
from clock import Clock
from paths import BOTH_PATHS, path_settings
from scripted import Scripted, Step, cut, raw, respond, scripted, stall

from musicapi_async import Credits, MusicAPI, errors, sonic

pytestmark = BOTH_PATHS

KEY: Final = "secret-key"
REQUEST: Final = sonic.Describe(description="rain")
ACCEPTED: Final = respond(200, {"message": "success", "task_id": "t-1"})
BALANCE: Final = respond(200, {"credits": 50, "extra_credits": "2.5"})
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

RETRIED: Final = None
UNCERTAIN: Final = errors.UncertainSubmissionError
UNREADABLE: Final = errors.InvalidResponseError
Outcome = type[errors.MusicAPIError] | None


class Failure(NamedTuple):
    """How one failure ends: by an error, or retried (None)."""

    step: Step
    submission: Outcome
    read: Outcome
    reason: str = ""


def packed(content: bytes) -> Step:
    return respond(200, content, {"Content-Encoding": "gzip"})


POLICY: Final = {
    # The connection breaks, or the response is no whole HTTP message.
    "cut": Failure(cut(), UNCERTAIN, RETRIED, "disconnected"),
    "cut in the body": Failure(
        raw(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"task_id"'), UNCERTAIN, RETRIED, "not enough data"
    ),
    "cut in the header": Failure(raw(b"HTTP/1.1 200 OK\r\nContent-Le"), UNCERTAIN, RETRIED),
    "cut after two bytes": Failure(raw(b"HT"), UNCERTAIN, RETRIED),
    "no answer": Failure(stall(), UNCERTAIN, RETRIED, "no response in time"),
    "garbage": Failure(raw(b"garbage\r\n\r\n"), UNCERTAIN, RETRIED),
    "another protocol": Failure(raw(b"220 smtp.example ESMTP\r\n"), UNCERTAIN, RETRIED),
    "no status": Failure(raw(b"HTTP/1.1 abc OK\r\n\r\n"), UNCERTAIN, RETRIED),
    "no length": Failure(raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}"), UNCERTAIN, RETRIED),
    "endless header": Failure(raw(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n{}"), UNCERTAIN, RETRIED),
    "half a chunk": Failure(raw(CHUNKED + b'f\r\n{"credits"'), UNCERTAIN, RETRIED),
    "no last chunk": Failure(raw(CHUNKED + b'f\r\n{"credits": 50}\r\n'), UNCERTAIN, RETRIED),
    "no chunk": Failure(raw(CHUNKED + b"zz\r\nhello\r\n"), UNCERTAIN, RETRIED),
    "no gzip": Failure(packed(b"this is not gzip at all"), UNCERTAIN, RETRIED),
    "half a gzip": Failure(packed(gzip.compress(b'{"credits": 50}' * 1000)[:40]), UNCERTAIN, UNREADABLE),
    # The service refuses for now.
    "429": Failure(respond(429, {"error": "Too many requests"}, {"Retry-After": "0"}), RETRIED, RETRIED),
    "503 busy": Failure(respond(503, {"error": "server is busy"}), RETRIED, RETRIED),
    "503 concurrent": Failure(respond(503, {"message": "too many concurrent tasks"}), RETRIED, RETRIED),
    "429 with a task": Failure(respond(429, {"error": "slow down", "task_id": "t-1"}), UNCERTAIN, RETRIED),
    "503 busy with a task": Failure(respond(503, {"error": "busy", "data": {"task_id": "t-1"}}), UNCERTAIN, RETRIED),
    # The service, or a gateway before it, fails.
    "500": Failure(respond(500, {"error": "Internal Server Error."}), UNCERTAIN, RETRIED, "Internal Server Error"),
    "502": Failure(respond(502, b"<html>bad gateway</html>"), UNCERTAIN, RETRIED, "502"),
    "503": Failure(respond(503, {"error": "maintenance"}), UNCERTAIN, RETRIED, "maintenance"),
    "503 in text": Failure(respond(503, b"unavailable"), UNCERTAIN, RETRIED, "unavailable"),
    "503 that quotes titles": Failure(
        respond(503, {"error": "Could not make 'Busy Streets' or 'Concurrent Hearts'"}),
        UNCERTAIN,
        RETRIED,
        "Busy Streets",
    ),
    "408": Failure(respond(408, {"error": "request timeout at the gateway"}), UNCERTAIN, RETRIED, "gateway"),
    "499": Failure(respond(499, b""), UNCERTAIN, RETRIED, "499"),
    # A status that does not say what was done.
    "101": Failure(respond(101, {}), UNCERTAIN, errors.APIStatusError),
    "302": Failure(respond(302, {}), UNCERTAIN, errors.GatewayError),
    "302 with a task": Failure(respond(302, {"task_id": "t-1"}), UNCERTAIN, errors.GatewayError),
    "303": Failure(respond(303, {}), UNCERTAIN, errors.GatewayError),
    "303 to a page": Failure(
        respond(303, {"error": "see the page"}, {"Location": "/done"}), UNCERTAIN, errors.GatewayError, "see the page"
    ),
    "304": Failure(raw(b"HTTP/1.1 304 X\r\n\r\n"), UNCERTAIN, errors.APIStatusError),
    "304 with a body": Failure(respond(304, {}), UNCERTAIN, RETRIED),
    # A success that cannot be read, or names nothing.
    "200 HTML": Failure(respond(200, b"<html>hello</html>"), UNCERTAIN, UNREADABLE, "not JSON"),
    "200 half JSON": Failure(respond(200, b'{"task_id": "t'), UNCERTAIN, UNREADABLE, "not JSON"),
    "200 empty": Failure(respond(200, b""), UNCERTAIN, UNREADABLE, "empty"),
    "200 list": Failure(respond(200, ["t-1"]), UNCERTAIN, UNREADABLE, "list"),
    "200 without a task": Failure(respond(200, {"message": "success"}), UNCERTAIN, UNREADABLE, "names no task"),
    "200 task null": Failure(respond(200, {"task_id": None}), UNCERTAIN, UNREADABLE, "names no task"),
    "200 task true": Failure(respond(200, {"task_id": True}), UNCERTAIN, UNREADABLE, "names no task"),
    "200 text as data": Failure(respond(200, {"data": "come back later"}), UNCERTAIN, UNREADABLE, "names no task"),
    # A refusal.
    "400": Failure(
        respond(400, {"error": "The title character length should be less than 80."}),
        errors.InvalidRequestError,
        errors.InvalidRequestError,
    ),
    "401": Failure(
        respond(401, {"error": "Invalid authorization format."}), errors.AuthenticationError, errors.AuthenticationError
    ),
    "402": Failure(
        respond(402, {"message": "insufficient_credits"}),
        errors.InsufficientCreditsError,
        errors.InsufficientCreditsError,
    ),
    "403 credits": Failure(
        respond(403, {"error": "The remaining credits are not enough."}),
        errors.InsufficientCreditsError,
        errors.InsufficientCreditsError,
    ),
    "403 subscription": Failure(
        respond(403, {"error": "You do not have an active subscription."}),
        errors.SubscriptionError,
        errors.SubscriptionError,
    ),
    "403 moderation": Failure(
        respond(403, {"error": "The lyrics contain copyrighted content: 'Yesterday'."}),
        errors.ModerationError,
        errors.ModerationError,
    ),
    "403": Failure(respond(403, {"error": "No."}), errors.PermissionDeniedError, errors.PermissionDeniedError),
    "407": Failure(respond(407, {"error": "the proxy wants a password"}), errors.GatewayError, errors.GatewayError),
    "410": Failure(
        respond(410, {"type": "endpoint_retired", "error": "gone"}), errors.RetiredError, errors.RetiredError
    ),
    "308": Failure(respond(308, {}), errors.GatewayError, errors.GatewayError),
    "200 refusal": Failure(
        respond(200, {"code": 403, "message": "The remaining credits are not enough."}),
        errors.InsufficientCreditsError,
        errors.InsufficientCreditsError,
    ),
}


def client_of(server: Scripted) -> MusicAPI:
    return MusicAPI(KEY, base_url=server.base_url, timeout=20, **path_settings())


async def ended(clock: Clock, call: Awaitable[Any]) -> Any:
    """Return the result of a call or its error; backoff and timeouts pass on the test's clock."""
    calling = asyncio.ensure_future(call)
    await clock.run(0.2, calling)
    error = calling.exception()
    return calling.result() if error is None else error


def assert_key_is_hidden(error: BaseException) -> None:
    assert KEY not in str(error) + repr(error) + repr(error.__cause__)


@pytest.mark.parametrize("failure", POLICY.values(), ids=POLICY)
async def test_submission_that_fails_is_retried_only_if_certainly_not_accepted(failure: Failure, clock: Clock) -> None:
    async with scripted(failure.step, ACCEPTED) as server, client_of(server) as client:
        found = await ended(clock, client.submit(REQUEST))

        attempts = [json.loads(request.body) for request in server.received]
    assert attempts == [REQUEST.to_wire()] * (2 if failure.submission is RETRIED else 1)
    if failure.submission is RETRIED:
        assert found.id == "t-1"
        return
    assert type(found) is failure.submission
    assert_key_is_hidden(found)
    if isinstance(found, errors.UncertainSubmissionError):
        assert "may have been accepted" in str(found)
        assert found.reason
        assert failure.reason.lower() in found.reason.lower()
        assert found.request == REQUEST
        assert found.when.tzinfo is not None


@pytest.mark.parametrize("failure", POLICY.values(), ids=POLICY)
async def test_read_that_fails_is_retried_unless_the_response_would_be_the_same(failure: Failure, clock: Clock) -> None:
    async with scripted(failure.step, BALANCE) as server, client_of(server) as client:
        found = await ended(clock, client.account.credits())

        assert len(server.received) == (2 if failure.read is RETRIED else 1)
    if failure.read is RETRIED:
        assert found == Credits(50.0, 2.5)
        return
    assert type(found) is failure.read
    assert_key_is_hidden(found)


@pytest.mark.parametrize("name", [name for name, failure in POLICY.items() if failure.read is RETRIED])
async def test_read_that_fails_at_its_last_attempt_raises_a_typed_error(name: str, clock: Clock) -> None:
    async with scripted(POLICY[name].step) as server, client_of(server) as client:
        found = await ended(clock, client.with_options(max_attempts=1).account.credits())

    assert isinstance(found, (errors.ConnectionFailedError, errors.APIStatusError))
    assert_key_is_hidden(found)
