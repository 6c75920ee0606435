"""Status, headers and bytes to a JSON object or a typed error: pure.

The contract's rules: decision 6 (submit), 8 and 9 (running, failed), 11 (errors are classed by body first).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from musicapi_async import errors
from musicapi_async._settings import Secret
from musicapi_async._transport.wire import read_json
from musicapi_async.results.lenient import number, text

__all__ = [
    "KEY_SHOWN",
    "Reply",
    "error_from",
    "is_id",
    "is_not_ready",
    "is_refunded",
    "message_in",
    "names_task",
    "own_words",
    "read_body",
    "read_object",
    "read_task_id",
    "retry_after",
    "unreadable",
    "without_keys",
]

OK: Final = 200
NOT_READY: Final = 202
FIRST_BYTES: Final = 200
KEY_SHOWN: Final = b"[the key]"
KEPT_BYTES: Final = 4000
"""How much of a reply that cannot be read is kept for whoever looks into it."""
BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NO_LETTER: Final = "\ufffd"
"""What stands for bytes that are none."""
NO_IDS: Final = ("", ".", "..")
REQUEST_ID_HEADERS: Final = ("x-request-id", "x-vercel-id", "cf-ray")
MESSAGE_KEYS: Final = ("detail", "error", "message", "msg")
# What a body's `type` says when the status says something else.
STATUS_BY_TYPE: Final = {
    "validation_error": 400,
    "bad_request": 400,
    "unauthorized": 401,
    "not_found": 404,
    "endpoint_retired": 410,
    "rate_limited": 429,
    "upstream_error": 502,
}
ERROR_BY_STATUS: Final[Mapping[int, type[errors.APIStatusError]]] = {
    401: errors.AuthenticationError,
    404: errors.NotFoundError,
    410: errors.RetiredError,
    429: errors.RateLimitError,
}
MODERATED: Final = ("lyrics", "description", "copyright", "inappropriate", "moderation", "artist name", "producer tag")


class Reply(NamedTuple):
    """What came over the wire, not yet understood."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    keys: tuple[Secret, ...] = ()
    """What it must not tell of what was sent."""

    def __repr__(self) -> str:
        """Show no headers: they may repeat the key, and tracebacks may show locals."""
        return f"Reply({self.status}, {self.content!r})"

    @property
    def request_id(self) -> str | None:
        """The service's id of this exchange, for its support."""
        told = next((value for name in REQUEST_ID_HEADERS if (value := self.headers.get(name))), None)
        return told and without_keys(told, self.keys)

    @property
    def is_success(self) -> bool:
        """True for a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the definition of 2xx


def without_keys(told: str, keys: tuple[Secret, ...]) -> str:
    """Take the key out of a text for people."""
    for key in keys:
        told = told.replace(key.reveal(), KEY_SHOWN.decode())
    return told


def read_body(reply: Reply) -> object:
    """Return the reply's JSON, or None when it holds none."""
    try:
        return read_json(reply.content)
    except (ValueError, RecursionError):
        return None


def read_object(attempted: str, reply: Reply, body: object) -> Mapping[str, object]:
    """Return a successful reply's JSON object.

    Raises the typed error of a refusal, or UnreadableReplyError for a 2xx that holds no JSON object.
    """
    if not reply.is_success:
        raise error_from(attempted, reply, body)
    if not isinstance(body, dict):
        raise unreadable(attempted, reply, _what_is_wrong(reply, body))
    told = body.get("code")
    code = None if told is None or told == OK else number(told)
    if code is not None and code >= BAD_REQUEST:  # an error that was sent with a 2xx
        raise error_from(attempted, reply._replace(status=int(code)), body)
    if is_refunded(body):
        raise error_from(attempted, reply, body)
    return body


def is_not_ready(reply: Reply, body: object) -> bool:
    """Tell whether a reply is a success that has nothing to hand over yet (decision 8)."""
    said_so = isinstance(body, dict) and body.get("type") == "not_ready"
    return reply.status == NOT_READY or (reply.is_success and said_so)


def unreadable(attempted: str, reply: Reply, reason: str) -> errors.UnreadableReplyError:
    """Make the error of a good status with a body that is not what the contract says."""
    start = reply.content[:KEPT_BYTES]
    return errors.UnreadableReplyError(attempted, reply.status, reason, start, reply.request_id)


def read_task_id(attempted: str, reply: Reply, body: object, *, is_bare: bool = False) -> str:
    """Find the task's id in the reply to a submit: ``task_id``, ``data.task_id``, or (``is_bare``) ``data`` itself.

    Whatever else a 2xx says: one that names a task was accepted. Raises as ``read_object`` when none is named.
    """
    if reply.is_success and isinstance(body, dict):
        data = body.get("data")
        nested = data.get("task_id") if isinstance(data, dict) else data if is_bare else None
        told_id = body.get("task_id") or nested or _id_in_steps(body)
        # Half a letter is told by what it was, not by what it is shown as.
        found = told_id if isinstance(told_id, str) else text(told_id)
        # Where the data is the id, a sentence in its place is none.
        if found is not None and is_id(found) and not (is_bare and " " in found.strip()):
            return found
    told = read_object(attempted, reply, body)
    if told.get("failed_step"):
        raise _failed_step(attempted, reply, told)
    raise unreadable(attempted, reply, "the reply names no task")


def _id_in_steps(body: Mapping[str, object]) -> object:
    """Find the task among the steps of a one-shot upload that names it nowhere else."""
    steps = body.get("steps")
    found = (
        [step.get("task_id") for step in steps.values() if isinstance(step, dict)] if isinstance(steps, dict) else []
    )
    return None if body.get("failed_step") else next(filter(None, found), None)


def names_task(body: object) -> bool:
    """Tell whether a body names a task where a submit's reply does."""
    data = body.get("data") if isinstance(body, dict) else None
    return any(isinstance(place, dict) and bool(place.get("task_id")) for place in (body, data))


def is_refunded(body: object) -> bool:
    """Tell whether a body says that the credits were given back."""
    return isinstance(body, dict) and (body.get("already_refunded") is True or body.get("refund_processed") is True)


def _failed_step(attempted: str, reply: Reply, body: Mapping[str, object]) -> errors.MusicAPIError:
    """Make the error of a one-shot upload that ended at one of its steps: nothing was started."""
    kind = _refusal_class(reply.status, own_words(message_in(body) or ""))
    status = BAD_REQUEST if kind is errors.PermissionDeniedError else FORBIDDEN
    return error_from(attempted, reply, body, status)


def is_id(text: str) -> bool:
    """Tell whether a text can be an id in a path: not blank, no dots that change the path, no half a letter."""
    return text.strip() not in NO_IDS and NO_LETTER not in text and text.encode("utf-8", "replace").decode() == text


def error_from(attempted: str, reply: Reply, body: object, status: int | None = None) -> errors.MusicAPIError:
    """Class a refusal: by what its body says, then by its status, or by the one it should have."""
    if body is None:
        body = reply.content[:FIRST_BYTES].decode("utf-8", "replace")
    kind = body.get("type") if isinstance(body, dict) else None
    kind = kind if isinstance(kind, str) else None
    message = message_in(body) or f"the service answered {reply.status}"
    effective = STATUS_BY_TYPE.get(kind or "", status or reply.status)
    if effective == BAD_REQUEST and "not found" in own_words(message):
        effective = 404
    if effective == BAD_REQUEST:
        text = f"{attempted}: {message}"
        return errors.InvalidRequestError(text, status=reply.status, request_id=reply.request_id, body=body)
    # What was given back is a refusal, and no doubt is left, whatever the status.
    error = errors.APIStatusError if is_refunded(body) else _error_class(effective, message)
    known = (attempted, reply.status, message, kind, reply.request_id, body)
    return error(*known, retry_after(reply.headers))


def message_in(body: object) -> str | None:
    """Find the sentence in an error body, whatever key this handler uses."""
    if isinstance(body, str):
        return body.strip()[:FIRST_BYTES] or None
    if not isinstance(body, dict):
        return None
    return _told_by_step(body) if body.get("failed_step") else _sentence_in(body)


def _sentence_in(body: Mapping[str, object]) -> str | None:
    return next((found for key in MESSAGE_KEYS if isinstance(found := body.get(key), str) and found), None)


def _told_by_step(body: Mapping[str, object]) -> str:
    """Say at which step a one-shot upload ended, why, and what is left of it."""
    name, steps = text(body["failed_step"]), body.get("steps")
    step = steps.get(name) if isinstance(steps, dict) else None
    upload = steps.get("upload") if isinstance(steps, dict) else None
    clip_id = text(upload.get("clip_id")) if isinstance(upload, dict) and name != "upload" else None
    reason = message_in(step) or _sentence_in(body)
    kept = f" (the audio was uploaded, and can be used, as clip {clip_id})" if clip_id else ""
    return f"the step {name} failed: {reason or 'it gave no reason'}{kept}"


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read ``Retry-After``: seconds, or a date; None when absent or unreadable."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    if (seconds := number(value)) is not None:
        return max(0.0, seconds)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def _error_class(status: int, message: str) -> type[errors.APIStatusError]:
    if status in {402, 403}:
        return _refusal_class(status, own_words(message))
    if status in ERROR_BY_STATUS:
        return ERROR_BY_STATUS[status]
    return errors.ServerError if status >= 500 else errors.APIStatusError  # noqa: PLR2004


def own_words(message: str) -> str:
    """Return the message without what it quotes: a song about credits is not a matter of money."""
    return re.sub(r"'.*'|\".*\"", "''", message, flags=re.DOTALL).lower()


def _refusal_class(status: int, message: str) -> type[errors.APIStatusError]:
    """Split the overloaded 403 (and 402) by its message: credits, subscription, moderation, or plain refusal."""
    if "credit" in message:
        return errors.InsufficientCreditsError
    if "subscription" in message:
        return errors.SubscriptionError
    if status == 402:  # noqa: PLR2004
        return errors.InsufficientCreditsError
    if any(word in message for word in MODERATED):
        return errors.ModerationError
    return errors.PermissionDeniedError


def _what_is_wrong(reply: Reply, body: object) -> str:
    if body is not None:
        return f"the reply is a JSON {type(body).__name__}, not an object"
    if not reply.content:
        return "the reply is empty"
    return "the reply is null" if reply.content.strip() == b"null" else "the reply is not JSON"
