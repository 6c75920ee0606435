"""Errors about a response: none came, it refuses the request, or it is not what the service documents. No I/O."""

from typing import ClassVar, Final

import attrs

from musicapi_async._bounds import bounded_body
from musicapi_async.errors.base import (
    MusicAPIError,
    request_id_text,
    short_code_or_none,
    short_message,
    short_reason,
    short_start,
)

__all__ = [
    "APIStatusError",
    "AuthenticationError",
    "ConnectionFailedError",
    "GatewayError",
    "InsufficientCreditsError",
    "InvalidResponseError",
    "ModerationError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "RetiredError",
    "ServerError",
    "SubscriptionError",
]

UNKNOWN_PATH: Final = frozenset({"not found", "404: not found", "404 not found"})
"""What web servers say of a path that they do not have, where the API names a task or a clip."""


@attrs.define(slots=False, repr=False)
class ConnectionFailedError(MusicAPIError):
    """No response was received, and nothing can have been accepted.

    Raised when no connection could be made, and when a free request got no response in all its attempts. A paid request
    that may have been accepted raises UncertainSubmissionError instead.
    """

    _advice: ClassVar[str] = "It is safe to try again"

    attempted: str
    """The method and the path of the request."""
    reason: str = attrs.field(converter=short_reason)
    """The failure, such as the error of the connection; at most 1000 characters."""

    def __str__(self) -> str:
        return self._sentences(f"{self.attempted}: {self.reason}; nothing was accepted")


@attrs.define(slots=False, repr=False)
class APIStatusError(MusicAPIError):
    """The service responded with an error status.

    Raised for a status that has no class of its own. What is known is in ``message`` and ``body``.
    """

    attempted: str
    """The method and the path of the request."""
    status: int
    """The status of the response."""
    message: str = attrs.field(converter=short_message)
    """The service's own sentence, at most 500 characters."""
    type: str | None = attrs.field(default=None, converter=short_code_or_none)
    """The service's name for the error, such as ``forbidden``; None without one."""
    request_id: str | None = attrs.field(default=None, converter=short_code_or_none)
    """The service's id of the request, for its support; None without one."""
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, cut to its informative part where it exceeds 4000 bytes; None where it is not JSON."""
    retry_after: float | None = None
    """Seconds after which the service accepts another request; None where it does not say."""

    def __str__(self) -> str:
        status = f"(status {self.status}{request_id_text(self.request_id)})"
        return self._sentences(f"{self.attempted}: {self.message} {status}")


class AuthenticationError(APIStatusError):
    """The key is missing, malformed or unknown.

    Raised for a 401. Nothing was charged.
    """

    _advice = "Check the key given as MusicAPI(api_key=...) or in MUSICAPI_KEY, and that it belongs to this host"


class PermissionDeniedError(APIStatusError):
    """The service refuses this request.

    Raised for a 403. Nothing was charged.
    """

    _advice = "Check in the service's dashboard what the account may use"


class ModerationError(PermissionDeniedError):
    """Lyrics or a description were refused by moderation.

    Raised for a refusal whose message says so. Nothing was charged.
    """

    _advice = "Change the text: the same request will be refused again"

    @property
    def offending(self) -> str | None:
        """The part of the text that the service objects to; None where it quotes none."""
        before, quote, rest = self.message.partition("'")
        return rest.rpartition("'")[0] or None if before and quote else None


class SubscriptionError(PermissionDeniedError):
    """The account has no active subscription.

    Raised for a 403 whose message says so. Nothing was charged.
    """

    _advice = "Renew the subscription in the service's dashboard"


class InsufficientCreditsError(APIStatusError):
    """The account has too few credits for this request.

    Raised for a 402, and for a 400, 403, 422 or 429 whose message or code says so; not for a refusal that only mentions
    credits. Nothing was charged.
    """

    _advice = "Buy credits in the service's dashboard; client.account.credits() shows the balance"


class NotFoundError(APIStatusError):
    """The service knows no such task or clip.

    Raised for a 404, and for a 400 "task not found.". A wait first polls a task that the service does not know yet
    again, for a minute.
    """

    _advice = "Ids belong to one host and one account: check base_url and the key too"

    @property
    def advice(self) -> str:
        """The next step: with a sentence that speaks of nothing in particular, the path itself may be unknown."""
        is_path = self.message.strip(" .").casefold() in UNKNOWN_PATH
        return "The host may not have this path: check base_url" if is_path else super().advice


class GatewayError(APIStatusError):
    """The response did not come from the API: an HTML page, a redirect, or a proxy that wants a login.

    It says nothing about a task or the account. ``base_url`` may be wrong, or a proxy, a firewall or a network's login
    page stands in between. Redirects are not followed, so that the key goes to no other host.
    """

    _advice = "Check base_url, and any proxy, firewall or network login page in between"


@attrs.define(slots=False, repr=False)
class RetiredError(APIStatusError):
    """The service no longer offers this operation.

    Raised for a 410. Nothing was charged.
    """

    replacement: str = ""
    """The operation to use instead, such as ``client.sonic``; empty where there is none."""

    @property
    def advice(self) -> str:
        """The operation to use instead; empty where there is none."""
        return f"Use {self.replacement}" if self.replacement else ""

    def with_replacement(self, replacement: str) -> "RetiredError":
        """Return the same error with the operation to use instead."""
        error = attrs.evolve(self, replacement=replacement)
        error.task_ids, error.result_ids = self.task_ids, self.result_ids
        return error


class RateLimitError(APIStatusError):
    """The account has sent too many requests.

    Raised for a 429, after the attempts that ``max_attempts`` and ``total_timeout`` allow. Nothing was charged.
    """

    _advice = "Try again later, with fewer requests at once"


class ServerError(APIStatusError):
    """The service failed to process the request.

    Raised for a 5xx, after the retries of a free request, and for a 503 with which the service reports that it is too
    busy for a paid one. Every other 5xx to a paid request raises UncertainSubmissionError.
    """

    _advice = "Try again later"
    _states_advice = False


@attrs.define(slots=False, repr=False)
class InvalidResponseError(MusicAPIError):
    """A response with a successful status differs from the API documentation.

    Raised when the response to a free request is too large, is not JSON or lacks a required value. To a paid request,
    such a response raises UncertainSubmissionError.
    """

    _advice: ClassVar[str] = "The API may have changed: check for a newer version of this package"
    _states_advice: ClassVar[bool] = False

    attempted: str
    """The method and the path of the request."""
    status: int
    """The status of the response."""
    reason: str = attrs.field(converter=short_message)
    """The difference, with the JSON path of the value where there is one; at most 500 characters."""
    start: bytes = attrs.field(default=b"", converter=short_start)
    """The first 4000 bytes of the response."""
    request_id: str | None = attrs.field(default=None, converter=short_code_or_none)
    """The service's id of the request, for its support; None without one."""

    def __str__(self) -> str:
        status = f"(status {self.status}{request_id_text(self.request_id)})"
        return self._sentences(f"{self.attempted}: {self.reason} {status}; the response begins {self.start[:200]!r}")
