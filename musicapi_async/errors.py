"""The errors of this package, in one tree.

::

    MusicAPIError
    ├── InvalidRequestError        a field is wrong: found by us before sending (status None), or a 400 or 422
    ├── ConnectionFailedError      no response; nothing was accepted: safe to retry
    ├── UncertainSubmissionError   a paid request may have been accepted
    ├── APIStatusError             the service refused: status, type, message, request_id, body
    │   ├── AuthenticationError        401
    │   ├── PermissionDeniedError      403
    │   │   ├── ModerationError            the text was refused
    │   │   └── SubscriptionError          no active subscription
    │   ├── InsufficientCreditsError   402; 400, 403, 422 or 429 whose message or code says so
    │   ├── GatewayError               a page, a redirect or a proxy's refusal instead of the API's response
    │   ├── NotFoundError              404, or 400 "task not found."
    │   ├── RetiredError               410
    │   ├── RateLimitError             429
    │   └── ServerError                5xx
    ├── InvalidResponseError       a 2xx that differs from the API documentation
    ├── NotReadyError              a file is still being prepared; try again (also a TimeoutError)
    ├── TaskFailedError            the service gave up on a task
    ├── TaskTimeoutError           the timeout expired; the task is still running on the server (also a TimeoutError)
    ├── DownloadError              a file could not be fetched or written
    ├── WebhookVerificationError   an event has no valid signature
    ├── BudgetExceededError        a bulk run reached its credit limit
    ├── BulkStoppedError           a bulk run submits nothing more: its tasks do not end, or cannot be found
    ├── JournalError               a bulk run's journal is in use, damaged, or cannot be written
    ├── ClientClosedError          the client was closed
    ├── UnattachedTaskError        an unpickled task was used before client.attach(task) (also a RuntimeError)
    ├── EventLoopError             called outside its event loop (also a RuntimeError)
    └── RunClosedError             a request was started on a closed run (also a RuntimeError)

Each states what was attempted, on what, and what to do next. None contains the API key. All survive
pickling: the raw arguments are the exception's ``args``, and ``__str__`` builds the message.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Final

import attrs

from musicapi_async._bounds import MAX_BODY, MAX_CODE, MAX_MESSAGE, MAX_REASON, bounded_body, bounded_text

if TYPE_CHECKING:
    from musicapi_async.results import Clip

__all__ = [
    "APIStatusError",
    "AuthenticationError",
    "BudgetExceededError",
    "BulkStoppedError",
    "ClientClosedError",
    "ConnectionFailedError",
    "DownloadError",
    "EventLoopError",
    "GatewayError",
    "InsufficientCreditsError",
    "InvalidRequestError",
    "InvalidResponseError",
    "JournalError",
    "ModerationError",
    "MusicAPIError",
    "NotFoundError",
    "NotReadyError",
    "PermissionDeniedError",
    "RateLimitError",
    "RetiredError",
    "RunClosedError",
    "ServerError",
    "SubscriptionError",
    "TaskFailedError",
    "TaskTimeoutError",
    "UnattachedTaskError",
    "UncertainSubmissionError",
    "WebhookVerificationError",
]


def _message(text: str) -> str:
    return bounded_text(text, MAX_MESSAGE)


def _reason(text: str) -> str:
    return bounded_text(text, MAX_REASON)


def _code(text: str) -> str:
    return bounded_text(text, MAX_CODE)


def _code_or_none(text: str | None) -> str | None:
    return None if text is None else _code(text)


def _resumption_of(family: str | None, task_id: str) -> str:
    return f"client.{family}.task({task_id!r})"


def _start(content: bytes) -> bytes:
    return content[:MAX_BODY]


class MusicAPIError(Exception):
    """The base of every error of this package."""

    task_ids: tuple[str, ...] = ()
    """The task ids in an error response to a paid request: these tasks may have been started and charged. Empty
    otherwise."""
    result_ids: tuple[str, ...] = ()
    """The ids of clips, personas and batches in it."""

    def _named_text(self) -> str:
        named = [f"{noun} {', '.join(ids)}" for noun, ids in (("task", self.task_ids), ("id", self.result_ids)) if ids]
        return f"; the response names {' and '.join(named)}, which may be paid for" if named else ""


@attrs.define(slots=False, repr=False)
class InvalidRequestError(MusicAPIError, ValueError):
    """A field of a request or a setting is wrong, or the service responded with 400 or 422.

    A refused request costs nothing.
    """

    message: str
    field: str | None = None
    """The wrong field; set with ``value`` and ``limit`` when the error was found before anything was sent."""
    value: object = None
    limit: object = None
    """The values that the field accepts."""
    status: int | None = None
    """The response's status; None when the error was found before anything was sent."""
    request_id: str | None = attrs.field(default=None, converter=_code_or_none)
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, at most 4000 bytes: of a larger one, the informative part."""

    def __str__(self) -> str:
        if self.status is None:
            return self.message
        return f"{self.message} (status {self.status}{_request_id_text(self.request_id)}){self._named_text()}"


@attrs.define(slots=False, repr=False)
class ConnectionFailedError(MusicAPIError):
    """No response was received, and nothing can have been accepted: the call is safe to retry."""

    attempted: str
    """The method and the path of the request."""
    reason: str = attrs.field(converter=_reason)

    def __str__(self) -> str:
        return f"{self.attempted}: {self.reason}; nothing was accepted, it is safe to try again"


@attrs.define(slots=False, repr=False)
class UncertainSubmissionError(MusicAPIError):
    """A paid request was sent, and no response says whether the service accepted it.

    It is not retried: a retry could be charged twice. ``await client.investigate(error)`` compares the balance with the
    last one that was fetched; the service's dashboard shows the outcome.
    """

    attempted: str
    """The method and the path of the request."""
    request: object
    """The request value."""
    reason: str = attrs.field(converter=_reason)
    """The failure that occurred instead of a response."""
    when: datetime
    """The time at which it was sent (UTC)."""
    status: int | None = None
    """The response's status; None without a response."""
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, at most 4000 bytes, or the beginning of its text."""
    balance: float | None = None
    """The credits that ``client.account.credits()`` last returned to this client; None when it was not called."""
    balance_at: datetime | None = None
    """The time of that balance (UTC)."""

    def __str__(self) -> str:
        return (
            f"{self.attempted} at {self.when:%Y-%m-%d %H:%M:%S %Z} may have been accepted and charged: {self.reason}; "
            "it was not sent again. Compare your credits (client.investigate(error)) before you send it again"
            f"{self._named_text()}"
        )


@attrs.define(slots=False, repr=False)
class APIStatusError(MusicAPIError):
    """The service responded with an error."""

    advice = ""

    attempted: str
    """The method and the path of the request."""
    status: int
    """The response's status."""
    message: str = attrs.field(converter=_message)
    """The service's sentence, at most 500 characters."""
    type: str | None = attrs.field(default=None, converter=_code_or_none)
    """The service's name for the error, such as ``forbidden``; None without one."""
    request_id: str | None = attrs.field(default=None, converter=_code_or_none)
    """The service's id of the exchange, for its support; None without one."""
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, at most 4000 bytes: of a larger one, the informative part."""
    retry_after: float | None = None
    """The seconds after which the service accepts another request; None where it does not say."""

    def __str__(self) -> str:
        advice = f". {self.advice}" if self.advice else ""
        status = f"(status {self.status}{_request_id_text(self.request_id)})"
        return f"{self.attempted}: {self.message} {status}{self._named_text()}{advice}"


class AuthenticationError(APIStatusError):
    """The key is missing, malformed or unknown (401)."""

    advice = "Check the key given as MusicAPI(api_key=...) or in MUSICAPI_KEY, and that it belongs to this host"


class PermissionDeniedError(APIStatusError):
    """The service refuses this request (403)."""


class ModerationError(PermissionDeniedError):
    """Lyrics or a description were refused by moderation."""

    advice = "Change the text: the same request will be refused again"

    @property
    def offending(self) -> str | None:
        """The part of the text that the service objects to; None where it quotes none."""
        before, quote, rest = self.message.partition("'")
        return rest.rpartition("'")[0] or None if before and quote else None


class SubscriptionError(PermissionDeniedError):
    """The account has no active subscription (403)."""

    advice = "Renew the subscription in the service's dashboard"


class InsufficientCreditsError(APIStatusError):
    """The account has too few credits for this request: 402, or a 400, 403, 422 or 429 with that message.

    Nothing was charged. A refusal that only mentions credits is not one of these.
    """

    advice = "Buy credits in the service's dashboard; client.account.credits() shows the balance"


class NotFoundError(APIStatusError):
    """No such task or clip on this host (404, or 400 "task not found.")."""

    advice = "Ids belong to one host and one account: check base_url and the key too"


class GatewayError(APIStatusError):
    """The response did not come from the API: an HTML page, a redirect, or a proxy that wants a login.

    It says nothing about a task or the account. ``base_url`` may be wrong, or a proxy, a firewall or a network's login
    page stands in between. Redirects are not followed, so that the key goes to no other host.
    """

    advice = "Check base_url, and any proxy, firewall or network login page in between"


@attrs.define(slots=False, repr=False)
class RetiredError(APIStatusError):
    """The service no longer offers this operation (410)."""

    replacement: str = ""
    """The operation to use instead; empty where there is none."""

    def towards(self, replacement: str) -> "RetiredError":
        """Return the same error with the operation to use instead."""
        error = attrs.evolve(self, replacement=replacement)
        error.task_ids, error.result_ids = self.task_ids, self.result_ids
        return error

    def __str__(self) -> str:
        return f"{super().__str__()}. Use {self.replacement}" if self.replacement else super().__str__()


class RateLimitError(APIStatusError):
    """Too many requests (429)."""


class ServerError(APIStatusError):
    """The service failed to process the request (5xx)."""


@attrs.define(slots=False, repr=False)
class InvalidResponseError(MusicAPIError):
    """A response with a successful status differs from the API documentation."""

    attempted: str
    """The method and the path of the request."""
    status: int
    """The response's status."""
    reason: str = attrs.field(converter=_message)
    start: bytes = attrs.field(default=b"", converter=_start)
    """The response's first 4000 bytes."""
    request_id: str | None = attrs.field(default=None, converter=_code_or_none)
    """The service's id of the exchange, for its support; None without one."""

    def __str__(self) -> str:
        request_id = _request_id_text(self.request_id)
        start = self.start[:200]
        return f"{self.attempted}: {self.reason} (status {self.status}{request_id}); the response begins {start!r}"


@attrs.define(slots=False, repr=False)
class NotReadyError(MusicAPIError, TimeoutError):
    """A file is still being prepared, and is paid for: request it again."""

    attempted: str
    """The method and the path of the request."""
    waited: float = 0.0
    """Seconds since the first request for it."""

    def __str__(self) -> str:
        return f"{self.attempted}: still being prepared after {self.waited:g} s; try again later"


REFUND_SENTENCES: Final[dict[bool | None, str]] = {
    True: "its credits were refunded",
    False: "its credits were not refunded",
    None: "the response does not say whether its credits were refunded: check your balance",
}


@attrs.define(slots=False, repr=False)
class TaskFailedError(MusicAPIError):
    """The task has failed, as the service reports."""

    family: str
    """The family of its operation, such as ``sonic``."""
    task_id: str
    message: str = attrs.field(converter=_message)
    """The service's sentence, at most 500 characters."""
    type: str = attrs.field(default="failed", converter=_code)
    """The service's name for it: ``failed``, ``timeout``, ``forbidden``, ``api_error``, or another one."""
    refunded: bool | None = None
    """True when the response clearly reports that the credits were refunded, False when it reports that they were not,
    None when it does not say (the service documents that they are)."""
    status: int | None = None
    """The response's status."""
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, at most 4000 bytes: of a larger one, the informative part."""

    def __str__(self) -> str:
        refund = REFUND_SENTENCES[self.refunded]
        return f"the service gave up on {self.family} task {self.task_id}: {self.message} ({self.type}); {refund}"


class TaskTimeoutError(MusicAPIError, TimeoutError):
    """The wait timed out; the task is paid for and still running on the server: wait again, or resume it.

    - ``family``: the family of its operation, such as ``sonic``; ``task_id``: its id.
    - ``waited``: seconds.
    - ``last_seen``: its status at the last poll; None when no poll succeeded.
    - ``resumption``: the Python expression that resumes it.
    - ``clips``: the clips that were finished at the last poll.
    """

    # Written by hand: ``Clip`` is imported for type checkers only, and attrs resolves the annotations of fields.
    def __init__(
        self,
        family: str,
        task_id: str,
        waited: float,
        last_seen: str | None = None,
        resumption: str | None = None,
        clips: "tuple[Clip, ...]" = (),
    ) -> None:
        super().__init__()
        # Set here: OSError's constructor would interpret them as an errno and a file name.
        self.args: tuple[object, ...] = (family, task_id, waited, last_seen, resumption, clips)
        self.family = family
        self.task_id = task_id
        self.waited = waited
        self.last_seen = last_seen
        self.resumption: str = resumption or _resumption_of(family, task_id)
        self.clips = clips

    def __str__(self) -> str:
        seen = f", last seen {self.last_seen}" if self.last_seen else ""
        if self.clips:
            seen += f", {len(self.clips)} clip{'s'[: len(self.clips) != 1]} of it finished (error.clips)"
        return (
            f"{self.family} task {self.task_id} is not finished after {self.waited:g} s{seen}; it is paid for and "
            f"still running on the server: wait again, or resume it later with {self.resumption}"
        )


@attrs.define(slots=False, repr=False)
class DownloadError(MusicAPIError):
    """A file could not be fetched or written; nothing is left under its final name."""

    source: str
    """The URL, or the clip."""
    path: str | None
    """The target file; None if the error occurred before it was determined."""
    reason: str = attrs.field(converter=_reason)
    status: int | None = None
    """The response's status; None without a response."""

    def __str__(self) -> str:
        target = f" to {self.path}" if self.path else ""
        return f"cannot download {self.source}{target}: {self.reason}"


class WebhookVerificationError(MusicAPIError):
    """A webhook's signature is missing, malformed, too old or wrong: do not trust the event."""


@attrs.define(slots=False, repr=False)
class BudgetExceededError(MusicAPIError):
    """A bulk run submits nothing more: the next song would exceed its credit limit."""

    limit: float
    spent: float
    """Credits spent so far, in all runs."""
    price: float
    """Price of the next song in credits."""

    def __str__(self) -> str:
        return (
            f"max_credits is {self.limit:g}, {self.spent:g} are spent, and the next song costs {self.price:g}: "
            "nothing more is submitted; a run with a higher limit continues from here"
        )


@attrs.define(slots=False, repr=False)
class BulkStoppedError(MusicAPIError):
    """A bulk run submits nothing more; its paid requests are in its journal."""

    reason: str

    def __str__(self) -> str:
        return f"{self.reason}. Nothing more is submitted; a later run resumes the paid tasks"


@attrs.define(slots=False, repr=False)
class JournalError(MusicAPIError):
    """A bulk run's journal cannot be used; nothing was sent because of it."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"the journal {self.path}: {self.reason}"


@attrs.define(slots=False, repr=False)
class ClientClosedError(MusicAPIError):
    """The client was closed; the task of a pending wait is still running on the server, and can be resumed."""

    family: str | None = None
    """The family of the task's operation; None where no task was waited for."""
    task_id: str | None = None
    resumption: str | None = attrs.field(
        default=attrs.Factory(lambda self: self.task_id and _resumption_of(self.family, self.task_id), takes_self=True)
    )
    """The Python expression that resumes it; None where no task was waited for."""

    def __str__(self) -> str:
        if self.task_id is None:
            return "the client is closed: make a new one"
        return (
            f"the client was closed while {self.family} task {self.task_id} was waited for; it is still running on the "
            f"server: resume it with {self.resumption} on a new client"
        )


@attrs.define(slots=False, repr=False)
class UnattachedTaskError(MusicAPIError, RuntimeError):
    """A task that was unpickled belongs to no client: ``client.attach(task)`` returns it on one."""

    family: str
    task_id: str
    resumption: str
    """The Python expression that resumes it."""

    def __str__(self) -> str:
        return (
            f"{self.family} task {self.task_id} was unpickled and belongs to no client: use client.attach(task), "
            f"or {self.resumption}"
        )


class EventLoopError(MusicAPIError, RuntimeError):
    """A client was called outside its event loop: in another loop, on its own loop thread, or after a fork."""


class RunClosedError(MusicAPIError, RuntimeError):
    """A request was started on a closed run: make another one."""


def _request_id_text(request_id: str | None) -> str:
    return f", request id {request_id}" if request_id else ""
