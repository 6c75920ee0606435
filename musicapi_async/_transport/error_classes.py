"""The class of a refusal: by what its body says, then by its status. No I/O."""

from collections.abc import Mapping
from typing import Final

from musicapi_async import errors
from musicapi_async._transport.error_bodies import ErrorDetails
from musicapi_async._transport.wordings import (
    mentions_subscription,
    sentence_about_credits,
    states_moderation,
    states_no_subscription,
)

__all__ = ["ABOUT_CREDITS", "effective_status", "error_class", "refusal_class"]

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
ABOUT_CREDITS: Final = frozenset({400, 402, 403, 422, 429})
"""Statuses of a refusal that may be for missing credits, by its wording."""
INVALID: Final = frozenset({400, 422})


def effective_status(details: ErrorDetails, status: int) -> int:
    """Return the status that the body's types stand for, else the response's own.

    A type deeper inside may be another service's: it does not turn a 5xx, which leaves a payment in doubt, into a plain
    refusal.
    """
    types = details.outer_types if status >= 500 else [*details.outer_types, *details.codes]  # noqa: PLR2004
    return next((STATUS_BY_TYPE[name] for name in types if name in STATUS_BY_TYPE), status)


def error_class(status: int, details: ErrorDetails) -> type[errors.APIStatusError] | None:
    """Return the class for a status; None for InvalidRequestError, which is no APIStatusError."""
    if status in ABOUT_CREDITS and sentence_about_credits(details):
        return errors.InsufficientCreditsError
    if status in {402, 403}:
        return refusal_class(status, details)
    if status in INVALID:
        return None
    if status in ERROR_BY_STATUS:
        return ERROR_BY_STATUS[status]
    return errors.ServerError if status >= 500 else errors.APIStatusError  # noqa: PLR2004


def refusal_class(status: int, details: ErrorDetails) -> type[errors.APIStatusError]:
    """Split the overloaded 403 (and 402) by its wording: credits, subscription, moderation, or plain refusal."""
    if sentence_about_credits(details):
        return errors.InsufficientCreditsError
    if status == 402:  # noqa: PLR2004
        return errors.SubscriptionError if mentions_subscription(details) else errors.InsufficientCreditsError
    if states_no_subscription(details):
        return errors.SubscriptionError
    return errors.ModerationError if states_moderation(details) else errors.PermissionDeniedError
