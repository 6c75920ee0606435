"""Refusals: the reason in their wording (credits, subscription, moderation), and the class of their error. No I/O.

A reason is recognised by a list of plain statements. A text that only mentions credits ("480 credits left") gives none.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Final

from musicapi_async import errors
from musicapi_async._responses.error_bodies import ErrorDetails

__all__ = [
    "ABOUT_CREDITS",
    "effective_status",
    "error_class",
    "refusal_class",
    "sentence_about_credits",
    "without_quotations",
]

# Typographic quotation marks, and one that is not closed.
PAIRED_QUOTES: Final = re.compile(
    "\u201c.*\u201d|\u2018.*\u2019|\u00ab.*\u00bb|[\u201c\u2018\u00ab].*",
    re.DOTALL,
)
STRAIGHT_QUOTES: Final = ('"', "'", "`")
IN_BRACKETS: Final = re.compile(r"\([^()]{0,40}\)")
"""A remark such as the number of credits that are left."""
CODE_BOUNDARY: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\-]+")
# Words that may come between; a preposition begins another thought ("insufficient permissions to see credits").
FEW_WORDS: Final = r"(?:(?!(?:for|in|per|of|on|to|with|by|while|and|or|but)\b)[a-z']+ ){0,3}"
AMOUNT: Final = r"(?:(?:number|amount) of )?"
MONEY: Final = r"(?:credits?|balance|funds)\b(?! (?:rates?|per|checks?|requests?|calls?)\b)"
MONEY_OR_QUOTA: Final = rf"(?:{MONEY}|quota\b)"
NOT: Final = r"(?:\b(?:not|dont|doesnt|cannot|no longer)|n't)"
HAVING: Final = r"(?:(?:have|has|having|got|hold|holds|be|there|are|is|currently|contain|contains) ){0,3}"
OF_THE_ACCOUNT: Final = (
    r"(?:(?:left|remaining|available|on|in|of|your|this|the|account|for|request|song|balance) ){0,5}"
)
BE: Final = r"(?:are|is|was|were|has been|have been|has|have)"
# Not "you have 480".
ONLY_HAVING: Final = "(?:you |your account |the account )?(?:(?:only|just) (?:have|has)|(?:have|has) (?:only|just))"
NOT_CHARGED: Final = r"(?! (?:were|was|are|is|will|charged|taken|used|deducted)\b)"

NO_CREDITS: Final = "|".join(
    (
        rf"\b(?:insufficient|inadequate) {AMOUNT}{FEW_WORDS}{MONEY_OR_QUOTA}",
        rf"{NOT} {HAVING}(?:enough|sufficient) {FEW_WORDS}{MONEY_OR_QUOTA}",
        rf"\b{MONEY_OR_QUOTA} {OF_THE_ACCOUNT}(?:{BE} )?(?:not|currently not) (?:enough|sufficient)\b",
        rf"\b{MONEY_OR_QUOTA} {OF_THE_ACCOUNT}(?:are|is|was|were)n't (?:enough|sufficient)\b",
        rf"\b{MONEY_OR_QUOTA} {OF_THE_ACCOUNT}(?:{BE} )?(?:insufficient|inadequate)\b",
        rf"\b{MONEY} {OF_THE_ACCOUNT}(?:{BE} )?(?:too low|exhausted|depleted|used up|run out|ran out|empty)\b",
        rf"(?<!\d )\bout of {FEW_WORDS}{MONEY}",
        rf"\b(?:exhausted|depleted|used up|used all|spent all) (?:of )?{FEW_WORDS}{MONEY}",
        rf"\b(?:have|has|with) (?:no|0|zero) {FEW_WORDS}{MONEY}{NOT_CHARGED}",
        rf"\bno (?:more|remaining|available) {MONEY}{NOT_CHARGED}",
        rf"(?<![\d.,])\b(?:no|0|zero) {MONEY} (?:left|remaining|available)\b",
        rf"^no {MONEY}$",
        rf"\bexceed(?:s|ed|ing)? {FEW_WORDS}(?:remaining|available|current) {FEW_WORDS}{MONEY}",
        r"\bexceed(?:s|ed|ing)? (?:your |the |account )*(?:credits?|credit balance|balance)\b(?! (?:rate|per)\b)",
        rf"\black(?:s|ing|ed| of)? {FEW_WORDS}{MONEY}",
        rf"\b(?:needs?|requires?) (?:at least )?(?:\d+ )?(?:more|additional) {MONEY}",
        rf"{NOT} (?:have|has) any {FEW_WORDS}{MONEY}",
        rf"\b(?:needs?|requires?|costs?) [\d.]+ credits?,? (?:but|and) {ONLY_HAVING} [\d.]+",
        r"^payment required$",
    )
)
OVER: Final = (
    "(?:expired|ended|inactive|not active|cancell?ed|lapsed|required|paused|not found|past due|unpaid|suspended|"
    "terminated|missing)"
)
NO_SUBSCRIPTION: Final = "|".join(
    (
        rf"(?:{NOT}|\b(?:no|without|requires?|needs?|lacks?|missing)) {FEW_WORDS}subscription\b",
        r"\bnot have an? (?:[a-z]+ )?subscription\b",
        rf"\bsubscription (?:plan )?(?:(?:has|have|had|is|was|been|already) ){{0,3}}{OVER}\b",
        r"\bsubscription isn't active\b",
        r"\b(?:expired|inactive|cancell?ed|lapsed|renew) (?:[a-z]+ ){0,2}subscription\b",
    )
)
MODERATED: Final = (
    *("lyrics", "description", "copyright", "inappropriate", "moderation", "artist name", "producer tag"),
    "content policy",
)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern when a refusal is read first: compiling it takes longer than importing this module."""
    return re.compile(pattern)


def without_quotations(message: str) -> str:
    """Return the message in lower case without its quotations: a quoted song may speak of credits."""
    unquoted = PAIRED_QUOTES.sub("''", message)
    for mark in STRAIGHT_QUOTES:
        unquoted = _cut_quotations(unquoted, mark)
    return unquoted.lower()


def sentence_about_credits(details: ErrorDetails) -> str | None:
    """Return the sentence or code that states that credits are missing; None when there is none."""
    return next((found for found in _all_of(details) if _compiled(NO_CREDITS).search(_words(found))), None)


def states_no_subscription(details: ErrorDetails) -> bool:
    """Return whether the account is said to have no active subscription."""
    return any(_compiled(NO_SUBSCRIPTION).search(_words(found)) for found in _all_of(details))


def mentions_subscription(details: ErrorDetails) -> bool:
    """Return whether a subscription is mentioned at all."""
    return any("subscription" in _words(found) for found in _all_of(details))


def states_moderation(details: ErrorDetails) -> bool:
    """Return whether the text of the song is said to be the reason."""
    return any(word in _words(found) for found in _all_of(details) for word in MODERATED)


def _all_of(details: ErrorDetails) -> Iterable[str]:
    return (*details.sentences, *details.codes)


def _words(found: str) -> str:
    """Return a sentence or a code as plain words: ``insufficientCredits`` becomes ``insufficient credits``."""
    unquoted = without_quotations(CODE_BOUNDARY.sub(" ", found)).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return " ".join(IN_BRACKETS.sub(" ", unquoted).split())


def _cut_quotations(message: str, mark: str) -> str:
    """Remove the text between quotation marks; an apostrophe inside a word is not one.

    Where the marks form no pairs, everything from the first to the last is a quotation; one that is not closed reaches
    to the end.
    """
    spans: list[tuple[int, int]] = []
    start = last = None
    is_paired = True
    for found in re.finditer(mark, message):
        at = found.start()
        if start is None and not message[at - 1 : at].isalnum():
            start = at
        elif not message[at + 1 : at + 2].isalnum():
            last = at + 1
            is_paired = is_paired and (start is not None or not spans)
            if start is not None:
                spans.append((start, last))
            start = None
    if start is not None:
        spans.append((start, len(message)))
    if not spans:
        return message
    if not is_paired and last is not None:
        spans = [(spans[0][0], max(last, spans[-1][1]))]
    for begin, end in reversed(spans):
        message = f"{message[:begin]}''{message[end:]}"
    return message


# The status that a body's `type` stands for, where the response's own status differs.
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

    A nested type may be another service's: it does not turn a 5xx, after which a payment is uncertain, into a plain
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
    """Classify the overloaded 403 (and 402) by its wording: credits, subscription, moderation, or plain refusal."""
    if sentence_about_credits(details):
        return errors.InsufficientCreditsError
    if status == 402:  # noqa: PLR2004
        return errors.SubscriptionError if mentions_subscription(details) else errors.InsufficientCreditsError
    if states_no_subscription(details):
        return errors.SubscriptionError
    return errors.ModerationError if states_moderation(details) else errors.PermissionDeniedError
