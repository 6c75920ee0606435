"""Retry loop for API requests and file downloads: backoff, driven by the policy in ``retry.py``."""

import asyncio
import random
import sys
import warnings
from collections.abc import Callable, Coroutine, Generator
from contextlib import nullcontext
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

import backoff
from backoff.types import Details

from musicapi_async._transport.retry import (
    RequestClass,
    RetryBudget,
    RetryDecision,
    TransportError,
    backoff_delay,
    decide,
)
from musicapi_async.errors import MusicAPIError

__all__ = ["AttemptError", "reason_of", "retrying"]

P = ParamSpec("P")
T = TypeVar("T")

_spread: Final = random.Random()  # noqa: S311 - jitter needs no secrecy


class AttemptError(Exception):
    """The error of one failed attempt, with the inputs of the retry policy; it never leaves the transport.

    ``attempt`` is counted from 1, ``max_attempts`` is None where backoff counts them. ``deadline`` is the latest start
    of a retry, by the event loop's clock. ``is_free`` is True when a retry costs no budget.
    """

    def __init__(
        self,
        request_class: RequestClass,
        failure: MusicAPIError | TransportError,
        attempt: int,
        deadline: float,
        max_attempts: int | None = None,
        *,
        is_free: bool = False,
    ) -> None:
        super().__init__(request_class, failure, attempt, deadline, max_attempts, is_free)
        self.request_class = request_class
        self.failure = failure
        self.attempt = attempt
        self.deadline = deadline
        self.max_attempts = max_attempts
        self.is_free = is_free

    @property
    def is_last(self) -> bool:
        """True after the maximum number of attempts."""
        return self.max_attempts is not None and self.attempt >= self.max_attempts

    @property
    def is_retryable(self) -> bool:
        """True when the policy retries this failure."""
        return decide(self.request_class, self.failure) is RetryDecision.RETRY


def retrying(
    attempt: Callable[P, Coroutine[Any, Any, T]],
    *,
    budget: RetryBudget,
    max_attempts: int | None,
    give_up: Callable[[Any], bool],
    before_retry: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[Concatenate[list[AttemptError], P], Coroutine[Any, Any, T]]:
    """Return ``attempt`` with its retries after an AttemptError; the last of them is raised.

    Its first argument is a list of the error of a first attempt that was made already, or empty; the error is taken out
    of it. ``max_attempts`` is None when ``give_up``, which is called with each AttemptError, counts them.
    ``before_retry`` is awaited before each delay, with the error, the delay in seconds, and the arguments of
    ``attempt``. Call it once for each engine: decorating costs more than an attempt.
    """

    async def prepare(details: Details) -> None:
        given = cast("dict[str, Any]", details)
        await before_retry(given["exception"], given["wait"], *given["args"][1:])

    async def next_attempt(first: list[AttemptError], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if first:
            raise first.pop()
        return await attempt(*args, **kwargs)

    # The jitter is in the policy's delays, so that a Retry-After is waited for in full. So is the deadline: max_time
    # would measure by the wall clock, and cut the last delay short.
    decorate = backoff.on_exception(
        _delays,
        AttemptError,
        max_tries=max_attempts,
        giveup=give_up,
        on_backoff=prepare,
        jitter=None,
        logger=None,
        budget=budget,
    )
    # Python 3.14 deprecates a function that backoff calls when it decorates.
    is_quiet = sys.version_info >= (3, 14)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning) if is_quiet else nullcontext():
        return decorate(next_attempt)


def _delays(budget: RetryBudget) -> Generator[float, Any, None]:  # backoff sends it each AttemptError
    """Yield the delay before each retry; end when it would begin after the deadline, or cannot be afforded."""
    failed: AttemptError = yield 0.0
    while True:
        delay = backoff_delay(failed.attempt, failed.failure, _spread)
        if delay is None or asyncio.get_running_loop().time() + delay > failed.deadline:
            return
        if not (failed.is_free or budget.spend(failed.failure)):
            return
        failed = yield delay


def reason_of(failure: MusicAPIError | TransportError) -> object:
    """Return why an attempt failed, for the log: the message without the request."""
    return getattr(failure, "reason", None) or getattr(failure, "message", failure)
