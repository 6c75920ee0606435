"""One call with its repetitions: the only place that sleeps and sends again."""

import asyncio
import logging
import random
import time
import warnings
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar, cast

import attrs
import backoff
from yarl import URL

from musicapi_async._settings import Settings
from musicapi_async._transport.replies import Reply
from musicapi_async._transport.retry import Kind, NoReplyError, Verdict, judge, wait_before
from musicapi_async._transport.session import Session, Way, logger
from musicapi_async._transport.wire import write_json
from musicapi_async.errors import (
    ConnectionFailedError,
    MusicAPIError,
    NotReadyError,
    RetiredError,
    ServerError,
    UncertainSubmissionError,
    UnreadableReplyError,
)

__all__ = ["Call", "Caller", "logger"]

T = TypeVar("T")

PREPARING_GAP: Final = 3.0
"""Seconds between two requests for a file that is being prepared; the contract's advice (4.14)."""
PREPARING_LIMIT: Final = 180.0
_spread: Final = random.Random()  # noqa: S311 - jitter needs no secrecy


@attrs.frozen(kw_only=True)
class Call:
    """One exchange to be had: what to send, what a repetition would cost, and what to say when it fails."""

    method: str
    path: str
    body: Mapping[str, object] | None = attrs.field(default=None, repr=False)
    kind: Kind = Kind.FREE
    request: object = attrs.field(default=None, repr=False)
    """The request value, for the error that says it is uncertain."""
    attempts: int | None = None
    """Tries at most; None for the setting's."""
    seconds: float = 0.0
    """The least time limit of each try."""
    instead: str = ""
    """What to use when the service has retired this."""

    @property
    def attempted(self) -> str:
        """What is attempted, in words."""
        return f"{self.method} {self.path}"


class _RepeatError(Exception):
    """Carries a failure that may be repeated, and how long to wait before."""

    def __init__(self, failure: Exception, wait: float) -> None:
        super().__init__(failure, wait)
        self.failure = failure
        self.wait = wait


def _waits() -> Generator[float, Any, None]:  # backoff sends it each _RepeatError
    asked = yield 0.0
    while True:
        asked = yield asked.wait


class Caller:
    """Sends calls under one set of settings; any number of callers share a session."""

    def __init__(self, settings: Settings, session: Session) -> None:
        self._settings = settings
        self._session = session
        self._looking = {"Authorization": f"Bearer {settings.api_key}", "Accept": "application/json"}
        self._posting = {**self._looking, "Content-Type": "application/json"}

    async def ask(self, call: Call, read: Callable[[Reply], T]) -> T:
        """Send the call, repeating what may be repeated, and return what ``read`` makes of the reply.

        Raises the typed error of whatever went wrong; UncertainSubmissionError when a paid request may have been
        accepted.
        """
        return cast("T", await _repeating(_Tries(self, call, read)))

    async def send(self, call: Call, way: Way | None) -> Reply:
        """Send the call once and return its reply, whatever its status; a paid one with a ``way``."""
        url = URL(self._settings.base_url + call.path, encoded=True)
        body = None if call.body is None else write_json(call.body)
        headers = self._looking if body is None else self._posting
        started = time.perf_counter()
        reply = await self._session.send(
            call.attempted, call.method, url, headers, body, timeout=max(self._settings.timeout, call.seconds), way=way
        )
        if logger.isEnabledFor(logging.DEBUG):
            took = (time.perf_counter() - started) * 1000
            logger.debug("%s: %d in %.0f ms, request id %s", call.attempted, reply.status, took, reply.request_id)
        return reply

    def attempts(self, call: Call) -> int:
        """Return how often the call may be tried."""
        return call.attempts or self._settings.max_attempts


class _Tries(Generic[T]):
    """The attempts of one call so far."""

    def __init__(self, caller: Caller, call: Call, read: Callable[[Reply], T]) -> None:
        self._caller = caller
        self._call = call
        self._read = read
        self._count = 0
        self._asked_at: float | None = None
        """When something was first said to be still prepared, by the event loop's clock."""
        self._way: Way | None = None

    async def once(self) -> T:
        """Try once; raises _RepeatError when another try is due, else the error to hand to the user."""
        self._count += 1
        if self._call.kind is Kind.PAID:
            self._way = Way()
        try:
            return self._read(await self._caller.send(self._call, self._way))
        except NotReadyError as failure:
            raise self._again_or_late(failure) from failure
        except RetiredError as failure:
            raise failure.towards(self._call.instead) from failure
        except (MusicAPIError, NoReplyError) as failure:
            # Asking again for what is being prepared is free, and may be repeated.
            verdict = judge(self._call.kind if self._asked_at is None else Kind.FREE, failure)
            if verdict is Verdict.REPEAT and self._count < self._caller.attempts(self._call):
                wait = wait_before(self._count, failure, _spread)
                if wait is not None:
                    reason = getattr(failure, "reason", None) or getattr(failure, "message", failure)
                    logger.info("%s failed (%s): again in %.1f s", self._call.attempted, reason, wait)
                    raise _RepeatError(failure, wait) from failure
            if verdict is Verdict.UNCERTAIN:
                raise self._uncertain(failure) from failure
            if self._asked_at is not None and isinstance(failure, (NoReplyError, ConnectionFailedError, ServerError)):
                # It was accepted before, and goes on: this is no failure of it.
                raise NotReadyError(self._call.attempted, self._waited()) from failure
            if isinstance(failure, NoReplyError):
                raise ConnectionFailedError(self._call.attempted, failure.reason) from failure
            raise

    def _again_or_late(self, failure: NotReadyError) -> Exception:
        """Ask again for what is being prepared: that is free, and no failed attempt."""
        if self._asked_at is None:
            self._asked_at = asyncio.get_running_loop().time()
        if self._waited() + PREPARING_GAP > PREPARING_LIMIT:
            return NotReadyError(failure.attempted, self._waited())
        self._count = 0
        return _RepeatError(failure, PREPARING_GAP)

    def _waited(self) -> float:
        return round(asyncio.get_running_loop().time() - (self._asked_at or 0.0), 1)

    def _uncertain(self, failure: MusicAPIError | NoReplyError) -> UncertainSubmissionError:
        sent_at = self._way.sent_at if self._way is not None else None
        start = failure.start.decode("utf-8", "replace") if isinstance(failure, UnreadableReplyError) else None
        return UncertainSubmissionError(
            self._call.attempted,
            self._call.request,
            failure.reason if isinstance(failure, NoReplyError) else str(failure),
            sent_at or datetime.now(UTC),
            getattr(failure, "status", None),
            getattr(failure, "body", start),
        )


async def _try(tries: _Tries[Any]) -> object:
    return await tries.once()


with warnings.catch_warnings():
    # backoff calls asyncio.iscoroutinefunction, deprecated since Python 3.14, when it decorates.
    warnings.filterwarnings("ignore", message=".*iscoroutinefunction.*", category=DeprecationWarning)
    # The rules are ours (retry.py); backoff sleeps and sends again. Built once: building costs more than calling.
    _repeating = backoff.on_exception(_waits, _RepeatError, jitter=None, logger=None)(_try)
