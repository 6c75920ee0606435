"""Retry policy: which failures are retried, after which delay, and how many of them. No I/O.

The page "Retry policy" of the documentation shows the table.
"""

import enum
import random
from collections.abc import Mapping
from typing import Final, NamedTuple

from musicapi_async import errors
from musicapi_async._responses.decoding import is_refunded
from musicapi_async._responses.refusals import without_quotations
from musicapi_async._responses.response import Response

__all__ = [
    "MAX_RETRY_AFTER",
    "RULES",
    "FailureKind",
    "RequestClass",
    "RetryBudget",
    "RetryDecision",
    "RetryRule",
    "TransportError",
    "backoff_delay",
    "decide",
    "failure_kind",
    "is_progress",
]

BUSY_WORDS: Final = ("busy", "concurrent")
REFUSED: Final = frozenset({301, 307, 308, 400, 401, 402, 403, 404, 407, 410, 422, 429})
"""Statuses of requests that were certainly not accepted: a 407 is a proxy's, and a redirect is not processed."""
NOT_THERE_YET: Final = frozenset({403, 404})
"""Statuses that a file's host returns for a file that it does not have yet."""
FIRST_DELAY: Final = 0.5
MAX_DELAY: Final = 8.0
MAX_DOUBLINGS: Final = 10
MIN_PROGRESS: Final = 64 * 1024
MAX_RETRY_AFTER: Final = 120.0
"""Seconds; with a longer Retry-After the error is raised, instead of waiting for only a part of it."""


class RequestClass(enum.Enum):
    """The class of a request, which decides whether a retry may be charged. The values are for the documentation."""

    SUBMISSION = "paid request"
    READ = "free request"
    DOWNLOAD = "file"


class RetryDecision(enum.Enum):
    """The decision on a failure."""

    RETRY = "retry"
    GIVE_UP = "give up"
    UNCERTAIN = "uncertain"


class FailureKind(enum.Enum):
    """The failures that the policy distinguishes. The values are for the documentation."""

    UNREACHABLE = "connection refused, or no way to the host"
    DNS = "the host's name is not known"
    PROXY = "the proxy cannot be reached, or refuses"
    CONNECT_TIMEOUT = "timeout while connecting"
    TLS = "TLS: the certificate or the handshake is refused"
    CUT = "written, then the connection breaks"
    TIMEOUT = "written, then no complete response in time"
    RATE_LIMITED = "429"
    BUSY = "503 that says busy or concurrent"
    SERVER_ERROR = "any other 5xx"
    DOUBTFUL = "any other 4xx (408, 409, 499, ...): perhaps a gateway that gave up waiting"
    ODD = "302, 303, 304, 101: a response that does not report what was done"
    UNREADABLE = "2xx that cannot be read, or names no task"
    NOT_THERE_YET = "403 or 404 (of a file: perhaps not there yet)"
    REFUSAL = "400, 401, 402, 403, 404, 407, 410, 422, a redirect, or a refusal in the body of a 2xx"

    @property
    def is_before_sending(self) -> bool:
        """True when no byte of the request can have been sent."""
        return self in BEFORE_SENDING


BEFORE_SENDING: Final = frozenset(
    {
        FailureKind.UNREACHABLE,
        FailureKind.DNS,
        FailureKind.PROXY,
        FailureKind.CONNECT_TIMEOUT,
        FailureKind.TLS,
    }
)


class RetryRule(NamedTuple):
    """The decisions on one FailureKind, by the class of the request."""

    submission: RetryDecision
    read: RetryDecision
    download: RetryDecision


_retry, _give_up, _uncertain = RetryDecision.RETRY, RetryDecision.GIVE_UP, RetryDecision.UNCERTAIN

RULES: Final[Mapping[FailureKind, RetryRule]] = {
    FailureKind.UNREACHABLE: RetryRule(_retry, _retry, _retry),
    FailureKind.DNS: RetryRule(_retry, _retry, _retry),
    FailureKind.PROXY: RetryRule(_retry, _retry, _retry),
    FailureKind.CONNECT_TIMEOUT: RetryRule(_retry, _retry, _retry),
    FailureKind.TLS: RetryRule(_give_up, _give_up, _give_up),
    FailureKind.CUT: RetryRule(_uncertain, _retry, _retry),
    FailureKind.TIMEOUT: RetryRule(_uncertain, _retry, _retry),
    FailureKind.RATE_LIMITED: RetryRule(_retry, _retry, _retry),
    FailureKind.BUSY: RetryRule(_retry, _retry, _retry),
    FailureKind.SERVER_ERROR: RetryRule(_uncertain, _retry, _retry),
    FailureKind.DOUBTFUL: RetryRule(_uncertain, _retry, _retry),
    FailureKind.ODD: RetryRule(_uncertain, _give_up, _give_up),
    FailureKind.UNREADABLE: RetryRule(_uncertain, _give_up, _give_up),
    FailureKind.NOT_THERE_YET: RetryRule(_give_up, _give_up, _retry),
    FailureKind.REFUSAL: RetryRule(_give_up, _give_up, _give_up),
}


class TransportError(Exception):
    """The failure of a request without a complete response; the transport converts it into a public error."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(kind, reason)
        self.kind = kind
        self.reason = reason
        self.response: Response | None = None
        """The part of the response that was received; None when there is none."""

    @property
    def failure_name(self) -> str:
        """Its name in a span, such as ``timeout``."""
        return self.kind.name.lower()


def decide(request_class: RequestClass, failure: Exception) -> RetryDecision:
    """Return the decision on a failure of a request of this class."""
    rule = RULES[failure_kind(failure)]
    has_ids = isinstance(failure, errors.MusicAPIError) and bool(failure.task_ids or failure.result_ids)
    if request_class is RequestClass.SUBMISSION and rule.submission is RetryDecision.RETRY and has_ids:
        return RetryDecision.UNCERTAIN  # ids in a refusal: a task may have been started
    decisions = {
        RequestClass.SUBMISSION: rule.submission,
        RequestClass.READ: rule.read,
        RequestClass.DOWNLOAD: rule.download,
    }
    return decisions[request_class]


def failure_kind(failure: Exception) -> FailureKind:
    """Return the FailureKind of an exception, which is the key of ``RULES``."""
    if isinstance(failure, TransportError):
        return failure.kind
    if isinstance(failure, errors.InvalidResponseError):
        return FailureKind.UNREADABLE
    return _kind_by_status(failure) if isinstance(failure, errors.APIStatusError) else FailureKind.REFUSAL


def _kind_by_status(refusal: errors.APIStatusError) -> FailureKind:
    if isinstance(refusal, errors.RateLimitError):
        return FailureKind.RATE_LIMITED
    if isinstance(refusal, errors.ServerError):
        is_busy = refusal.status == 503 and any(word in without_quotations(refusal.message) for word in BUSY_WORDS)  # noqa: PLR2004
        return FailureKind.BUSY if is_busy else FailureKind.SERVER_ERROR
    if refusal.status in NOT_THERE_YET:
        return FailureKind.NOT_THERE_YET
    # A 2xx raises only for an error in its body.
    if refusal.status in REFUSED or 200 <= refusal.status < 300 or is_refunded(refusal.body):  # noqa: PLR2004
        return FailureKind.REFUSAL
    return FailureKind.DOUBTFUL if refusal.status >= 400 else FailureKind.ODD  # noqa: PLR2004


def backoff_delay(attempt: int, failure: Exception, spread: random.Random) -> float | None:
    """Return the seconds before the attempt after this one (counted from 1), or None when that is too long.

    A Retry-After is waited for in full; otherwise the delay is exponential, with full jitter.
    """
    retry_after = failure.retry_after if isinstance(failure, errors.APIStatusError) else None
    if retry_after is not None and retry_after > MAX_RETRY_AFTER:
        return None
    max_delay = min(MAX_DELAY, FIRST_DELAY * 2 ** min(attempt, MAX_DOUBLINGS))
    return max(retry_after or 0.0, spread.uniform(0, max_delay))


def is_progress(further: int) -> bool:
    """Return True when an interrupted download has received enough further bytes to count as progress.

    Attempts are then counted anew, and the next one costs no budget: over an unreliable connection a long file is
    completed as long as the total time allows. Fewer bytes are no progress, so that a host that sends a byte each time
    does not receive hundreds of requests.
    """
    return further >= MIN_PROGRESS


class RetryBudget:
    """Retry budget of a client: a service that is down receives little more than one request per call.

    Each retry costs one; each request that succeeds earns a tenth. A retry after a temporary refusal (429, busy) is
    free, since submissions are rate limited then; so is resuming a download that made progress.
    """

    FULL: Final = 50.0
    EARNED: Final = 0.1
    FREE_OF_CHARGE: Final = frozenset({FailureKind.RATE_LIMITED, FailureKind.BUSY})

    def __init__(self) -> None:
        self._left = self.FULL

    def earn(self) -> None:
        """Count a request that succeeded."""
        self._left = min(self.FULL, self._left + self.EARNED)

    def spend(self, failure: Exception) -> bool:
        """Spend one retry; return False when the budget is used up."""
        if failure_kind(failure) in self.FREE_OF_CHARGE:
            return True
        if self._left < 1:
            return False
        self._left -= 1
        return True
