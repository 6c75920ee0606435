"""What may be repeated, and when: pure (contract, decisions 10 and 12).

========================  ==================  ====================
what happened             free look           paid request
========================  ==================  ====================
could not connect         repeat              repeat
429, 503 that says busy   repeat              repeat
other 5xx                 repeat              uncertain
no reply, cut reply       repeat              uncertain
unreadable 2xx            give up             uncertain
408, 409, 499, ...        give up             uncertain
any other refusal         give up             give up
========================  ==================  ====================
"""

import enum
import random
from typing import Final

from musicapi_async import errors
from musicapi_async._transport.replies import own_words

__all__ = ["Kind", "NoReplyError", "Verdict", "judge", "wait_before"]

BUSY_WORDS: Final = ("busy", "concurrent")
REFUSED: Final = frozenset({400, 401, 402, 403, 404, 410, 422, 429})
"""What certainly was not accepted (real-world, 9)."""
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 8.0
DOUBLINGS: Final = 10
LONGEST_RETRY_AFTER: Final = 120.0
"""A longer Retry-After is handed to the caller as an error, rather than slept for less or longer."""


class Kind(enum.Enum):
    """What a repetition would cost."""

    PAID = "paid"
    FREE = "free"


class Verdict(enum.Enum):
    """What to do with a failure."""

    REPEAT = "repeat"
    GIVE_UP = "give up"
    UNCERTAIN = "uncertain"


class NoReplyError(Exception):
    """The request may have been sent and no whole reply came; the caller turns it into a public error."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def judge(kind: Kind, failure: Exception) -> Verdict:
    """Decide what a failure means for a request of this kind."""
    if isinstance(failure, errors.ConnectionFailedError) or _is_refused_for_now(failure):
        return Verdict.REPEAT
    if isinstance(failure, (NoReplyError, errors.ServerError)):
        return Verdict.REPEAT if kind is Kind.FREE else Verdict.UNCERTAIN
    if kind is Kind.PAID and (isinstance(failure, errors.UnreadableReplyError) or _is_doubtful(failure)):
        return Verdict.UNCERTAIN
    return Verdict.GIVE_UP


def wait_before(attempt: int, failure: Exception, spread: random.Random) -> float | None:
    """Return the seconds before the attempt after this one (counted from 1), or None when that is too long.

    A Retry-After is honoured in full; otherwise exponential with full jitter.
    """
    asked = failure.retry_after if isinstance(failure, errors.APIStatusError) else None
    if asked is not None and asked > LONGEST_RETRY_AFTER:
        return None
    return max(asked or 0.0, spread.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, DOUBLINGS))))


def _is_doubtful(failure: Exception) -> bool:
    """Tell whether a 4xx may come from a gateway that gave up on a request the service is working on."""
    if not isinstance(failure, errors.APIStatusError):
        return False
    return 400 <= failure.status < 500 and failure.status not in REFUSED  # noqa: PLR2004 - the definition of 4xx


def _is_refused_for_now(failure: Exception) -> bool:
    if isinstance(failure, errors.RateLimitError):
        return True
    if not isinstance(failure, errors.ServerError) or failure.status != 503:  # noqa: PLR2004
        return False
    return any(word in own_words(failure.message) for word in BUSY_WORDS)
