"""One call of an endpoint, with its retries; it ends with a result or a typed error."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar, cast

import attrs
from multidict import CIMultiDict

from musicapi_async._logger import logger
from musicapi_async._secrets import HeaderText, Secret, SecretBytes
from musicapi_async._settings import Settings
from musicapi_async._transport.account_activity import AccountActivity
from musicapi_async._transport.addresses import url_of
from musicapi_async._transport.connections import USER_AGENT
from musicapi_async._transport.contents import ids_in
from musicapi_async._transport.decoding import read_body, unreadable
from musicapi_async._transport.response import Response
from musicapi_async._transport.retry import (
    FailureKind,
    RequestClass,
    RetryDecision,
    TransportError,
    decide,
    failure_kind,
)
from musicapi_async._transport.retrying import AttemptError, reason_of, retrying
from musicapi_async._transport.session import (
    HttpRequest,
    RequestLimits,
    Session,
    SubmissionHook,
    SubmissionState,
)
from musicapi_async.errors import (
    ClientClosedError,
    ConnectionFailedError,
    InvalidResponseError,
    MusicAPIError,
    NotReadyError,
    RetiredError,
    ServerError,
    UncertainSubmissionError,
)
from musicapi_async.wire.json import write_json

__all__ = ["Call", "Caller", "raise_cancellation"]

T = TypeVar("T")

PREPARATION_INTERVAL: Final = 3.0
"""Seconds between two requests for a file that is being prepared, as the service advises."""
MAX_PREPARATION: Final = 180.0
MIN_KEY: Final = 16
"""A shorter key is not masked in responses: it could be a part of ordinary words."""


@attrs.define(kw_only=True, eq=False)
class Call:
    """One call of an endpoint: its request, its retry class and its progress."""

    method: str
    path: str
    body: Mapping[str, object] | None = attrs.field(default=None, repr=False)
    request_class: RequestClass = RequestClass.READ
    request: object = attrs.field(default=None, repr=False)
    """The request value, for an UncertainSubmissionError."""
    is_retried: bool = True
    """False for a call of a single attempt, whatever its outcome."""
    min_timeout: float = 0.0
    """The minimum time limit of each attempt, in seconds."""
    replacement: str = ""
    """The operation to use when the service has retired this one."""
    cancellation: asyncio.CancelledError | None = None
    """The caller's cancellation while its paid request was in flight; raised after reading the response."""
    attempts: int = 0
    """The number of attempts so far."""
    deadline: float = 0.0
    """The latest start of a retry, by the event loop's clock."""
    accepted_at: float | None = None
    """The time of the first response that says the file is being prepared, by the same clock."""

    @property
    def attempted(self) -> str:
        """The method and the path, for errors and the log."""
        return f"{self.method} {self.path}"

    @property
    def is_submission(self) -> bool:
        """True when an attempt may be charged: polling for a file that is being prepared is free."""
        return self.request_class is RequestClass.SUBMISSION and self.accepted_at is None


class Caller:
    """Sends calls under one set of settings; any number of callers share a session."""

    def __init__(self, settings: Settings, session: Session, activity: AccountActivity) -> None:
        self.settings = settings
        self.session = session
        self.activity = activity
        common = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        # The HTTP library's own type, so that it is not converted for each request.
        headers = CIMultiDict({**common, "Authorization": HeaderText(f"Bearer {settings.api_key.reveal()}")})
        keys = _spellings(settings.api_key)
        self._get_request = HttpRequest(headers, None, keys)
        self._post_request = HttpRequest(CIMultiDict({**headers, "Content-Type": "application/json"}), None, keys)
        self._limits: dict[float, RequestLimits] = {}
        self._base = url_of(settings.base_url)
        self._base_path = self._base.raw_path.rstrip("/")
        self._attempt_with_retries = retrying(
            self._attempt,
            budget=session.budget,
            max_attempts=settings.max_attempts,
            give_up=lambda failed: session.is_closed or not failed.is_retryable,
            before_retry=_before_retry,
        )

    async def send(self, call: Call, read: Callable[[Response], T], hook: SubmissionHook | None = None) -> T:
        """Send the call, with its retries, and return what ``read`` makes of the response.

        A ``hook`` records that a paid request is about to be sent, or will be retried. The result of an accepted
        request is returned even if the caller was cancelled meanwhile; the client must then raise
        ``call.cancellation``.

        Raises the typed error of a failure; UncertainSubmissionError when a paid request may have been accepted;
        NotReadyError when a file is not prepared in time.
        """
        call.deadline = asyncio.get_running_loop().time() + self.settings.total_timeout
        attempt = self._attempt_with_retries if call.is_retried else self._attempt
        while True:
            try:
                return cast("T", await attempt(call, read, hook))
            except NotReadyError as not_ready:
                _check_preparation(call, not_ready)
            except AttemptError as failed:
                failure = failed.failure
                break
            await asyncio.sleep(PREPARATION_INTERVAL)
        error = self._error_of(call, failure)
        if error is failure:
            raise error
        raise error from failure

    async def _attempt(self, call: Call, read: Callable[[Response], T], hook: SubmissionHook | None) -> T:
        """Send the call once; raises AttemptError for a failure that may be retried."""
        call.attempts += 1
        state = SubmissionState(hook) if call.is_submission else None
        try:
            result = _read(call, read, await self._exchange(call, state))
        except NotReadyError as not_ready:
            self._note_prepared(call, state)
            if state is not None and state.cancellation is not None:
                raise state.cancellation from not_ready
            raise
        except (MusicAPIError, TransportError) as failure:
            if state is None:
                raise AttemptError(RequestClass.READ, failure, call.attempts, call.deadline) from failure
            raise await self._failed(call, state, failure) from failure
        except BaseException as end:
            if state is not None and state.sent_at is not None:
                self._note_cut_off(call, state, end)
            elif hook is not None and state is not None:
                await hook.not_accepted()
            raise
        self.session.budget.earn()
        if state is not None:
            self._note_accepted()
            call.cancellation = state.cancellation
        return result

    async def _failed(
        self, call: Call, state: SubmissionState, failure: MusicAPIError | TransportError
    ) -> BaseException:
        """Return the exception of a failed attempt at a paid request, after notifying the hook."""
        if isinstance(failure, MusicAPIError):
            _note_named(call, failure, getattr(failure, "body", None))
        # Time spent in the queue does not count.
        call.deadline += state.waited
        if failure_kind(failure) in {FailureKind.RATE_LIMITED, FailureKind.BUSY}:
            self.session.rate_limiter.refused(state.dispatched_at, getattr(failure, "retry_after", None))
        if decide(RequestClass.SUBMISSION, failure) is RetryDecision.UNCERTAIN:
            error: MusicAPIError = self._uncertain(call, state, failure)
        elif state.cancellation is None:
            return AttemptError(RequestClass.SUBMISSION, failure, call.attempts, call.deadline)
        else:
            error = self._error_of(call, failure)
        if state.cancellation is None:
            return error
        if state.hook is not None:
            if not error.task_ids and not isinstance(error, UncertainSubmissionError):
                await state.hook.not_accepted()
            elif len(error.task_ids) == 1:
                state.hook.accepted(error.task_ids[0])
        state.cancellation.add_note(str(error))
        return state.cancellation

    def _error_of(self, call: Call, failure: MusicAPIError | TransportError) -> MusicAPIError:
        """Return the public error of a failure that is not retried."""
        request_class = RequestClass.SUBMISSION if call.is_submission else RequestClass.READ
        if self.session.is_closed and decide(request_class, failure) is RetryDecision.RETRY:
            return ClientClosedError()
        if call.accepted_at is not None and isinstance(failure, (TransportError, ServerError)):
            # The service is still preparing the file it accepted: the preparation has not failed.
            return NotReadyError(call.attempted, _seconds_since(call.accepted_at))
        if isinstance(failure, TransportError):
            return ConnectionFailedError(call.attempted, failure.reason)
        return failure.towards(call.replacement) if isinstance(failure, RetiredError) else failure

    async def _exchange(self, call: Call, state: SubmissionState | None) -> Response:
        """Send the call once and return its response, whatever its status; a paid one with a ``state``."""
        url = self._base.with_path(self._base_path + call.path, encoded=True)
        sent = self._get_request if call.body is None else self._post_request._replace(body=write_json(call.body))
        limits = self._limits.get(call.min_timeout)
        if limits is None:
            limits = self._limits[call.min_timeout] = self.session.limits(self.settings, call.min_timeout)
        started = time.perf_counter()
        if state is None:
            response = await self.session.send(call.attempted, call.method, url, sent, limits)
        else:
            self.activity.begin_submission()
            try:
                response = await self.session.send(call.attempted, call.method, url, sent, limits, state)
            except TransportError as failure:
                # A connection that breaks after a complete response does not invalidate it.
                if failure.response is None or not (
                    failure.response.is_success and isinstance(read_body(failure.response), dict)
                ):
                    raise
                response = failure.response
            finally:
                self.activity.end_submission()
        if logger.is_enabled_for(logging.DEBUG):
            took = (time.perf_counter() - started) * 1000
            logger.log(
                logging.DEBUG,
                "%s: %d in %.0f ms, request id %s",
                call.attempted,
                response.status,
                took,
                response.request_id,
            )
        return response

    def _uncertain(self, call: Call, state: SubmissionState, failure: Exception) -> UncertainSubmissionError:
        """Return the error of a paid request that may have been accepted, after reporting it."""
        if isinstance(failure, TransportError) and failure.response is not None:
            failure = unreadable(call.attempted, failure.response, failure.reason)
        start = failure.start.decode("utf-8", "replace") if isinstance(failure, InvalidResponseError) else None
        error = UncertainSubmissionError(
            call.attempted,
            call.request,
            failure.reason if isinstance(failure, TransportError) else str(failure),
            state.sent_at or datetime.now(UTC),
            getattr(failure, "status", None),
            getattr(failure, "body", start),
            self.activity.balance,
            self.activity.balance_at,
        )
        _note_named(call, error, error.body)
        self._report(error)
        return error

    def _report(self, error: UncertainSubmissionError) -> None:
        """Report an uncertain request to the setting's callback and the log; a failing callback must not hide it."""
        self.activity.record_uncertain()
        # First: a callback may raise what ends everything.
        logger.log(logging.WARNING, "%s", error)
        if self.settings.on_uncertain is not None:
            try:
                self.settings.on_uncertain(error)
            except Exception as failure:  # noqa: BLE001
                logger.log(logging.ERROR, "on_uncertain failed (%r) on: %s", failure, error, exc_info=failure)

    def _note_cut_off(self, call: Call, state: SubmissionState, end: BaseException) -> None:
        """Report a paid request that was cut off while it was in flight, before its response arrived."""
        cut = TransportError(FailureKind.CUT, "it was abandoned after it was sent")
        end.add_note(str(self._uncertain(call, state, cut)))

    def _note_prepared(self, call: Call, state: SubmissionState | None) -> None:
        """Note that the service is preparing the file: the call was accepted, and attempts are counted anew."""
        call.attempts = 0
        if call.accepted_at is None:
            call.accepted_at = asyncio.get_running_loop().time()
        if state is not None:
            self._note_accepted()

    def _note_accepted(self) -> None:
        self.activity.record_accepted()
        self.session.rate_limiter.accepted()


def raise_cancellation(call: Call, outcome: str) -> None:
    """Raise the cancellation of a call in flight, if there was one; a note and the log state the call's outcome."""
    if call.cancellation is not None:
        sentence = f"{call.attempted} was cancelled in flight, and {outcome}"
        logger.log(logging.WARNING, "%s", sentence)
        call.cancellation.add_note(sentence)
        raise call.cancellation


async def _before_retry(
    failed: AttemptError, delay: float, call: Call, _: Callable[[Response], object], hook: SubmissionHook | None
) -> None:
    """Log a retry, and have the hook record that the paid request waits to be sent again."""
    if hook is not None and call.is_submission:
        await hook.not_accepted()
    logger.info("%s failed (%s): retrying in %.1f s", call.attempted, reason_of(failed.failure), delay)


def _check_preparation(call: Call, not_ready: NotReadyError) -> None:
    """Raise NotReadyError when it is too late for another request for a file that is being prepared."""
    waited = _seconds_since(call.accepted_at)
    if waited + PREPARATION_INTERVAL > MAX_PREPARATION:
        raise NotReadyError(call.attempted, waited) from not_ready


def _seconds_since(then: float | None) -> float:
    return round(asyncio.get_running_loop().time() - (then or 0.0), 1)


def _read(call: Call, read: Callable[[Response], T], response: Response) -> T:
    try:
        return read(response)
    except MusicAPIError:
        raise
    except Exception as error:
        # A bug of ours must not lose what was paid for: the error shows the response.
        raise unreadable(call.attempted, response, f"it cannot be read: {error!r}") from error


def _note_named(call: Call, failure: MusicAPIError, body: object) -> None:
    """Add the ids that a refusal contains to the error and the log: they may have been paid for."""
    named = ids_in(body, call.body)
    failure.task_ids, failure.result_ids = named
    if not named.is_empty:
        ids = ", ".join((*named.task_ids, *named.result_ids))
        logger.log(logging.WARNING, "%s failed, and its response names %s", call.attempted, ids)


def _spellings(key: Secret) -> tuple[SecretBytes, ...]:
    """Return the spellings of the key in JSON, where a slash may be escaped; none for a short key."""
    text = key.reveal()
    spellings = dict.fromkeys((text, text.replace("/", "\\/"))) if len(text) >= MIN_KEY else ()
    return tuple(SecretBytes(spelling.encode()) for spelling in spellings)
