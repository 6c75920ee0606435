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
    ├── EventLoopError             called where its event loop is not (also a RuntimeError)
    └── RunClosedError             a closed run was asked to start something (also a RuntimeError)

Each says what was attempted, on what, and what to do next. None holds the API key. All survive
pickling: the raw arguments are the exception's ``args``, the sentence is made in ``__str__``.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Final

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
    "UncertainSubmissionError",
    "UnreadableReplyError",
    "WebhookVerificationError",
]


class MusicAPIError(Exception):
    """The base of every error of this package.

    ``task_ids`` are the tasks, and ``result_ids`` the clips, personas and batches, that the response to a paid request
    names although it is an error: they may have been started, and paid for. Both are empty otherwise.
    """

    task_ids: tuple[str, ...] = ()
    result_ids: tuple[str, ...] = ()

    def _named_text(self) -> str:
        named = [f"{word} {', '.join(ids)}" for word, ids in (("task", self.task_ids), ("id", self.result_ids)) if ids]
        return f"; the response names {' and '.join(named)}, which may be paid for" if named else ""


class InvalidRequestError(MusicAPIError, ValueError):
    """A field of a request or a setting is wrong, or the service answered 400 or 422.

    ``field``, ``value`` and ``limit`` are set when the fault was found before anything was sent
    (then ``status`` is None); ``status``, ``request_id`` and ``body`` when the service found it.
    A refused request costs nothing.
    """

    def __init__(
        self,
        message: str,
        field: str | None = None,
        value: object = None,
        limit: object = None,
        status: int | None = None,
        request_id: str | None = None,
        body: object = None,
    ) -> None:
        body = bounded_body(body)
        request_id = None if request_id is None else bounded_text(request_id, MAX_CODE)
        super().__init__(message, field, value, limit, status, request_id, body)
        self.message = message
        self.field = field
        self.value = value
        self.limit = limit
        self.status = status
        self.request_id = request_id
        self.body = body

    def __str__(self) -> str:
        if self.status is None:
            return self.message
        return f"{self.message} (status {self.status}{_request_id_text(self.request_id)}){self._named_text()}"


class ConnectionFailedError(MusicAPIError):
    """No reply came, and nothing can have been accepted: the call is safe to repeat."""

    def __init__(self, attempted: str, reason: str) -> None:
        reason = bounded_text(reason, MAX_REASON)
        super().__init__(attempted, reason)
        self.attempted = attempted
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.attempted}: {self.reason}; nothing was accepted, it is safe to try again"


class UncertainSubmissionError(MusicAPIError):
    """A paid request was sent and no answer tells whether the service accepted it.

    It is not repeated: a repeat could be paid twice. ``await client.look_into(error)`` compares the balance with the
    last one that was asked for; the service's dashboard knows for certain.

    ``request`` is the request value, ``reason`` what was seen, ``when`` the time of sending (UTC), ``status`` and
    ``body`` what was answered, if anything; ``balance`` are the credits this client last saw by itself being asked
    (``client.account.credits()``), at ``balance_at``.
    """

    def __init__(
        self,
        attempted: str,
        request: object,
        reason: str,
        when: datetime,
        status: int | None = None,
        body: object = None,
        balance: float | None = None,
        balance_at: datetime | None = None,
    ) -> None:
        reason, body = bounded_text(reason, MAX_REASON), bounded_body(body)
        super().__init__(attempted, request, reason, when, status, body, balance, balance_at)
        self.attempted = attempted
        self.request = request
        self.reason = reason
        self.when = when
        self.status = status
        self.body = body
        self.balance = balance
        self.balance_at = balance_at

    def __str__(self) -> str:
        return (
            f"{self.attempted} at {self.when:%Y-%m-%d %H:%M:%S %Z} may have been accepted and charged: {self.reason}; "
            "it was not repeated. Compare your credits (client.look_into(error)) before you send it again"
            f"{self._named_text()}"
        )


class APIStatusError(MusicAPIError):
    """The service answered with an error: ``status``, ``type``, ``message``, ``request_id``, ``body``.

    ``retry_after`` is the wait in seconds the service asked for, if it did. ``message`` is at most 500 characters of
    the service's sentence, ``body`` at most 4000 bytes of the response's JSON: of a larger one, the informative part.
    """

    advice = ""

    def __init__(
        self,
        attempted: str,
        status: int,
        message: str,
        type: str | None = None,
        request_id: str | None = None,
        body: object = None,
        retry_after: float | None = None,
    ) -> None:
        message, body = bounded_text(message, MAX_MESSAGE), bounded_body(body)
        type = None if type is None else bounded_text(type, MAX_CODE)
        request_id = None if request_id is None else bounded_text(request_id, MAX_CODE)
        super().__init__(attempted, status, message, type, request_id, body, retry_after)
        self.attempted = attempted
        self.status = status
        self.message = message
        self.type = type
        self.request_id = request_id
        self.body = body
        self.retry_after = retry_after

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
    """Lyrics or a description were refused by moderation; ``offending`` is the text it named, if any."""

    advice = "Change the text: the same request will be refused again"

    @property
    def offending(self) -> str | None:
        """The part of the text the service objects to."""
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


class RetiredError(APIStatusError):
    """The service no longer offers this operation (410); ``instead`` names what to use, where we know it."""

    def __init__(
        self,
        attempted: str,
        status: int,
        message: str,
        type: str | None = None,
        request_id: str | None = None,
        body: object = None,
        retry_after: float | None = None,
        instead: str = "",
    ) -> None:
        super().__init__(attempted, status, message, type, request_id, body, retry_after)
        self.args = (*self.args, instead)
        self.instead = instead

    def towards(self, instead: str) -> "RetiredError":
        """Return the same error with what to use instead."""
        known = (self.attempted, self.status, self.message, self.type, self.request_id, self.body, self.retry_after)
        error = RetiredError(*known, instead)
        error.task_ids, error.result_ids = self.task_ids, self.result_ids
        return error

    def __str__(self) -> str:
        return f"{super().__str__()}. Use {self.instead}" if self.instead else super().__str__()


class RateLimitError(APIStatusError):
    """Too many requests (429)."""


class ServerError(APIStatusError):
    """The service is in trouble (5xx)."""


class UnreadableReplyError(MusicAPIError):
    """A reply that should be good is not what the contract says; ``start`` holds its beginning."""

    def __init__(
        self, attempted: str, status: int, reason: str, start: bytes = b"", request_id: str | None = None
    ) -> None:
        reason, start = bounded_text(reason, MAX_MESSAGE), start[:MAX_BODY]
        request_id = None if request_id is None else bounded_text(request_id, MAX_CODE)
        super().__init__(attempted, status, reason, start, request_id)
        self.attempted = attempted
        self.status = status
        self.reason = reason
        self.start = start
        self.request_id = request_id

    def __str__(self) -> str:
        request_id = _request_id_text(self.request_id)
        return (
            f"{self.attempted}: {self.reason} (status {self.status}{request_id}); the reply begins {self.start[:200]!r}"
        )


class NotReadyError(MusicAPIError, TimeoutError):
    """A file is still being prepared after ``waited`` seconds of asking; what was paid for goes on: ask again."""

    def __init__(self, attempted: str, waited: float = 0.0) -> None:
        super().__init__()
        # Set here: given to OSError's constructor they would be taken for an errno and a file name.
        self.args = (attempted, waited)
        self.attempted = attempted
        self.waited = waited

    def __str__(self) -> str:
        return f"{self.attempted}: still being prepared after {self.waited:g} s; ask again later"


REFUND_SENTENCES: Final = {
    True: "its credits were refunded",
    False: "its credits were not refunded",
    None: "the response does not say whether its credits were refunded: check your balance",
}


class TaskFailedError(MusicAPIError):
    """The service gave up on a task.

    ``type`` is the service's word (``failed``, ``timeout``, ``forbidden``, ``api_error``); ``refunded`` is True when
    the response reports beyond doubt that the credits were refunded, False when it reports that they were not, and None
    when it does not say (the service documents that they are).
    """

    def __init__(
        self,
        family: str,
        task_id: str,
        message: str,
        type: str = "failed",
        refunded: bool | None = None,  # noqa: FBT001 - by position, so that it pickles
        status: int | None = None,
        body: object = None,
    ) -> None:
        message, type = bounded_text(message, MAX_MESSAGE), bounded_text(type, MAX_CODE)
        body = bounded_body(body)
        super().__init__(family, task_id, message, type, refunded, status, body)
        self.family = family
        self.task_id = task_id
        self.message = message
        self.type = type
        self.refunded = refunded
        self.status = status
        self.body = body

    def __str__(self) -> str:
        refund = REFUND_SENTENCES[self.refunded]
        return f"the service gave up on {self.family} task {self.task_id}: {self.message} ({self.type}); {refund}"


class TaskTimeoutError(MusicAPIError, TimeoutError):
    """The timeout expired; the task is paid for and still running on the server: wait again, or resume by ``task_id``.

    ``resumption`` is how, as it is written in Python; ``clips`` are those that were finished when it was last polled.
    """

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
        self.resumption = resumption or f"client.{family}.task({task_id!r})"
        self.clips = clips

    def __str__(self) -> str:
        seen = f", last seen {self.last_seen}" if self.last_seen else ""
        if self.clips:
            seen += f", {len(self.clips)} clip{'s'[: len(self.clips) != 1]} of it finished (error.clips)"
        return (
            f"{self.family} task {self.task_id} is not finished after {self.waited:g} s{seen}; it is paid for and "
            f"still running on the server: wait again, or resume it later with {self.resumption}"
        )


class DownloadError(MusicAPIError):
    """A file could not be fetched or written; nothing is left under its final name."""

    def __init__(self, source: str, path: str | None, reason: str, status: int | None = None) -> None:
        reason = bounded_text(reason, MAX_REASON)
        super().__init__(source, path, reason, status)
        self.source = source
        self.path = path
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        target = f" to {self.path}" if self.path else ""
        return f"cannot download {self.source}{target}: {self.reason}"


class WebhookVerificationError(MusicAPIError):
    """A webhook's signature is missing, malformed, too old or wrong: do not trust the event."""


class BudgetExceededError(MusicAPIError):
    """A bulk run creates nothing more: ``spent`` credits and the ``price`` of the next song are above its ``limit``."""

    def __init__(self, limit: float, spent: float, price: float) -> None:
        super().__init__(limit, spent, price)
        self.limit = limit
        self.spent = spent
        self.price = price

    def __str__(self) -> str:
        return (
            f"max_credits is {self.limit:g}, {self.spent:g} are spent, and the next song costs {self.price:g}: "
            "nothing more is created; a higher limit goes on where this stopped"
        )


class BulkStoppedError(MusicAPIError):
    """A bulk run submits nothing more, for this ``reason``; what it paid for is in its journal."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}. Nothing more is submitted; a later run resumes what was paid for"


class JournalError(MusicAPIError):
    """A bulk run's journal at ``path`` cannot be used, for this ``reason``; nothing was sent because of it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"the journal {self.path}: {self.reason}"


class ClientClosedError(MusicAPIError):
    """The client was closed; a task that was waited for lives on and can be taken up from ``task_id``.

    ``resumption`` is how, as it is written in Python; None where no task was waited for.
    """

    def __init__(self, family: str | None = None, task_id: str | None = None, resumption: str | None = None) -> None:
        super().__init__(family, task_id, resumption)
        self.family = family
        self.task_id = task_id
        self.resumption = resumption or (f"client.{family}.task({task_id!r})" if task_id else None)

    def __str__(self) -> str:
        if self.task_id is None:
            return "the client is closed: make a new one"
        return (
            f"the client was closed while {self.family} task {self.task_id} was waited for; it lives on: take it up "
            f"with {self.resumption} on a new client"
        )


class EventLoopError(MusicAPIError, RuntimeError):
    """A client was called where its event loop is not: in another loop, on its own loop thread, or after a fork."""


class RunClosedError(MusicAPIError, RuntimeError):
    """A run that was closed starts nothing more: make another one."""


def _request_id_text(request_id: str | None) -> str:
    return f", request id {request_id}" if request_id else ""
