"""Decoding of responses: to a JSON object, a task's id, or the typed error of a refusal. No I/O.

A refusal is classified by its body first, then by its status.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeGuard

from musicapi_async import errors
from musicapi_async._bounds import MAX_MESSAGE, bounded_text
from musicapi_async._responses.error_bodies import ErrorDetails, message_in, read_error
from musicapi_async._responses.refusals import (
    ABOUT_CREDITS,
    effective_status,
    error_class,
    refusal_class,
    sentence_about_credits,
    without_quotations,
)
from musicapi_async._responses.response import (
    REDIRECTS,
    Response,
    page_in,
    redirect_target,
    retry_after,
    start_of,
    without_keys,
)
from musicapi_async.wire.json import read_json
from musicapi_async.wire.values import number, text

__all__ = [
    "error_from",
    "is_id",
    "is_list_alone",
    "is_not_ready",
    "is_refunded",
    "read_body",
    "read_object",
    "read_refund",
    "read_task_id",
    "unreadable",
]

OK: Final = 200
NOT_READY: Final = 202
KEPT_BYTES: Final = 4000
"""Bytes of an unreadable response that the error keeps, for diagnosis."""
BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
REPLACEMENT_CHARACTER: Final = "\ufffd"
"""The character that stands for undecodable bytes."""
NO_IDS: Final = ("", ".", "..")
REFUND_KEYS: Final = ("already_refunded", "refund_processed")
REFUND_PLACES: Final = ("error", "detail", "message", "data", "handledData")
"""Objects of a response in which a refund can be reported, besides the response itself."""
# The whole sentence, and the last one: "No credits were refunded" and "... refunded, if ..." report nothing.
REFUND_SENTENCE: Final = re.compile(r"(?:^|[.!]\s+)credits were previously refunded\.\s*$", re.IGNORECASE)
REFUND_DENIAL: Final = re.compile(
    r"(?:\b(?:no|not|non|never|none|cannot|without|unable|deni\w+|refus\w+|reject\w+)\b|n['\u2019]t\b)[^.!?]{0,60}refund"
    r"|refund[^.!?]{0,60}(?:\b(?:not|never|denied|refused|rejected|declined|failed|impossible|pending|if)\b|n['\u2019]t\b)",
    re.IGNORECASE,
)
"""A sentence about refunds that contradicts, or postpones, the refund that a key reports."""
FROM_ELSEWHERE: Final = frozenset({403, 404})
"""Statuses that the service explains in JSON: with any other text they come from a gateway or another site."""
PROXY_LOGIN: Final = 407
TOO_MANY: Final = 429
"""A 429 is a rate limit whether the service or a gateway sends it, and in whatever format."""


def read_body(response: Response) -> object:
    """Return the response's JSON, or None when it holds none."""
    try:
        return read_json(response.content)
    except (ValueError, RecursionError):
        return None


def read_object(attempted: str, response: Response, body: object) -> Mapping[str, object]:
    """Return a successful response's JSON object.

    Raises the typed error of a refusal, or InvalidResponseError for a 2xx that holds no JSON object.
    """
    if not response.is_success:
        raise error_from(attempted, response, body)
    if not isinstance(body, dict):
        raise unreadable(attempted, response, _describe_invalid(response, body))
    code = _code_in(body)
    if code is not None and code >= BAD_REQUEST:  # an error that was sent with a 2xx
        raise error_from(attempted, response._replace(status=int(code)), body)
    if is_refunded(body):
        raise error_from(attempted, response, body)
    return body


def is_list_alone(body: object) -> TypeGuard[dict[str, object]]:
    """Return whether a JSON object holds a list and reports nothing but success.

    Nearly every poll's response does, and searching it for an error takes longer than structuring it.
    """
    if type(body) is not dict or len(body) != len(("code", "message", "data")):
        return False
    return body.get("code") == OK and body.get("message") == "success" and type(body.get("data")) is list


def _code_in(body: Mapping[str, object]) -> float | None:
    """Return the status code in a body, or else in its error object; None for a 200, or without a code."""
    error = body.get("error")
    code = body.get("code")
    if code is None and isinstance(error, dict):
        code = error.get("code")
    return None if code is None or code == OK else number(code)


def is_not_ready(response: Response, body: object) -> bool:
    """Return whether a successful response says that the result is not ready: a 202, or a ``type`` of ``not_ready``."""
    is_reported = isinstance(body, dict) and body.get("type") == "not_ready"
    return response.status == NOT_READY or (response.is_success and is_reported)


def unreadable(attempted: str, response: Response, reason: str) -> errors.InvalidResponseError:
    """Make the error of a successful status with a body that differs from the API documentation."""
    start = response.content[:KEPT_BYTES]
    return errors.InvalidResponseError(attempted, response.status, reason, start, response.request_id)


def read_task_id(attempted: str, response: Response, body: object, *, id_in_data: bool = False) -> str:
    """Find the task's id in a submission's response: ``task_id``, ``data.task_id``, or ``data`` (``id_in_data``).

    A 2xx that contains a task id was accepted, whatever else it says. Raises as ``read_object`` when there is none.
    """
    if response.is_success and isinstance(body, dict):
        data = body.get("data")
        nested = data.get("task_id") if isinstance(data, dict) else data if id_in_data else None
        raw_id = body.get("task_id") or nested or _id_in_steps(body)
        # ``text`` would replace a lone surrogate, which makes an id unusable.
        found = raw_id if isinstance(raw_id, str) else text(raw_id)
        # Where ``data`` is the id, a sentence in its place is not one.
        if found is not None and is_id(found) and not (id_in_data and " " in found.strip()):
            return found
    found_body = read_object(attempted, response, body)
    if found_body.get("failed_step"):
        raise _failed_step(attempted, response, found_body)
    raise unreadable(attempted, response, "the response names no task")


def _id_in_steps(body: Mapping[str, object]) -> object:
    """Find the task id among the steps of a one-shot upload that contains it nowhere else."""
    steps = body.get("steps")
    found = (
        [step.get("task_id") for step in steps.values() if isinstance(step, dict)] if isinstance(steps, dict) else []
    )
    return None if body.get("failed_step") else next(filter(None, found), None)


def is_refunded(body: object) -> bool:
    """Return whether a response reports, beyond doubt, that the credits were refunded."""
    return read_refund(body, message_in(body)) is True


def read_refund(body: object, message: str | None) -> bool | None:
    """Return True when the credits were refunded, False when they were not, None when the response does not say.

    Only what is plainly positive is a refund: a key that is literally true, or the service's own sentence at the end of
    ``message``, while nothing else in the response denies it. Any other wording may deny, promise or quote one, and a
    refund that is wrongly believed pays twice.
    """
    places = [body, *(body.get(name) for name in REFUND_PLACES)] if isinstance(body, dict) else []
    flags = {
        place.get(key) for place in places if isinstance(place, dict) for key in REFUND_KEYS if _is_flag(place, key)
    }
    texts = [*read_error(body).sentences, message or ""]
    if flags:
        is_denied = len(flags) > 1 or any(REFUND_DENIAL.search(found) for found in texts)
        return None if True in flags and is_denied else True in flags
    is_reported = message is not None and REFUND_SENTENCE.search(message) is not None
    has_other_mention = any("refund" in REFUND_SENTENCE.sub("", found).lower() for found in texts)
    return True if is_reported and not has_other_mention else None


def _is_flag(place: Mapping[str, object], key: str) -> bool:
    return isinstance(place.get(key), bool)


def _failed_step(attempted: str, response: Response, body: Mapping[str, object]) -> errors.MusicAPIError:
    """Make the error of a one-shot upload one of whose steps failed: no task was started."""
    class_ = refusal_class(response.status, _details_of(body))
    status = BAD_REQUEST if class_ is errors.PermissionDeniedError else FORBIDDEN
    return error_from(attempted, response, body, status)


def is_id(text: str) -> bool:
    """Return whether a text can be an id in a path: not blank, no dot segment, no lone surrogate."""
    return (
        text.strip() not in NO_IDS
        and REPLACEMENT_CHARACTER not in text
        and text.encode("utf-8", "replace").decode() == text
    )


def error_from(
    attempted: str, response: Response, body: object, status: int | None = None, *, is_from_api: bool = True
) -> errors.MusicAPIError:
    """Return the typed error of a refusal, classified by its body, then by its status (or by ``status``).

    ``is_from_api`` is False for the response of a file's host, whose redirects and pages say nothing about the API.
    """
    if is_from_api and not is_refunded(body) and (error := _gateway_error(attempted, response, body)):
        return error
    page = page_in(response.content, response.headers) if body is None else None
    if body is None:
        body = start_of(response)
    details = ErrorDetails() if page else _details_of(body)
    about_credits = sentence_about_credits(details)
    effective = effective_status(details, status or response.status)
    message = page or message_in(body) or "the service gave no reason"
    if about_credits and effective in ABOUT_CREDITS:
        # A code alone is no sentence to show.
        message = about_credits if about_credits in details.sentences else message
    elif effective == BAD_REQUEST and "not found" in without_quotations(message):
        effective = 404
    # A refunded request was refused, whatever the status: its outcome is certain.
    class_ = errors.APIStatusError if is_refunded(body) else error_class(effective, details)
    if class_ is None:
        text = f"{attempted}: {bounded_text(message, MAX_MESSAGE)}"
        return errors.InvalidRequestError(text, status=response.status, request_id=response.request_id, body=body)
    error_type = body.get("type") if isinstance(body, dict) else None
    error_type = error_type if isinstance(error_type, str) else next(iter(details.outer_types), None)
    values = (attempted, response.status, message, error_type, response.request_id, body)
    return class_(*values, retry_after(response.headers))


def _gateway_error(attempted: str, response: Response, body: object) -> errors.GatewayError | None:
    """Make the error of a response that did not come from the API; None for one that may have."""
    if response.status in REDIRECTS:
        target = without_keys(redirect_target(response.headers.get("Location")), response.keys)
        message = f"the response is a redirect to {target}, which is not followed"
    elif response.status == PROXY_LOGIN:
        message = "the proxy requires a login, or refuses the given one"
    elif body is not None or response.is_success or response.status == TOO_MANY or response.status >= 500:  # noqa: PLR2004
        return None
    elif page := page_in(response.content, response.headers):
        message = page
    elif response.status in FROM_ELSEWHERE and response.content.strip() and not _states_reason(response):
        message = f"the response is not the API's JSON, but a text that begins {start_of(response)!r}"
    else:
        return None
    if stated := message_in(body):
        message = f"{message}: {stated}"
    shown = start_of(response) if body is None else body
    return errors.GatewayError(
        attempted, response.status, message, None, response.request_id, shown, retry_after(response.headers)
    )


def _states_reason(response: Response) -> bool:
    """Return whether a plain text gives one of the service's own reasons."""
    start = start_of(response)
    is_known = any(sentence in without_quotations(start) for sentence in ("task not found", "clip not found"))
    return is_known or refusal_class(FORBIDDEN, read_error(start)) is not errors.PermissionDeniedError


def _details_of(body: object) -> ErrorDetails:
    """Read an error body; of a one-shot upload, also the step that failed."""
    details = read_error(body)
    if isinstance(body, dict) and (name := text(body.get("failed_step"))):
        steps = body.get("steps")
        details.read(steps.get(name) if isinstance(steps, dict) else None)
    return details


def _describe_invalid(response: Response, body: object) -> str:
    if body is None and (page := page_in(response.content, response.headers)):
        return f"{page} (not JSON): check base_url, and the proxy or the login page of the network in between"
    if body is not None:
        return f"the response is a JSON {type(body).__name__}, not an object"
    if not response.content:
        return "the response is empty"
    return "the response is null" if response.content.strip() == b"null" else "the response is not JSON"
