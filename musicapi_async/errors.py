"""Every error this package raises, one tree.

::

    MusicAPIError
    ├── InvalidRequestError        a field is wrong: found by us before sending (status None), or a 400 or 422
    ├── ConnectionFailedError      no reply; nothing was accepted: safe to repeat
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
    ├── UnreadableReplyError       a 2xx that is not what the contract says
    ├── NotReadyError              a file is still being prepared; ask again (also a TimeoutError)
    ├── TaskFailedError            the service gave up on a task
    ├── TaskTimeoutError           the timeout expired; the task is still running on the server (also a TimeoutError)
    ├── DownloadError              a file could not be fetched or written
    ├── WebhookVerificationError   an event was not signed by the holder of the secret
    ├── BudgetExceededError        a bulk run reached its credit limit
    ├── BulkStoppedError           a bulk run submits nothing more: its tasks do not end, or cannot be found
    ├── JournalError               a bulk run's journal is in use, damaged, or cannot be written
    ├── ClientClosedError          the client was closed
    ├── UnattachedTaskError        an unpickled task was used before client.attach(task) (also a RuntimeError)
    ├── EventLoopError             called where its event loop is not (also a RuntimeError)
    └── RunClosedError             a closed run was asked to start something (also a RuntimeError)

Each says what was attempted, on what, and what to do next. None holds the API key. All survive
pickling: the raw arguments are the exception's ``args``, the sentence is made in ``__str__``.
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
    "UnreadableReplyError",
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
    """The tasks that the response to a paid request names although it is an error: they may have been started, and paid
    for. Empty otherwise."""
    result_ids: tuple[str, ...] = ()
    """The clips, personas and batches that it names."""

    def _named_text(self) -> str:
        named = [f"{word} {', '.join(ids)}" for word, ids in (("task", self.task_ids), ("id", self.result_ids)) if ids]
        return f"; the response names {' and '.join(named)}, which may be paid for" if named else ""


@attrs.define(slots=False, repr=False)
class InvalidRequestError(MusicAPIError, ValueError):
    """A field of a request or a setting is wrong, or the service answered 400 or 422.

    A refused request costs nothing.
    """

    message: str
    field: str | None = None
    """The field that is wrong; with ``value`` and ``limit`` set when the fault was found before anything was sent."""
    value: object = None
    limit: object = None
    """What the field takes."""
    status: int | None = None
    """The response's status; None when the fault was found before anything was sent."""
    request_id: str | None = attrs.field(default=None, converter=_code_or_none)
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, at most 4000 bytes: of a larger one, the informative part."""

    def __str__(self) -> str:
        if self.status is None:
            return self.message
        return f"{self.message} (status {self.status}{_request_id_text(self.request_id)}){self._named_text()}"


@attrs.define(slots=False, repr=False)
class ConnectionFailedError(MusicAPIError):
    """No response came, and nothing can have been accepted: the call is safe to repeat."""

    attempted: str
    """The method and the path of the request."""
    reason: str = attrs.field(converter=_reason)

    def __str__(self) -> str:
        return f"{self.attempted}: {self.reason}; nothing was accepted, it is safe to try again"


@attrs.define(slots=False, repr=False)
class UncertainSubmissionError(MusicAPIError):
    """A paid request was sent, and no response says whether the service accepted it.

    It is not repeated: a repeat could be paid twice. ``await client.look_into(error)`` compares the balance with the
    last one that was asked for; the service's dashboard knows for certain.
    """

    attempted: str
    """The method and the path of the request."""
    request: object
    """The request value."""
    reason: str = attrs.field(converter=_reason)
    """What was seen instead of a response."""
    when: datetime
    """When it was sent (UTC)."""
    status: int | None = None
    """The response's status; None without a response."""
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, at most 4000 bytes, or the beginning of its text."""
    balance: float | None = None
    """The credits that ``client.account.credits()`` last returned to this client; None when it was not called."""
    balance_at: datetime | None = None
    """When that was (UTC)."""

    def __str__(self) -> str:
        return (
            f"{self.attempted} at {self.when:%Y-%m-%d %H:%M:%S %Z} may have been accepted and charged: {self.reason}; "
            "it was not repeated. Compare your credits (client.look_into(error)) before you send it again"
            f"{self._named_text()}"
        )


@attrs.define(slots=False, repr=False)
class APIStatusError(MusicAPIError):
    """The service answered with an error."""

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
    """The seconds after which the service wants to be asked again; None where it does not say."""

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
        """The part of the text that the service objects to; None where it names none."""
        before, quote, rest = self.message.partition("'")
        return rest.rpartition("'")[0] or None if before and quote else None


class SubscriptionError(PermissionDeniedError):
    """The account has no active subscription (403)."""

    advice = "Renew the subscription in the service's dashboard"


class InsufficientCreditsError(APIStatusError):
    """The account has too few credits for this request: 402, or a 400, 403, 422 or 429 that says so.

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

    instead: str = ""
    """What to use in its place; empty where we know nothing."""

    def towards(self, instead: str) -> "RetiredError":
        """Return the same error with what to use instead."""
        error = attrs.evolve(self, instead=instead)
        error.task_ids, error.result_ids = self.task_ids, self.result_ids
        return error

    def __str__(self) -> str:
        return f"{super().__str__()}. Use {self.instead}" if self.instead else super().__str__()


class RateLimitError(APIStatusError):
    """Too many requests (429)."""


class ServerError(APIStatusError):
    """The service is in trouble (5xx)."""


@attrs.define(slots=False, repr=False)
class UnreadableReplyError(MusicAPIError):
    """A response with a good status is not what the API documents."""

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
        return (
            f"{self.attempted}: {self.reason} (status {self.status}{request_id}); the reply begins {self.start[:200]!r}"
        )


@attrs.define(slots=False, repr=False)
class NotReadyError(MusicAPIError, TimeoutError):
    """A file is still being prepared; what was paid for goes on: ask again."""

    attempted: str
    """The method and the path of the request."""
    waited: float = 0.0
    """Seconds since it was first asked for."""

    def __str__(self) -> str:
        return f"{self.attempted}: still being prepared after {self.waited:g} s; ask again later"


REFUND_SENTENCES: Final = {
    True: "its credits were refunded",
    False: "its credits were not refunded",
    None: "the response does not say whether its credits were refunded: check your balance",
}


@attrs.define(slots=False, repr=False)
class TaskFailedError(MusicAPIError):
    """The service gave up on a task."""

    family: str
    """The family of its operation, such as ``sonic``."""
    task_id: str
    message: str = attrs.field(converter=_message)
    """The service's sentence, at most 500 characters."""
    type: str = attrs.field(default="failed", converter=_code)
    """The service's name for it: ``failed``, ``timeout``, ``forbidden``, ``api_error``, or another one."""
    refunded: bool | None = None
    """True when the response reports beyond doubt that the credits were refunded, False when it reports that they were
    not, None when it does not say (the service documents that they are)."""
    status: int | None = None
    """The response's status."""
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, at most 4000 bytes: of a larger one, the informative part."""

    def __str__(self) -> str:
        refund = REFUND_SENTENCES[self.refunded]
        return f"the service gave up on {self.family} task {self.task_id}: {self.message} ({self.type}); {refund}"


class TaskTimeoutError(MusicAPIError, TimeoutError):
    """The wait is over and the task is not: it is still running on the server, paid for; wait again, or resume it.

    - ``family``: the family of its operation, such as ``sonic``; ``task_id``: its id.
    - ``waited``: seconds.
    - ``last_seen``: its status at the last poll; None when no poll was answered.
    - ``resumption``: how it is resumed, as it is written in Python.
    - ``clips``: those that were finished when it was last polled.
    """

    # By hand: ``Clip`` is a name for type checkers alone here, which the hints of attrs' fields may not be.
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
        # Set here: given to OSError's constructor they would be taken for an errno and a file name.
        self.args = (family, task_id, waited, last_seen, resumption, clips)
        self.family = family
        self.task_id = task_id
        self.waited = waited
        self.last_seen = last_seen
        self.resumption = resumption or _resumption_of(family, task_id)
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
    """The file that was to be written; None where it was not reached."""
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
    """A bulk run creates nothing more: the next song would bring its credits above the limit."""

    limit: float
    spent: float
    """Credits so far, all runs together."""
    price: float
    """Credits of the next song."""

    def __str__(self) -> str:
        return (
            f"max_credits is {self.limit:g}, {self.spent:g} are spent, and the next song costs {self.price:g}: "
            "nothing more is created; a higher limit goes on where this stopped"
        )


@attrs.define(slots=False, repr=False)
class BulkStoppedError(MusicAPIError):
    """A bulk run submits nothing more; what it paid for is in its journal."""

    reason: str

    def __str__(self) -> str:
        return f"{self.reason}. Nothing more is submitted; a later run resumes what was paid for"


@attrs.define(slots=False, repr=False)
class JournalError(MusicAPIError):
    """A bulk run's journal cannot be used; nothing was sent because of it."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"the journal {self.path}: {self.reason}"


@attrs.define(slots=False, repr=False)
class ClientClosedError(MusicAPIError):
    """The client was closed; a task that was waited for is still running on the server, and can be resumed."""

    family: str | None = None
    """The family of the task's operation; None where no task was waited for."""
    task_id: str | None = None
    resumption: str | None = attrs.field(
        default=attrs.Factory(lambda self: self.task_id and _resumption_of(self.family, self.task_id), takes_self=True)
    )
    """How it is resumed, as it is written in Python; None where no task was waited for."""

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
    """The way to it from its id, as it is written in Python."""

    def __str__(self) -> str:
        return (
            f"{self.family} task {self.task_id} was unpickled and belongs to no client: use client.attach(task), "
            f"or {self.resumption}"
        )


class EventLoopError(MusicAPIError, RuntimeError):
    """A client was called where its event loop is not: in another loop, on its own loop thread, or after a fork."""


class RunClosedError(MusicAPIError, RuntimeError):
    """A run that was closed starts nothing more: make another one."""


def _request_id_text(request_id: str | None) -> str:
    return f", request id {request_id}" if request_id else ""
