"""The retry policy, row by row: what is sent again, for a paid request and for a read; the server's count is the truth.

Files have a table of their own in ``test_files.py``; how long and how often is retried is in ``test_bounds.py``.
"""

import asyncio
import gzip
import json
from collections.abc import Awaitable
from typing import Any, Final, NamedTuple

import pytest
from clock import Clock
from scripted import Scripted, Step, cut, raw, reply, scripted, stall

from musicapi_async import Credits, MusicAPI, errors, sonic

KEY: Final = "secret-key"
REQUEST: Final = sonic.Describe(description="rain")
ACCEPTED: Final = reply(200, {"message": "success", "task_id": "t-1"})
BALANCE: Final = reply(200, {"credits": 50, "extra_credits": "2.5"})
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

RETRIED: Final = None
UNCERTAIN: Final = errors.UncertainSubmissionError
UNREADABLE: Final = errors.UnreadableReplyError
Outcome = type[errors.MusicAPIError] | None


class Row(NamedTuple):
    """How one failure ends: by an error, or retried (None)."""

    step: Step
    submission: Outcome
    read: Outcome
    reason: str = ""


def packed(content: bytes) -> Step:
    return reply(200, content, {"Content-Encoding": "gzip"})


POLICY: Final = {
    # The connection breaks, or the response is no whole HTTP message.
    "cut": Row(cut(), UNCERTAIN, RETRIED, "disconnected"),
    "cut in the body": Row(
        raw(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"task_id"'), UNCERTAIN, RETRIED, "not enough data"
    ),
    "cut in the header": Row(raw(b"HTTP/1.1 200 OK\r\nContent-Le"), UNCERTAIN, RETRIED),
    "cut after two bytes": Row(raw(b"HT"), UNCERTAIN, RETRIED),
    "no answer": Row(stall(), UNCERTAIN, RETRIED, "no response in time"),
    "garbage": Row(raw(b"garbage\r\n\r\n"), UNCERTAIN, RETRIED),
    "another protocol": Row(raw(b"220 smtp.example ESMTP\r\n"), UNCERTAIN, RETRIED),
    "no status": Row(raw(b"HTTP/1.1 abc OK\r\n\r\n"), UNCERTAIN, RETRIED),
    "no length": Row(raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}"), UNCERTAIN, RETRIED),
    "endless header": Row(raw(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n{}"), UNCERTAIN, RETRIED),
    "half a chunk": Row(raw(CHUNKED + b'f\r\n{"credits"'), UNCERTAIN, RETRIED),
    "no last chunk": Row(raw(CHUNKED + b'f\r\n{"credits": 50}\r\n'), UNCERTAIN, RETRIED),
    "no chunk": Row(raw(CHUNKED + b"zz\r\nhello\r\n"), UNCERTAIN, RETRIED),
    "no gzip": Row(packed(b"this is not gzip at all"), UNCERTAIN, RETRIED),
    "half a gzip": Row(packed(gzip.compress(b'{"credits": 50}' * 1000)[:40]), UNCERTAIN, UNREADABLE),
    # The service refuses for now.
    "429": Row(reply(429, {"error": "Too many requests"}, {"Retry-After": "0"}), RETRIED, RETRIED),
    "503 busy": Row(reply(503, {"error": "server is busy"}), RETRIED, RETRIED),
    "503 concurrent": Row(reply(503, {"message": "too many concurrent tasks"}), RETRIED, RETRIED),
    "429 with a task": Row(reply(429, {"error": "slow down", "task_id": "t-1"}), UNCERTAIN, RETRIED),
    "503 busy with a task": Row(reply(503, {"error": "busy", "data": {"task_id": "t-1"}}), UNCERTAIN, RETRIED),
    # The service, or a gateway before it, fails.
    "500": Row(reply(500, {"error": "Internal Server Error."}), UNCERTAIN, RETRIED, "Internal Server Error"),
    "502": Row(reply(502, b"<html>bad gateway</html>"), UNCERTAIN, RETRIED, "502"),
    "503": Row(reply(503, {"error": "maintenance"}), UNCERTAIN, RETRIED, "maintenance"),
    "503 in text": Row(reply(503, b"unavailable"), UNCERTAIN, RETRIED, "unavailable"),
    "503 that quotes titles": Row(
        reply(503, {"error": "Could not make 'Busy Streets' or 'Concurrent Hearts'"}),
        UNCERTAIN,
        RETRIED,
        "Busy Streets",
    ),
    "408": Row(reply(408, {"error": "request timeout at the gateway"}), UNCERTAIN, RETRIED, "gateway"),
    "499": Row(reply(499, b""), UNCERTAIN, RETRIED, "499"),
    # A status that does not say what was done.
    "101": Row(reply(101, {}), UNCERTAIN, errors.APIStatusError),
    "302": Row(reply(302, {}), UNCERTAIN, errors.GatewayError),
    "302 with a task": Row(reply(302, {"task_id": "t-1"}), UNCERTAIN, errors.GatewayError),
    "303": Row(reply(303, {}), UNCERTAIN, errors.GatewayError),
    "303 to a page": Row(
        reply(303, {"error": "see the page"}, {"Location": "/done"}), UNCERTAIN, errors.GatewayError, "see the page"
    ),
    "304": Row(raw(b"HTTP/1.1 304 X\r\n\r\n"), UNCERTAIN, errors.APIStatusError),
    "304 with a body": Row(reply(304, {}), UNCERTAIN, RETRIED),
    # A success that cannot be read, or names nothing.
    "200 HTML": Row(reply(200, b"<html>hello</html>"), UNCERTAIN, UNREADABLE, "not JSON"),
    "200 half JSON": Row(reply(200, b'{"task_id": "t'), UNCERTAIN, UNREADABLE, "not JSON"),
    "200 empty": Row(reply(200, b""), UNCERTAIN, UNREADABLE, "empty"),
    "200 list": Row(reply(200, ["t-1"]), UNCERTAIN, UNREADABLE, "list"),
    "200 without a task": Row(reply(200, {"message": "success"}), UNCERTAIN, UNREADABLE, "names no task"),
    "200 task null": Row(reply(200, {"task_id": None}), UNCERTAIN, UNREADABLE, "names no task"),
    "200 task true": Row(reply(200, {"task_id": True}), UNCERTAIN, UNREADABLE, "names no task"),
    "200 text as data": Row(reply(200, {"data": "come back later"}), UNCERTAIN, UNREADABLE, "names no task"),
    # A refusal.
    "400": Row(
        reply(400, {"error": "The title character length should be less than 80."}),
        errors.InvalidRequestError,
        errors.InvalidRequestError,
    ),
    "401": Row(
        reply(401, {"error": "Invalid authorization format."}), errors.AuthenticationError, errors.AuthenticationError
    ),
    "402": Row(
        reply(402, {"message": "insufficient_credits"}),
        errors.InsufficientCreditsError,
        errors.InsufficientCreditsError,
    ),
    "403 credits": Row(
        reply(403, {"error": "The remaining credits are not enough."}),
        errors.InsufficientCreditsError,
        errors.InsufficientCreditsError,
    ),
    "403 subscription": Row(
        reply(403, {"error": "You do not have an active subscription."}),
        errors.SubscriptionError,
        errors.SubscriptionError,
    ),
    "403 moderation": Row(
        reply(403, {"error": "The lyrics contain copyrighted content: 'Yesterday'."}),
        errors.ModerationError,
        errors.ModerationError,
    ),
    "403": Row(reply(403, {"error": "No."}), errors.PermissionDeniedError, errors.PermissionDeniedError),
    "407": Row(reply(407, {"error": "the proxy wants a password"}), errors.GatewayError, errors.GatewayError),
    "410": Row(reply(410, {"type": "endpoint_retired", "error": "gone"}), errors.RetiredError, errors.RetiredError),
    "308": Row(reply(308, {}), errors.GatewayError, errors.GatewayError),
    "200 refusal": Row(
        reply(200, {"code": 403, "message": "The remaining credits are not enough."}),
        errors.InsufficientCreditsError,
        errors.InsufficientCreditsError,
    ),
}


def client_of(server: Scripted) -> MusicAPI:
    return MusicAPI(KEY, base_url=server.base_url, timeout=20)


async def ended(clock: Clock, call: Awaitable[Any]) -> Any:
    """Return the result of a call or its error; backoff and timeouts pass on the test's clock."""
    calling = asyncio.ensure_future(call)
    await clock.run(0.2, calling)
    error = calling.exception()
    return calling.result() if error is None else error


def assert_key_is_hidden(error: BaseException) -> None:
    assert KEY not in str(error) + repr(error) + repr(error.__cause__)


@pytest.mark.parametrize("row", POLICY.values(), ids=POLICY)
async def test_failed_submission_is_retried_only_when_it_was_certainly_not_accepted(row: Row, clock: Clock) -> None:
    async with scripted(row.step, ACCEPTED) as server, client_of(server) as client:
        found = await ended(clock, client.submit(REQUEST))

        attempts = [json.loads(request.body) for request in server.received]
    assert attempts == [REQUEST.to_wire()] * (2 if row.submission is RETRIED else 1)
    if row.submission is RETRIED:
        assert found.id == "t-1"
        return
    assert type(found) is row.submission
    assert_key_is_hidden(found)
    if isinstance(found, errors.UncertainSubmissionError):
        assert "may have been accepted" in str(found)
        assert found.reason
        assert row.reason.lower() in found.reason.lower()
        assert found.request == REQUEST
        assert found.when.tzinfo is not None


@pytest.mark.parametrize("row", POLICY.values(), ids=POLICY)
async def test_failed_read_is_retried_unless_the_answer_would_be_the_same(row: Row, clock: Clock) -> None:
    async with scripted(row.step, BALANCE) as server, client_of(server) as client:
        found = await ended(clock, client.account.credits())

        assert len(server.received) == (2 if row.read is RETRIED else 1)
    if row.read is RETRIED:
        assert found == Credits(50.0, 2.5)
        return
    assert type(found) is row.read
    assert_key_is_hidden(found)


@pytest.mark.parametrize("name", [name for name, row in POLICY.items() if row.read is RETRIED])
async def test_failed_read_at_its_last_attempt_raises_our_own_error(name: str, clock: Clock) -> None:
    async with scripted(POLICY[name].step) as server, client_of(server) as client:
        found = await ended(clock, client.with_options(max_attempts=1).account.credits())

    assert isinstance(found, (errors.ConnectionFailedError, errors.APIStatusError))
    assert_key_is_hidden(found)
