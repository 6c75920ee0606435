"""Calls of endpoints, with their retries: each ends with a result or a typed error."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar, cast

from multidict import CIMultiDict
from yarl import URL

from musicapi_async._logger import logger
from musicapi_async._notices import call_hook
from musicapi_async._responses.contents import ids_in
from musicapi_async._responses.decoding import read_body, unreadable
from musicapi_async._responses.response import Response
from musicapi_async._secrets import HeaderText, Secret, SecretBytes
from musicapi_async._settings import Settings
from musicapi_async._transport.account_activity import AccountActivity
from musicapi_async._transport.addresses import url_of
from musicapi_async._transport.call import Call
from musicapi_async._transport.connections import USER_AGENT
from musicapi_async._transport.retry import (
    FailureKind,
    RequestClass,
    RetryDecision,
    TransportError,
    decide,
    failure_kind,
)
from musicapi_async._transport.retrying import AttemptError, reason_of, retrying
from musicapi_async._transport.session import RequestOptions, Session
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
from musicapi_async.errors.base import request_id_text

__all__ = ["Caller", "note_preparation", "raise_cancellation"]

T = TypeVar("T")

PREPARATION_INTERVAL: Final = 3.0
"""Seconds between two requests for a file that is being prepared, as the service advises."""
MAX_PREPARATION: Final = 180.0
"""Seconds after which a file that is still being prepared is given up."""
PREPARING: Final = "was accepted: the same request returns its file, which is being prepared, free of charge"
MIN_MASKED_KEY: Final = 16
"""A shorter key is not masked in responses: it could be a part of ordinary words."""


class Caller:
    """Sends calls under one set of settings; any number of callers share a session."""

    def __init__(self, settings: Settings, session: Session, activity: AccountActivity) -> None:
        self.settings = settings
        self.session = session
        self.activity = activity
        self._options: dict[float, RequestOptions] = {}
        self._retry = retrying(
            self._attempt,
            budget=session.budget,
            max_attempts=settings.max_attempts,
            give_up=lambda failed: session.connections.closed or not failed.is_retryable,
            before_retry=_before_retry,
        )

    async def send(self, call: Call, read: Callable[[Response], T]) -> T:
        """Send the call, with its retries, and return what ``read`` makes of the response.

        If the caller is cancelled while a paid request is in flight, the result is still returned: the engine records
        it, and then raises ``call.cancellation``.

        Raises the typed error of a failure; UncertainSubmissionError when a paid request may have been accepted;
        NotReadyError when a file is not prepared in time.
        """
        call.deadline = asyncio.get_running_loop().time() + self.settings.total_timeout
        failed: list[AttemptError] = []
        is_retrying = False
        while True:
            try:
                # The first attempt bypasses backoff, whose wrapper costs a poll 3 to 8 % (benchmarks/bench_retry.py).
                if not is_retrying:
                    return await self._attempt(call, read)
                return cast("T", await self._retry(failed, call, read))
            except NotReadyError as not_ready:
                _check_preparation(call, not_ready)
                is_retrying = False
            except AttemptError as attempt:
                if is_retrying or not call.is_retried:
                    failure = attempt.failure
                    break
                failed.append(attempt)
                is_retrying = True
                continue
            await asyncio.sleep(PREPARATION_INTERVAL)
        error = self._error_of(call, failure)
        if error is failure:
            raise error
        raise error from failure

    async def _attempt(self, call: Call, read: Callable[[Response], T]) -> T:
        """Send the call once; raises AttemptError for a failure that may be retried."""
        call.attempts += 1
        call.response = None
        is_paid = call.request_class is RequestClass.SUBMISSION
        try:
            response = await self._exchange(call, is_paid=is_paid)
            try:
                result = read(response)
            except MusicAPIError:
                raise
            except Exception as error:
                # If reading has a bug, the error shows the response, so that a paid result is not lost.
                raise unreadable(call.attempted, response, f"it cannot be read: {error!r}") from error
        except NotReadyError:
            self._note_preparing(call)
            raise
        except (MusicAPIError, TransportError) as failure:
            if not is_paid:
                raise AttemptError(RequestClass.READ, failure, call.attempts, call.deadline) from failure
            raise await self._resolve_paid_failure(call, failure) from failure
        except BaseException as end:
            if call.sent_at is not None:
                self._note_cut_off(call, end)
            elif call.hook is not None:
                await call.hook.not_accepted()
            raise
        self.session.budget.earn()
        if is_paid:
            self.activity.record_accepted()
            self.session.rate_limiter.accepted()
        return result

    async def _exchange(self, call: Call, *, is_paid: bool) -> Response:
        """Send the call once and return its response, whatever its status."""
        options = self._options.get(call.min_timeout) or self._options_for(call.min_timeout)
        started = time.perf_counter()
        if not is_paid:
            response = await self.session.read(call, options)
        else:
            self.activity.begin_submission()
            try:
                response = await self.session.submit(call, options)
            except TransportError as failure:
                # If the connection broke after a complete, successful response, that response counts.
                if failure.response is None or not (
                    failure.response.is_success and isinstance(read_body(failure.response), dict)
                ):
                    raise
                response = failure.response
            finally:
                self.activity.end_submission()
        call.response = response
        if logger.is_enabled_for(logging.DEBUG):
            took, request_id = (time.perf_counter() - started) * 1000, response.request_id
            named = request_id_text(request_id)
            logger.log(logging.DEBUG, "%s: %d in %.0f ms%s", call.attempted, response.status, took, named)
        return response

    def _options_for(self, min_timeout: float) -> RequestOptions:
        """Make, and keep, the options of calls that allow at least ``min_timeout`` seconds for the response."""
        settings, base = self.settings, url_of(self.settings.base_url)
        route = self.session.connections.route(URL(settings.base_url))
        authorization = HeaderText(f"Bearer {settings.api_key.reveal()}")
        headers = CIMultiDict({"User-Agent": USER_AGENT, "Accept": "application/json"})
        headers.update({name: HeaderText(value.reveal()) for name, value in settings.headers.items()})
        headers["Authorization"] = authorization
        headers = route.headers(headers)
        options = self._options[min_timeout] = RequestOptions(
            base=base,
            base_path=base.raw_path.rstrip("/"),
            get_headers=headers,
            post_headers=CIMultiDict({**headers, "Content-Type": "application/json"}),
            keys=_encodings_of(settings.api_key),
            route=route,
            total=max(settings.timeout, min_timeout),
            connecting=settings.connect_timeout,
            silence=max(settings.read_timeout, min_timeout),
            max_size=settings.max_response_size,
        )
        return options

    async def _resolve_paid_failure(self, call: Call, failure: MusicAPIError | TransportError) -> BaseException:
        """Return the exception of a failed attempt at a paid request, after notifying the hook."""
        if isinstance(failure, MusicAPIError):
            _attach_ids(call, failure, getattr(failure, "body", None))
        # The time that this attempt spent in the queue does not count.
        call.deadline += call.waited
        if failure_kind(failure) in {FailureKind.RATE_LIMITED, FailureKind.BUSY}:
            await self._note_rate_limited(call, failure)
        if decide(RequestClass.SUBMISSION, failure) is RetryDecision.UNCERTAIN:
            error: MusicAPIError = self._uncertain(call, failure)
        elif call.cancellation is None:
            call.sent_at = None
            return AttemptError(RequestClass.SUBMISSION, failure, call.attempts, call.deadline)
        else:
            error = self._error_of(call, failure)
        if call.cancellation is None:
            return error
        if len(error.task_ids) == 1:
            call.task_id = error.task_ids[0]
            if call.hook is not None:
                call.hook.accepted(call.task_id)
        elif not error.task_ids and not isinstance(error, UncertainSubmissionError):
            call.sent_at = None
            if call.hook is not None:
                await call.hook.not_accepted()
        call.cancellation.add_note(str(error))
        return call.cancellation

    async def _note_rate_limited(self, call: Call, failure: Exception) -> None:
        wait = self.session.rate_limiter.refused(call.dispatched_at, getattr(failure, "retry_after", None))
        if call.hook is not None:
            await call.hook.refused(wait)

    def _error_of(self, call: Call, failure: MusicAPIError | TransportError) -> MusicAPIError:
        """Return the public error of a failure that is not retried."""
        if self.session.connections.closed and decide(call.request_class, failure) is RetryDecision.RETRY:
            return ClientClosedError()
        if call.preparing_since is not None and isinstance(failure, (TransportError, ServerError)):
            # The service is still preparing the file it accepted: the preparation has not failed.
            return NotReadyError(call.attempted, _seconds_since(call.preparing_since))
        if isinstance(failure, TransportError):
            return ConnectionFailedError(call.attempted, failure.reason)
        return failure.with_replacement(call.replacement) if isinstance(failure, RetiredError) else failure

    def _uncertain(self, call: Call, failure: Exception) -> UncertainSubmissionError:
        """Return the error of a paid request that may have been accepted, after reporting it."""
        if isinstance(failure, TransportError) and failure.response is not None:
            failure = unreadable(call.attempted, failure.response, failure.reason)
        start = failure.start.decode("utf-8", "replace") if isinstance(failure, InvalidResponseError) else None
        error = UncertainSubmissionError(
            call.attempted,
            call.request,
            failure.reason if isinstance(failure, TransportError) else str(failure),
            call.sent_at or datetime.now(UTC),
            getattr(failure, "status", None),
            getattr(failure, "body", start),
            self.activity.balance,
            self.activity.balance_at,
        )
        error.reference = call.reference
        call.is_uncertain = True
        _attach_ids(call, error, error.body)
        self._report(error)
        return error

    def _report(self, error: UncertainSubmissionError) -> None:
        """Log an uncertain request, and call ``on_uncertain``; an exception of that callback is logged, not raised."""
        self.activity.record_uncertain()
        # Before the callback, which may raise SystemExit or KeyboardInterrupt.
        logger.log(logging.WARNING, "%s", error)
        call_hook("on_uncertain", self.settings.on_uncertain, error, error)

    def _note_cut_off(self, call: Call, end: BaseException) -> None:
        """Report a paid request that was interrupted before its response arrived; its outcome is unknown."""
        cut = TransportError(FailureKind.CUT, "it was abandoned after it was sent")
        end.add_note(str(self._uncertain(call, cut)))

    def _note_preparing(self, call: Call) -> None:
        """Record that the service has accepted the call and is preparing the file; attempts are counted anew.

        Raises the caller's cancellation, if there was one.
        """
        call.attempts = 0
        if call.preparing_since is None:
            call.preparing_since = asyncio.get_running_loop().time()
        if call.request_class is RequestClass.SUBMISSION:
            self.activity.record_accepted()
            self.session.rate_limiter.accepted()
            # Further requests for the file are free.
            call.request_class, call.sent_at = RequestClass.READ, None
        raise_cancellation(call, PREPARING)


def raise_cancellation(call: Call, outcome: str) -> None:
    """If the call was cancelled in flight, log its outcome, add that to the cancellation as a note, and raise it."""
    if call.cancellation is not None:
        sentence = f"{call.attempted} was cancelled in flight, and {outcome}"
        logger.log(logging.WARNING, "%s", sentence)
        call.cancellation.add_note(sentence)
        raise call.cancellation


def note_preparation(call: Call, end: asyncio.CancelledError) -> None:
    """Log, and add to a cancellation, that the service had accepted the call and was preparing its file."""
    if call.preparing_since is not None and call.cancellation is None:
        sentence = f"{call.attempted} was cancelled, and {PREPARING}"
        logger.log(logging.WARNING, "%s", sentence)
        end.add_note(sentence)


async def _before_retry(failed: AttemptError, delay: float, call: Call, _: Callable[[Response], object]) -> None:
    """Log a retry; for a paid request, notify the hook that it was not accepted."""
    if call.hook is not None and call.request_class is RequestClass.SUBMISSION:
        await call.hook.not_accepted()
    logger.info("%s failed (%s): retrying in %.1f s", call.attempted, reason_of(failed.failure), delay)


def _check_preparation(call: Call, not_ready: NotReadyError) -> None:
    """Raise NotReadyError when it is too late for another request for a file that is being prepared."""
    waited = _seconds_since(call.preparing_since)
    if waited + PREPARATION_INTERVAL > MAX_PREPARATION:
        raise NotReadyError(call.attempted, waited) from not_ready


def _seconds_since(then: float | None) -> float:
    return round(asyncio.get_running_loop().time() - (then or 0.0), 1)


def _attach_ids(call: Call, failure: MusicAPIError, body: object) -> None:
    """Add the task and result ids in an error response to the error, and log them: they may have been paid for."""
    named = ids_in(body, call.body)
    failure.task_ids, failure.result_ids = named
    if not named.is_empty:
        ids = ", ".join((*named.task_ids, *named.result_ids))
        logger.log(logging.WARNING, "%s failed, and its response names %s", call.attempted, ids)


def _encodings_of(key: Secret) -> tuple[SecretBytes, ...]:
    """Return the forms of the key in JSON, where a slash may be escaped, to be masked; none for a short key."""
    text = key.reveal()
    forms = dict.fromkeys((text, text.replace("/", "\\/"))) if len(text) >= MIN_MASKED_KEY else ()
    return tuple(SecretBytes(form.encode()) for form in forms)
