"""What may be repeated, when, how often: pure (contract, decisions 10 and 12; docs/reference.md has the table)."""

import enum
import random
from collections.abc import Mapping
from typing import Final, NamedTuple

from musicapi_async import errors
from musicapi_async._transport.replies import Reply, is_refunded, own_words

__all__ = [
    "RULES",
    "BrokenError",
    "Budget",
    "Fault",
    "Kind",
    "Rule",
    "Verdict",
    "fault_of",
    "is_progress",
    "judge",
    "wait_before",
]

BUSY_WORDS: Final = ("busy", "concurrent")
REFUSED: Final = frozenset({301, 307, 308, 400, 401, 402, 403, 404, 407, 410, 422, 429})
"""What certainly was not accepted (real-world, 9): 407 is a proxy's, and who lives elsewhere has done nothing."""
LATE: Final = frozenset({403, 404})
"""What a file's host says of a file that it does not have yet."""
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 8.0
DOUBLINGS: Final = 10
PROGRESS: Final = 64 * 1024
LONGEST_RETRY_AFTER: Final = 120.0
"""A longer Retry-After is handed to the caller as an error, rather than slept for less or longer."""


class Kind(enum.Enum):
    """What is asked for, which decides what a repetition would cost."""

    PAID = "paid request"
    LOOK = "free look"
    FILE = "file"


class Verdict(enum.Enum):
    """What to do with a failure."""

    REPEAT = "repeat"
    GIVE_UP = "give up"
    UNCERTAIN = "uncertain"


class Fault(enum.Enum):
    """What went wrong, in words for the table in the docs."""

    UNREACHABLE = "connection refused, or no way to the host"
    DNS = "the host's name is not known"
    PROXY = "the proxy cannot be reached, or refuses"
    CONNECT_TIMEOUT = "timeout while connecting"
    TLS = "TLS: the certificate or the handshake is refused"
    CUT = "written, then the connection breaks"
    TIMEOUT = "written, then no whole answer in time"
    RATE_LIMITED = "429"
    BUSY = "503 that says busy or concurrent"
    TROUBLE = "any other 5xx"
    DOUBTFUL = "any other 4xx (408, 409, 499, ...): perhaps a gateway that gave up waiting"
    ODD = "302, 303, 304, 101: an answer that does not say what was done"
    UNREADABLE = "2xx that cannot be read, or names no task"
    LATE = "403 or 404 (of a file: perhaps not there yet)"
    REFUSAL = "400, 401, 402, 403, 404, 407, 410, 422, a redirect, or a refusal in the body of a 2xx"

    @property
    def is_before_sending(self) -> bool:
        """True when no byte of the request can have left."""
        return self in BEFORE_SENDING


BEFORE_SENDING: Final = frozenset({Fault.UNREACHABLE, Fault.DNS, Fault.PROXY, Fault.CONNECT_TIMEOUT, Fault.TLS})


class Rule(NamedTuple):
    """The verdicts on one fault, by what was asked for."""

    paid: Verdict
    look: Verdict
    file: Verdict


_again, _end, _unsure = Verdict.REPEAT, Verdict.GIVE_UP, Verdict.UNCERTAIN

RULES: Final[Mapping[Fault, Rule]] = {
    Fault.UNREACHABLE: Rule(_again, _again, _again),
    Fault.DNS: Rule(_again, _again, _again),
    Fault.PROXY: Rule(_again, _again, _again),
    Fault.CONNECT_TIMEOUT: Rule(_again, _again, _again),
    Fault.TLS: Rule(_end, _end, _end),
    Fault.CUT: Rule(_unsure, _again, _again),
    Fault.TIMEOUT: Rule(_unsure, _again, _again),
    Fault.RATE_LIMITED: Rule(_again, _again, _again),
    Fault.BUSY: Rule(_again, _again, _again),
    Fault.TROUBLE: Rule(_unsure, _again, _again),
    Fault.DOUBTFUL: Rule(_unsure, _again, _again),
    Fault.ODD: Rule(_unsure, _end, _end),
    Fault.UNREADABLE: Rule(_unsure, _end, _end),
    Fault.LATE: Rule(_end, _end, _again),
    Fault.REFUSAL: Rule(_end, _end, _end),
}


class BrokenError(Exception):
    """No whole reply came; it never leaves the transport: the caller turns it into a public error."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(fault, reason)
        self.fault = fault
        self.reason = reason
        self.reply: Reply | None = None
        """What has come of the reply; None when nothing has."""


def judge(kind: Kind, failure: Exception) -> Verdict:
    """Decide what a failure means for a request of this kind."""
    rule = RULES[fault_of(failure)]
    names_something = isinstance(failure, errors.MusicAPIError) and bool(failure.task_ids or failure.result_ids)
    if kind is Kind.PAID and rule.paid is Verdict.REPEAT and names_something:
        return Verdict.UNCERTAIN  # whatever was refused, something was started
    return {Kind.PAID: rule.paid, Kind.LOOK: rule.look, Kind.FILE: rule.file}[kind]


def fault_of(failure: Exception) -> Fault:
    """Return the row of the table that a failure belongs to."""
    if isinstance(failure, BrokenError):
        return failure.fault
    if isinstance(failure, errors.UnreadableReplyError):
        return Fault.UNREADABLE
    return _fault_by_status(failure) if isinstance(failure, errors.APIStatusError) else Fault.REFUSAL


def _fault_by_status(refusal: errors.APIStatusError) -> Fault:
    if isinstance(refusal, errors.RateLimitError):
        return Fault.RATE_LIMITED
    if isinstance(refusal, errors.ServerError):
        is_busy = refusal.status == 503 and any(word in own_words(refusal.message) for word in BUSY_WORDS)  # noqa: PLR2004
        return Fault.BUSY if is_busy else Fault.TROUBLE
    if refusal.status in LATE:
        return Fault.LATE
    # A 2xx is here for what its body says.
    if refusal.status in REFUSED or 200 <= refusal.status < 300 or is_refunded(refusal.body):  # noqa: PLR2004
        return Fault.REFUSAL
    return Fault.DOUBTFUL if refusal.status >= 400 else Fault.ODD  # noqa: PLR2004


def wait_before(attempt: int, failure: Exception, spread: random.Random) -> float | None:
    """Return the seconds before the attempt after this one (counted from 1), or None when that is too long.

    A Retry-After is honoured in full; otherwise exponential with full jitter.
    """
    asked = failure.retry_after if isinstance(failure, errors.APIStatusError) else None
    if asked is not None and asked > LONGEST_RETRY_AFTER:
        return None
    return max(asked or 0.0, spread.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, DOUBLINGS))))


def is_progress(further: int) -> bool:
    """Tell whether a try at a file that broke off brought it so many bytes further that it did not fail.

    The tries are counted from it as from a first one, and the next costs nothing of the budget: a line that breaks
    now and then gets a long file over, as long as the total time allows. Less than this is no progress, or a host
    that gives a byte each time would be asked hundreds of times.
    """
    return further >= PROGRESS


class Budget:
    """How many repetitions a client can afford: a service that is down gets little more than what it is asked once.

    Each repetition costs one; each request that succeeds earns a tenth. What a living service refuses for now (429,
    busy) costs nothing: those are paced. Nor does going on with a file after a try that brought it further.
    """

    FULL: Final = 50.0
    EARNED: Final = 0.1
    FREE_OF_CHARGE: Final = frozenset({Fault.RATE_LIMITED, Fault.BUSY})

    def __init__(self) -> None:
        self._left = self.FULL

    def earn(self) -> None:
        """Count a request that succeeded."""
        self._left = min(self.FULL, self._left + self.EARNED)

    def spend(self, failure: Exception) -> bool:
        """Pay for a repetition; False when there is nothing left to pay with."""
        if fault_of(failure) in self.FREE_OF_CHARGE:
            return True
        if self._left < 1:
            return False
        self._left -= 1
        return True
